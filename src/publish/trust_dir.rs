//! [`TrustDir`]: keys and metadata in docker's and notary's own layout, `~/.docker/trust`.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::key_file::{KeyFile, KeyHeader};
use crate::tuf::{Gun, KeyId, RoleName};

/// A trust directory. Everything here blocks.
#[derive(Debug, Clone)]
pub struct TrustDir {
    path: PathBuf,
}

/// A key that a trust directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The canonical key ID: the file's name.
    pub id: KeyId,
    /// What the file says in clear.
    pub header: KeyHeader,
    /// The file.
    pub path: PathBuf,
}

/// The one writer of a repository's metadata; others wait or fail until it is dropped.
#[derive(Debug)]
pub struct RepositoryLock<'a> {
    dir: &'a TrustDir,
    gun: Gun,
}

/// Why a trust directory cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct TrustDirError {
    /// Which file or folder.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub message: String,
}

impl TrustDir {
    /// Opens a trust directory, or makes it (0700). Folders and keys that others may read are refused with the `chmod` that
    /// helps.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn open(_path: &Path) -> Result<Self, TrustDirError> {
        todo!()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All keys, those of older layouts included; sorted by role, repository and ID.
    ///
    /// # Errors
    /// [`TrustDirError`] for a key file that cannot be read.
    pub fn keys(&self) -> Result<Vec<StoredKey>, TrustDirError> {
        todo!()
    }

    /// The key file of this canonical ID.
    ///
    /// # Errors
    /// [`TrustDirError`] where it is there and cannot be read.
    pub fn key(&self, _id: &KeyId) -> Result<Option<KeyFile>, TrustDirError> {
        todo!()
    }

    /// Writes a key file (0600), atomically. The same key may be written again.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn add_key(&self, _id: &KeyId, _file: &KeyFile) -> Result<PathBuf, TrustDirError> {
        todo!()
    }

    /// Removes a key.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn remove_key(&self, _id: &KeyId) -> Result<(), TrustDirError> {
        todo!()
    }

    /// Takes the lock of a repository's metadata, and finishes or undoes what a killed process left.
    ///
    /// # Errors
    /// [`TrustDirError`], also when another process holds it for too long.
    pub fn lock(&self, _gun: &Gun) -> Result<RepositoryLock<'_>, TrustDirError> {
        todo!()
    }
}

impl RepositoryLock<'_> {
    /// The metadata files, as they are on disk: nothing is believed yet.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn metadata(&self) -> Result<Vec<(RoleName, Bytes)>, TrustDirError> {
        let _ = (&self.dir, &self.gun);
        todo!()
    }

    /// Makes these the metadata of the repository, all or nothing: a process killed at any point leaves the old set or the
    /// new one.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn commit(&self, _files: &[(RoleName, Bytes)]) -> Result<(), TrustDirError> {
        todo!()
    }

    /// Removes the repository's metadata (and not its keys).
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn remove(&self) -> Result<(), TrustDirError> {
        todo!()
    }
}
