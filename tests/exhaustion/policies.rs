//! Reviews of policies that nobody has.

use bytes::Bytes;
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use super::process::Process;
use crate::admission::review::{Answer, Review};

/// A review of a TrustPolicy in which `field` of the spec is this text.
fn forged(field: &str, text: &str) -> Bytes {
    let spec = json!({"images": {"include": ["r.test/**"]}, field: "HERE"});
    let object = json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustPolicy",
        "metadata": {"name": "a", "namespace": "shop"}, "spec": spec});
    let review = Review::create("tagseal.dev", "v1alpha1", "TrustPolicy", object);
    String::from_utf8(review.bytes()).unwrap().replace("\"HERE\"", text).into()
}

#[test]
fn a26_forged_reviews_of_policies_are_bounded_and_admissions_go_on() {
    let large = |item: &str| format!("[{}]", vec![item; (3 << 20) / (item.len() + 1)].join(","));
    let bodies: Vec<_> =
        ["0", "{}", "[]", r#"{"a":0}"#].iter().map(|item| forged("roots", &large(item))).collect();
    Process::start(&[]).attacked(async |process| {
        for body in &bodies {
            let answers = join_all((0..8).map(|_| process.post("/policies", body.clone()))).await;
            for (status, body) in answers {
                // Those that find no room in time are told so; the API server lets the policy pass then.
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    continue;
                }
                assert_eq!(status, StatusCode::OK, "{body:?}");
                let answer = Answer::read(&body);
                assert_eq!(answer.annotation("reason"), "UnsupportedObject");
                assert!(answer.denial().contains("more than 50000 values"), "{}", answer.denial());
            }
        }
    });
}
