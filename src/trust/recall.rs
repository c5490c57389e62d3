//! What is remembered from before: the record of trust state, and the set on disk, verified again from scratch. And how it
//! is forgotten.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::core::Core;
use super::disk::{DiskCache, Note, Tree};
use super::driver::drive_offline;
use super::entry::{Clearing, Entry, Recorded, Served, Vouched};
use super::error::Refusal;
use super::fault::{self, Causes};
use super::grant::Granted;
use super::moment::Since;
use super::source::BoxFuture;
use super::state::{RepositoryKey, Revision, TrustRecord};
use crate::policy::Reason;
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

impl Core {
    /// Looks at state and disk once, so that a restart during an outage finds what was there before.
    pub(super) async fn recall(&self, entry: &Arc<Entry>) -> Result<(), Refusal> {
        entry.recalled.get_or_try_init(|| self.recall_now(entry)).await.copied()
    }

    /// As [`Self::recall`], in a task of its own: a caller whose deadline comes first does not make the next one start
    /// anew.
    pub(super) async fn recall_behind(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(), Refusal> {
        let (core, of, under_way) = (Arc::clone(self), Arc::clone(entry), entry.recalling());
        let recall = async move {
            let _under_way = under_way;
            tokio::time::timeout(core.config.refresh_timeout, core.recall(&of)).await
        };
        match tokio::spawn(recall).await {
            Ok(Ok(recalled)) => recalled,
            Ok(Err(_)) | Err(_) => Err(Refusal::unavailable(
                Reason::StateUnavailable,
                format!("trust state of {}: it could not be read in time; try again", entry.state_key.gun),
            )),
        }
    }

    async fn recall_now(&self, entry: &Arc<Entry>) -> Result<(), Refusal> {
        let recorded = self.load_record(entry).await?;
        let at_hand = self.at_hand(entry).await;
        if self.had_another_record(&at_hand, &recorded) {
            // An admin reset the repository while nobody here was looking.
            self.reset(entry).await;
            return Ok(());
        }
        if !at_hand.is_seed && !at_hand.tree.files.is_empty() {
            // Whether it still verifies or not: it was written when it did.
            entry.note_known();
        }
        let Some(served) = self.verify_at_hand(entry, &recorded, &at_hand)? else { return Ok(()) };
        let (now, latest) = (self.moment(), self.latest());
        let grants = at_hand.note.into_iter().flat_map(|note| note.grants);
        // If it was reset meanwhile, there is nothing to recall.
        entry.unless_reset(recorded.resets, || {
            for (accessor, at) in grants.filter(|(_, at)| *at <= latest) {
                entry.grants.put(&accessor, Granted { at: Since::new(at, now), access: None });
            }
            entry.install(served, None);
        });
        Ok(())
    }

    /// Whether what is on disk was committed together with a record that does not go away by itself, and is gone.
    fn had_another_record(&self, at_hand: &AtHand, recorded: &Recorded) -> bool {
        let Some(note) = at_hand.note.as_ref().filter(|note| note.recorded) else { return false };
        let is_it = |now: &Revision| note.record.as_ref().is_none_or(|record| *record == now.record);
        self.state.is_lasting() && !recorded.revision.as_ref().is_some_and(is_it)
    }

    /// The set on disk, if it verifies without a server.
    fn verify_at_hand(
        &self,
        entry: &Entry,
        recorded: &Recorded,
        at_hand: &AtHand,
    ) -> Result<Option<Served>, Refusal> {
        let pinned_root = match &recorded.record.pin {
            Some(pin) => at_hand.tree.root_with(pin.sha256).cloned(),
            None => at_hand.seed_root(),
        };
        if at_hand.tree.files.is_empty() || (entry.is_first_use() && pinned_root.is_none()) {
            return Ok(None);
        }
        let now = self.clock.now();
        let update = Update::new(UpdateInput {
            gun: entry.key.gun.clone(),
            anchors: Arc::clone(&entry.anchors),
            known: None,
            pinned_root,
            local: at_hand.tree.files.clone(),
            local_roots: at_hand.tree.roots.clone(),
            floors: recorded.record.floors.clone(),
            // Floors judge servers, and none is asked.
            others: Vec::new(),
            wanted: Some(at_hand.tree.delegations()),
            timestamp_fallback: true,
            now,
            clock_skew: self.config.clock_skew,
            stop: Stop::default(),
        });
        match drive_offline(update) {
            Ok(updated) => {
                let vouched = (!at_hand.is_seed)
                    .then(|| Vouched::Before(Since::new(vouched(at_hand, self.latest()), self.moment())));
                Ok(Some(Served::new(updated.repository, vouched, true)))
            }
            Err(error @ TufError::DamagedPin(_)) => {
                Err(fault::refusal(&error, &Causes::default(), &entry.state_key))
            }
            Err(error) => {
                tracing::debug!(gun = %entry.key.gun, %error, "the cache directory has nothing that verifies");
                Ok(None)
            }
        }
    }

    /// What the disk says of a time after this one, a clock that has been set back since wrote down.
    fn latest(&self) -> Timestamp {
        let now = self.clock.now();
        now.saturating_add(self.config.clock_skew).unwrap_or(now)
    }

    /// What the disk has: our own cache, else a seed.
    pub(super) async fn at_hand(&self, entry: &Entry) -> AtHand {
        let Some(disk) = self.disk.clone().filter(|_| !entry.is_clearing()) else { return AtHand::default() };
        let (key, seed) = (entry.key.clone(), self.config.seed);
        let read = tokio::task::spawn_blocking(move || {
            let stored = disk.load(&key);
            match stored.tree.files.is_empty() && seed {
                true => AtHand { tree: disk.seed(&key.gun), note: None, is_seed: true },
                false => AtHand { tree: stored.tree, note: stored.note, is_seed: false },
            }
        });
        read.await.unwrap_or_default()
    }

    /// The record as it is now. Where it was deleted, or pins another root than before, an admin has reset the
    /// repository: memory and disk go too (design §2).
    pub(super) async fn load_record(&self, entry: &Arc<Entry>) -> Result<Arc<Recorded>, Refusal> {
        loop {
            let resets = entry.resets();
            // What was seen before the load: whoever commits meanwhile is not mistaken for a reset.
            let before = entry.recorded.load_full();
            let loaded = self.state.load(&entry.state_key).await;
            let recorded = match loaded.map_err(|error| fault::state(&error, &entry.state_key))? {
                Some((record, revision)) => self.beside_others(entry, record, Some(revision), resets).await?,
                None => {
                    let record =
                        TrustRecord { pin: self.pin_elsewhere(entry).await?, ..TrustRecord::default() };
                    self.beside_others(entry, record, None, resets).await?
                }
            };
            let recorded = Arc::new(recorded);
            if before.as_ref().is_some_and(|before| before.was_reset(&recorded)) {
                // Unless somebody else noticed it first.
                if entry.resets() == resets {
                    self.reset(entry).await;
                }
                continue;
            }
            let is_current = entry.unless_reset(resets, || {
                entry.recorded.compare_and_swap(&before, Some(Arc::clone(&recorded)));
            });
            if is_current {
                return Ok(recorded);
            }
        }
    }

    /// Drops memory of an entry at once. Its disk is cleared when a commit that is under way has ended, by a task of its
    /// own, whoever waits for it.
    pub(super) fn reset(&self, entry: &Arc<Entry>) -> BoxFuture<'static, ()> {
        let clearing = entry.reset();
        tracing::info!(gun = %entry.key.gun, server = %entry.state_key.server, "trust in the repository was reset");
        let Some(disk) = self.disk.clone() else { return Box::pin(std::future::ready(())) };
        let cleared = tokio::spawn(clear(disk, clearing, Arc::clone(&self.clearing)));
        Box::pin(async {
            // It does not panic, and where the runtime ends nothing is left to do.
            let _ = cleared.await;
        })
    }

