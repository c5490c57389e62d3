//! [`Contents`]: all files of one repository, every version of them. Immutable; a publish makes a new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::digest::Digest;
use crate::tuf::RoleName;
use crate::tuf::upload::{NewFile, StoredFile};

/// The files of a repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Each role's, the current one last.
    roles: BTreeMap<RoleName, Vec<Arc<File>>>,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) role: RoleName,
    pub(super) version: u64,
    pub(super) sha256: Digest,
    pub(super) bytes: Bytes,
    pub(super) created: Timestamp,
}

/// A newer version is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OldVersion;

/// Which of a role's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Current,
    Hash(Digest),
    Version(u64),
}

impl File {
    pub(super) fn new(new: NewFile, created: Timestamp) -> Self {
        let NewFile { role, version, bytes } = new;
        Self { role, version, sha256: Digest::of(&bytes), bytes, created }
    }
}

impl Contents {
    pub(super) fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// A file, looked up by the role's name as the path has it.
    pub(super) fn file(&self, role: &str, which: Which) -> Option<&Arc<File>> {
        let files = self.roles.get(role)?;
        match which {
            Which::Current => files.last(),
            Which::Hash(sha256) => files.iter().rev().find(|file| file.sha256 == sha256),
            Which::Version(version) => files.iter().rev().find(|file| file.version == version),
        }
    }

    /// The current file, as checks want it.
    pub(super) fn current(&self, role: &RoleName) -> Option<StoredFile> {
        let file = self.file(role.as_str(), Which::Current)?;
        Some(StoredFile { bytes: file.bytes.clone(), sha256: file.sha256 })
    }

    /// With more files, each of a higher version than all that its role had.
    pub(super) fn with(&self, files: impl IntoIterator<Item = File>) -> Result<Self, OldVersion> {
        let mut next = self.clone();
        for file in files {
            let versions = next.roles.entry(file.role.clone()).or_default();
            if versions.iter().any(|older| older.version >= file.version) {
                return Err(OldVersion);
            }
            versions.push(Arc::new(file));
        }
        Ok(next)
    }

    /// With more files, whatever their versions.
    pub(super) fn with_any(&self, files: impl IntoIterator<Item = File>) -> Self {
        let mut next = self.clone();
        for file in files {
            next.roles.entry(file.role.clone()).or_default().push(Arc::new(file));
        }
        next
    }

    /// All files, each role's oldest first.
    pub(super) fn files(&self) -> impl Iterator<Item = &Arc<File>> {
        self.roles.values().flatten()
    }
}
