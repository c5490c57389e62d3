//! Older files of roles, by hash: from memory, disk, or the trust server. The record of trust state vouches for them.

use std::collections::HashMap;
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
use super::refresh::server_for;
use super::resolution::PastFile;
use super::source::SourceError;
use crate::digest::Digest;
use crate::tuf::{Fetch, FileName, RoleName, Selector};

/// The cap on one file.
const MAX_BYTES: u64 = 16 << 20;

/// The cap on all files in memory.
const MAX_TOTAL: u64 = 32 << 20;

/// How long a file is kept in memory.
const KEEP: Duration = Duration::from_secs(600);

/// How long it is remembered that a file is not to be had: as long as other failures.
const REMEMBER_ABSENCE: Duration = Duration::from_secs(2);

/// More absences than this one repository does not remember.
const MAX_ABSENCES: usize = 1024;

/// Older files in memory. A file is the same for everybody; whether it is to be had is not.
#[derive(Debug)]
pub(super) struct History {
    files: Cache<Digest, Bytes>,
    /// What is being asked for, so that many who want one file ask once.
    asked: Cache<(EntryKey, Accessor, Digest), Bytes>,
}

/// Files of one repository that were not to be had a moment ago.
#[derive(Debug, Default)]
pub(super) struct Absences(Mutex<HashMap<(Accessor, Digest), Moment>>);

/// Why there is no file.
#[derive(Debug)]
enum Miss {
    Absent,
    Failed(Refusal),
}

impl History {
    pub(super) fn new() -> Self {
        fn weight<K>(_: &K, file: &Bytes) -> u32 {
            u32::try_from(file.len().saturating_add(512)).unwrap_or(u32::MAX)
        }
        let files = Cache::builder().max_capacity(MAX_TOTAL).weigher(weight).time_to_live(KEEP).build();
        let asked = Cache::builder().max_capacity(MAX_TOTAL).weigher(weight);
        Self { files, asked: asked.time_to_live(REMEMBER_ABSENCE).build() }
    }
}

impl Absences {
    fn has(&self, accessor: &Accessor, sha256: Digest, now: Moment) -> bool {
        let absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = absences.get(&(accessor.clone(), sha256));
        at.is_some_and(|at| at.remaining(REMEMBER_ABSENCE, &now).is_some())
    }

    fn note(&self, accessor: &Accessor, sha256: Digest, now: Moment) {
        let mut absences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        absences.retain(|_, at| at.remaining(REMEMBER_ABSENCE, &now).is_some());
        if absences.len() < MAX_ABSENCES {
            absences.insert((accessor.clone(), sha256), now);
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
        files: &[(RoleName, Digest)],
    ) -> Vec<(Digest, PastFile)> {
        let read = files.iter().map(|(role, sha256)| async move {
            let file = match self.past_file(entry, accessor, role, *sha256).await {
                Ok(Some(bytes)) => match served.repository.historic(role, *sha256, &bytes) {
                    Ok(historic) => PastFile::Read(historic),
                    Err(_) => PastFile::Absent,
                },
                Ok(None) => PastFile::Absent,
                Err(refusal) => PastFile::Failed(refusal),
            };
            (*sha256, file)
        });
        join_all(read).await
    }

    async fn past_file(
        &self,
        entry: &Entry,
        accessor: &Accessor,
        role: &RoleName,
        sha256: Digest,
    ) -> Result<Option<Bytes>, Refusal> {
        if let Some(file) = self.history.files.get(&sha256).await {
            return Ok(Some(file));
        }
        if entry.absences.has(accessor, sha256, self.moment()) {
            return Ok(None);
        }
        let key = (entry.key.clone(), accessor.clone(), sha256);
        let read = self.read_past_file(entry, accessor, role, sha256);
        match self.history.asked.try_get_with(key, read).await {
            Ok(file) => Ok(Some(file)),
            Err(miss) => match &*miss {
                Miss::Absent => Ok(None),
                Miss::Failed(refusal) => Err(refusal.clone()),
            },
        }
    }

    async fn read_past_file(
        &self,
        entry: &Entry,
        accessor: &Accessor,
        role: &RoleName,
        sha256: Digest,
    ) -> Result<Bytes, Miss> {
        let file = match self.past_file_on_disk(entry, sha256).await {
            Some(bytes) => Some(bytes),
            None => self.fetch_past_file(entry, accessor, role, sha256).await.map_err(Miss::Failed)?,
        };
        let Some(file) = file else {
            entry.absences.note(accessor, sha256, self.moment());
            return Err(Miss::Absent);
        };
        self.history.files.insert(sha256, file.clone()).await;
        Ok(file)
    }

    async fn past_file_on_disk(&self, entry: &Entry, sha256: Digest) -> Option<Bytes> {
        let (disk, key) = (self.disk.clone()?, entry.key.clone());
        tokio::task::spawn_blocking(move || disk.history(&key, sha256)).await.ok()?
    }

    async fn fetch_past_file(
        &self,
        entry: &Entry,
        accessor: &Accessor,
        role: &RoleName,
        sha256: Digest,
    ) -> Result<Option<Bytes>, Refusal> {
        let file = FileName { role: role.clone(), selector: Selector::Hash(sha256) };
        let fetch = Fetch { file, max_bytes: MAX_BYTES };
        let server = server_for(entry, accessor);
        let mut refused = None;
        for access in self.accesses(entry, accessor).await? {
            match self.line(entry, &server, accessor, &access, true).fetch(&fetch).await {
                // Another file than was asked for is as good as none.
                Ok(came) => return Ok(came.filter(|bytes| Digest::of(bytes) == sha256)),
                Err(cause @ SourceError::Unauthorized { .. }) => refused = Some(cause),
                Err(cause) => return Err(fault::source(&cause, &fetch.file, &entry.state_key)),
            }
        }
        match refused {
            Some(cause) => Err(fault::source(&cause, &fetch.file, &entry.state_key)),
            None => Ok(None),
        }
    }
}

/// The set that is kept while its past is looked at.
pub(super) fn same_set(a: &Arc<Served>, b: &Arc<Served>) -> bool {
    Arc::ptr_eq(&a.repository, &b.repository)
}
