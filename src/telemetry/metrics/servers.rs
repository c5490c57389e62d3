//! What is counted by trust server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::add;
use super::histogram::Histogram;
use super::words::Words;

/// What can come of a request.
const RESULTS: [&str; 16] = [
    "ok",
    "not_found",
    "unauthorized",
    "client_error",
    "server_error",
    "redirect",
    "timeout",
    "connect",
    "closed",
    "dns",
    "tls",
    "proxy",
    "overload",
    "token",
    "invalid",
    "setup",
];

/// A request ends after five seconds, so nothing is above these but waiting for a turn.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The counts of one trust server.
#[derive(Debug)]
pub struct ServerCounts {
    requests: Words<16>,
    took: Histogram<9>,
    rollbacks: AtomicU64,
}

impl Default for ServerCounts {
    fn default() -> Self {
        Self { requests: Words::new(RESULTS), took: Histogram::new(BUCKETS), rollbacks: AtomicU64::new(0) }
    }
}

impl ServerCounts {
    /// A file was asked for; `result` is one of the words in `docs/metrics.md`.
    pub fn request(&self, result: &str, took: Duration) {
        self.requests.count(result);
        self.took.observe(took);
    }

    /// It offered older metadata than was verified before.
    pub fn rollback_refused(&self) {
        add(&self.rollbacks);
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.requests.values()
    }

    pub(super) fn took(&self) -> (f64, u64, Vec<(f64, u64)>) {
        self.took.values()
    }

    pub(super) fn rollbacks(&self) -> u64 {
        self.rollbacks.load(Ordering::Relaxed)
    }
}
