//! [`Observing`]: turns decisions into metrics, and what Warn and Audit policies found into Events.

mod counts;
mod findings;

use crate::admission::{Decided, Observer};
use crate::controller::Events;
use crate::telemetry::Metrics;

/// Counts decisions, and posts findings.
#[derive(Debug)]
pub(super) struct Observing {
    pub(super) metrics: Metrics,
    pub(super) events: Events,
}

impl Observer for Observing {
    fn decided(&self, decided: Decided<'_>) {
        counts::count(&self.metrics, &decided);
        findings::post(&self.events, &decided);
    }
}
