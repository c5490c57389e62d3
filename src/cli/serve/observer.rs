//! [`Observing`]: turns decisions into metrics, and what Warn and Audit policies found into Events.

mod findings;

use crate::admission::{Decided, DecisionCounts, Hook, Observer};
use crate::controller::Events;

/// Counts decisions, and posts findings.
#[derive(Debug)]
pub(super) struct Observing {
    pub(super) counts: DecisionCounts,
    pub(super) events: Events,
}

impl Observer for Observing {
    fn decided(&self, decided: Decided<'_>) {
        self.counts.decided(decided);
        findings::post(&self.events, &decided);
    }

    fn unsupported(&self, hook: Hook) {
        self.counts.unsupported(hook);
    }
}
