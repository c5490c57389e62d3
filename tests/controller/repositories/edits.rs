//! T33: a policy is edited, and its repository gets another object. What the objects before it saw counts on.

use tagseal::policy::{Demand, Reason};

use super::replica::{Cluster, GUN, IMAGE, RELEASES, TREPO, pinned, web};
use crate::support::{FakeSource, SERVER, ServedFiles, TestRepository, demand, image_digest};

const ELSEWHERE: &str = "https://new.example.com";

/// The policy as it was, and three edits of it.
fn edits(repository: &TestRepository) -> [Demand; 4] {
    let edited = || demand(repository).requires(RELEASES);
    let added = edited().pin(&crate::support::TestKey::root(GUN, super::super::world::now()));
    [
        pinned(repository),
        edited().deny_root_rotation().build(),
        edited().server(ELSEWHERE).build(),
        added.policy("shop/anew").build(),
    ]
}

fn serve(source: &FakeSource, files: &ServedFiles) {
    for server in [SERVER, ELSEWHERE] {
        source.serve(server, GUN, files);
    }
}

/// The name of the object of `demand`.
fn name_of(cluster: &Cluster, demand: &Demand) -> String {
    let objects = cluster.server.objects(TREPO);
    let is_its = |object: &&serde_json::Value| {
        object["spec"]["anchors"] == demand.anchors.fingerprint().hex()
            && object["spec"]["server"] == demand.server.url.as_str()
    };
    objects.iter().find(is_its).unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
}

fn two_versions(cluster: &Cluster) -> (TestRepository, ServedFiles, ServedFiles) {
    let mut repository = web("old");
    let old = repository.publish(cluster.now());
    repository.sign_target(RELEASES, "1.4", image_digest("new"));
    let new = repository.publish(cluster.now());
    (repository, old, new)
}

/// By the replica that saw the newer version, by another, and by one that is started later; and it costs no request.
#[tokio::test]
async fn t33_an_edited_policy_goes_by_what_the_cluster_has_seen() {
    let cluster = Cluster::new();
    let (repository, old, new) = two_versions(&cluster);
    serve(&cluster.source, &new);
    let [before, edits @ ..] = edits(&repository);
    let (one, other) = (cluster.replica().await, cluster.replica().await);
    assert_eq!(one.seals(&before).await, image_digest("new"));
    other.awaits("told", |other| other.state.known().len() == 1).await;
    serve(&cluster.source, &old);
    for replica in [&one, &other, &cluster.replica().await] {
        for demand in &edits {
            assert_eq!(replica.refuses(demand).await, Reason::Rollback);
        }
    }
    assert_eq!(cluster.server.count("GET"), 0);
    assert_eq!(cluster.server.names(TREPO).len(), 1, "what does not verify makes no object");
    serve(&cluster.source, &new);
    for demand in &edits {
        assert_eq!(cluster.replica().await.seals(demand).await, image_digest("new"));
    }
    // The objects of before are cleaned up. The new one has taken over what they saw.
    let after = &edits[0];
    let kept = name_of(&cluster, after);
    for name in cluster.server.names(TREPO).iter().filter(|name| **name != kept) {
        cluster.server.delete(TREPO, "", name);
    }
    serve(&cluster.source, &old);
    let late = cluster.replica().await;
    for demand in edits.iter().chain([&before]) {
        assert_eq!(late.refuses(demand).await, Reason::Rollback);
    }
}

/// docs/operations.md, "To start anew with a repository".
#[tokio::test]
async fn t33_a_reset_is_the_deletion_of_every_object_that_the_refusal_names() {
    let cluster = Cluster::new();
    let (repository, old, new) = two_versions(&cluster);
    serve(&cluster.source, &new);
    let [first, second, third, _] = edits(&repository);
    let replica = cluster.replica().await;
    for demand in [&first, &second] {
        assert_eq!(replica.seals(demand).await, image_digest("new"));
    }
    let names = [&first, &second].map(|demand| name_of(&cluster, demand));
    serve(&cluster.source, &old);
    let refused = replica.resolve(&third, IMAGE).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Rollback);
    for name in &names {
        assert!(refused.message().contains(&format!("TrustedRepository {name}")), "{refused}");
    }
    cluster.server.delete(TREPO, "", &names[0]);
    replica.awaits("reset", |replica| replica.state.known().len() == 1).await;
    // A refusal is remembered for seconds.
    cluster.a_minute_passes();
    for demand in [&first, &third] {
        assert_eq!(replica.refuses(demand).await, Reason::Rollback, "the other one stands");
    }
    cluster.server.delete(TREPO, "", &names[1]);
    replica.awaits("reset", |replica| replica.holds_nothing()).await;
    cluster.a_minute_passes();
    for demand in [&third, &first, &second] {
        assert_eq!(replica.seals(demand).await, image_digest("old"));
    }
}

/// An object that an admin broke by hand: no new one is made in ignorance of it, and those that stand go on.
#[tokio::test]
async fn t33_an_object_that_is_not_believed_holds_up_new_ones_alone() {
    let cluster = Cluster::new();
    let (repository, _, new) = two_versions(&cluster);
    serve(&cluster.source, &new);
    let [first, second, third, _] = edits(&repository);
    let replica = cluster.replica().await;
    for demand in [&first, &second] {
        replica.seals(demand).await;
    }
    let name = name_of(&cluster, &first);
    let mut broken = cluster.server.object(TREPO, "", &name);
    broken["spec"]["floors"][0]["version"] = "seven".into();
    cluster.server.put(TREPO, broken);
    let late = cluster.replica().await;
    assert_eq!(late.seals(&second).await, image_digest("new"));
    let refused = late.resolve(&third, IMAGE).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::StateUnavailable);
    assert!(refused.message().contains(&name), "{refused}");
}
