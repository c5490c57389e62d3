//! What is remembered from before: the record of trust state, and the set on disk, verified again from scratch.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::cell::Cell;
use super::core::Core;
use super::driver::drive_offline;
use super::incomplete::Incomplete;
use super::moment::Since;
use super::permissions::Permission;
use super::reset::reset;
use super::served::{Served, Vouched};
use super::verifier::{StopOnDrop, unverified};
use super::{memory, others};
use crate::policy::Reason;
use crate::records::{Recorded, Revision, TrustRecord};
use crate::resolution::Refusal;
use crate::resolution::fault::{self, Causes};
use crate::store::{Note, Tree};
use crate::tuf::{Stop, TufError, Update, UpdateInput};

/// Unverified files of a repository.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    pub(super) tree: Tree,
    pub(super) note: Option<Note>,
    /// Notary or docker left them: the root is the first-use pin, and nobody knows how old the rest is.
    pub(super) is_seed: bool,
}

impl AtHand {
    /// The root of a seed.
    pub(super) fn seed_root(&self) -> Option<Bytes> {
        self.tree.root().filter(|_| self.is_seed).cloned()
    }
}

/// Looks at state and disk once, so that a restart during an outage finds what was there before.
pub(super) async fn load(core: &Core, cell: &Arc<Cell>) -> Result<(), Incomplete> {
    if cell.contents().loaded {
        return Ok(());
    }
    let _one_at_a_time = cell.loading.lock().await;
    if cell.contents().loaded {
        return Ok(());
    }
    let recorded = record(core, cell).await?;
    let at_hand = at_hand(core, cell).await;
    if had_another_record(core, &at_hand, &recorded) {
        // An admin reset the repository while nobody here was looking.
        reset(core, cell).await;
        return Err(Incomplete::Replaced);
    }
    let served = verify_at_hand(core, cell, &recorded, &at_hand).await?;
    let (now, latest) = (core.moment(), latest(core));
    // Whether it still verifies or not: it was written when it did.
    let is_ours = !at_hand.is_seed && !at_hand.tree.files.is_empty();
    let permissions = at_hand.note.into_iter().flat_map(|note| note.grants);
    let is_current = cell.change(|contents| {
        contents.loaded = true;
        contents.known_before |= is_ours;
        if let Some(served) = served {
            for (requester, at) in permissions.filter(|(_, at)| *at <= latest) {
                let permission = Permission { at: Since::new(at, now), access: None };
                contents.permissions.put(&requester, permission);
            }
            contents.install(served, None, &cell.usage.wanted());
        }
    });
    if let Some(served) = &cell.contents().served {
        memory::bound(core, &served.repository);
    }
    if is_current { Ok(()) } else { Err(Incomplete::Replaced) }
}

/// As [`load`], in a task of its own: a caller whose deadline comes first does not make the next one start anew. Where the
/// repository is reset meanwhile, nothing is loaded: whoever waits looks whether the cell was replaced.
pub(super) async fn load_behind(core: &Arc<Core>, cell: &Arc<Cell>) -> Result<(), Refusal> {
    let (core, of) = (Arc::clone(core), Arc::clone(cell));
    let load = async move { tokio::time::timeout(core.config.refresh_timeout, load(&core, &of)).await };
    match tokio::spawn(load).await {
        Ok(Ok(Ok(()) | Err(Incomplete::Replaced))) => Ok(()),
        Ok(Ok(Err(Incomplete::Failed(error)))) => Err(error.refusal),
        Ok(Err(_)) | Err(_) => Err(Refusal::unavailable(
            Reason::StateUnavailable,
            format!("trust state of {}: it could not be read in time; try again", cell.state_key.gun),
        )),
    }
}

/// Whether what is on disk was committed together with a record that does not go away by itself, and is gone.
fn had_another_record(core: &Core, at_hand: &AtHand, recorded: &Recorded) -> bool {
    let Some(note) = at_hand.note.as_ref().filter(|note| note.recorded) else { return false };
    let is_it = |now: &Revision| note.record.as_ref().is_none_or(|record| *record == now.record);
    core.state.is_lasting() && !recorded.revision.as_ref().is_some_and(is_it)
}

