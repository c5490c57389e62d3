//! The other records of a GUN: those under other anchors, and of other servers. An edit of a policy makes a new record, and
//! what was seen before it counts on.

use super::cell::Cell;
use super::core::Core;
use crate::records::{Recorded, RepositoryKey, Revision, RootPin, StateError, TrustRecord, change};
use crate::resolution::{Refusal, fault};
use crate::store::CacheKey;
use crate::tuf::{Anchors, RootRotation, TrustedRepository};

/// The record of a repository, and what the others of its GUN say.
pub(super) async fn beside_others(
    core: &Core,
    cell: &Cell,
    record: TrustRecord,
    revision: Option<Revision>,
) -> Result<Recorded, Refusal> {
    let others = core.state.others(&cell.state_key, revision.is_none()).await;
    let others = others.map_err(|error| fault::state(&error, &cell.state_key))?;
    Ok(Recorded { record, revision, others: others.into() })
}

/// The pin that first use made on the same server under the policy's other `rootRotation`, which means nothing to first
/// use. On another server first use is another decision.
pub(super) async fn pin_elsewhere(core: &Core, cell: &Cell) -> Result<Option<RootPin>, Refusal> {
    let Some(key) = other_rotation(&cell.key) else { return Ok(None) };
    let loaded = core.state.load(&key).await.map_err(|error| fault::state(&error, &cell.state_key))?;
    Ok(loaded.and_then(|(record, _)| record.pin))
}

/// The names of the records that hold the first-use pin of a repository.
pub(super) async fn pinned_in(core: &Core, cell: &Cell) -> Vec<String> {
    let mut names = Vec::new();
    for key in [Some(cell.state_key.clone()), other_rotation(&cell.key)].into_iter().flatten() {
        if let Ok(Some((TrustRecord { pin: Some(_), .. }, _))) = core.state.load(&key).await {
            names.extend(core.state.name_of(&key));
        }
    }
    names
}

/// What a record begins with: beside floors, which versions were current.
pub(super) async fn seeded(
    core: &Core,
    recorded: &Recorded,
    repository: &TrustedRepository,
) -> Result<TrustRecord, StateError> {
    let mut seeded = recorded.record.clone();
    let related = recorded.others.iter().filter(|other| repository.shares_history_with(&other.floors));
    for other in related {
        if let Some((other, _)) = core.state.load(&other.key).await? {
            change::remember(&mut seeded.recent, other.recent);
        }
    }
    Ok(seeded)
}

/// The names of those records among the repository's own and `others` that are chosen.
pub(super) fn names(
    core: &Core,
    cell: &Cell,
    own: bool,
    others: &[usize],
    recorded: &Recorded,
) -> Vec<String> {
    let own = own.then_some(&cell.state_key);
    let others = others.iter().filter_map(|at| recorded.others.get(*at)).map(|other| &other.key);
    own.into_iter().chain(others).filter_map(|key| core.state.name_of(key)).collect()
}

/// The record of first use on the same server under the other `rootRotation`.
fn other_rotation(key: &CacheKey) -> Option<RepositoryKey> {
    if !key.is_first_use() || !key.anchors.first_use() {
        return None;
    }
    let rotation = match key.anchors.rotation() {
        RootRotation::Follow => RootRotation::Deny,
        RootRotation::Deny => RootRotation::Follow,
    };
    let anchors = Anchors::new(Vec::new(), rotation, true).fingerprint();
    Some(RepositoryKey { anchors, ..key.state_key() })
}
