//! What the status of a `TrustedRepository` says, who writes it, and how seldom.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::world::now;
use super::replica::{Cluster, IMAGE, RELEASES, TREPO, pinned, web};
use crate::support::{Fault, TestKey, TestRepository, hours, image_digest, minutes, seconds};

const APPLY: &str = "APPLY trustedrepositories";

/// Of the condition: status and reason.
fn condition(object: &Value, kind: &str) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().expect("conditions");
    let condition = conditions.iter().find(|condition| condition["type"] == kind).expect("the condition");
    let text = |field: &str| condition[field].as_str().unwrap().to_owned();
    (text("status"), text("reason"))
}

fn says(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_leader_says_what_it_holds_once() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (leader, other, demand) = (cluster.replica().await, cluster.replica().await, pinned(&repository));
    leader.leads(true);
    cluster.passes(seconds(30)).await;
    assert_eq!(cluster.server.count(APPLY), 0, "there is nothing to say");
    assert_eq!(leader.seals(&demand).await, image_digest("one"));
    cluster.passes(seconds(30)).await;
    assert_eq!(cluster.server.count(APPLY), 1);
    let object = cluster.object();
    let status = &object["status"];
    assert_eq!(condition(&object, "Verified"), says("True", "Verified"));
    assert_eq!(condition(&object, "PinUpToDate"), says("True", "RootCarriesPin"));
    assert_eq!(status["root"], json!({"version": "1", "keyIDs": [repository.root_key().canonical_id()]}));
    let roles: Vec<_> =
        status["signers"].as_array().unwrap().iter().map(|signer| signer["role"].clone()).collect();
    assert_eq!(roles, ["targets", RELEASES]);
    assert_eq!(status["signers"][1]["keyIDs"].as_array().unwrap().len(), 1);
    let key = |role: usize| status["signers"][role]["keyIDs"][0].as_str().unwrap()[..8].to_owned();
    assert_eq!(status["signedBy"], format!("targets: {}; targets/releases: {}", key(0), key(1)));
    assert_eq!((&status["expiresFirst"], &status["image"]), (&json!("timestamp"), &json!(IMAGE)));
    assert_eq!(status["lastUsed"], "2026-03-01T00:00:00Z", "the day says enough");
    assert!(object["spec"] == cluster.object()["spec"] && status["lastVerified"].is_string());
    let known = other.state.known().remove(0);
    assert_eq!(known.image.as_deref(), Some(IMAGE), "whoever starts later finds the way by it");
    assert_eq!(known.last_used, Some("2026-03-01T00:00:00Z".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn where_only_time_goes_by_there_is_a_write_an_hour() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (leader, demand) = (cluster.replica().await, pinned(&repository));
    leader.leads(true);
    for _ in 0..119 {
        leader.seals(&demand).await;
        cluster.passes(minutes(1)).await;
    }
    assert_eq!(cluster.server.count(APPLY), 2, "{:#?}", cluster.server.requests());
    assert_eq!(cluster.server.count("UPDATE") + cluster.server.count("GET"), 0);
}

/// With thousands of repositories, hourly writes would be hundreds a minute.
#[tokio::test(start_paused = true)]
async fn writes_that_only_tell_the_time_are_spread() {
    let cluster = Cluster::new();
    let leader = cluster.replica().await;
    let mut demands = Vec::new();
    for number in 0..40 {
        let gun = format!("registry.example.com/shop/web{number}");
        let mut repository = TestRepository::new(&gun, now());
        repository.sign_target("targets", "1.4", image_digest("one"));
        cluster.publish(&mut repository);
        demands.push((crate::support::demand(&repository).build(), format!("{gun}:1.4")));
    }
    let uses = async || {
        for (demand, image) in &demands {
            leader.resolve(demand, image).await.unwrap();
        }
    };
    uses().await;
    leader.leads(true);
    cluster.passes(seconds(11)).await;
    assert_eq!(cluster.server.count(APPLY), 40, "what is new is told at once");
    cluster.clock.advance(hours(1));
    uses().await;
    let mut before = 40;
    for _ in 0..4 {
        cluster.passes(seconds(60)).await;
        let count = cluster.server.count(APPLY);
        assert_eq!(count - before, 6);
        before = count;
    }
    cluster.passes(minutes(10)).await;
    assert_eq!(cluster.server.count(APPLY), 80);
}

/// The API server may call one replica alone for a long time.
#[tokio::test(start_paused = true)]
async fn what_the_leader_does_not_hold_is_said_by_who_was_asked_and_its_use_once_a_day() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (leader, other, demand) = (cluster.replica().await, cluster.replica().await, pinned(&repository));
    leader.leads(true);
    other.seals(&demand).await;
    cluster.passes(seconds(30)).await;
    assert!(leader.holds_nothing());
    assert_eq!(cluster.server.count(APPLY), 1);
    let status = cluster.object()["status"].clone();
    assert_eq!(condition(&cluster.object(), "Verified"), says("True", "Verified"));
    assert_eq!(status["signers"][1]["role"], RELEASES);
    assert!(status["expires"].is_string() && status["lastVerified"].is_string());
    assert_eq!((&status["lastUsed"], &status["image"]), (&json!("2026-03-01T00:00:00Z"), &json!(IMAGE)));
    for _ in 0..60 {
        other.seals(&demand).await;
        cluster.passes(minutes(1)).await;
    }
    assert_eq!(cluster.server.count(APPLY), 1, "{:#?}", cluster.server.requests());

    cluster.clock.advance(hours(23));
    other.seals(&demand).await;
    cluster.passes(minutes(1)).await;
    assert_eq!(cluster.server.count(APPLY), 2);
    let next = cluster.object()["status"].clone();
    assert_eq!(next["lastUsed"], "2026-03-02T00:00:00Z");
    assert_eq!(next["lastVerified"], status["lastVerified"], "the leader may yet say more");
    cluster.clock.advance(hours(13));
    other.seals(&demand).await;
    cluster.passes(minutes(1)).await;
    assert_ne!(cluster.object()["status"]["lastVerified"], status["lastVerified"], "it does not hold it");
}

/// They were asked under policies that name other roles, so that they hold other roles.
#[tokio::test(start_paused = true)]
async fn replicas_that_hold_different_roles_do_not_contradict_each_other() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    repository.delegate("targets/qa", &[&TestKey::ecdsa()]).sign_target(
        "targets/qa",
        "1.4",
        image_digest("one"),
    );
    cluster.publish(&mut repository);
    let (leader, other) = (cluster.replica().await, cluster.replica().await);
    leader.leads(true);
    let qa = crate::support::demand(&repository).requires("targets/qa").build();
    leader.seals(&pinned(&repository)).await;
    cluster.passes(seconds(30)).await;
    other.seals(&qa).await;
    for _ in 0..30 {
        cluster.passes(minutes(1)).await;
        leader.seals(&pinned(&repository)).await;
        other.seals(&qa).await;
    }
    assert_eq!(cluster.server.count(APPLY), 1);
    assert_eq!(cluster.object()["status"]["signers"][1]["role"], RELEASES);
}

