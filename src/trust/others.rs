//! The other records of a GUN: those under other anchors, and of other servers. An edit of a policy makes a new record, and
//! what was seen before it counts on.

use std::sync::Arc;

use super::core::Core;
use super::entry::{Entry, Recorded};
use super::error::Refusal;
use super::fault;
use super::record;
use super::state::{RepositoryKey, Revision, RootPin, StateError, TrustRecord};
use crate::tuf::{Anchors, RootRotation, TrustedRepository};

impl Core {
    /// The record of an entry, and what the others of its GUN say.
    pub(super) async fn beside_others(
        &self,
        entry: &Entry,
        record: TrustRecord,
        revision: Option<Revision>,
        resets: u64,
    ) -> Result<Recorded, Refusal> {
        let others = self.state.others(&entry.state_key, revision.is_none()).await;
        let others = others.map_err(|error| fault::state(&error, &entry.state_key))?;
        Ok(Recorded { record, revision, others: others.into(), resets })
    }

    /// The pin that first use made on the same server under the policy's other `rootRotation`, which means nothing to first
    /// use. On another server first use is another decision.
    pub(super) async fn pin_elsewhere(&self, entry: &Entry) -> Result<Option<RootPin>, Refusal> {
        let Some(key) = other_rotation(entry) else { return Ok(None) };
        let loaded = self.state.load(&key).await.map_err(|error| fault::state(&error, &entry.state_key))?;
        Ok(loaded.and_then(|(record, _)| record.pin))
    }

    /// The names of the records that hold the first-use pin of an entry.
    pub(super) async fn pinned_in(&self, entry: &Entry) -> Vec<String> {
        let mut names = Vec::new();
        for key in [Some(entry.state_key.clone()), other_rotation(entry)].into_iter().flatten() {
            if let Ok(Some((TrustRecord { pin: Some(_), .. }, _))) = self.state.load(&key).await {
                names.extend(self.state.name_of(&key));
            }
        }
        names
    }

    /// What a record begins with: beside floors, which versions were current.
    pub(super) async fn seeded(
        &self,
        recorded: &Recorded,
        repository: &TrustedRepository,
    ) -> Result<TrustRecord, StateError> {
        let mut seeded = recorded.record.clone();
        let related = recorded.others.iter().filter(|other| repository.shares_history_with(&other.floors));
        for other in related {
            if let Some((other, _)) = self.state.load(&other.key).await? {
                record::remember(&mut seeded.recent, other.recent);
            }
        }
        Ok(seeded)
    }

    /// The names of those records among the entry's and `others` that are chosen.
    pub(super) fn names(
        &self,
        entry: &Entry,
        own: bool,
        others: &[usize],
        recorded: &Recorded,
    ) -> Vec<String> {
        let own = own.then_some(&entry.state_key);
        let others = others.iter().filter_map(|at| recorded.others.get(*at)).map(|other| &other.key);
        own.into_iter().chain(others).filter_map(|key| self.state.name_of(key)).collect()
    }
}

/// The record of first use on the same server under the other `rootRotation`.
fn other_rotation(entry: &Entry) -> Option<RepositoryKey> {
    if !entry.is_first_use() || !entry.anchors.first_use() {
        return None;
    }
    let rotation = match entry.anchors.rotation() {
        RootRotation::Follow => RootRotation::Deny,
        RootRotation::Deny => RootRotation::Follow,
    };
    let anchors = Anchors::new(Vec::new(), rotation, true).fingerprint();
    Some(RepositoryKey { anchors, ..entry.state_key.clone() })
}

/// The floors of other records.
pub(super) fn floors(recorded: &Recorded) -> Vec<&crate::tuf::Floors> {
    recorded.others.iter().map(|other| Arc::as_ref(&other.floors)).collect()
}
