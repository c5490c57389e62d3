//! Exemptions at the endpoint: one that cannot be used is refused, and one that exempts nothing is warned of.

use serde_json::{Value, json};

use super::world::{World, deleting};

fn exemption(changes: Value) -> Value {
    let mut object = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustExemption", "metadata": {"name": "vendor"},
        "spec": {"images": {"include": ["registry.example.com/vendor/**"]}, "reason": "their signer is away"},
    });
    for (field, value) in changes.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object
}

#[tokio::test]
async fn an_exemption_that_cannot_be_used_is_refused_with_every_field_that_is_wrong() {
    let world = World::new();
    for (changes, field) in [
        (json!({"until": "Friday"}), "spec.until"),
        (json!({"reason": "  "}), "spec.reason"),
        (json!({"images": {"include": []}}), "spec.images.include"),
        (json!({"images": {"include": ["vendor/**"]}}), "spec.images.include[0]"),
        (json!({"sites": ["sidecars"]}), "spec.sites[0]"),
        (json!({"policies": ["a/b/c"]}), "spec.policies[0]"),
        (json!({"unheardOf": true}), "spec.unheardOf"),
    ] {
        let answer = world.create(&exemption(changes.clone())).await;
        assert!(!answer.is_allowed(), "{changes}");
        assert!(answer.denial().starts_with(&format!("InvalidPolicy: {field}: ")), "{}", answer.denial());
    }
    let answer = world.create(&exemption(json!({"until": "Friday", "reason": ""}))).await;
    assert!(answer.denial().contains("spec.until") && answer.denial().contains("spec.reason"));
}

#[tokio::test]
async fn an_exemption_that_exempts_nothing_is_taken_and_warned_of() {
    let world = World::new();
    let answer = world.create(&exemption(json!({"until": "2999-01-01T00:00:00Z"}))).await;
    assert_eq!((answer.is_allowed(), answer.warnings()), (true, vec![]));
    let answer = world.create(&exemption(json!({"until": "2020-01-01T00:00:00Z"}))).await;
    assert!(answer.is_allowed());
    assert_eq!(
        answer.warnings(),
        [
            "tagseal: spec.until: 2020-01-01T00:00:00Z is past, so this exempts nothing: set a later time, or delete the exemption"
        ]
    );
    let answer = world.create(&exemption(json!({"policies": ["production", "prodcution", "shop/x"]}))).await;
    assert!(answer.is_allowed());
    assert_eq!(
        answer.warnings(),
        [
            "tagseal: spec.policies: there is no ClusterTrustPolicy prodcution; until there is, nothing is exempt from it",
            "tagseal: spec.policies: there is no TrustPolicy shop/x; until there is, nothing is exempt from it"
        ]
    );
}

#[tokio::test]
async fn a_deletion_and_a_change_of_metadata_alone_are_never_refused() {
    let world = World::new();
    let broken = exemption(json!({"until": "Friday"}));
    assert!(world.review(&deleting(&broken)).await.is_allowed());
    let mut relabelled = broken.clone();
    relabelled["metadata"]["labels"] = json!({"a": "b"});
    assert!(world.update(&broken, &relabelled).await.is_allowed());
}
