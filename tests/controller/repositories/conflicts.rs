//! Compare-and-swap, whatever order answers and watch events come in.

use std::time::Duration;

use tagseal::policy::Reason;
use tagseal::trust::{Revision, StateError, TrustRecord, TrustState as _};

use super::super::api_server::Fault;
use super::super::world::LIMIT;
use super::replica::{Cluster, RELEASES, TREPO, key, pinned, web};
use crate::support::image_digest;

#[tokio::test]
async fn own_writes_are_read_before_the_watch_shows_them() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    cluster.server.lag();
    for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
        repository.sign_target(RELEASES, "1.4", image_digest(name));
        cluster.publish(&mut repository);
        cluster.a_minute_passes();
        assert_eq!(replica.seals(&demand).await, image_digest(name));
        assert_eq!(cluster.server.count("UPDATE"), number);
    }
    assert_eq!(cluster.server.count("GET"), 0);
    cluster.server.catch_up();
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("three"));
    assert_eq!((cluster.server.count("GET"), cluster.server.count("UPDATE")), (0, 2));
}

#[tokio::test]
async fn a_write_over_another_replicas_is_merged_with_it() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (one, other, demand) = (cluster.replica().await, cluster.replica().await, pinned(&repository));
    cluster.server.lag();
    one.seals(&demand).await;
    // The other one has not heard of it: it creates, is refused, asks, and finds nothing left to write.
    other.seals(&demand).await;
    assert_eq!((cluster.server.count("CREATE"), cluster.server.count("GET")), (2, 1));
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    cluster.a_minute_passes();
    assert_eq!(one.seals(&demand).await, image_digest("two"));
    assert_eq!(other.seals(&demand).await, image_digest("two"));
    assert_eq!((cluster.server.count("UPDATE"), cluster.server.count("GET")), (2, 2));
    assert_eq!(cluster.floor(RELEASES), "2");
}

#[tokio::test]
async fn what_a_write_came_to_whose_answer_was_lost_is_asked_and_not_guessed() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    cluster.server.lag();
    cluster.server.fail("CREATE", Fault::Lost);
    assert_eq!(replica.refuses(&demand).await, Reason::StateUnavailable, "nothing serves before its floor");
    cluster.server.heal();
    let asked = cluster.server.count("GET");
    let (_, revision) = replica.state.load(&key(&demand)).await.unwrap().expect("it was written");
    assert_eq!(cluster.server.count("GET"), asked + 1);
    assert_eq!(cluster.object()["metadata"]["resourceVersion"], revision.version);
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("one"));
}

/// The watch is quicker than the answer: created, deleted by an admin, and only then the creation's answer.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_comes_after_the_deletion_brings_nothing_back() {
    let (cluster, repository) = (Cluster::new(), web("one"));
    let (mut replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.leads(true);
    cluster.server.served(&format!("WATCH {TREPO}"), 1).await;
    cluster.server.fail("CREATE", Fault::Late(Duration::from_secs(3)));
    let (state, key) = (replica.state.clone(), key(&demand));
    let record = TrustRecord::default();
    let reset = async {
        cluster.server.served("CREATE", 1).await;
        cluster.reset();
        let notice = tokio::time::timeout(LIMIT, replica.events.recv()).await.unwrap().unwrap();
        assert_eq!(notice.reason, "Reset");
    };
    let (stored, ()) = tokio::join!(state.store(&key, None, &record), reset);
    assert!(stored.is_ok(), "{stored:?}");
    assert_eq!(state.load(&key).await, Ok(None));
    assert!(state.known().is_empty());
    assert_eq!(cluster.server.count("GET"), 0, "nobody need be asked");
}

#[tokio::test]
async fn a_write_counts_for_the_revision_that_it_was_made_for_alone() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    let (state, key, record) = (&replica.state, key(&demand), TrustRecord::default());
    let stale = Revision { record: "uid-1".to_owned(), version: "1".to_owned() };
    assert_eq!(state.store(&key, Some(&stale), &record).await, Err(StateError::Conflict), "there is none");
    let first = state.store(&key, None, &record).await.unwrap();
    assert_eq!(state.store(&key, None, &record).await, Err(StateError::Conflict), "there is one");
    let second = state.store(&key, Some(&first), &record).await.unwrap();
    assert_eq!(state.store(&key, Some(&first), &record).await, Err(StateError::Conflict), "it is older");
    assert_eq!(state.load(&key).await, Ok(Some((record.clone(), second.clone()))));
    // Deleted and made anew by others: the revision is of an object that is no more.
    cluster.server.lag();
    cluster.reset();
    assert_eq!(state.store(&key, Some(&second), &record).await, Err(StateError::Conflict));
    assert_eq!(state.load(&key).await, Ok(None), "asked for, and certain");
    assert_eq!(
        cluster.server.names(TREPO),
        <[&str; 0]>::default(),
        "a write never brings back what was deleted"
    );
}

/// Labels, annotations and finalizers are others' affair.
#[tokio::test]
async fn what_others_wrote_into_the_metadata_stays() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.seals(&demand).await;
    let mut object = cluster.object();
    object["metadata"]["labels"] = serde_json::json!({"backup": "yes"});
    object["metadata"]["finalizers"] = serde_json::json!(["example.com/kept"]);
    cluster.server.put(TREPO, object.clone());
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("two"));
    let after = cluster.object();
    assert_ne!(after["spec"], object["spec"]);
    for field in ["labels", "finalizers", "uid", "name"] {
        assert_eq!(after["metadata"][field], object["metadata"][field]);
    }
}