/// It may be cut off from the trust server alone.
#[tokio::test(start_paused = true)]
async fn the_trouble_of_a_replica_that_does_not_lead_is_its_own() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (other, demand) = (cluster.replica().await, pinned(&repository));
    other.seals(&demand).await;
    cluster.passes(seconds(30)).await;
    cluster.source.fault("*", Fault::Unreachable("connection refused"));
    for _ in 0..20 {
        cluster.passes(seconds(30)).await;
        other.seals(&demand).await;
    }
    assert_eq!(condition(&cluster.object(), "Verified"), says("True", "Verified"));
    assert_eq!(cluster.server.count(APPLY), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_trust_server_is_told_and_so_is_its_end() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (leader, demand) = (cluster.replica().await, pinned(&repository));
    leader.leads(true);
    leader.seals(&demand).await;
    cluster.passes(seconds(60)).await;
    cluster.source.fault("*", Fault::Unreachable("connection refused"));
    leader.seals(&demand).await;
    cluster.passes(seconds(15)).await;
    assert_eq!(condition(&cluster.object(), "Verified").0, "True", "one lost answer is no news");
    for _ in 0..20 {
        cluster.passes(seconds(15)).await;
        leader.seals(&demand).await;
    }
    let object = cluster.object();
    assert_eq!(condition(&object, "Verified"), says("False", "TrustServerUnreachable"));
    assert_eq!(condition(&object, "PinUpToDate").0, "True");
    assert_eq!(cluster.server.count(APPLY), 2, "told once however long it lasts");
    cluster.source.clear_faults();
    cluster.passes(seconds(61)).await;
    leader.seals(&demand).await;
    cluster.passes(seconds(30)).await;
    assert_eq!(condition(&cluster.object(), "Verified"), says("True", "Verified"));
}

