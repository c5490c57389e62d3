//! The steps that change a trust directory: each is a point at which a process can be killed, and a test can make it fail.
//!
//! A step that fails cleans nothing up: what it leaves behind is what a killed process leaves, and the next one clears it. So
//! a hook that returns an error shows the same as `kill -9` does, at a chosen point, within one test process. The end-to-end
//! suite kills the real process at random moments, to show that the two are the same.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::TrustDirError;

/// One step that changes the disk, about to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritePoint<'a> {
    /// How many steps this directory's handle took before.
    pub number: u64,
    /// What is to be done.
    pub step: &'static str,
    /// To which file or folder.
    pub path: &'a Path,
}

type Hook = dyn Fn(&WritePoint<'_>) -> io::Result<()> + Send + Sync;

/// What changes the disk.
#[derive(Clone, Default)]
pub(in crate::publish) struct Disk {
    hook: Option<Arc<Hook>>,
    steps: Arc<AtomicU64>,
}

impl Disk {
    pub(super) fn observed(hook: impl Fn(&WritePoint<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)), steps: Arc::default() }
    }

    fn step<T>(
        &self,
        step: &'static str,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, TrustDirError> {
        let number = self.steps.fetch_add(1, Ordering::Relaxed);
        let allowed = self.hook.as_ref().map_or(Ok(()), |hook| hook(&WritePoint { number, step, path }));
        allowed.and_then(|()| act()).map_err(|error| TrustDirError::io(path, step, &error))
    }

    /// Makes a folder and those above it, 0700.
    pub(in crate::publish) fn make_dirs(&self, path: &Path) -> Result<(), TrustDirError> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_dirs(parent)?;
        }
        let made = self.step("make", path, || match DirBuilder::new().mode(0o700).create(path) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        });
        made?;
        self.sync_parent(path)
    }

    /// Writes a new file, 0600, down to the platter; what stood there is gone first.
    pub(in crate::publish) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), TrustDirError> {
        self.remove_file(path)?;
        let mut file = self
            .step("make", path, || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path))?;
        // In two halves, so that a torn file is among what tests see.
        let (first, second) = bytes.split_at_checked(bytes.len() / 2).unwrap_or((bytes, &[]));
        self.step("write", path, || file.write_all(first))?;
        self.step("write", path, || file.write_all(second))?;
        self.step("sync", path, || file.sync_all())
    }

    /// Writes a file so that it is there whole or not at all.
    pub(in crate::publish) fn write_atomically(
        &self,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(), TrustDirError> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(super::BESIDE);
        let beside = Path::new(&beside);
        self.write(beside, bytes)?;
        self.rename(beside, path)?;
        self.sync_parent(path)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), TrustDirError> {
        self.step("rename", to, || fs::rename(from, to))
    }

    /// Removes a file; one that is not there is no error.
    pub(in crate::publish) fn remove_file(&self, path: &Path) -> Result<(), TrustDirError> {
        if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        self.step("remove", path, || fs::remove_file(path))
    }

    /// Removes a folder with all that is in it; one that is not there is no error.
    pub(super) fn remove_tree(&self, path: &Path) -> Result<(), TrustDirError> {
        if path.is_symlink() {
            return self.remove_file(path);
        }
        for entry in super::entries(path)? {
            if entry.is_dir { self.remove_tree(&entry.path)? } else { self.remove_file(&entry.path)? }
        }
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => self.step("remove", path, || fs::remove_dir(path)),
        }
    }

    /// Removes a folder and the folders in it, as far as they are empty.
    pub(super) fn remove_empty(&self, path: &Path) -> Result<(), TrustDirError> {
        for entry in super::entries(path)?.into_iter().filter(|entry| entry.is_dir) {
            self.remove_empty(&entry.path)?;
        }
        if path.is_dir() && super::entries(path)?.is_empty() {
            self.step("remove", path, || fs::remove_dir(path))?;
        }
        Ok(())
    }

    /// Makes names in a folder last.
    pub(super) fn sync_dir(&self, path: &Path) -> Result<(), TrustDirError> {
        self.step("sync", path, || File::open(path)?.sync_all())
    }

    pub(in crate::publish) fn sync_parent(&self, path: &Path) -> Result<(), TrustDirError> {
        match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => self.sync_dir(Path::new(".")),
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("is_observed", &self.hook.is_some()).finish_non_exhaustive()
    }
}
