//! Bounds that an admin set: each is the one that holds.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tagseal::limits;
use tokio::time::Instant;

use super::hostile::{now, repository, trusting};
use super::process::Process;
use super::reviews::pod;
use crate::admission::review::Answer;

/// The trust server is nowhere.
const SERVER: &str = "http://127.0.0.1:1";

/// A policy, and two of a namespace.
fn policies() -> Vec<Value> {
    let mut repository = repository("web");
    repository.publish(now());
    let of_namespace = |name: &str| {
        let mut policy = trusting(&repository, SERVER, &json!({}));
        policy["kind"] = json!("TrustPolicy");
        policy["metadata"] = json!({"namespace": "greedy", "name": name});
        policy
    };
    vec![trusting(&repository, SERVER, &json!({})), of_namespace("one"), of_namespace("two")]
}

#[test]
fn what_an_admin_set_is_the_bound() {
    let options = ["--images-per-object=16", "--policies-per-namespace=1", "--review-bytes=9Mi"];
    Process::with(&options, &policies()).attacked(async |process| {
        let (_, body) = process.post("/validate", pod(17)).await;
        let message = Answer::read(&body).denial().to_owned();
        assert!(message.contains("17 different images, and tagseal judges 16 of one object"), "{message}");
        let message = process.said("greedy", "registry.test/attacker/web:1").await;
        assert!(message.contains("\"greedy\" has more than 1 TrustPolicies"), "{message}");
        // One of the largest reviews is under way, and there is no room for a second one that is not small.
        let mut held_back = process.connect().await;
        held_back.announce("/validate", "content-length: 8388608", b" ").await;
        let (review, begun) = (pod(30_000), Instant::now());
        while process.post("/validate", review.clone()).await.0 != StatusCode::SERVICE_UNAVAILABLE {
            // For as long as a body may be held back.
            assert!(begun.elapsed() < limits::BODY_TIME, "there is room for more");
        }
    });
}
