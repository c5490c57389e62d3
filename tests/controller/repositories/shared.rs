//! What one replica writes, the others go by; and it costs no requests to read it.

use tagseal::policy::Reason;

use super::super::api_server::Fault;
use super::replica::{Cluster, GUN, IMAGE, RELEASES, TREPO, first_use, key, pinned, web};
use crate::support::{DemandBuilder, FakeSource, Gate, SERVER, image_digest};

#[tokio::test]
async fn the_first_verified_set_makes_the_object_and_the_next_ones_replace_it() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    assert_eq!(replica.seals(&demand).await, image_digest("one"));
    let spec = cluster.object()["spec"].clone();
    assert_eq!((&spec["server"], &spec["repository"]), (&"https://notary.example.com/".into(), &GUN.into()));
    assert_eq!(spec["anchors"], demand.anchors.fingerprint().hex());
    assert_eq!(spec["root"], serde_json::json!({"pinnedBy": "Policy"}));
    assert_eq!(cluster.floor(RELEASES), "1");
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    cluster.a_minute_passes();
    assert_eq!(replica.seals(&demand).await, image_digest("two"));
    assert_eq!(cluster.floor(RELEASES), "2");
    let recent = cluster.object()["spec"]["recent"].clone();
    let superseded = recent.as_array().unwrap().iter().filter(|version| version["superseded"].is_string());
    assert_eq!(superseded.count(), 1, "{recent:#}");
    assert_eq!((cluster.server.count("CREATE"), cluster.server.count("UPDATE")), (1, 1));
}

/// Every refresh reads the record: none of these reads may be a request.
#[tokio::test]
async fn what_the_watch_has_shown_is_read_without_a_request() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (replica, demand) = (cluster.replica().await, pinned(&repository));
    replica.seals(&demand).await;
    let before = cluster.source.count("timestamp*");
    for _ in 0..10 {
        cluster.a_minute_passes();
        assert_eq!(replica.seals(&demand).await, image_digest("one"));
    }
    assert_eq!(cluster.source.count("timestamp*"), before + 10);
    // A repository that nobody ever published is asked about neither.
    let unknown = DemandBuilder::new("registry.example.com/no/such").first_use().build();
    let refused = replica.resolve(&unknown, "registry.example.com/no/such:1").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::RepositoryNotFound);
    assert_eq!(cluster.server.count("GET"), 0);
    assert_eq!(cluster.server.count("UPDATE"), 0, "nothing changed");
}

/// T11: the floor that one replica raised holds for the others, and for one that is started later with nothing.
#[tokio::test]
async fn t11_a_rollback_is_refused_by_the_replica_that_never_saw_the_newer_version() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    let old = repository.publish(cluster.now());
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    let (one, other, demand) = (cluster.replica().await, cluster.replica().await, pinned(&repository));
    assert_eq!(one.seals(&demand).await, image_digest("two"));
    other.awaits("told", |other| other.state.known().len() == 1).await;
    cluster.source.serve(SERVER, GUN, &old);
    assert_eq!(other.refuses(&demand).await, Reason::Rollback);
    one.dies();
    other.dies();
    assert_eq!(cluster.replica().await.refuses(&demand).await, Reason::Rollback);
    // Before all is loaded as well: then the record is asked for by itself.
    cluster.server.fail(&format!("LIST {TREPO}"), Fault::Refused);
    let early = cluster.starts(None, &cluster.source);
    assert_eq!(early.refuses(&demand).await, Reason::Rollback);
    assert_eq!(cluster.server.count("GET"), 1);
}

/// T16: two replicas, two roots, one moment. The pin is committed before the pod is admitted.
#[tokio::test]
async fn t16_of_two_first_uses_one_is_pinned_and_the_other_refused_also_after_a_restart() {
    let cluster = Cluster::new();
    let (theirs, mut repository, mut impostor) = (FakeSource::new(), web("one"), web("evil"));
    cluster.publish(&mut repository);
    theirs.serve(SERVER, GUN, &impostor.publish(cluster.now()));
    let (one, other) = (cluster.replica().await, cluster.starts(None, &theirs));
    let (gate, demand) = (Gate::new(), first_use());
    for source in [&cluster.source, &theirs] {
        source.fault("targets.*", crate::support::Fault::Delay(gate.clone()));
    }
    let race = async {
        gate.arrived(2).await;
        gate.open();
    };
    let (first, second, ()) = tokio::join!(one.resolve(&demand, IMAGE), other.resolve(&demand, IMAGE), race);
    let (winner, loser) = match (first, second) {
        (Ok(winner), Err(loser)) | (Err(loser), Ok(winner)) => (winner, loser),
        both => panic!("exactly one: {both:?}"),
    };
    assert_eq!(loser.reason(), Reason::RootMismatch);
    let pin = cluster.object()["spec"]["root"].clone();
    assert_eq!(pin["pinnedBy"], "FirstUse");
    let won = winner.signed.unwrap().digest();
    one.dies();
    other.dies();
    let (again, elsewhere) = (cluster.replica().await, cluster.starts(None, &theirs));
    let (seals, refuses) = match won == image_digest("one") {
        true => (&again, &elsewhere),
        false => (&elsewhere, &again),
    };
    assert_eq!(seals.seals(&demand).await, won);
    assert_eq!(refuses.refuses(&demand).await, Reason::RootMismatch);
    assert_eq!(cluster.object()["spec"]["root"], pin);
}

/// T30: under other anchors, or on another server, nothing is shared.
#[tokio::test]
async fn t30_other_anchors_and_another_server_have_records_of_their_own() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let elsewhere = "https://other.example.com";
    cluster.source.serve(elsewhere, GUN, repository.files());
    let replica = cluster.replica().await;
    let on_other = crate::support::demand(&repository).requires(RELEASES).server(elsewhere).build();
    let demands = [pinned(&repository), first_use(), on_other];
    for demand in &demands {
        assert_eq!(replica.seals(demand).await, image_digest("one"));
    }
    let mut known: Vec<_> = replica.state.known().into_iter().map(|known| known.key).collect();
    known.sort();
    let mut keys = demands.map(|demand| key(&demand));
    keys.sort();
    assert_eq!(known, keys);
}
