//! Committing what verified: floors and pin first, then memory, then disk (design §4 "Floors").

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::core::Core;
use super::disk::Note;
use super::entry::{Entry, Recorded, Served, Vouched};
use super::error::Refusal;
use super::fault;
use super::grant::Granted;
use super::record;
use super::refresh::{Fetched, Plan};
use super::state::{StateError, TrustRecord};
use crate::policy::Reason;
use crate::tuf::{RoleName, TrustedRepository};

/// How often a write is tried anew because somebody else wrote first.
const MAX_CONFLICTS: usize = 16;

/// The disk hears at most this often, in seconds, that nothing changed.
const NOTE_EVERY: i64 = 300;

impl Core {
    /// Writes floors and pin, then serves the set. `false`: another replica pinned another root first, or an admin reset the
    /// repository, and the fetch must be made anew under what is there now.
    pub(super) async fn commit(
        &self,
        entry: &Arc<Entry>,
        plan: &Plan<'_>,
        fetched: Fetched,
        pin: bool,
    ) -> Result<bool, Refusal> {
        let _one_at_a_time = entry.commit.lock().await;
        let repository = Arc::clone(&fetched.updated.repository);
        if fetched.recorded.revision.is_some() && entry.recorded.load().is_none() {
            // It was reset meanwhile: what was fetched rests on what was to be forgotten.
            return Ok(false);
        }
        let makes_pin = entry.is_first_use() && fetched.recorded.record.pin.is_none();
        if makes_pin && !pin && entry.has_pin() {
            // A real use has pinned meanwhile: what nothing vouches for does not take the place of what it serves.
            return Ok(false);
        }
        // A dry run pins nothing, and what no pin vouches for raises no floors.
        let recorded = if makes_pin && !pin {
            Arc::clone(&fetched.recorded)
        } else {
            match self.write(entry, &repository, &fetched.recorded, makes_pin).await? {
                Some(recorded) => recorded,
                None => return Ok(false),
            }
        };
        let pinned = !entry.is_first_use() || recorded.record.pin.is_some();
        entry.recorded.store(Some(recorded));
        let granted = Granted { at: fetched.sent.into(), access: Some(fetched.access.clone()) };
        entry.grants.put(plan.accessor, granted);
        let vouched = Some(Vouched::Here(fetched.sent));
        entry.install(Served::new(repository, vouched, pinned), fetched.known.as_ref());
        if pinned {
            self.save(entry, fetched).await;
        }
        Ok(true)
    }

    /// Compare-and-swap, merged with whatever others wrote meanwhile. `None`: they pinned another root, or deleted the record.
    async fn write(
        &self,
        entry: &Entry,
        repository: &TrustedRepository,
        recorded: &Arc<Recorded>,
        makes_pin: bool,
    ) -> Result<Option<Arc<Recorded>>, Refusal> {
        let key = &entry.state_key;
        let judged_by = recorded.record.pin.as_ref().map(|pin| pin.sha256);
        let mut base = Arc::clone(recorded);
        for _ in 0..MAX_CONFLICTS {
            let next = record::next(&base.record, repository, makes_pin, self.clock.now());
            if next == base.record {
                return Ok(Some(base));
            }
            match self.state.store(key, base.revision.as_ref(), &next).await {
                Ok(revision) => {
                    return Ok(Some(Arc::new(Recorded { record: next, revision: Some(revision) })));
                }
                Err(StateError::Conflict) => {}
                Err(error) => return Err(fault::state(&error, key)),
            }
            let (record, revision) =
                match self.state.load(key).await.map_err(|error| fault::state(&error, key))? {
                    Some((record, revision)) => (record, Some(revision)),
                    None => (TrustRecord::default(), None),
                };
            if base.revision.is_some() && revision.is_none() {
                // It was reset meanwhile, and nobody here has heard of it yet.
                return Ok(None);
            }
            let theirs = record.pin.as_ref().map(|pin| pin.sha256);
            if entry.is_first_use() && theirs != judged_by && theirs != Some(repository.root().sha256()) {
                return Ok(None);
            }
            base = Arc::new(Recorded { record, revision });
        }
        Err(Refusal::unavailable(
            Reason::StateUnavailable,
            format!("trust state of {} at {}: others keep writing to it; try again", key.gun, key.server),
        ))
    }

    /// Keeps the set on disk. The disk is a cache: a failure is told and costs nothing else.
    async fn save(&self, entry: &Arc<Entry>, fetched: Fetched) {
        let Some(disk) = self.disk.clone() else { return };
        let now = fetched.sent.wall.as_second();
        let files = fetched.updated.files.clone();
        // A note from after now was made before the clock was set back.
        let noted = now.saturating_sub(entry.noted.load(Ordering::Relaxed));
        if files.is_empty() && (0..NOTE_EVERY).contains(&noted) {
            return;
        }
        entry.noted.store(now, Ordering::Relaxed);
        let recorded = self.state.is_lasting();
        let note = Note { vouched: fetched.sent.wall, grants: entry.grants.all(), recorded };
        let roots = roots_to_keep(entry, &fetched);
        let replaced = fetched.known.as_ref().map(|known| known.repository.root().version());
        let key = entry.key.clone();
        let saved = tokio::task::spawn_blocking(move || match files.is_empty() {
            true => disk.note(&key, &note),
            false => disk.save(&key, &files, &roots, replaced, &note),
        });
        if let Ok(Err(error)) = saved.await {
            tracing::warn!(gun = %entry.key.gun, %error, "trust data could not be written to the cache directory");
        }
    }
}

/// The older roots that a start from scratch would need: the chain, and the one that first use pinned.
fn roots_to_keep(entry: &Entry, fetched: &Fetched) -> Vec<(u64, Bytes)> {
    let mut roots = fetched.updated.roots.clone();
    let recorded = entry.recorded.load();
    if let Some(pin) = recorded.as_ref().and_then(|recorded| recorded.record.pin.as_ref()) {
        let newest = fetched.updated.files.iter().find(|(role, _)| *role == RoleName::root());
        let candidates = fetched.pinned_root.iter().chain(newest.map(|(_, bytes)| bytes));
        let pinned = candidates.into_iter().find(|bytes| crate::digest::Digest::of(bytes) == pin.sha256);
        roots.extend(pinned.map(|bytes| (pin.version, bytes.clone())));
    }
    roots
}
