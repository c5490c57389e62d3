//! [`TrustDir`]: keys and metadata in docker's and notary's own layout, `~/.docker/trust`.
//!
//! ```text
//! private/<ID>.key               keys, 0600                                    keys.rs
//! private/<ID>.external.json     keys that programs sign with, 0600            external.rs
//! tuf/<GUN>/metadata/<role>.json what is known of a repository                 repository.rs
//! tuf/<GUN>/changelist/          notary's own unpublished changes, left alone
//! ```

mod access;
mod disk;
mod external;
mod keys;
mod repository;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

pub(in crate::publish) use self::access::entries;
pub(in crate::publish) use self::disk::Disk;
pub use self::disk::WritePoint;
pub(in crate::publish) use self::keys::KeyPlace;
pub use self::repository::RepositoryLock;
use super::external::ExternalKey;
use super::key_file::KeyHeader;
use crate::tuf::KeyId;

/// What a file that is being written is called until it is whole; notary does not take such a name for a key or a role.
pub(in crate::publish) const BESIDE: &str = ".tagseal-new";

/// How long the lock of a repository is waited for, where nothing else is said.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// A trust directory. Everything here blocks.
#[derive(Debug, Clone)]
pub struct TrustDir {
    path: PathBuf,
    /// The user whom it belongs to.
    owner: u32,
    disk: Disk,
    /// How long a lock is waited for.
    patience: Duration,
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
    /// The key, where its private half is elsewhere.
    pub external: Option<ExternalKey>,
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

impl TrustDirError {
    fn new(path: &Path, message: impl Display) -> Self {
        Self { path: path.to_owned(), message: message.to_string() }
    }

    fn io(path: &Path, step: &str, error: &io::Error) -> Self {
        Self::new(path, format!("cannot {step} it: {error}"))
    }
}

impl TrustDir {
    /// Opens a trust directory, or makes it (0700). A folder of keys that others may enter, or a trust directory that others
    /// may change, is refused with the `chmod` that helps; key files are checked when they are read.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn open(path: &Path) -> Result<Self, TrustDirError> {
        let disk = Disk::default();
        disk.make_dirs(path)?;
        let metadata = fs::metadata(path).map_err(|error| TrustDirError::io(path, "read", &error))?;
        access::check_not_writable_by_others(path, &metadata)?;
        let dir = Self { path: path.to_owned(), owner: metadata.uid(), disk, patience: LOCK_PATIENCE };
        dir.check_private()?;
        Ok(dir)
    }

    /// The same, waiting so long for another process that publishes to the same repository.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same, asking `hook` before every step that changes the disk: for tests that fail or stop it there.
    #[must_use]
    pub fn observed(self, hook: impl Fn(&WritePoint<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { disk: Disk::observed(hook), ..self }
    }
}
