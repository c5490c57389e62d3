//! One structured line for each decision.

use std::sync::Arc;

use serde_json::json;
use tagseal::policy::UnmatchedImages;

use super::review::{Review, containers};
use super::world::{Nothing, World};
use crate::support::Log;

#[tokio::test]
async fn a_decision_is_one_line_with_everything_to_find_it_by() {
    let log = Log::json();
    let world = World::new(Arc::new(Nothing));
    let review = Review::pod(containers(&[("web", "registry.example.com/shop/web:1.4\n")]));
    let answer = world.mutate(&review).await;
    assert_eq!(answer.annotation("id"), review.uid(), "what finds the line from the audit log");
    let denied = "container \"web\": image registry.example.com/shop/web:1.4\\n: NotSynced: the policies are not loaded \
                  yet; try again in a moment";
    assert_eq!(
        log.take(),
        [json!({
            "level": "INFO", "message": denied, "id": review.uid(), "hook": "mutate", "decision": "Denied",
            "reason": "NotSynced", "kind": "Pod", "namespace": "shop", "name": "web", "subresource": "", "dry_run": false,
            "image": "registry.example.com/shop/web:1.4\\n", "policy": "", "digest": "", "signers": "", "findings": ""
        })]
    );

    world.apply(&[], UnmatchedImages::Allow);
    world.validate(&review.with("dryRun", json!(true))).await;
    let logged = log.take();
    assert_eq!(logged.len(), 1);
    assert_eq!((&logged[0]["decision"], &logged[0]["dry_run"]), (&json!("Unmatched"), &json!(true)));
}
