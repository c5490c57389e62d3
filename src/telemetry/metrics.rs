//! [`Metrics`]: what a replica counts and measures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The metrics of one process. Clones share everything.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Default)]
struct Inner {}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// One answered review: the endpoint (`mutate`, `validate`, `policies`), the decision's word, and how long it took.
    pub fn admission(&self, endpoint: &'static str, outcome: &'static str, took: Duration) {
        let _ = (&self.0, endpoint, outcome, took);
    }

    /// Whether this replica is the leader.
    pub fn leads(&self, leads: bool) {
        let _ = leads;
    }

    /// When the certificate that this replica serves expires, in seconds of Unix time.
    pub fn serving_certificate_expires(&self, seconds: i64) {
        let _ = seconds;
    }

    /// When the newest certificate authority expires, in seconds of Unix time.
    pub fn authority_expires(&self, seconds: i64) {
        let _ = seconds;
    }

    /// A `TrustedRepository` was deleted, and its memory with it.
    pub fn repository_reset(&self) {}

    /// A write of trust state to the cluster: `written`, `conflict` or `failed`.
    pub fn state_write(&self, result: &'static str) {
        let _ = result;
    }

    /// A Kubernetes Event: `posted`, `suppressed` (rate limit) or `failed`.
    pub fn event(&self, result: &'static str) {
        let _ = result;
    }

    /// All of it, in the text format of OpenMetrics.
    pub fn render(&self) -> String {
        String::new()
    }
}
