//! Nothing that an object says of itself, and nothing that its tenant says of policies, makes a judgement more lenient.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;

use super::review::{Review, containers};
use super::trust::{Trust, WEB};
use super::world::{World, cluster_policy, policy};

fn world() -> World {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let spec = trust.spec(&["targets/releases"], json!({}));
    world.apply(&[cluster_policy("production", spec)], UnmatchedImages::Allow);
    world
}

fn unsigned() -> Review {
    Review::pod(containers(&[("web", &format!("{WEB}:9.9"))]))
}

/// An unsigned image is denied in the same words, whatever the object's metadata says.
async fn is_denied_all_the_same(world: &World, metadata: &Value) {
    let plain = world.refuses(&unsigned()).await;
    assert!(plain.denial().contains(": NotSigned (ClusterTrustPolicy production): "), "{}", plain.denial());
    let review = unsigned().with_object("/metadata", metadata.clone());
    let template = json!({"metadata": metadata, "spec": {"template": {
        "metadata": metadata, "spec": containers(&[("web", &format!("{WEB}:9.9"))])
    }}});
    let workload = Review::create("apps", "v1", "ReplicaSet", template);
    for review in [review, workload] {
        assert_eq!(world.refuses(&review).await.denial(), plain.denial(), "{metadata}");
    }
}

#[tokio::test]
async fn a1_a_forged_owner_exempts_nothing() {
    let world = world();
    for (api, kind, name) in [
        ("apps/v1", "ReplicaSet", "web"),
        ("apps/v1", "DaemonSet", "kube-proxy"),
        ("batch/v1", "Job", "web"),
        ("v1", "Node", "n1"),
        ("tagseal.dev/v1alpha1", "ClusterTrustPolicy", "production"),
    ] {
        let owner = json!({
            "apiVersion": api, "kind": kind, "name": name, "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "controller": true, "blockOwnerDeletion": true
        });
        is_denied_all_the_same(&world, &json!({"name": "web", "ownerReferences": [owner]})).await;
    }
}

#[tokio::test]
async fn a2_no_annotation_or_label_of_the_object_counts() {
    let world = world();
    let claims = json!({
        "tagseal.dev/admission": "ignore", "tagseal.dev/verified": "true", "tagseal.dev/sealed": "true",
        "kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file",
        "control-plane": "controller-manager", "kubernetes.io/metadata.name": "kube-system"
    });
    is_denied_all_the_same(&world, &json!({"name": "web", "labels": claims})).await;
    is_denied_all_the_same(&world, &json!({"name": "web", "annotations": claims})).await;
}

#[tokio::test]
async fn a8_an_object_under_deletion_is_verified_like_any_other() {
    let world = world();
    let object = |image: &str| {
        json!({
            "metadata": {"name": "web", "deletionTimestamp": "2026-11-21T12:00:00Z", "finalizers": ["x.dev/hold"]},
            "spec": containers(&[("web", image)])
        })
    };
    let old = object(&format!("{WEB}:1.4"));
    let review = |image: &str| Review::create("", "v1", "Pod", object(image)).updating(old.clone());
    let answer = world.refuses(&review(&format!("{WEB}:9.9"))).await;
    assert!(answer.denial().contains(": NotSigned ("), "{}", answer.denial());
    assert!(world.validate(&review(&format!("{WEB}:1.4"))).await.is_allowed());
}

#[tokio::test]
async fn p6_a_tenants_lenient_policy_does_not_let_pass_what_the_clusters_denies() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let strict = cluster_policy("production", trust.spec(&["targets/releases", "targets/qa"], json!({})));
    let review = Review::pod(containers(&[("web", &format!("{WEB}:1.5"))]));
    world.apply(std::slice::from_ref(&strict), UnmatchedImages::Allow);
    let alone = world.refuses(&review).await.denial().to_owned();
    assert!(alone.contains(": NotSigned (ClusterTrustPolicy production): "), "{alone}");
    for lenient in [
        json!({}),
        json!({"validationActions": ["Audit"]}),
        json!({"images": {"include": ["**"]}, "digestReferences": "Allow", "mutation": "Workloads"}),
        json!({"threshold": 1}),
    ] {
        let tenant = policy("shop", "lenient", trust.spec(&["targets/releases"], lenient.clone()));
        world.apply(&[strict.clone(), tenant], UnmatchedImages::Allow);
        assert_eq!(world.refuses(&review).await.denial(), alone, "{lenient}");
    }
    // Another root makes it stricter still: nothing that it trusts is there.
    let other_root = json!({"roots": [{"keyID": "0".repeat(64)}]});
    let tenant = policy("shop", "other", trust.spec(&["targets/releases"], other_root));
    world.apply(&[strict, tenant], UnmatchedImages::Allow);
    let signed = Review::pod(containers(&[("web", &format!("{WEB}:1.4"))]));
    let answer = world.refuses(&signed).await;
    assert!(answer.denial().contains(": RootMismatch (TrustPolicy shop/other): "), "{}", answer.denial());
}
