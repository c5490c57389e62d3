//! [`Observing`]: turns decisions into metrics, and what Warn and Audit policies found into Events.

mod findings;

use crate::admission::{Decided, DecisionCounts, Hook, Observer};
use crate::clock::SharedClock;
use crate::controller::{Events, ExemptionUses};
use crate::policy::Reason;

/// Counts decisions and the use of exemptions, and posts findings.
pub(super) struct Observing {
    pub(super) counts: DecisionCounts,
    pub(super) events: Events,
    pub(super) uses: ExemptionUses,
    pub(super) clock: SharedClock,
}

impl Observer for Observing {
    fn decided(&self, decided: Decided<'_>) {
        self.counts.decided(decided);
        findings::post(&self.events, &decided);
        // Once for each object: both webhooks see it. A dry run writes no status.
        if decided.hook == Hook::Validate && !decided.request.is_dry_run() {
            let images = decided.verdict.images().iter();
            for exemption in images.flat_map(|image| &image.verdict.exemptions) {
                self.uses.used(&exemption.name, self.clock.now());
            }
        }
    }

    fn unjudged(&self, hook: Hook, reason: Reason) {
        self.counts.unjudged(hook, reason);
    }
}
