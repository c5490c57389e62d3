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
use super::others;
use super::record;
use super::refresh::{Fetched, Plan};
use super::state::StateError;
use crate::policy::Reason;
use crate::tuf::{RoleName, TrustedRepository};

/// How often a write is tried anew because somebody else wrote first.
const MAX_CONFLICTS: usize = 16;

/// The disk hears at most this often, in seconds, that nothing changed.
const NOTE_EVERY: i64 = 300;

impl Core {
    /// Writes floors and pin, then serves the set. `false`: another replica pinned another root first, or an admin reset the
    /// repository, and the fetch must be made anew under what is there now. What began before a reset rests on what was to
    /// be forgotten, however long it had to wait here.
    pub(super) async fn commit(
        &self,
        entry: &Arc<Entry>,
        plan: &Plan<'_>,
        fetched: Fetched,
        pin: bool,
    ) -> Result<bool, Refusal> {
        let _one_at_a_time = entry.commit.lock().await;
        let repository = Arc::clone(&fetched.updated.repository);
        let resets = fetched.recorded.resets;
        if entry.resets() != resets {
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
        let granted = Granted { at: fetched.sent.into(), access: Some(fetched.access.clone()) };
        let served = Served::new(repository, Some(Vouched::Here(fetched.sent)), pinned);
        let is_current = entry.unless_reset(resets, || {
            entry.recorded.store(Some(Arc::clone(&recorded)));
            entry.grants.put(plan.accessor, granted);
            entry.install(served, fetched.known.as_ref());
        });
        if is_current && pinned {
            self.save(entry, fetched, &recorded).await;
        }
        Ok(is_current)
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
            let before = match base.revision {
                Some(_) => base.record.clone(),
                None => self.seeded(&base, repository).await.map_err(|error| fault::state(&error, key))?,
            };
            let others = others::floors(&base);
            let next = record::next(&before, &others, repository, makes_pin, self.clock.now());
            if base.revision.is_some() && next == base.record {
                return Ok(Some(base));
            }
            match self.state.store(key, base.revision.as_ref(), &next).await {
                Ok(revision) => {
                    let (others, resets) = (Arc::clone(&base.others), base.resets);
                    let recorded = Recorded { record: next, revision: Some(revision), others, resets };
                    return Ok(Some(Arc::new(recorded)));
                }
                Err(StateError::Conflict) => {}
                Err(error) => return Err(fault::state(&error, key)),
            }
            let loaded = self.state.load(key).await.map_err(|error| fault::state(&error, key))?;
            // Whoever wrote before us has been reset.
            let Some((record, revision)) = loaded else { return Ok(None) };
            let (others, resets) = (Arc::clone(&base.others), base.resets);
            let theirs = Recorded { record, revision: Some(revision), others, resets };
            if base.was_made_anew(&theirs) || entry.resets() != base.resets {
                // Nobody here may have heard of it yet. What was fetched under the old record is not for the new one.
                return Ok(None);
            }
            let pinned = theirs.record.pin.as_ref().map(|pin| pin.sha256);
            if entry.is_first_use() && pinned != judged_by && pinned != Some(repository.root().sha256()) {
                return Ok(None);
            }
            base = Arc::new(theirs);
        }
        Err(Refusal::unavailable(
            Reason::StateUnavailable,
            format!("trust state of {} at {}: others keep writing to it; try again", key.gun, key.server),
        ))
    }

    /// Keeps the set on disk. The disk is a cache: a failure is told and costs nothing else.
    async fn save(&self, entry: &Arc<Entry>, fetched: Fetched, recorded: &Recorded) {
        let Some(disk) = self.disk.clone() else { return };
        let now = fetched.sent.wall.as_second();
        let files = fetched.updated.files.clone();
        // A note from after now was made before the clock was set back.
        let noted = now.saturating_sub(entry.noted.load(Ordering::Relaxed));
        if files.is_empty() && (0..NOTE_EVERY).contains(&noted) {
            return;
        }
        entry.noted.store(now, Ordering::Relaxed);
        let is_lasting = self.state.is_lasting();
        let record = recorded.revision.as_ref().map(|revision| revision.record.clone());
        let note = Note {
            vouched: fetched.sent.wall,
            grants: entry.grants.all(),
            recorded: is_lasting,
            record: record.filter(|_| is_lasting),
        };
        let roots = roots_to_keep(recorded, &fetched);
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
