//! Bodies that are no review, or a review of something else: nothing from outside brings the endpoint down.

use axum::http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};
use tagseal::webhook::MAX_BODY;

use super::super::review::{Answer, Review};
use super::world::*;
use crate::support::Log;

#[tokio::test]
async fn a14_what_is_no_review_gets_4xx() {
    let world = World::new();
    let review = creating(&cluster("a", json!({})));
    let broken = |field: &str, value: Value| review.clone().with(field, value).bytes();
    for body in [
        b"".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"{\"kind\": \"AdmissionReview\"}".to_vec(),
        vec![b'['; MAX_BODY],
        broken("uid", json!("")),
        broken("uid", json!(7)),
        broken("operation", json!("PRAY")),
        broken("operation", Value::Null),
        broken("kind", json!("ClusterTrustPolicy")),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        assert_eq!(world.post("/policies", body).await.0, StatusCode::BAD_REQUEST, "{shown}");
    }
    assert_eq!(world.post("/policies", vec![b' '; MAX_BODY + 1]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a13_an_object_that_cannot_be_read_is_refused_and_never_a_panic() {
    let world = World::new();
    let deep = "[".repeat(200) + &"]".repeat(200);
    let review = String::from_utf8(creating(&json!({"kind": "ClusterTrustPolicy"})).bytes()).unwrap();
    let body = review.replace("{\"kind\":\"ClusterTrustPolicy\"}", &deep);
    assert!(body.contains("[[["), "{body}");
    let (status, body) = world.post("/policies", body).await;
    assert_eq!(status, StatusCode::OK);
    let answer = Answer::read(&body);
    assert!(
        answer.denial().starts_with("UnsupportedObject: object: cannot be read: "),
        "{}",
        answer.denial()
    );

    for object in [Value::Null, json!(7), json!([]), json!({}), json!({"spec": 7}), json!({"spec": []})] {
        let review = Review::create("tagseal.dev", "v1alpha1", "TrustPolicy", object.clone());
        assert!(!world.review(&review).await.is_allowed(), "{object}");
    }
}

#[tokio::test]
async fn another_version_of_the_kinds_is_refused_and_another_kind_is_none_of_its_business() {
    let (world, log) = (World::new(), Log::json());
    let mut newer = cluster("a", json!({}));
    newer["apiVersion"] = json!("tagseal.dev/v1");
    assert_eq!(
        world.create(&newer).await.denial(),
        "InvalidPolicy: apiVersion: is \"tagseal.dev/v1\"; this tagseal knows tagseal.dev/v1alpha1"
    );
    for (group, kind) in [("", "Pod"), ("tagseal.dev", "TrustedRepository"), ("example.com", "TrustPolicy")] {
        let answer = world.review(&Review::create(group, "v1", kind, json!({}))).await;
        assert!(answer.is_allowed());
        assert!(
            answer.warnings()[0].contains("is neither a policy nor an exemption; remove it from the rules")
        );
        assert_eq!(
            log.take().pop().unwrap()["message"],
            "it is neither a policy nor an exemption, and was not judged"
        );
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![Just("**"), Just("docker.io/*"), Just("Deny"), Just("60s"), Just("targets/qa")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{0,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

const FIELDS: &[&str] = &[
    "namespaceSelector",
    "images",
    "notary",
    "roots",
    "rootRotation",
    "firstUse",
    "requiredDelegations",
    "threshold",
    "digestReferences",
    "supersededDigests",
    "mutation",
    "validationActions",
    "freshness",
];

proptest! {
    #![proptest_config(crate::support::random::cases(256))]

    #[test]
    fn whatever_a_policy_holds_there_is_an_answer_and_a_deletion_passes(
        fields in prop::collection::vec((0..FIELDS.len(), any_json()), 0..4),
        metadata in any_json(),
        operation in prop_oneof![Just("CREATE"), Just("UPDATE"), Just("DELETE")],
        kind in prop_oneof![Just("ClusterTrustPolicy"), Just("TrustPolicy")],
    ) {
        let mut object = cluster("a", json!({}));
        for (field, value) in fields {
            object["spec"][FIELDS[field]] = value;
        }
        object["metadata"] = metadata;
        let old = if kind == "TrustPolicy" { object.clone() } else { cluster("a", json!({})) };
        let review = Review::create("tagseal.dev", "v1alpha1", kind, object)
            .with("operation", json!(operation))
            .with("oldObject", old);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let answer = runtime.block_on(World::new().review(&review));
        prop_assert!(operation != "DELETE" || answer.is_allowed());
    }

    #[test]
    fn whatever_the_bytes_are_the_server_goes_on(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (status, _) = runtime.block_on(World::new().post("/policies", body));
        prop_assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}
