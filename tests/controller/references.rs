//! Config maps and secrets that policies name.

use std::time::Duration;

use serde_json::{Value, json};
use tagseal::policy::PolicySet;

use super::api_server::{ApiServer, Fault};
use super::world::{World, asks, cluster_policy, config_map, policy, with};

const WEB: &str = "registry.example.com/shop/web:1.4";
const OTHER: &str = "registry.example.com/other/web:1.4";
const BOTH_WORK: &[(&str, bool)] = &[("ClusterTrustPolicy shop", true), ("ClusterTrustPolicy other", true)];
const SHOP_IS_BROKEN: &[(&str, bool)] =
    &[("ClusterTrustPolicy shop", false), ("ClusterTrustPolicy other", true)];

/// `shop` names a config map, `other` nothing.
fn two_policies() -> ApiServer {
    let server = ApiServer::new();
    server.put("clustertrustpolicies", named_ca(cluster_policy("shop", "registry.example.com/shop/**")));
    server.put("clustertrustpolicies", cluster_policy("other", "registry.example.com/other/**"));
    server
}

fn named_ca(policy: Value) -> Value {
    let reference = json!({"configMapKeyRef": {"name": "notary-ca", "key": "ca.crt"}});
    with(policy, "/spec/notary/caBundle", reference)
}

fn ca() -> Value {
    config_map("notary-ca", json!({"ca.crt": "-----BEGIN CERTIFICATE-----\n"}))
}

#[track_caller]
fn only_the_shop_is_denied(set: &PolicySet, why: &str) {
    let denied = asks(set, "shop", WEB).unwrap_err();
    assert_eq!(denied.len(), 1);
    assert!(denied[0].starts_with("ClusterTrustPolicy shop InvalidPolicy: "), "{denied:?}");
    assert!(denied[0].contains(why), "{denied:?}");
    assert_eq!(asks(set, "shop", OTHER), Ok(vec!["ClusterTrustPolicy other".to_owned()]));
}

