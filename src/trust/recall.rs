//! What is remembered from before: the record of trust state, and the set on disk, verified again from scratch.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::core::Core;
use super::disk::{Note, Tree};
use super::driver::drive_offline;
use super::entry::{Entry, Recorded, Served, Vouched};
use super::error::Refusal;
use super::fault::{self, Causes};
use super::grant::Granted;
use super::moment::Since;
use crate::policy::Reason;
use crate::tuf::{TufError, Update, UpdateInput};

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
        if recorded.revision.is_none() && self.had_a_record(&at_hand) {
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
        for (accessor, at) in grants.filter(|(_, at)| *at <= latest) {
            entry.grants.put(&accessor, Granted { at: Since::new(at, now), access: None });
        }
        entry.install(served, None);
        Ok(())
    }

    /// Whether what is on disk was committed together with a record that does not go away by itself.
    fn had_a_record(&self, at_hand: &AtHand) -> bool {
        self.state.is_lasting() && at_hand.note.as_ref().is_some_and(|note| note.recorded)
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
            wanted: Some(at_hand.tree.delegations()),
            timestamp_fallback: true,
            now,
            clock_skew: self.config.clock_skew,
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
        let Some(disk) = self.disk.clone() else { return AtHand::default() };
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
    pub(super) async fn load_record(&self, entry: &Entry) -> Result<Arc<Recorded>, Refusal> {
        // What was seen before the load: whoever commits meanwhile is not mistaken for a reset.
        let before = entry.recorded.load_full();
        let loaded = self.state.load(&entry.state_key).await;
        let (record, revision) = match loaded.map_err(|error| fault::state(&error, &entry.state_key))? {
            Some((record, revision)) => (record, Some(revision)),
            None => Default::default(),
        };
        let pin = |recorded: &Recorded| recorded.record.pin.as_ref().map(|pin| pin.sha256);
        let recorded = Arc::new(Recorded { record, revision });
        let is_reset = before.as_ref().is_some_and(|before| {
            before.revision.is_some() && recorded.revision.is_none()
                || pin(before).is_some() && pin(before) != pin(&recorded)
        });
        if is_reset {
            self.reset(entry).await;
            entry.recorded.store(Some(Arc::clone(&recorded)));
        } else {
            entry.recorded.compare_and_swap(&before, Some(Arc::clone(&recorded)));
        }
        Ok(recorded)
    }

    /// Drops memory and disk of an entry. A commit under way ends first: what it writes to either goes too.
    pub(super) async fn reset(&self, entry: &Entry) {
        let _no_commit = entry.commit.lock().await;
        tracing::info!(gun = %entry.key.gun, server = %entry.state_key.server, "trust in the repository was reset");
        entry.reset();
        if let Some(disk) = self.disk.clone() {
            let key = entry.key.clone();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || disk.remove(&key)).await {
                tracing::warn!(gun = %entry.key.gun, %error, "the cache directory could not be cleared");
            }
        }
    }
}

/// When the server last vouched for what is on disk. Without a note, or with one from the future, it is of no age that
/// anybody would accept.
fn vouched(at_hand: &AtHand, latest: Timestamp) -> Timestamp {
    let noted = at_hand.note.as_ref().map(|note| note.vouched);
    noted.filter(|vouched| *vouched <= latest).unwrap_or(Timestamp::MIN)
}
