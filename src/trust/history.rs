//! Older files of roles, by hash: from memory, disk, or the trust server. The record of trust state vouches for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use super::core::Core;
use super::entry::{Entry, Served};
use super::error::Refusal;
use super::fault;
use super::grant::Accessor;
use super::refresh::server_for;
use super::resolution::PastFile;
use super::source::SourceError;
use crate::digest::Digest;
use crate::tuf::{Fetch, FileName, RoleName, Selector};

/// The cap on one file.
const MAX_BYTES: u64 = 16 << 20;

/// The cap on all files in memory.
const MAX_TOTAL: u64 = 32 << 20;

/// How long a file, or its absence, is kept in memory.
const KEEP: Duration = Duration::from_secs(600);

/// Older files in memory.
#[derive(Debug)]
pub(super) struct History(moka::future::Cache<Digest, Option<Bytes>>);

impl History {
    pub(super) fn new() -> Self {
        let weigher = |_: &Digest, file: &Option<Bytes>| {
            let length = file.as_ref().map_or(0, Bytes::len);
            u32::try_from(length.saturating_add(128)).unwrap_or(u32::MAX)
        };
        Self(
            moka::future::Cache::builder()
                .max_capacity(MAX_TOTAL)
                .weigher(weigher)
                .time_to_live(KEEP)
                .build(),
        )
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
        if let Some(file) = self.history.0.get(&sha256).await {
            return Ok(file);
        }
        let file = match self.past_file_on_disk(entry, sha256).await {
            Some(bytes) => Some(bytes),
            None => self.fetch_past_file(entry, accessor, role, sha256).await?,
        };
        self.history.0.insert(sha256, file.clone()).await;
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
