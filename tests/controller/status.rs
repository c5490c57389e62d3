//! What the status of a policy says, and how often it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tagseal::clock::{Clock as _, ManualClock};
use tagseal::controller::{PolicyWatch, PolicyWatchOptions, TrustData};
use tagseal::policy::{PolicySnapshot, SetOptions};
use tagseal::trust::RepositoryHealth;
use tokio::sync::watch;

use super::api_server::{ApiServer, Fault};
use super::world::{LIMIT, World, cluster_policy, now, policy, with};

fn ready(server: &ApiServer, name: &str) -> Value {
    let object = server.object("clustertrustpolicies", "", name);
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
}

fn broken(name: &str) -> Value {
    with(cluster_policy(name, "registry.example.com/shop/**"), "/spec/roots/0/keyID", json!("5f"))
}

#[tokio::test]
async fn a_status_is_written_once_and_says_which_generation_it_is_about() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    let _world = World::start(&server);
    server.served("APPLY clustertrustpolicies a/status", 1).await;
    assert_eq!(
        server.object("clustertrustpolicies", "", "a")["status"],
        json!({
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Compiled", "message": "the policy compiled",
                "lastTransitionTime": "2026-03-01T12:00:00Z", "observedGeneration": 1
            }, {
                "type": "TrustDataFresh", "status": "Unknown", "reason": "NotAskedYet",
                "message": "the replica that leads knows of no repository that was asked for under this policy in the last 30 days",
                "lastTransitionTime": "2026-03-01T12:00:00Z", "observedGeneration": 1
            }],
            "observedGeneration": 1,
            "repositories": 0
        })
    );
    server.put("trustpolicies", policy("shop", "b", "registry.example.com/shop/**"));
    server.served("APPLY trustpolicies shop/b/status", 1).await;
    server.put("clustertrustpolicies", cluster_policy("c", "registry.example.com/shop/**"));
    server.served("APPLY clustertrustpolicies c/status", 1).await;
    assert_eq!(server.count("APPLY"), 3, "{:#?}", server.requests());
}

/// Trust data at which a look fails once.
struct Frail(AtomicBool);

impl TrustData for Frail {
    fn health(&self) -> Vec<RepositoryHealth> {
        assert!(self.0.swap(true, Ordering::Relaxed), "a defect");
        Vec::new()
    }
}

#[tokio::test]
async fn a_writer_that_fails_leaves_the_watch_alone_and_another_one_goes_on() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    let (sender, mut snapshots) = watch::channel(PolicySnapshot::default());
    let options = PolicyWatchOptions {
        system_namespace: "tagseal-system".to_owned(),
        set: SetOptions::default(),
        patience: LIMIT,
    };
    let policies = PolicyWatch::new(server.client(), options, sender, Arc::new(ManualClock::at(now())));
    let statuses = policies.statuses(Arc::new(Frail(AtomicBool::new(false))));
    let watched = tokio::spawn(policies.run());
    let failed = tokio::spawn(statuses.clone().run()).await.unwrap_err();
    assert_eq!(failed.into_panic().downcast_ref::<&str>(), Some(&"a defect"));
    assert_eq!(server.count("APPLY"), 0);
    server.put("clustertrustpolicies", cluster_policy("b", "registry.example.com/shop/**"));
    let both = |snapshot: &PolicySnapshot| matches!(snapshot, PolicySnapshot::Synced(set) if set.policies().count() == 2);
    tokio::time::timeout(LIMIT, snapshots.wait_for(both)).await.unwrap().unwrap();
    let another = tokio::spawn(statuses.run());
    server.served("APPLY clustertrustpolicies a/status", 1).await;
    server.served("APPLY clustertrustpolicies b/status", 1).await;
    another.abort();
    watched.abort();
}

#[tokio::test]
async fn a_status_that_stands_already_is_not_written_by_another_replica() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    let first = World::start(&server);
    server.served("APPLY clustertrustpolicies a/status", 1).await;
    drop(first);
    let _second = World::start(&server);
    server.put("clustertrustpolicies", cluster_policy("b", "registry.example.com/shop/**"));
    server.served("APPLY clustertrustpolicies b/status", 1).await;
    assert_eq!(server.count("APPLY"), 2, "{:#?}", server.requests());
}

#[tokio::test]
async fn p7_an_invalid_policy_says_what_is_wrong_and_since_when() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", broken("a"));
    let world = World::start(&server);
    server.served("APPLY", 1).await;
    let condition = ready(&server, "a");
    assert_eq!(condition["status"], "False");
    assert_eq!(condition["reason"], "InvalidPolicy");
    assert!(condition["message"].as_str().unwrap().starts_with("spec.roots[0].keyID: "), "{condition}");

    // Wrong in another way: since the same time.
    world.clock.set("2026-03-01T13:00:00Z".parse().unwrap());
    server.put("clustertrustpolicies", with(broken("a"), "/spec/mutation", json!("Everywhere")));
    server.served("APPLY", 2).await;
    let condition = ready(&server, "a");
    assert!(condition["message"].as_str().unwrap().contains("spec.mutation: "), "{condition}");
    assert_eq!(condition["lastTransitionTime"], now().to_string());
    assert_eq!(condition["observedGeneration"], 2);

    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    server.served("APPLY", 3).await;
    let condition = ready(&server, "a");
    assert_eq!(condition["status"], "True");
    assert_eq!(condition["lastTransitionTime"], world.clock.now().to_string());
    assert_eq!(server.object("clustertrustpolicies", "", "a")["status"]["observedGeneration"], 3);
}

