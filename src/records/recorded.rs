//! [`Recorded`]: the record of trust state as it was last seen.

use std::sync::Arc;

use super::{OtherRecord, Revision, TrustRecord};
use crate::tuf::Floors;

/// The record as last seen, and its revision.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) record: TrustRecord,
    pub(crate) revision: Option<Revision>,
    /// What other records of the GUN say.
    pub(crate) others: Arc<[OtherRecord]>,
}

impl Recorded {
    /// Whether an admin has reset the repository since, if this is what trust state has `now`: the record was deleted, made
    /// anew or not, or pins another root.
    pub(crate) fn was_reset(&self, now: &Self) -> bool {
        let is_gone = self.revision.is_some() && now.revision.is_none();
        let pin = |recorded: &Self| recorded.record.pin.as_ref().map(|pin| pin.sha256);
        is_gone || self.was_made_anew(now) || pin(self).is_some() && pin(self) != pin(now)
    }

    /// Whether the record of `now` is another one, which took this one's place.
    pub(crate) fn was_made_anew(&self, now: &Self) -> bool {
        let both = self.revision.as_ref().zip(now.revision.as_ref());
        both.is_some_and(|(before, now)| now.is_of_another_record(before))
    }

    /// The floors of the other records.
    pub(crate) fn other_floors(&self) -> Vec<&Floors> {
        self.others.iter().map(|other| Arc::as_ref(&other.floors)).collect()
    }
}
