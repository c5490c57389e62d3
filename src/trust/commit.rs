//! Commits what verified: floors and pin first, then memory, then disk (design §4 "Floors").

use std::sync::Arc;

use bytes::Bytes;

use super::cell::Cell;
use super::core::Core;
use super::incomplete::Incomplete;
use super::permissions::Permission;
use super::plan::{Fetched, Plan};
use super::served::{Served, Vouched};
use super::{memory, others};
use crate::limits::CONFLICTS;
use crate::policy::Reason;
use crate::records::{Recorded, StateError, change};
use crate::resolution::{Refusal, fault};
use crate::store::Note;
use crate::tuf::{RoleName, TrustedRepository};

/// The disk hears at most this often, in seconds, that nothing changed.
const NOTE_EVERY: i64 = 300;

/// Writes floors and pin, then serves the set. `false`: another replica pinned another root first, and the fetch must be
/// made anew under what is there now.
pub(super) async fn commit(
    core: &Core,
    cell: &Arc<Cell>,
    plan: &Plan<'_>,
    fetched: Fetched,
    pin: bool,
) -> Result<bool, Incomplete> {
    let _one_at_a_time = cell.writing.turn.lock().await;
    if cell.is_replaced() {
        return Err(Incomplete::Replaced);
    }
    let repository = memory::share(core, cell, Arc::clone(&fetched.updated.repository));
    let makes_pin = cell.key.is_first_use() && fetched.recorded.record.pin.is_none();
    if makes_pin && !pin && cell.contents().has_pin() {
        // A real use has pinned meanwhile: what nothing vouches for does not take the place of what it serves.
        return Ok(false);
    }
    // A dry run pins nothing, and what no pin vouches for raises no floors.
    let recorded = if makes_pin && !pin {
        Arc::clone(&fetched.recorded)
    } else {
        match write(core, cell, &repository, &fetched.recorded, makes_pin).await? {
            Some(recorded) => recorded,
            None => return Ok(false),
        }
    };
    let pinned = !cell.key.is_first_use() || recorded.record.pin.is_some();
    let permission = Permission { at: fetched.sent.into(), access: Some(fetched.access.clone()) };
    let served = Served::new(Arc::clone(&repository), Some(Vouched::Here(fetched.sent)), pinned);
    let is_current = cell.change(|contents| {
        contents.recorded = Some(Arc::clone(&recorded));
        contents.permissions.put(plan.requester, permission);
        contents.install(served, fetched.known.as_ref(), &cell.usage.wanted());
    });
    if !is_current {
        return Err(Incomplete::Replaced);
    }
    if !fetched.updated.files.is_empty() {
        memory::bound(core, &repository);
    }
    if pinned {
        save(core, cell, fetched, &recorded).await;
    }
    Ok(true)
}

/// Compare-and-swap, merged with whatever others wrote meanwhile. `None`: they pinned another root, or deleted the record.
async fn write(
    core: &Core,
    cell: &Cell,
    repository: &TrustedRepository,
    recorded: &Arc<Recorded>,
    makes_pin: bool,
) -> Result<Option<Arc<Recorded>>, Incomplete> {
    let key = &cell.state_key;
    let unavailable = |error: StateError| fault::state(&error, key);
    let judged_by = recorded.record.pin.as_ref().map(|pin| pin.sha256);
    let mut base = Arc::clone(recorded);
    for _ in 0..CONFLICTS {
        let before = match base.revision {
            Some(_) => base.record.clone(),
            None => others::seeded(core, &base, repository).await.map_err(unavailable)?,
        };
        let next = change::next(&before, &base.other_floors(), repository, makes_pin, core.clock.now());
        if base.revision.is_some() && next == base.record {
            return Ok(Some(base));
        }
        match core.state.store(key, base.revision.as_ref(), &next).await {
            Ok(revision) => {
                let others = Arc::clone(&base.others);
                return Ok(Some(Arc::new(Recorded { record: next, revision: Some(revision), others })));
            }
            Err(StateError::Conflict) => {}
            Err(error) => return Err(unavailable(error).into()),
        }
        let loaded = core.state.load(key).await.map_err(unavailable)?;
        // Whoever wrote before us has been reset.
        let Some((record, revision)) = loaded else { return Ok(None) };
        let theirs = Recorded { record, revision: Some(revision), others: Arc::clone(&base.others) };
        if cell.is_replaced() {
            return Err(Incomplete::Replaced);
        }
        if base.was_made_anew(&theirs) {
            // Nobody here may have heard of it yet. What was fetched under the old record is not for the new one.
            return Ok(None);
        }
        let pinned = theirs.record.pin.as_ref().map(|pin| pin.sha256);
        if cell.key.is_first_use() && pinned != judged_by && pinned != Some(repository.root().sha256()) {
            return Ok(None);
        }
        base = Arc::new(theirs);
    }
    let message =
        format!("trust state of {} at {}: others keep writing to it; try again", key.gun, key.server);
    Err(Refusal::unavailable(Reason::StateUnavailable, message).into())
}

/// Keeps the set on disk. The disk is a cache: a failure is told and costs nothing else.
async fn save(core: &Core, cell: &Arc<Cell>, fetched: Fetched, recorded: &Recorded) {
    let Some(disk) = core.disk.clone() else { return };
    let now = fetched.sent.wall.as_second();
    let files = fetched.updated.files.clone();
    // A note from after now was made before the clock was set back.
    let noted = now.saturating_sub(cell.contents().noted);
    if files.is_empty() && (0..NOTE_EVERY).contains(&noted) {
        return;
    }
    if !cell.change(|contents| contents.noted = now) {
        // It was reset, and its disk perhaps cleared already.
        return;
    }
    let is_lasting = core.state.is_lasting();
    let record = recorded.revision.as_ref().map(|revision| revision.record.clone());
    let note = Note {
        vouched: fetched.sent.wall,
        grants: cell.contents().permissions.all(),
        recorded: is_lasting,
        record: record.filter(|_| is_lasting),
    };
    let roots = roots_to_keep(recorded, &fetched);
    let replaced = fetched.known.as_ref().map(|known| known.repository.root().version());
    let key = cell.key.clone();
    let saved = tokio::task::spawn_blocking(move || match files.is_empty() {
        true => disk.note(&key, &note),
        false => disk.save(&key, &files, &roots, replaced, &note),
    });
    if let Ok(Err(error)) = saved.await {
        tracing::warn!(gun = %cell.key.gun, %error, "trust data could not be written to the cache directory");
    }
}

/// The older roots that a start from scratch would need: the chain, and the one that first use pinned.
fn roots_to_keep(recorded: &Recorded, fetched: &Fetched) -> Vec<(u64, Bytes)> {
    let mut roots = fetched.updated.roots.clone();
    if let Some(pin) = &recorded.record.pin {
        let newest = fetched.updated.files.iter().find(|(role, _)| *role == RoleName::root());
        let candidates = fetched.pinned_root.iter().chain(newest.map(|(_, bytes)| bytes));
        let pinned = candidates.into_iter().find(|bytes| crate::digest::Digest::of(bytes) == pin.sha256);
        roots.extend(pinned.map(|bytes| (pin.version, bytes.clone())));
    }
    roots
}