#[tokio::test(start_paused = true)]
async fn after_a_root_rotation_the_pin_is_out_of_date() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (leader, demand) = (cluster.replica().await, pinned(&repository));
    leader.leads(true);
    leader.seals(&demand).await;
    cluster.passes(seconds(30)).await;
    let key = TestKey::root(repository.gun(), now());
    repository.rotate("root", &[&key]).sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    cluster.passes(seconds(60)).await;
    assert_eq!(leader.seals(&demand).await, image_digest("two"));
    cluster.passes(seconds(30)).await;
    let object = cluster.object();
    assert_eq!(condition(&object, "PinUpToDate"), says("False", "RootRotated"));
    assert_eq!(object["status"]["root"], json!({"version": "2", "keyIDs": [key.canonical_id()]}));
    let message = object["status"]["conditions"][1]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&key.canonical_id()), "what to pin: {message}");
}

/// A leader that knows less than the one before leaves alone what that one wrote, but for its own trouble.
#[tokio::test(start_paused = true)]
async fn a_leader_that_knows_less_unsays_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (one, demand) = (cluster.replica_with_cache(cache.path().to_owned()).await, pinned(&repository));
    one.seals(&demand).await;
    one.dies();
    let other = cluster.replica().await;
    other.leads(true);
    cluster.clock.advance(SignedDuration::from_hours(2));
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    cluster.publish(&mut repository);
    assert_eq!(other.seals(&demand).await, image_digest("two"));
    cluster.passes(seconds(30)).await;
    let before = cluster.object()["status"].clone();
    other.dies();
    // What this one has on disk is two hours old, and it cannot reach the trust server.
    cluster.source.fault("*", Fault::Unreachable("connection refused"));
    let again = cluster.replica_with_cache(cache.path().to_owned()).await;
    again.leads(true);
    assert_eq!(again.seals(&demand).await, image_digest("one"), "a disk below the floor still serves");
    cluster.passes(seconds(10)).await;
    assert_eq!(cluster.object()["status"], before);
    for _ in 0..4 {
        cluster.passes(seconds(15)).await;
        again.seals(&demand).await;
    }
    let after = cluster.object();
    assert_eq!(condition(&after, "Verified"), says("False", "TrustServerUnreachable"));
    for field in ["root", "signers", "expires", "lastVerified", "image"] {
        assert_eq!(after["status"][field], before[field], "{field}");
    }
    assert_eq!(condition(&after, "PinUpToDate"), says("True", "RootCarriesPin"));
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_has_no_status() {
    let (cluster, mut repository) = (Cluster::new(), web("one"));
    cluster.publish(&mut repository);
    let (leader, demand) = (cluster.replica().await, pinned(&repository));
    leader.seals(&demand).await;
    cluster.reset();
    leader.leads(true);
    cluster.passes(seconds(30)).await;
    assert_eq!((cluster.server.count(APPLY), cluster.server.names(TREPO).len()), (0, 0));
}