#[tokio::test]
async fn conditions_of_others_are_left_alone_and_are_no_reason_to_write() {
    let server = ApiServer::new();
    let audited = json!({
        "type": "Audited", "status": "True", "reason": "ByHand", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    });
    let object = cluster_policy("a", "registry.example.com/shop/**");
    server.put("clustertrustpolicies", with(object, "/status", json!({"conditions": [audited]})));
    let _world = World::start(&server);
    server.served("APPLY", 1).await;
    let object = server.object("clustertrustpolicies", "", "a");
    let conditions = object["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 3);
    assert_eq!(conditions[0], audited);

    let mut changed = object.clone();
    changed["status"]["conditions"][0]["message"] = json!("again");
    server.put("clustertrustpolicies", changed);
    server.put("clustertrustpolicies", cluster_policy("b", "registry.example.com/shop/**"));
    server.served("APPLY clustertrustpolicies b/status", 1).await;
    assert_eq!(server.count("APPLY"), 2, "{:#?}", server.requests());
}

#[tokio::test]
async fn a_status_that_could_not_be_written_is_tried_again() {
    for fault in [
        Fault::Status(409, "the object has been modified"),
        Fault::Status(403, "clustertrustpolicies/status is forbidden"),
        Fault::Refused,
    ] {
        let server = ApiServer::new();
        server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
        server.fail("APPLY", fault);
        let _world = World::start(&server);
        server.served("APPLY", 1).await;
        server.heal();
        server.served("APPLY", 2).await;
        assert_eq!(ready(&server, "a")["status"], "True");
    }
}

#[tokio::test]
async fn a_status_that_cannot_be_written_is_no_obstacle_to_decisions_or_to_other_statuses() {
    let server = ApiServer::new();
    for name in ["a", "b"] {
        server.put("clustertrustpolicies", cluster_policy(name, "registry.example.com/shop/**"));
    }
    server.fail("APPLY clustertrustpolicies a", Fault::Status(422, "invalid"));
    let mut world = World::start(&server);
    world.policies(&[("ClusterTrustPolicy a", true), ("ClusterTrustPolicy b", true)]).await;
    server.served("APPLY clustertrustpolicies b/status", 1).await;
    assert_eq!(ready(&server, "b")["status"], "True");
}

#[tokio::test]
async fn a_policy_that_comes_while_a_status_waits_to_be_tried_again_gets_its_own_at_once() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    server.fail("APPLY clustertrustpolicies a", Fault::Status(422, "invalid"));
    let _world = World::start(&server);
    server.served("APPLY clustertrustpolicies a/status", 1).await;
    server.put("clustertrustpolicies", cluster_policy("b", "registry.example.com/shop/**"));
    server.served("APPLY clustertrustpolicies b/status", 1).await;
    server.heal();
    server.served("APPLY clustertrustpolicies a/status", 3).await;
    assert_eq!(ready(&server, "a")["status"], "True");
}

#[tokio::test]
async fn a_policy_that_is_gone_when_its_status_is_written_is_let_go() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    server.fail("APPLY clustertrustpolicies a", Fault::Status(404, "not found"));
    let mut world = World::start(&server);
    server.served("APPLY clustertrustpolicies a/status", 1).await;
    server.delete("clustertrustpolicies", "", "a");
    world.policies(&[]).await;
    server.put("clustertrustpolicies", cluster_policy("b", "registry.example.com/shop/**"));
    server.served("APPLY clustertrustpolicies b/status", 1).await;
    assert_eq!(server.count("APPLY clustertrustpolicies a/status"), 1);
}

fn with_pull_secrets(policy: Value) -> Value {
    with(policy, "/spec/notary/credentials", json!({"imagePullSecrets": true}))
}

fn ready_message(server: &ApiServer, resource: &str, namespace: &str, name: &str) -> String {
    let object = server.object(resource, namespace, name);
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    assert_eq!(ready["status"], "True");
    ready["message"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn pull_secrets_that_may_not_be_read_are_told_until_they_may_and_with_the_value_that_grants_it() {
    let server = ApiServer::new();
    for namespace in [None, Some("shop")] {
        server.lacks("get secrets", namespace);
    }
    let (cluster, shop) = (
        cluster_policy("a", "registry.example.com/shop/**"),
        policy("shop", "b", "registry.example.com/shop/**"),
    );
    server.put("clustertrustpolicies", with_pull_secrets(cluster));
    server.put("trustpolicies", with_pull_secrets(shop));
    server.put("clustertrustpolicies", cluster_policy("c", "registry.example.com/shop/**"));
    let world = World::start(&server);
    server.served("APPLY", 3).await;
    let told = "spec.notary.credentials.imagePullSecrets: tagseal may not get secrets (the chart's value \
                pullSecrets.access grants it) in the namespace shop: what the policy matches there is Unauthorized";
    assert_eq!(ready_message(&server, "clustertrustpolicies", "", "a"), told);
    assert_eq!(ready_message(&server, "trustpolicies", "shop", "b"), told);
    assert_eq!(ready_message(&server, "clustertrustpolicies", "", "c"), "the policy compiled");

    // An API server that does not say changes nothing.
    server.grants_all();
    server.fail("REVIEW", Fault::Refused);
    world.passes(jiff::SignedDuration::from_secs(40)).await;
    assert_eq!(ready_message(&server, "trustpolicies", "shop", "b"), told);
    server.heal();
    world.passes(jiff::SignedDuration::from_secs(40)).await;
    assert_eq!(ready_message(&server, "clustertrustpolicies", "", "a"), "the policy compiled");
    assert_eq!(ready_message(&server, "trustpolicies", "shop", "b"), "the policy compiled");
    let asked = server.count("REVIEW");
    world.passes(jiff::SignedDuration::from_secs(60)).await;
    assert!(server.count("REVIEW") - asked <= 3 * 2 * 2, "{:#?}", server.requests());
}
