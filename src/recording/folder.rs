//! How a recorded folder is written, so that it may be interrupted between any two steps.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::{LIST, List, RecordingError, Sha256, failed, path};
use crate::digest::Digest;
use crate::tuf::{Gun, RoleName};

/// Ends the names of files that are being written.
const TEMPORARY: &str = ".recording.tmp";

/// Makes the folder, or finds it empty or recorded before. Files whose names begin with a dot do not count.
pub(super) fn prepare(folder: &Path) -> Result<Option<List>, RecordingError> {
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let list = List::read(folder)?;
    let mut entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let counts = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.map_or(true, |entry| !entry.file_name().to_string_lossy().starts_with('.'))
    };
    match list.is_none() && entries.any(counts) {
        true => Err(RecordingError::Foreign { path: folder.display().to_string() }),
        false => Ok(list),
    }
}

/// Writes a folder, step by step.
pub(super) struct Writer<'a> {
    /// Called before each step with what is changed by it.
    pub(super) before: &'a dyn Fn(&Path) -> std::io::Result<()>,
}

impl Writer<'_> {
    /// Writes a file, unless it is there.
    pub(super) fn file(
        &self,
        folder: &Path,
        gun: &Gun,
        role: &RoleName,
        body: &[u8],
    ) -> Result<Sha256, RecordingError> {
        let digest = Digest::of(body);
        let path = path(folder, gun, role, digest);
        if std::fs::read(&path).is_ok_and(|there| there == body) {
            return Ok(Sha256(digest));
        }
        if let Some(parent) = path.parent() {
            let made = (self.before)(parent).and_then(|()| std::fs::create_dir_all(parent));
            made.map_err(|error| failed(parent, error))?;
        }
        self.replace(&path, body)?;
        Ok(Sha256(digest))
    }

    /// Replaces the list.
    pub(super) fn list(&self, folder: &Path, list: &List) -> Result<(), RecordingError> {
        // Strings, numbers, lists and maps by strings alone: it cannot fail.
        let mut text = serde_json::to_vec_pretty(list).unwrap_or_default();
        text.push(b'\n');
        self.replace(&folder.join(LIST), &text)
    }

    /// Replaces a file in one step. It is to be committed and read by others: unlike a cache, it has ordinary permissions.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), RecordingError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}{TEMPORARY}", std::process::id()));
        let written = (self.before)(&temporary).and_then(|()| {
            let mut file = std::fs::File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            (self.before)(path)?;
            std::fs::rename(&temporary, path)
        });
        written.map_err(|error| failed(path, error))
    }

    /// Deletes what the list does not name any more, and what interrupted runs left. Best effort: nothing reads it.
    pub(super) fn sweep(&self, folder: &Path, list: &List) {
        let digests = list.repositories.iter().flat_map(|repository| repository.answers.values().flatten());
        let named: BTreeSet<String> = digests.map(|Sha256(digest)| digest.hex()).collect();
        let is_left = |name: &str| {
            let sha256 = name.strip_suffix(".json").and_then(|stem| stem.rsplit('.').next());
            name.ends_with(TEMPORARY) || sha256.is_some_and(|sha256| !named.contains(sha256))
        };
        self.sweep_below(&folder.join("tuf"), &is_left);
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(TEMPORARY)) {
            let path = entry.path();
            let _ = (self.before)(&path).and_then(|()| std::fs::remove_file(&path));
        }
    }

    fn sweep_below(&self, folder: &Path, is_left: &dyn Fn(&str) -> bool) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            // A link is not followed.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.sweep_below(&path, is_left);
                // A folder that is not empty stays.
                let _ = std::fs::remove_dir(&path);
            } else if is_left(&entry.file_name().to_string_lossy()) {
                let _ = (self.before)(&path).and_then(|()| std::fs::remove_file(&path));
            }
        }
    }
}
