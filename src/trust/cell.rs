//! [`Cell`]: one repository: its contents behind one pointer, the refreshes under way, and who uses it.
//!
//! A reset puts another cell in its place. What was in flight then ends in a cell that nobody reads.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::contents::Contents;
use super::in_flight::InFlight;
use super::older_files::FilesOfOne;
use super::usage::Usage;
use crate::records::RepositoryKey;
use crate::source::Requester;
use crate::store::CacheKey;

/// One repository in memory.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) key: CacheKey,
    pub(super) state_key: RepositoryKey,
    pub(super) usage: Arc<Usage>,
    contents: ArcSwap<Contents>,
    /// Held while the contents change. Whether another cell has taken this one's place.
    is_replaced: Mutex<bool>,
    pub(super) in_flight: Mutex<InFlight>,
    /// Held by whoever loads the repository.
    pub(super) loading: tokio::sync::Mutex<()>,
    pub(super) writing: Arc<Writing>,
    /// Superseded files of its roles that were read, or could not be had.
    pub(super) older_files: FilesOfOne,
}

/// Who writes what is remembered of one repository. The cell that replaces another one shares it.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// Held while a refresh is committed, and while the disk is cleared: one at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// So many resets have yet to clear the disk. Until then it has what is to be forgotten.
    clearing: AtomicUsize,
}

/// A reset that has yet to clear the disk, as long as it lives.
#[derive(Debug)]
pub(super) struct Clearing(Arc<Writing>);

impl Cell {
    pub(super) fn new(key: CacheKey, now: Timestamp) -> Self {
        Self::with(key, Arc::new(Usage::new(now)), Arc::default())
    }

    /// The cell that takes this one's place when the repository is reset.
    pub(super) fn successor(&self) -> Self {
        Self::with(self.key.clone(), Arc::clone(&self.usage), Arc::clone(&self.writing))
    }

    fn with(key: CacheKey, usage: Arc<Usage>, writing: Arc<Writing>) -> Self {
        Self {
            state_key: key.state_key(),
            key,
            usage,
            contents: ArcSwap::default(),
            is_replaced: Mutex::new(false),
            in_flight: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            writing,
            older_files: FilesOfOne::default(),
        }
    }

    /// What is held now.
    pub(super) fn contents(&self) -> impl Deref<Target = Arc<Contents>> {
        self.contents.load()
    }

    /// Changes what is held. `false`: another cell has taken this one's place, and nothing was changed.
    pub(super) fn change(&self, change: impl FnOnce(&mut Contents)) -> bool {
        let is_replaced = self.is_replaced.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_replaced {
            return false;
        }
        let mut contents = Contents::clone(&self.contents.load());
        change(&mut contents);
        self.contents.store(Arc::new(contents));
        true
    }

    /// Notes that another cell has taken this one's place. What is held here is dropped.
    pub(super) fn retire(&self) {
        let mut is_replaced = self.is_replaced.lock().unwrap_or_else(PoisonError::into_inner);
        *is_replaced = true;
        self.contents.store(Arc::default());
    }

    /// Whether another cell has taken this one's place.
    pub(super) fn is_replaced(&self) -> bool {
        *self.is_replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody but the table of repositories has it: nobody asks, refreshes or loads it.
    pub(super) fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }

    /// Whether requests on this requester's behalf have the known repositories' share: a tenant who was never let in has no
    /// more claim to it than one who invents names.
    pub(super) fn is_known_to(&self, requester: &Requester) -> bool {
        let contents = self.contents();
        let is_let_in = || contents.permissions.at(&requester.borrowed()).is_some();
        contents.is_known() && (!requester.is_tenant() || is_let_in())
    }
}

impl Writing {
    /// Marks that the disk is to be cleared.
    pub(super) fn clearing(self: &Arc<Self>) -> Clearing {
        self.clearing.fetch_add(1, Ordering::AcqRel);
        Clearing(Arc::clone(self))
    }

    /// Whether the disk has what is to be forgotten.
    pub(super) fn is_clearing(&self) -> bool {
        self.clearing.load(Ordering::Acquire) > 0
    }
}

impl Clearing {
    /// Waits until nobody commits.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }
}

impl Drop for Clearing {
    fn drop(&mut self) {
        self.0.clearing.fetch_sub(1, Ordering::AcqRel);
    }
}
