//! From policy objects to sets.

use serde_json::json;

use super::api_server::{ApiServer, Fault};
use super::world::{World, asks, cluster_policy, policy, with};

const WEB: &str = "registry.example.com/shop/web:1.4";

#[tokio::test]
async fn policies_of_both_kinds_are_in_force_and_a_change_or_deletion_follows_at_once() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("production", "registry.example.com/shop/**"));
    let mut world = World::start(&server);
    let set = world.policies(&[("ClusterTrustPolicy production", true)]).await;
    assert_eq!(asks(&set, "shop", WEB), Ok(vec!["ClusterTrustPolicy production".to_owned()]));

    server.put("trustpolicies", policy("shop", "tighter", "registry.example.com/shop/web"));
    let set =
        world.policies(&[("ClusterTrustPolicy production", true), ("TrustPolicy shop/tighter", true)]).await;
    assert_eq!(asks(&set, "shop", WEB).unwrap().len(), 2);
    assert_eq!(asks(&set, "other", WEB).unwrap().len(), 1, "a TrustPolicy is about its own namespace");

    server.put("clustertrustpolicies", cluster_policy("production", "registry.example.com/other/**"));
    let set = world.set(|set| asks(set, "other", WEB).unwrap().is_empty()).await;
    assert_eq!(asks(&set, "shop", WEB), Ok(vec!["TrustPolicy shop/tighter".to_owned()]));

    server.delete("clustertrustpolicies", "", "production");
    // Its server is named by no cluster policy any more.
    world.policies(&[("TrustPolicy shop/tighter", false)]).await;
    server.delete("trustpolicies", "shop", "tighter");
    world.policies(&[]).await;
    let mut requests = server.requests();
    requests.retain(|request| !request.starts_with("APPLY"));
    requests.sort();
    assert_eq!(
        requests,
        [
            "LIST clustertrustpolicies",
            "LIST trustexemptions",
            "LIST trustpolicies",
            "WATCH clustertrustpolicies",
            "WATCH trustexemptions",
            "WATCH trustpolicies"
        ]
    );
}

#[tokio::test]
async fn p7_a_policy_that_the_schema_would_refuse_denies_what_it_could_match_and_others_work() {
    let server = ApiServer::new();
    let broken = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "ClusterTrustPolicy", "metadata": {"name": "broken"},
        "spec": {"images": {"include": ["registry.example.com/shop/**"]}, "notary": 7, "roots": {"keyID": []}}
    });
    server.put("clustertrustpolicies", broken.clone());
    server.put("clustertrustpolicies", cluster_policy("works", "registry.example.com/other/**"));
    let mut world = World::start(&server);
    let both = [("ClusterTrustPolicy broken", false), ("ClusterTrustPolicy works", true)];
    let set = world.policies(&both).await;
    let denied = asks(&set, "shop", WEB).unwrap_err();
    assert!(denied[0].starts_with("ClusterTrustPolicy broken InvalidPolicy: spec.notary"), "{denied:?}");
    assert_eq!(
        asks(&set, "shop", "registry.example.com/other/web:1"),
        Ok(vec!["ClusterTrustPolicy works".to_owned()])
    );

    // One that comes later, and says nothing that can be read: it could have meant everything.
    let unreadable = with(broken, "/spec", json!("x"));
    server.put("clustertrustpolicies", with(unreadable, "/metadata/name", json!("unreadable")));
    let set = world.set(|set| set.policies().count() == 3).await;
    assert!(asks(&set, "shop", "registry.example.com/other/web:1").is_err());

    server.delete("clustertrustpolicies", "", "unreadable");
    world.policies(&both).await;
    server.put("clustertrustpolicies", cluster_policy("broken", "registry.example.com/shop/**"));
    world.policies(&[("ClusterTrustPolicy broken", true), ("ClusterTrustPolicy works", true)]).await;
}

#[tokio::test]
async fn p7_an_event_that_cannot_be_decoded_is_not_passed_over() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    server.put("clustertrustpolicies", cluster_policy("b", "registry.example.com/shop/**"));
    let mut world = World::start(&server);
    world.policies(&[("ClusterTrustPolicy a", true), ("ClusterTrustPolicy b", true)]).await;
    server.served("WATCH clustertrustpolicies", 1).await;
    server.delete_in_silence("clustertrustpolicies", "", "b");
    server.send("clustertrustpolicies", r#"{"type":"DELETED","object":{"metadata":{"name":["b"]}}}"#);
    world.policies(&[("ClusterTrustPolicy a", true)]).await;
}

#[tokio::test]
async fn a_list_after_a_broken_watch_forgets_what_was_deleted_meanwhile() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    server.put("clustertrustpolicies", cluster_policy("b", "registry.example.com/shop/**"));
    let mut world = World::start(&server);
    world.policies(&[("ClusterTrustPolicy a", true), ("ClusterTrustPolicy b", true)]).await;
    server.served("WATCH clustertrustpolicies", 1).await;
    server.delete_in_silence("clustertrustpolicies", "", "a");
    server.break_watches();
    world.policies(&[("ClusterTrustPolicy b", true)]).await;
}

#[tokio::test]
async fn a_watch_that_expired_starts_over() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("a", "registry.example.com/shop/**"));
    let mut world = World::start(&server);
    world.policies(&[("ClusterTrustPolicy a", true)]).await;
    server.served("WATCH clustertrustpolicies", 1).await;
    server.delete_in_silence("clustertrustpolicies", "", "a");
    server.send(
        "clustertrustpolicies",
        r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#,
    );
    world.policies(&[]).await;
}

#[tokio::test]
async fn nothing_is_in_force_before_both_kinds_were_listed_and_missing_crds_are_noticed_when_they_come() {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", cluster_policy("production", "registry.example.com/shop/**"));
    server.fail("LIST trustpolicies", Fault::Status(404, "404 page not found"));
    let mut world = World::start(&server);
    server.served("WATCH clustertrustpolicies", 1).await;
    server.served("LIST trustpolicies", 3).await;
    assert!(!world.is_synced());
    server.heal();
    world.policies(&[("ClusterTrustPolicy production", true)]).await;
}