    /// Resets a repository: its memory when this is called, its disk when the answer is there. Who noticed it before the
    /// watch did, and has a record that was made since, is not reset twice.
    pub(super) fn forget(&self, key: &RepositoryKey, record: Option<&str>) -> BoxFuture<'static, ()> {
        let entries = self.entries.of(key);
        let concerned =
            entries.iter().filter(|entry| record.is_none_or(|gone| !entry.rests_on_another(gone)));
        let cleared: Vec<_> = concerned.map(|entry| self.reset(entry)).collect();
        Box::pin(async {
            join_all(cleared).await;
        })
    }
}

/// Clears the disk of an entry. The commit that is under way may yet write to it; the next ones wait for no more than that
/// the files are put away. To delete them takes turns, however many repositories are reset at once.
async fn clear(disk: DiskCache, clearing: Clearing, turns: Arc<Semaphore>) {
    let key = clearing.key.clone();
    let (of, bury) = (key.clone(), disk.clone());
    let buried = {
        let _no_commit = clearing.commit.lock().await;
        tokio::task::spawn_blocking(move || bury.bury(&of)).await
    };
    drop(clearing);
    let _turn = turns.acquire().await;
    let deleted = match buried {
        Ok(Ok(Some(grave))) => tokio::task::spawn_blocking(move || disk.delete(&grave)).await,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => Ok(Err(error)),
        Err(error) => Err(error),
    };
    if let Ok(Err(error)) = deleted {
        tracing::warn!(gun = %key.gun, %error, "the cache directory could not be cleared");
    }
}

/// When the server last vouched for what is on disk. Without a note, or with one from the future, it is of no age that
/// anybody would accept.
fn vouched(at_hand: &AtHand, latest: Timestamp) -> Timestamp {
    let noted = at_hand.note.as_ref().map(|note| note.vouched);
    noted.filter(|vouched| *vouched <= latest).unwrap_or(Timestamp::MIN)
}