/// The set on disk, if it verifies without a server.
async fn verify_at_hand(
    core: &Core,
    cell: &Cell,
    recorded: &Recorded,
    at_hand: &AtHand,
) -> Result<Option<Served>, Refusal> {
    let pinned_root = match &recorded.record.pin {
        Some(pin) => at_hand.tree.root_with(pin.sha256).cloned(),
        None => at_hand.seed_root(),
    };
    if at_hand.tree.files.is_empty() || (cell.key.is_first_use() && pinned_root.is_none()) {
        return Ok(None);
    }
    let stop = StopOnDrop(Stop::default());
    let update = Update::new(UpdateInput {
        gun: cell.key.gun.clone(),
        anchors: Arc::clone(&cell.key.anchors),
        known: None,
        pinned_root,
        local: at_hand.tree.files.clone(),
        local_roots: at_hand.tree.roots.clone(),
        floors: recorded.record.floors.clone(),
        // Floors judge servers, and none is asked.
        others: Vec::new(),
        wanted: Some(at_hand.tree.delegations()),
        timestamp_fallback: true,
        now: core.clock.now(),
        clock_skew: core.config.clock_skew,
        stop: stop.0.clone(),
    });
    let verified =
        core.verifier.run(&cell.state_key, at_hand.tree.size(), move || drive_offline(update)).await;
    match verified.map_err(|error| unverified(&error, &cell.state_key))? {
        Ok(updated) => {
            let vouched = || Vouched::Before(Since::new(vouched(at_hand, latest(core)), core.moment()));
            let repository = memory::share(core, cell, updated.repository);
            Ok(Some(Served::new(repository, (!at_hand.is_seed).then(vouched), true)))
        }
        Err(error @ TufError::DamagedPin(_)) => {
            Err(fault::refusal(&error, &Causes::default(), &cell.state_key))
        }
        Err(error) => {
            tracing::debug!(gun = %cell.key.gun, %error, "the cache directory has nothing that verifies");
            Ok(None)
        }
    }
}

/// What the disk says of a time after this one, a clock that has been set back since wrote down.
fn latest(core: &Core) -> Timestamp {
    let now = core.clock.now();
    now.saturating_add(core.config.clock_skew).unwrap_or(now)
}

/// What the disk has: our own cache, else a seed.
pub(super) async fn at_hand(core: &Core, cell: &Cell) -> AtHand {
    let Some(disk) = core.disk.clone().filter(|_| !cell.writing.is_clearing()) else {
        return AtHand::default();
    };
    let (key, seed) = (cell.key.clone(), core.config.seed);
    let read = tokio::task::spawn_blocking(move || {
        let stored = disk.load(&key);
        match stored.tree.files.is_empty() && seed {
            true => AtHand { tree: disk.seed(&key.gun), note: None, is_seed: true },
            false => AtHand { tree: stored.tree, note: stored.note, is_seed: false },
        }
    });
    read.await.unwrap_or_default()
}

/// The record as it is now. Where it was deleted, or pins another root than before, an admin has reset the repository:
/// memory and disk go too (design §2).
pub(super) async fn record(core: &Core, cell: &Arc<Cell>) -> Result<Arc<Recorded>, Incomplete> {
    // What was seen before the look: whoever commits meanwhile is not mistaken for a reset.
    let before = cell.contents().recorded.clone();
    let loaded = core.state.load(&cell.state_key).await;
    let (record, revision) = match loaded.map_err(|error| fault::state(&error, &cell.state_key))? {
        Some((record, revision)) => (record, Some(revision)),
        None => {
            let pin = others::pin_elsewhere(core, cell).await?;
            (TrustRecord { pin, ..TrustRecord::default() }, None)
        }
    };
    let recorded = Arc::new(others::beside_others(core, cell, record, revision).await?);
    if before.as_ref().is_some_and(|before| before.was_reset(&recorded)) {
        reset(core, cell).await;
        return Err(Incomplete::Replaced);
    }
    let is_current = cell.change(|contents| {
        let is_as_before = contents.recorded.as_ref().map(Arc::as_ptr) == before.as_ref().map(Arc::as_ptr);
        if is_as_before {
            contents.recorded = Some(Arc::clone(&recorded));
        }
    });
    if is_current { Ok(recorded) } else { Err(Incomplete::Replaced) }
}

/// When the server last vouched for what is on disk. Without a note, or with one from the future, it is of no age that
/// anybody would accept.
fn vouched(at_hand: &AtHand, latest: Timestamp) -> Timestamp {
    let noted = at_hand.note.as_ref().map(|note| note.vouched);
    noted.filter(|vouched| *vouched <= latest).unwrap_or(Timestamp::MIN)
}
