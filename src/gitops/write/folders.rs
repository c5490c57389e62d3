//! [`Folders`]: the folders of the files that are written, locked against other runs.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What the names of our files beside others begin and end with, and how many letters and digits stand between.
pub(super) const PREFIX: &str = ".tagseal-";
pub(super) const SUFFIX: &str = ".tmp";
pub(super) const RANDOM: usize = 12;

/// Folders, each open, and locked where the file system has locks.
pub(super) struct Folders(Vec<Folder>);

struct Folder {
    path: PathBuf,
    file: File,
    is_locked: bool,
}

impl Folders {
    /// Waits until no other run writes files in these folders. All runs lock them in one order, so that none waits for ever.
    pub(super) fn lock<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        let paths: BTreeSet<&Path> = paths.collect();
        let open = |path: &Path| {
            let file = File::open(path).ok()?;
            let is_locked = file.lock().is_ok();
            Some(Folder { path: path.to_owned(), file, is_locked })
        };
        Self(paths.into_iter().filter_map(open).collect())
    }

    /// Removes what runs left that were killed. Others still hold the lock, so that nothing of theirs is here.
    pub(super) fn clean(&self) {
        for folder in self.0.iter().filter(|folder| folder.is_locked) {
            let Ok(entries) = fs::read_dir(&folder.path) else { continue };
            let left = entries.flatten().filter(|entry| is_ours(&entry.file_name()));
            for entry in left.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
                // What cannot be removed harms nothing: folders are read without it.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Makes renames durable.
    pub(super) fn sync(&self) -> Result<(), (&Path, io::Error)> {
        for folder in &self.0 {
            match folder.file.sync_all() {
                // Some file systems cannot do so with folders.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
                Err(error) => return Err((&folder.path, error)),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

fn is_ours(name: &OsStr) -> bool {
    let middle =
        name.as_bytes().strip_prefix(PREFIX.as_bytes()).and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    middle.is_some_and(|middle| middle.len() == RANDOM && middle.iter().all(u8::is_ascii_alphanumeric))
}
