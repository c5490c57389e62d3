//! Older files of roles. Those that tagseal saw are read by hash, from memory, disk, or the trust server, and the record of
//! trust state vouches for them. Those that passed unseen are asked for by number, and the role's present keys vouch for them.
//!
//! What is kept in memory is what was read and verified, so that a denial that is tried again and again verifies nothing
//! again, and no file is held twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use moka::future::Cache;

use super::core::Core;
use super::entry::{Entry, EntryKey, Served};
use super::error::Refusal;
use super::fault;
use super::grant::Accessor;
use super::moment::Moment;
use super::refresh::{remarked, server_for};
use super::resolution::PastFile;
use super::source::SourceError;
use crate::digest::Digest;
use crate::tuf::{Fetch, FileName, HistoricTargets, Selector, Stop, TufError};

/// The cap on one file.
const MAX_BYTES: u64 = 16 << 20;

/// The cap on what is kept in memory of all files.
const MAX_TOTAL: u64 = 32 << 20;

/// The cap on what one repository may have of it: a long past of large files pushes out nobody else's.
const MAX_OF_ONE: u64 = 8 << 20;

/// How long a file is kept in memory that nobody asks for.
const KEEP: Duration = Duration::from_secs(600);

/// What keeping a file costs beside the file.
const OVERHEAD: usize = 512;

/// How long it is remembered that a file is not to be had: as long as other failures.
const REMEMBER_ABSENCE: Duration = Duration::from_secs(2);

/// More absences than this one repository does not remember.
const MAX_ABSENCES: usize = 1024;

/// Older files in memory, verified. What a file says is the same for everybody who may read the repository; whether it is
/// to be had is not.
#[derive(Debug)]
pub(super) struct History {
    files: Cache<PastKey, Arc<Kept>>,
    /// What is being asked for, so that many who want one file ask once.
    asked: Cache<(PastKey, Accessor), Arc<Kept>>,
}

/// An older file, and all that its meaning depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PastKey {
    entry: EntryKey,
    file: FileName,
    /// `TrustedRepository::historic_basis`: a key or a path taken from the role changes what counts.
    basis: Digest,
}

/// What was read.
#[derive(Debug)]
struct Kept {
    /// `None` where it cannot be read under the role's present keys.
    file: Option<Arc<HistoricTargets>>,
    weight: u64,
    /// `None` where the repository holds too much: it serves who asked, and is forgotten.
    held: Option<Hold>,
}

/// How much of [`History`] one repository has.
#[derive(Debug, Default)]
pub(super) struct Holdings(Arc<AtomicU64>);

/// A part of one repository's holdings, given back when it is dropped.
#[derive(Debug)]
struct Hold(Arc<AtomicU64>, u64);

impl Holdings {
    /// `weight` more, if the repository may have that.
    fn take(&self, weight: u64) -> Option<Hold> {
        let more = |held: u64| held.checked_add(weight).filter(|held| *held <= MAX_OF_ONE);
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
    fn new(file: Option<HistoricTargets>, holdings: &Holdings) -> Self {
        let memory = file.as_ref().map_or(0, HistoricTargets::memory).saturating_add(OVERHEAD);
        let weight = u64::try_from(memory).unwrap_or(u64::MAX);
        Self { file: file.map(Arc::new), weight, held: holdings.take(weight) }
    }

    fn past(&self) -> PastFile {
        self.file.as_ref().map_or(PastFile::Absent, |file| PastFile::Read(Arc::clone(file)))
    }
}

/// Files of one repository that were not to be had a moment ago.
#[derive(Debug, Default)]
pub(super) struct Absences(Mutex<HashMap<(Accessor, FileName), Moment>>);

/// Why there is no file.
#[derive(Debug)]
enum Miss {
    Absent,
    Failed(Refusal),
}

impl History {
    pub(super) fn new() -> Self {
        fn weight<K>(_: &K, kept: &Arc<Kept>) -> u32 {
            u32::try_from(kept.weight).unwrap_or(u32::MAX)
        }
        let files = Cache::builder().max_capacity(MAX_TOTAL).weigher(weight).time_to_idle(KEEP).build();
        let asked = Cache::builder().max_capacity(MAX_TOTAL).weigher(weight);
        Self { files, asked: asked.time_to_live(REMEMBER_ABSENCE).build() }
    }
}

impl Absences {
    fn has(&self, accessor: &Accessor, file: &FileName, now: Moment) -> bool {
        let absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = absences.get(&(accessor.clone(), file.clone()));
        at.is_some_and(|at| at.remaining(REMEMBER_ABSENCE, &now).is_some())
    }

    fn note(&self, accessor: &Accessor, file: &FileName, now: Moment) {
        let mut absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        absences.retain(|_, at| at.remaining(REMEMBER_ABSENCE, &now).is_some());
        if absences.len() < MAX_ABSENCES {
            absences.insert((accessor.clone(), file.clone()), now);
        }
    }
}

impl Core {
    /// Reads older files of roles as the present set of the repository sees them.
    pub(super) async fn past_files(
        &self,
        entry: &Entry,
        accessor: &Accessor,
        served: &Served,
        files: &[FileName],
    ) -> Vec<(FileName, PastFile)> {
        let read = files.iter().map(|file| async move {
            let basis = served.repository.historic_basis(&file.role);
            let key = PastKey { entry: entry.key.clone(), file: file.clone(), basis };
            (file.clone(), self.past_file(entry, accessor, served, key).await)
        });
        join_all(read).await
    }

