//! [`Coverage`]: whether a replica that makes its certificate itself can be called: `caBundle` covers it.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::sights::{Part, Seen, Sight};

/// So long a replica waits. The leader writes `caBundle` within seconds of its election; where it cannot, or somebody else
/// keeps writing another one, waiting longer would only stand in the way of a rollout.
const PATIENCE: Duration = Duration::from_secs(60);

/// A latch: once covered, what becomes of `caBundle` later says nothing about this replica.
#[derive(Debug, Clone)]
pub(super) struct Coverage(watch::Sender<bool>);

impl Default for Coverage {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Coverage {
    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Takes what was seen, so long after the start.
    pub(super) fn take(&self, is_covered: bool, since_start: Duration) {
        if *self.0.borrow() {
            return;
        }
        let is_over = since_start >= PATIENCE;
        if is_over && !is_covered {
            tracing::warn!(
                "caBundle of the webhook configurations does not cover the certificate that this replica serves, or nobody can \
                 see whether it does; it is ready all the same"
            );
        }
        if is_over || is_covered {
            self.0.send_replace(true);
        }
    }
}

/// Whether `caBundle` of a configuration that is there does not do. What is absent or cannot be read is not waited for.
pub(super) fn is_flawed(sight: &Sight, flaw: &dyn Fn(Option<&str>) -> Option<String>) -> bool {
    let (Seen::There(object), Part::Configuration(webhooks)) = (&sight.seen, sight.part) else {
        return false;
    };
    let live = object.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    let named = live.filter(|live| webhooks.iter().any(|webhook| live["name"] == webhook.name));
    let mut services =
        named.filter_map(|live| live.get("clientConfig")).filter(|config| config.get("service").is_some());
    services.any(|config| flaw(config.get("caBundle").and_then(Value::as_str)).is_some())
}

/// Whether a configuration was not looked at yet.
pub(super) fn is_awaited(sight: &Sight) -> bool {
    matches!((&sight.seen, sight.part), (Seen::Nothing, Part::Configuration(_)))
}