#[tokio::test]
async fn p7_a_config_map_that_is_gone_breaks_the_policy_that_names_it_until_it_is_back() {
    let server = two_policies();
    server.put("configmaps", ca());
    let mut world = World::start(&server);
    let set = world.policies(BOTH_WORK).await;
    assert_eq!(asks(&set, "shop", WEB), Ok(vec!["ClusterTrustPolicy shop".to_owned()]));

    server.delete("configmaps", "tagseal-system", "notary-ca");
    let set = world.policies(SHOP_IS_BROKEN).await;
    only_the_shop_is_denied(&set, "ConfigMap tagseal-system/notary-ca does not exist");

    server.put("configmaps", config_map("notary-ca", json!({"other": ""})));
    let set = world.set(|set| asks(set, "shop", WEB).is_err_and(|denied| denied[0].contains("no key"))).await;
    only_the_shop_is_denied(&set, r#"ConfigMap tagseal-system/notary-ca has no key "ca.crt""#);

    server.put("configmaps", ca());
    world.policies(BOTH_WORK).await;
}

#[tokio::test]
async fn p7_a_config_map_that_may_not_be_read_is_told_with_the_right_that_is_missing() {
    let server = two_policies();
    server.put("configmaps", ca());
    server.fail("LIST configmaps", Fault::Status(403, "configmaps is forbidden"));
    let mut world = World::start(&server);
    let set = world.policies(SHOP_IS_BROKEN).await;
    only_the_shop_is_denied(
        &set,
        "configmaps is forbidden; let tagseal's ServiceAccount list and watch configmaps in the namespace tagseal-system",
    );
    server.heal();
    world.policies(BOTH_WORK).await;
}

#[tokio::test]
async fn p7_a_config_map_that_is_never_answered_for_holds_up_no_other_policy() {
    let server = two_policies();
    server.fail("LIST configmaps", Fault::Silent);
    let mut world = World::with_patience(&server, Duration::from_millis(50));
    let set = world.policies(SHOP_IS_BROKEN).await;
    only_the_shop_is_denied(&set, "the API server does not answer");
}

#[tokio::test]
async fn p7_policies_that_keep_coming_with_unread_references_hold_up_no_other_policy() {
    let server = two_policies();
    server.fail("LIST configmaps", Fault::Silent);
    let world = World::with_patience(&server, Duration::from_millis(100));
    for number in 1.. {
        assert!(number < 500, "a tenant can hold up every policy");
        server.served("LIST configmaps", number).await;
        if world.is_synced() {
            break;
        }
        let policy = named_ca(policy("shop", &format!("p{number}"), "registry.example.com/shop/**"));
        let name = json!(format!("ca{number}"));
        server.put("trustpolicies", with(policy, "/spec/notary/caBundle/configMapKeyRef/name", name));
    }
}

#[tokio::test]
async fn a_read_that_fails_for_lack_of_an_answer_is_tried_again_before_anything_is_in_force() {
    let server = two_policies();
    server.put("configmaps", ca());
    server.fail("LIST configmaps", Fault::Refused);
    let mut world = World::start(&server);
    server.served("LIST configmaps", 2).await;
    assert!(!world.is_synced());
    server.heal();
    let first = world.set(|_| true).await;
    assert_eq!(asks(&first, "shop", WEB), Ok(vec!["ClusterTrustPolicy shop".to_owned()]));
}

#[tokio::test]
async fn an_object_that_was_read_once_stays_while_it_cannot_be_watched() {
    let server = two_policies();
    server.put("configmaps", ca());
    let mut world = World::start(&server);
    world.policies(BOTH_WORK).await;
    server.served("WATCH configmaps", 1).await;
    server.fail("LIST configmaps", Fault::Status(403, "configmaps is forbidden"));
    server.break_watches();
    server.served("LIST configmaps", 3).await;
    server.put("clustertrustpolicies", cluster_policy("third", "registry.example.com/third/**"));
    world
        .policies(&[
            ("ClusterTrustPolicy shop", true),
            ("ClusterTrustPolicy other", true),
            ("ClusterTrustPolicy third", true),
        ])
        .await;
}

#[tokio::test]
async fn a_namespaced_policy_refers_to_its_own_namespace() {
    let server = two_policies();
    server.put("configmaps", ca());
    server.put("trustpolicies", named_ca(policy("shop", "own", "registry.example.com/shop/**")));
    let mut world = World::start(&server);
    let broken = [
        ("ClusterTrustPolicy shop", true),
        ("ClusterTrustPolicy other", true),
        ("TrustPolicy shop/own", false),
    ];
    let set = world.policies(&broken).await;
    assert!(asks(&set, "shop", WEB).unwrap_err()[0].contains("ConfigMap shop/notary-ca does not exist"));
    server.put("configmaps", with(ca(), "/metadata/namespace", json!("shop")));
    world.policies(&[broken[0], broken[1], ("TrustPolicy shop/own", true)]).await;
}

#[tokio::test]
async fn of_a_secret_that_a_policy_names_only_the_metadata_is_read() {
    let server = ApiServer::new();
    let login = json!({"secretRef": {"name": "notary-login"}});
    let policy = cluster_policy("shop", "registry.example.com/shop/**");
    server.put("clustertrustpolicies", with(policy, "/spec/notary/credentials", login));
    let mut world = World::start(&server);
    let set = world.policies(&[("ClusterTrustPolicy shop", false)]).await;
    assert!(
        asks(&set, "shop", WEB).unwrap_err()[0].contains("Secret tagseal-system/notary-login does not exist")
    );
    server.put(
        "secrets",
        json!({"metadata": {"namespace": "tagseal-system", "name": "notary-login"}, "data": {"password": "aHVudGVyMg=="}}),
    );
    world.policies(&[("ClusterTrustPolicy shop", true)]).await;
    let mut requests = server.requests();
    requests.retain(|request| request.contains("secrets"));
    requests.dedup();
    assert_eq!(requests, ["GET secrets(metadata) tagseal-system/notary-login"], "and none is ever listed");
}

#[tokio::test]
async fn p7_a_secret_that_may_not_be_read_is_told_with_the_right_that_is_missing() {
    let server = ApiServer::new();
    let login = json!({"secretRef": {"name": "notary-login"}});
    let policy = policy("shop", "own", "registry.example.com/shop/**");
    server.put("clustertrustpolicies", cluster_policy("other", "registry.example.com/other/**"));
    server.put("trustpolicies", with(policy, "/spec/notary/credentials", login));
    server.fail("GET secrets", Fault::Status(403, "secrets is forbidden"));
    let mut world = World::start(&server);
    let broken = [("ClusterTrustPolicy other", true), ("TrustPolicy shop/own", false)];
    let set = world.policies(&broken).await;
    let denied = asks(&set, "shop", WEB).unwrap_err();
    let why = "secrets is forbidden; let tagseal's ServiceAccount get secrets in the namespace shop";
    assert!(denied[0].contains(why), "{denied:?}");
    server.heal();
    server.put("secrets", json!({"metadata": {"namespace": "shop", "name": "notary-login"}, "data": {}}));
    world.policies(&[broken[0], ("TrustPolicy shop/own", true)]).await;
}

#[tokio::test]
async fn a_name_that_no_object_can_have_is_not_asked_for() {
    let server = ApiServer::new();
    for (number, name) in ["notary-ca,metadata.namespace!=x", "../secrets", "Notary"].iter().enumerate() {
        let policy = named_ca(cluster_policy(&format!("p{number}"), "registry.example.com/shop/**"));
        let policy = with(policy, "/spec/notary/caBundle/configMapKeyRef/name", json!(name));
        server.put("clustertrustpolicies", policy);
    }
    let mut world = World::start(&server);
    let names = [
        ("ClusterTrustPolicy p0", false),
        ("ClusterTrustPolicy p1", false),
        ("ClusterTrustPolicy p2", false),
    ];
    world.policies(&names).await;
    assert_eq!(server.count("LIST configmaps"), 0);
}

#[tokio::test]
async fn what_several_policies_name_is_watched_once_and_no_longer_than_one_of_them_names_it() {
    let server = two_policies();
    server.put("configmaps", ca());
    server.put("clustertrustpolicies", named_ca(cluster_policy("other", "registry.example.com/other/**")));
    let mut world = World::start(&server);
    world.policies(BOTH_WORK).await;
    server.put("clustertrustpolicies", cluster_policy("shop", "registry.example.com/shop/**"));
    server.delete("configmaps", "tagseal-system", "notary-ca");
    world.policies(&[("ClusterTrustPolicy shop", true), ("ClusterTrustPolicy other", false)]).await;
    server.put("clustertrustpolicies", cluster_policy("other", "registry.example.com/other/**"));
    world.policies(BOTH_WORK).await;
    // Named again, it is read again: what was seen of it is forgotten.
    server.put("configmaps", ca());
    server.put("clustertrustpolicies", named_ca(cluster_policy("shop", "registry.example.com/shop/**")));
    world.set(|set| set.policies().any(|(policy, _)| !policy.references().is_empty())).await;
    world.policies(BOTH_WORK).await;
    assert_eq!(server.count("LIST configmaps"), 2);
}