    async fn past_file(&self, entry: &Entry, accessor: &Accessor, served: &Served, key: PastKey) -> PastFile {
        if let Some(kept) = self.history.files.get(&key).await {
            return kept.past();
        }
        if entry.absences.has(accessor, &key.file, self.moment()) {
            return PastFile::Absent;
        }
        let read = self.read_past_file(entry, accessor, served, &key);
        let asked = (key.clone(), accessor.clone());
        match self.history.asked.try_get_with(asked.clone(), read).await {
            Ok(kept) => {
                if kept.held.is_some() {
                    self.history.asked.invalidate(&asked).await;
                }
                kept.past()
            }
            Err(miss) => match &*miss {
                Miss::Absent => PastFile::Absent,
                Miss::Failed(refusal) => PastFile::Failed(refusal.clone()),
            },
        }
    }

    /// Fetches and verifies a file, and keeps what it says.
    async fn read_past_file(
        &self,
        entry: &Entry,
        accessor: &Accessor,
        served: &Served,
        key: &PastKey,
    ) -> Result<Arc<Kept>, Miss> {
        let file = match self.past_file_on_disk(entry, &key.file).await {
            Some(bytes) => Some(bytes),
            None => {
                let fetched = self.fetch_past_file(entry, accessor, &key.file);
                fetched.await.map_err(Miss::Failed)?
            }
        };
        let role = &key.file.role;
        let read = file.map(|file| match key.file.selector {
            Selector::Hash(sha256) => served.repository.historic(role, sha256, &file, &Stop::default()),
            Selector::Version(version) => {
                served.repository.historic_unseen(role, version, &file, &Stop::default())
            }
            Selector::Current => Err(TufError::Missing { file: key.file.clone() }),
        });
        let read = match read {
            Some(Ok(read)) => Some(read),
            // The file of this hash will never be another one. What stands under a number may.
            Some(Err(_)) if matches!(key.file.selector, Selector::Hash(_)) => None,
            _ => {
                entry.absences.note(accessor, &key.file, self.moment());
                return Err(Miss::Absent);
            }
        };
        let kept = Arc::new(Kept::new(read, &entry.pasts));
        if kept.held.is_some() {
            self.history.files.insert(key.clone(), Arc::clone(&kept)).await;
        }
        Ok(kept)
    }

    async fn past_file_on_disk(&self, entry: &Entry, file: &FileName) -> Option<Bytes> {
        let Selector::Hash(sha256) = file.selector else { return None };
        let (disk, key) = (self.disk.clone()?, entry.key.clone());
        tokio::task::spawn_blocking(move || disk.history(&key, sha256)).await.ok()?
    }

    async fn fetch_past_file(
        &self,
        entry: &Entry,
        accessor: &Accessor,
        file: &FileName,
    ) -> Result<Option<Bytes>, Refusal> {
        let is_it = |bytes: &Bytes| match file.selector {
            Selector::Hash(sha256) => Digest::of(bytes) == sha256,
            Selector::Current | Selector::Version(_) => true,
        };
        let fetch = Fetch { file: file.clone(), max_bytes: MAX_BYTES };
        let server = server_for(entry, accessor);
        let mut refused = None;
        let credentials = self.credentials_of(entry, accessor).await?;
        for access in credentials.accesses {
            match self.line(entry, &server, accessor, &access, true).fetch(&fetch).await {
                // Another file than was asked for is as good as none.
                Ok(came) => return Ok(came.filter(is_it)),
                Err(cause @ SourceError::Unauthorized { .. }) => refused = Some(cause),
                // Larger than allowed, or not what its headers say: as good as none.
                Err(SourceError::Invalid { .. }) if matches!(file.selector, Selector::Version(_)) => {
                    return Ok(None);
                }
                Err(cause) => return Err(fault::source(&cause, &fetch.file, &entry.state_key)),
            }
        }
        match refused {
            Some(cause) => {
                let refusal = fault::source(&cause, &fetch.file, &entry.state_key);
                Err(remarked(refusal, entry, &credentials.remark))
            }
            None => Ok(None),
        }
    }
}

/// The set that is kept while its past is looked at.
pub(super) fn same_set(a: &Arc<Served>, b: &Arc<Served>) -> bool {
    Arc::ptr_eq(&a.repository, &b.repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_holds_so_much_and_no_more_until_it_gives_some_back() {
        let (one, other) = (Holdings::default(), Holdings::default());
        let most = one.take(MAX_OF_ONE - 1).unwrap();
        assert!(one.take(2).is_none());
        assert!(one.take(u64::MAX).is_none());
        let rest = one.take(1).unwrap();
        assert!(other.take(MAX_OF_ONE).is_some(), "what one holds is not another's");
        drop(most);
        assert!(one.take(MAX_OF_ONE).is_none());
        drop(rest);
        assert!(one.take(MAX_OF_ONE).is_some());
    }
}
