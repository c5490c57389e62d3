//! One structured line for each decision.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;
use tracing_subscriber::fmt::MakeWriter;

use super::review::{Review, containers};
use super::world::{Nothing, World};

/// Lines of the log, as JSON.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn take(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = String::from_utf8(bytes).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_decision_is_one_line_with_everything_to_find_it_by() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).without_time().with_target(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(lines.clone()).finish());
    let world = World::new(Arc::new(Nothing));
    let review = Review::pod(containers(&[("web", "registry.example.com/shop/web:1.4\n")]));
    let answer = world.mutate(&review).await;
    assert_eq!(answer.annotation("id"), review.uid(), "what finds the line from the audit log");
    let denied = "container \"web\": image registry.example.com/shop/web:1.4\\n: NotSynced: the policies are not loaded \
                  yet; try again in a moment";
    assert_eq!(
        lines.take(),
        [json!({
            "level": "INFO", "message": denied, "id": review.uid(), "hook": "mutate", "decision": "Denied",
            "reason": "NotSynced", "kind": "Pod", "namespace": "shop", "name": "web", "subresource": "", "dry_run": false,
            "image": "registry.example.com/shop/web:1.4\\n", "policy": "", "digest": "", "signers": "", "findings": ""
        })]
    );

    world.apply(&[], UnmatchedImages::Allow);
    world.validate(&review.with("dryRun", json!(true))).await;
    let logged = lines.take();
    assert_eq!(logged.len(), 1);
    assert_eq!((&logged[0]["decision"], &logged[0]["dry_run"]), (&json!("Unmatched"), &json!(true)));
}
