//! [`OlderFiles`]: superseded files of roles in memory. What is kept is what was read and verified, so that a denial that is
//! tried again and again verifies nothing again, and no file is held twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;

use super::moment::Moment;
use super::per_server::{PerServer, SharedPlaces};
use crate::digest::Digest;
use crate::limits::{
    DIGESTS_AT_ONCE, DIGESTS_OF_SERVER, OLDER_FILES, OLDER_FILES_AT_ONCE, OLDER_FILES_OF_ONE,
    REMEMBERED_ABSENCES,
};
use crate::resolution::{PastFile, Refusal};
use crate::source::Requester;
use crate::store::CacheKey;
use crate::tuf::{FileName, HistoricTargets};

/// How long a file is kept in memory that nobody asks for.
const KEEP: Duration = Duration::from_secs(600);

/// What keeping a file costs beside the file.
const OVERHEAD: usize = 512;

/// How long it is remembered that a file is not to be had: as long as other failures.
const REMEMBER_ABSENCE: Duration = Duration::from_secs(2);

/// Older files in memory, verified. What a file says is the same for everybody who may read the repository; whether it is
/// to be had is not.
#[derive(Debug)]
pub(super) struct OlderFiles {
    pub(super) files: Cache<FileKey, Arc<Kept>>,
    /// What is being asked for, so that many who want one file ask once.
    pub(super) asked: Cache<(FileKey, Requester), Arc<Kept>>,
    /// Where they are read.
    pub(super) reading: PerServer,
    /// For questions that hold all that they list.
    pub(super) digests: SharedPlaces,
}

/// An older file, and all that its meaning depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    pub(super) repository: CacheKey,
    pub(super) file: FileName,
    /// `TrustedRepository::historic_basis`: a key or a path taken from the role changes what counts.
    pub(super) basis: Digest,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Kept {
    /// `None` where it cannot be read under the role's present keys.
    file: Option<Arc<HistoricTargets>>,
    weight: u64,
    /// `None` where the repository holds too much: it serves who asked, and is forgotten.
    held: Option<Hold>,
}

/// How much of [`OlderFiles`] one repository has.
#[derive(Debug, Default)]
pub(super) struct Holdings(Arc<AtomicU64>);

/// A part of one repository's holdings, given back when it is dropped.
#[derive(Debug)]
struct Hold(Arc<AtomicU64>, u64);

impl Holdings {
    /// `weight` more, if the repository may have that.
    fn take(&self, weight: u64) -> Option<Hold> {
        let more = |held: u64| held.checked_add(weight).filter(|held| *held <= OLDER_FILES_OF_ONE);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Hold(Arc::clone(&self.0), weight))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Kept {
    pub(super) fn new(file: Option<HistoricTargets>, holdings: &Holdings) -> Self {
        let memory = file.as_ref().map_or(0, HistoricTargets::memory).saturating_add(OVERHEAD);
        let weight = u64::try_from(memory).unwrap_or(u64::MAX);
        Self { file: file.map(Arc::new), weight, held: holdings.take(weight) }
    }

    /// Whether the repository may have it in memory.
    pub(super) fn may_stay(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn past(&self) -> PastFile {
        self.file.as_ref().map_or(PastFile::Absent, |file| PastFile::Read(Arc::clone(file)))
    }
}

/// What one repository has of [`OlderFiles`], and what could not be had.
#[derive(Debug, Default)]
pub(super) struct FilesOfOne {
    pub(super) absences: Absences,
    pub(super) holdings: Holdings,
}

/// Files of one repository that were not to be had a moment ago.
#[derive(Debug, Default)]
pub(super) struct Absences(Mutex<HashMap<(Requester, FileName), Moment>>);

/// Why there is no file.
#[derive(Debug)]
pub(super) enum Miss {
    Absent,
    Failed(Refusal),
}

impl OlderFiles {
    pub(super) fn new() -> Self {
        fn weight<K>(_: &K, kept: &Arc<Kept>) -> u32 {
            u32::try_from(kept.weight).unwrap_or(u32::MAX)
        }
        let files = Cache::builder().max_capacity(OLDER_FILES).weigher(weight).time_to_idle(KEEP).build();
        let asked = Cache::builder().max_capacity(OLDER_FILES).weigher(weight);
        Self {
            files,
            asked: asked.time_to_live(REMEMBER_ABSENCE).build(),
            reading: PerServer::new(OLDER_FILES_AT_ONCE),
            digests: SharedPlaces::new(DIGESTS_AT_ONCE, DIGESTS_OF_SERVER),
        }
    }

    /// Drops the files that are kept no longer. The caches do so only where somebody uses them, and large files would stay
    /// in memory until then.
    pub(super) async fn drop_expired(&self) {
        self.files.run_pending_tasks().await;
        self.asked.run_pending_tasks().await;
    }
}

impl Absences {
    pub(super) fn has(&self, requester: &Requester, file: &FileName, now: Moment) -> bool {
        let absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = absences.get(&(requester.clone(), file.clone()));
        at.is_some_and(|at| at.remaining(REMEMBER_ABSENCE, &now).is_some())
    }

    pub(super) fn note(&self, requester: &Requester, file: &FileName, now: Moment) {
        let mut absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        absences.retain(|_, at| at.remaining(REMEMBER_ABSENCE, &now).is_some());
        if absences.len() < REMEMBERED_ABSENCES {
            absences.insert((requester.clone(), file.clone()), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_holds_so_much_and_no_more_until_it_gives_some_back() {
        let (one, other) = (Holdings::default(), Holdings::default());
        let most = one.take(OLDER_FILES_OF_ONE - 1).unwrap();
        assert!(one.take(2).is_none());
        assert!(one.take(u64::MAX).is_none());
        let rest = one.take(1).unwrap();
        assert!(other.take(OLDER_FILES_OF_ONE).is_some(), "what one holds is not another's");
        drop(most);
        assert!(one.take(OLDER_FILES_OF_ONE).is_none());
        drop(rest);
        assert!(one.take(OLDER_FILES_OF_ONE).is_some());
    }
}
