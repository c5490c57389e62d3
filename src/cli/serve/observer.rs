//! [`Observing`]: turns decisions into metrics, and what Warn and Audit policies found into Events.

mod counts;
mod findings;

pub(super) use self::counts::Counts;
use crate::admission::{Decided, Hook, Observer};
use crate::controller::Events;

/// Counts decisions, and posts findings.
#[derive(Debug)]
pub(super) struct Observing {
    pub(super) counts: Counts,
    pub(super) events: Events,
}

impl Observer for Observing {
    fn decided(&self, decided: Decided<'_>) {
        self.counts.count(&decided);
        findings::post(&self.events, &decided);
    }

    fn unsupported(&self, hook: Hook) {
        self.counts.count_unsupported(hook);
    }
}
