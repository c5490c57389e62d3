//! Readiness: policies synced, certificate loaded, not draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this replica should get requests. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    certificate: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// The serving certificate is there.
    pub fn certificate_loaded(&self) {
        self.0.certificate.store(true, Ordering::Release);
    }

    /// No more requests are wanted. There is no way back.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// What is missing; empty when ready.
    pub fn missing(&self, policies_synced: bool) -> Vec<&'static str> {
        let draining = self.is_draining();
        let certificate = self.0.certificate.load(Ordering::Acquire);
        [
            (!policies_synced, "policies are not synced"),
            (!certificate, "no serving certificate is loaded"),
            (draining, "shutting down"),
        ]
        .into_iter()
        .filter_map(|(holds, what)| holds.then_some(what))
        .collect()
    }
}
