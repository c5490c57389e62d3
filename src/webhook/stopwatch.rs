//! [`Stopwatch`]: how long a request takes, however it ends.

use axum::response::Response;
use tokio::time::Instant;

use crate::telemetry::{Endpoint, Metrics, Outcome};

/// Measures one request. One that is dropped was given up by its caller, or panicked.
#[derive(Debug)]
pub(super) struct Stopwatch<'m> {
    metrics: &'m Metrics,
    endpoint: Endpoint,
    started: Instant,
    outcome: Outcome,
}

impl<'m> Stopwatch<'m> {
    pub(super) fn start(metrics: &'m Metrics, endpoint: Endpoint) -> Self {
        Self { metrics, endpoint, started: Instant::now(), outcome: Outcome::Abandoned }
    }

    /// When that was.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn stop(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// Stops at an HTTP error.
    pub(super) fn failed(self, response: Response) -> Response {
        self.stop(Outcome::Failed);
        response
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() { Outcome::Failed } else { self.outcome };
        self.metrics.admission(self.endpoint, outcome, self.started.elapsed());
    }
}
