//! What all policies together ask of one image, in which order.

use std::sync::Arc;

use serde_json::json;
use tagseal::policy::{
    Finding, Freshness, Mutation, NamespaceView, PolicyId, Reason, Selection, first_finding, sort_findings,
};
use tagseal::tuf::{Anchor, KeyId, RoleName};

use super::*;

const SHOP: &str = "registry.example.com/shop/web";

fn require(set: &tagseal::policy::PolicySet, text: &str) -> Vec<tagseal::policy::Demand> {
    match set.select(&namespace("default", &[]), &image(text)) {
        Selection::Require { deny, .. } => deny,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_matching_policies_are_asked_cluster_policies_first_then_by_name() {
    let set = set(&[
        namespaced("default", "a", json!({})),
        cluster("z", json!({})),
        cluster(
            "b",
            json!({"images": {"include": ["**", "registry.example.com/**", "registry.example.com/*/web"]}}),
        ),
        cluster("warn", json!({"validationActions": ["Warn"]})),
        namespaced("other", "c", json!({})),
        cluster("elsewhere", json!({"images": {"include": ["quay.io/**"]}})),
    ]);
    let expected = "deny: ClusterTrustPolicy b, ClusterTrustPolicy z, TrustPolicy default/a \
                    observe: ClusterTrustPolicy warn";
    assert_eq!(verdict(&set, SHOP), expected);
}

#[test]
fn a_selector_selects_by_labels_and_unknown_labels_count_as_those_it_asks_for() {
    let selector = |selector| json!({"namespaceSelector": selector});
    let set = set(&[
        cluster(
            "in",
            selector(json!({"matchExpressions": [{"key": "env", "operator": "In", "values": ["a", "b"]}]})),
        ),
        cluster("label", selector(json!({"matchLabels": {"env": "a", "team": "x"}}))),
        cluster("not", selector(json!({"matchExpressions": [{"key": "env", "operator": "DoesNotExist"}]}))),
        cluster("empty", selector(json!({}))),
    ]);
    let names = |labels: &[(&str, &str)]| {
        verdict_in(&set, &namespace("default", labels), SHOP).replace("ClusterTrustPolicy ", "")
    };
    assert_eq!(names(&[]), "deny: empty, not");
    assert_eq!(names(&[("env", "a")]), "deny: empty, in");
    assert_eq!(names(&[("env", "a"), ("team", "x")]), "deny: empty, in, label");
    assert_eq!(names(&[("env", "c")]), "deny: empty");
    let unknown = verdict_in(&set, &NamespaceView::unlabelled("default"), SHOP);
    assert_eq!(unknown.replace("ClusterTrustPolicy ", ""), "deny: empty, in, label, not");
}

#[test]
fn the_strictest_mutation_and_freshness_of_deny_policies_hold() {
    let set = set(&[
        cluster(
            "a",
            json!({"mutation": "Workloads", "freshness": {"revalidateAfter": "10s", "maxStaleness": "48h"}}),
        ),
        cluster(
            "b",
            json!({"mutation": "Pods", "freshness": {"revalidateAfter": "30s", "maxStaleness": "1h"}}),
        ),
        cluster("warn", json!({"mutation": "None", "validationActions": ["Warn"]})),
    ]);
    let strictest = Freshness {
        revalidate_after: jiff::SignedDuration::from_secs(10),
        max_staleness: jiff::SignedDuration::from_hours(1),
    };
    for demand in require(&set, SHOP) {
        assert_eq!((demand.mutation, demand.freshness), (Mutation::Pods, strictest), "{}", demand.policy);
    }
    let selection = set.select(&namespace("default", &[]), &image(SHOP));
    assert_eq!(selection.mutation(), Some(Mutation::Pods));
}

#[test]
fn where_no_deny_policy_matches_the_strictest_of_the_others_is_the_mutation() {
    let set = set(&[
        cluster("a", json!({"mutation": "Workloads", "validationActions": ["Warn"]})),
        cluster("b", json!({"mutation": "None", "validationActions": ["Audit"]})),
    ]);
    assert_eq!(set.select(&namespace("default", &[]), &image(SHOP)).mutation(), Some(Mutation::None));
    assert_eq!(set.select(&namespace("default", &[]), &image("nginx")).mutation(), None);
}

#[test]
fn a_root_vouches_for_its_own_images_alone() {
    let roots = json!([
        {"keyID": KEY, "images": ["registry.example.com/shop/**"]},
        {"keyID": OTHER_KEY, "images": ["registry.example.com/shop/web", "registry.example.com/tools/*"]},
    ]);
    let include = json!({"include": ["registry.example.com/**"]});
    let scoped = cluster("a", json!({"images": include, "roots": roots}));
    let set_of = set(std::slice::from_ref(&scoped));
    let (key, other) = (anchor(KEY), anchor(OTHER_KEY));
    for (text, expected) in [
        ("registry.example.com/shop/api", vec![key.clone()]),
        ("registry.example.com/shop/web:2", vec![key, other.clone()]),
        ("registry.example.com/tools/x", vec![other]),
    ] {
        assert_eq!(require(&set_of, text)[0].anchors.anchors(), expected, "{text}");
    }
    let anchors = |text: &str| Arc::clone(&require(&set_of, text)[0].anchors);
    assert!(Arc::ptr_eq(&anchors("registry.example.com/shop/a"), &anchors("registry.example.com/shop/b:2")));

    let text = "registry.example.com/base/x";
    assert_eq!(verdict(&set_of, text), "invalid: RootNotPinned ClusterTrustPolicy a");
}

fn anchor(id: &str) -> Anchor {
    Anchor::KeyId(KeyId::from_hex(id).unwrap())
}

#[test]
fn first_use_is_for_images_that_no_root_vouches_for() {
    let roots = json!([{"keyID": KEY, "images": ["registry.example.com/shop/web"]}]);
    let mixed = set(&[cluster("a", json!({"firstUse": "Trust", "roots": roots}))]);
    let of = |text: &str| {
        let anchors = Arc::clone(&require(&mixed, text)[0].anchors);
        (anchors.anchors().len(), anchors.first_use())
    };
    assert_eq!(of("registry.example.com/shop/web"), (1, false));
    assert_eq!(of("registry.example.com/shop/api"), (0, true));
    let alone = set(&[cluster("a", json!({"firstUse": "Trust", "roots": []}))]);
    assert!(require(&alone, SHOP)[0].anchors.first_use());
}

#[test]
fn the_first_rewrite_that_matches_names_the_gun_and_patterns_look_at_the_image_s_own_name() {
    let set = set(&[cluster(
        "a",
        json!({
            "images": {"include": ["mirror.io/**"]},
            "roots": [{"keyID": KEY, "images": ["mirror.io/**"]}],
            "notary": {"server": "https://n.io", "rewrite": [
                {"from": "mirror.io/hub/**", "to": "docker.io/**"},
                {"from": "mirror.io/*/**", "to": "*.example.com:443/**"},
                {"from": "mirror.io/**", "to": "never.io/**"},
            ]},
        }),
    )]);
    // The second rule does not name a registry, so nothing of the policy works, and it says so.
    assert_eq!(verdict(&set, "mirror.io/hub/nginx"), "invalid: InvalidPolicy ClusterTrustPolicy a");

    let rules = json!([
        {"from": "mirror.io/hub/**", "to": "docker.io/**"},
        {"from": "mirror.io/ecr/**", "to": "registry.example.com:443/**"},
        {"from": "mirror.io/hub/library/**", "to": "never.io/**"},
    ]);
    let set = super::set(&[cluster(
        "a",
        json!({"images": {"include": ["mirror.io/**"]}, "notary": {"server": "https://n.io", "rewrite": rules}}),
    )]);
    for (text, expected) in [
        ("mirror.io/hub/library/nginx", "docker.io/library/nginx"),
        ("mirror.io/ecr/shop/web", "registry.example.com:443/shop/web"),
        ("mirror.io/own", "mirror.io/own"),
    ] {
        assert_eq!(require(&set, text)[0].gun.as_str(), expected);
    }
    assert_eq!(verdict(&set, "docker.io/library/nginx"), "unmatched");
    assert_eq!(verdict(&set, "mirror.io/hub"), "invalid: InvalidPolicy ClusterTrustPolicy a");
}

#[test]
fn the_table_orders_reasons_by_policy_then_role_then_reason() {
    let policy = |namespace: Option<&str>, name: &str| {
        Some(PolicyId { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    };
    let policies =
        [None, policy(None, "a"), policy(None, "b"), policy(Some("a"), "a"), policy(Some("b"), "a")];
    let roles = [None, RoleName::parse("targets/a").ok(), RoleName::parse("targets/b").ok()];
    let mut ordered = Vec::new();
    for policy in &policies {
        for role in &roles {
            for reason in Reason::ALL {
                let (policy, role) = (policy.clone(), role.clone());
                ordered.push(Finding { policy, role, reason: *reason, message: String::new() });
            }
        }
    }
    let mut shuffled: Vec<Finding> = ordered.iter().rev().cloned().collect();
    let middle = shuffled.len() / 3;
    shuffled.rotate_left(middle);
    assert_eq!(first_finding(&shuffled), ordered.first());
    sort_findings(&mut shuffled);
    assert_eq!(shuffled, ordered);
}

#[test]
fn what_one_policy_asks_of_an_image_is_known_without_a_namespace() {
    let set = set(&[
        cluster(
            "a",
            json!({
                "images": {"include": ["registry.example.com/shop/*:1.*"], "exclude": ["registry.example.com/shop/scratch"]},
                "namespaceSelector": {"matchLabels": {"env": "nowhere"}}
            }),
        ),
        cluster("broken", json!({"mutation": "Everywhere"})),
        namespaced("default", "b", json!({})),
    ]);
    let asks = |namespace: Option<&str>, name: &str, text: &str| {
        let id = PolicyId { namespace: namespace.map(str::to_owned), name: name.to_owned() };
        set.demand_of(&id, &image(text)).map(|demand| format!("{}: {}", demand.policy, demand.gun))
    };
    let web = format!("{SHOP}:1.4");
    assert_eq!(asks(None, "a", &web), Some(format!("ClusterTrustPolicy a: {SHOP}")));
    assert_eq!(asks(Some("default"), "b", &web), Some(format!("TrustPolicy default/b: {SHOP}")));
    assert_eq!(asks(None, "a", &format!("{SHOP}:2.0")), None, "not included");
    assert_eq!(asks(None, "a", "registry.example.com/shop/scratch:1.4"), None, "excluded");
    assert_eq!(asks(None, "broken", &web), None, "cannot judge");
    assert_eq!(asks(None, "b", &web), None, "no such policy");
    assert_eq!(asks(Some("other"), "b", &web), None, "no such policy");
}
