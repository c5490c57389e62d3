//! One structured line for each decision.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;

use super::review::{Review, containers};
use super::world::{Nothing, World};
use crate::support::Log;

#[tokio::test]
async fn a_decision_is_one_line_with_everything_to_find_it_by() {
    let log = Log::json();
    let world = World::new(Arc::new(Nothing));
    let review = Review::pod(containers(&[("web", "registry.example.com/shop/web:1.4\n")]));
    let answer = world.validate(&review).await;
    assert_eq!(answer.annotation("id"), review.uid(), "what finds the line from the audit log");
    let denied = "container \"web\": image \"registry.example.com/shop/web:1.4\\n\": NotSynced: the policies are not loaded \
                  yet; try again in a moment";
    assert_eq!(
        log.take(),
        [json!({
            "level": "INFO", "message": denied, "id": review.uid(), "hook": "validate", "decision": "Denied",
            "reason": "NotSynced", "kind": "Pod", "namespace": "shop", "name": "web", "subresource": "", "dry_run": false,
            "image": "\"registry.example.com/shop/web:1.4\\n\"", "policy": "", "digest": "", "signers": "", "findings": ""
        })]
    );

    let passed_on = world.mutate(&review).await;
    let [line] = &log.take()[..] else { panic!("one line") };
    let told =
        ["message", "hook", "decision", "reason", "findings"].map(|field| line[field].as_str().unwrap());
    assert_eq!(told, ["admission decided", "mutate", "Deferred", "NotSynced", denied]);
    assert_eq!(passed_on.annotation("findings"), denied);

    world.apply(&[], UnmatchedImages::Allow);
    world.validate(&review.with("dryRun", json!(true))).await;
    let logged = log.take();
    assert_eq!(logged.len(), 1);
    assert_eq!((&logged[0]["decision"], &logged[0]["dry_run"]), (&json!("Unmatched"), &json!(true)));
}

#[tokio::test]
async fn the_line_of_what_cannot_be_judged_says_what_the_review_itself_does() {
    let log = Log::json();
    let world = World::new(Arc::new(Nothing));
    let review = Review::pod(json!({"containers": 7})).with("dryRun", json!(true));
    let unreadable = world.validate(&review).await;
    assert!(unreadable.denial().starts_with("UnsupportedObject: the v1 Pod cannot be read: "));
    let line = log.take().remove(0);
    let told = |line: &Value| {
        ["decision", "reason", "kind", "namespace", "name", "subresource", "dry_run"]
            .map(|field| line[field].clone())
    };
    let about = |kind| {
        [
            json!("Denied"),
            json!("UnsupportedObject"),
            json!(kind),
            json!("shop"),
            json!("web"),
            json!(""),
            json!(true),
        ]
    };
    assert_eq!(told(&line), about("v1 Pod"));

    let stranger = Review::create("example.com", "v1", "Pod", json!({}));
    let stranger =
        stranger.with("dryRun", json!(true)).with("name", json!("web")).with("namespace", json!("shop"));
    world.validate(&stranger).await;
    assert_eq!(told(&log.take().remove(0)), about("example.com/v1 Pod"));

    // A field that cannot be read is left out, and takes none of the others with it.
    world.validate(&review.with("name", json!(7))).await;
    let line = log.take().remove(0);
    assert_eq!((&line["name"], &line["namespace"]), (&json!(""), &json!("shop")));
}
