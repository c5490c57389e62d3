//! What is counted of exemptions, and when they end.

use super::{Counter, Endpoint};

/// The counts of one exemption.
#[derive(Debug, Default)]
pub(super) struct ExemptionCounts {
    images: [Counter; Endpoint::ALL.len()],
}

impl ExemptionCounts {
    /// One more image was let pass.
    pub(super) fn exempted(&self, endpoint: Endpoint) {
        if let Some(counter) = self.images.get(endpoint as usize) {
            counter.inc();
        }
    }

    /// Images, by endpoint.
    pub(super) fn images(&self) -> impl Iterator<Item = (Endpoint, u64)> {
        let counts = Endpoint::ALL.iter().zip(&self.images);
        counts.map(|(endpoint, count)| (*endpoint, count.get())).filter(|(_, count)| *count > 0)
    }
}
