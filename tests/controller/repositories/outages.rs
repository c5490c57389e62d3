//! The API server is away, or says what cannot be believed.

use serde_json::json;
use tagseal::policy::Reason;
use tagseal::trust::{StateError, TrustState as _};

use super::super::api_server::Fault;
use super::super::world::{LIMIT, with};
use super::replica::{Cluster, IMAGE, RELEASES, TREPO, key, pinned, web};
use crate::support::image_digest;

#[tokio::test]
async fn without_the_api_server_reads_go_on_and_only_what_needs_a_write_waits() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.seals(&demand).await;
    cluster.server.fail("", Fault::Refused);
    cluster.server.break_watches();
    cluster.a_minute_passes();
    let resolved = replica.resolve(&demand, IMAGE).await.unwrap();
    assert_eq!(resolved.warnings, Vec::<String>::new(), "nothing changed, nothing to write");
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    cluster.a_minute_passes();
    let resolved = replica.resolve(&demand, IMAGE).await.unwrap();
    assert_eq!(resolved.signed.unwrap().digest(), image_digest("one"), "nothing serves before its floor");
    assert!(resolved.warnings[0].contains("StateUnavailable"), "{:?}", resolved.warnings);
    cluster.server.heal();
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("two"));
}

#[tokio::test]
async fn a_write_that_is_refused_says_what_to_do_and_denies_its_own_repository_alone() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    cluster.server.fail("CREATE", Fault::Status(403, "forbidden"));
    let refusal = replica.resolve(&demand, IMAGE).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::StateUnavailable);
    let advice = "forbidden; let tagseal's ServiceAccount create trustedrepositories.tagseal.dev";
    assert!(refusal.to_string().contains(advice), "{refusal}");
}

#[tokio::test]
async fn an_api_server_that_does_not_know_the_resource_does_not_say_that_there_is_no_record() {
    let cluster = Cluster::new();
    cluster.server.fail("", Fault::Status(404, "404 page not found"));
    let replica = cluster.starts(None, &cluster.source);
    let demand = pinned(&web("one"));
    let Err(StateError::Unavailable(message)) = replica.state.load(&key(&demand)).await else { panic!() };
    assert!(message.contains("are the CRDs installed?"), "{message}");
}

/// Readiness hangs on this.
#[tokio::test]
async fn nothing_is_loaded_before_all_of_it_was_read() {
    let cluster = Cluster::new();
    cluster.server.fail(&format!("LIST {TREPO}"), Fault::Status(403, "forbidden"));
    let replica = cluster.starts(None, &cluster.source);
    cluster.server.served(&format!("LIST {TREPO}"), 2).await;
    assert!(futures::FutureExt::now_or_never(replica.state.loaded()).is_none());
    cluster.server.heal();
    tokio::time::timeout(LIMIT, replica.state.loaded()).await.unwrap();
}

#[tokio::test]
async fn an_object_that_is_not_believed_is_neither_a_record_nor_the_lack_of_one() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.seals(&demand).await;
    let good = cluster.object();
    let name = good["metadata"]["name"].as_str().unwrap().to_owned();
    for (pointer, value, told) in [
        ("/spec/floors/0/version", json!("-1"), "\"-1\" is not a version"),
        (
            "/spec/repository",
            json!("registry.example.com/shop/other"),
            "it is about registry.example.com/shop/other",
        ),
        ("/spec/floors", json!("none"), "spec cannot be read"),
        ("/spec", json!(null), "spec cannot be read"),
    ] {
        cluster.server.put(TREPO, with(good.clone(), pointer, value));
        let early = cluster.starts(None, &cluster.source);
        for state in [&replica.state, &early.state] {
            let wait = async {
                loop {
                    match state.load(&key(&demand)).await {
                        Err(StateError::Unavailable(message)) if message.contains(told) => break message,
                        Ok(Some(_)) | Err(_) => tokio::task::yield_now().await,
                        other => panic!("{other:?}"),
                    }
                }
            };
            let message = tokio::time::timeout(LIMIT, wait).await.unwrap();
            assert!(message.contains(&name), "{message}");
            assert!(message.contains("delete it"), "{message}");
        }
        cluster.a_minute_passes();
        let resolved = replica.resolve(&demand, IMAGE).await.unwrap();
        assert!(resolved.warnings[0].contains("StateUnavailable"), "{:?}", resolved.warnings);
        assert_eq!(early.refuses(&demand).await, Reason::StateUnavailable);
    }
    cluster.reset();
    replica.awaits("told", |replica| replica.state.known().is_empty()).await;
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("one"), "deleting it helps");
}
