//! Who may read and write a trust directory, and reading it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::TrustDirError;

/// One entry of a folder.
#[derive(Debug)]
pub(in crate::publish) struct Entry {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) is_dir: bool,
    pub(super) is_link: bool,
}

/// What a folder holds, sorted by name; nothing where it is not there. Names that are no UTF-8 are nobody's here.
pub(in crate::publish) fn entries(path: &Path) -> Result<Vec<Entry>, TrustDirError> {
    let failed = |error: io::Error| TrustDirError::io(path, "read", &error);
    let listed = match fs::read_dir(path) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type().map_err(failed)?;
        entries.push(Entry { path: entry.path(), name, is_dir: kind.is_dir(), is_link: kind.is_symlink() });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// A folder of keys: no link, nobody else may enter it, and it belongs to whom the trust directory belongs.
pub(super) fn check_private_dir(path: &Path, owner: u32) -> Result<(), TrustDirError> {
    let metadata = fs::symlink_metadata(path).map_err(|error| TrustDirError::io(path, "read", &error))?;
    if metadata.is_symlink() {
        return Err(TrustDirError::new(path, "is a symbolic link, which notary does not follow for keys"));
    }
    check_private(path, &metadata, owner, 0o700)
}

fn check_private(path: &Path, metadata: &Metadata, owner: u32, mode: u32) -> Result<(), TrustDirError> {
    check_owner(path, metadata.uid(), owner)?;
    if metadata.mode() & 0o077 != 0 {
        let why = format!(
            "others than its owner may use it (mode {:04o}): `chmod {mode:o} {}`",
            metadata.mode() & 0o7777,
            path.display()
        );
        return Err(TrustDirError::new(path, why));
    }
    Ok(())
}

/// Files and folders that hold no secret may be read by others, and written by their owner alone: who can replace the root
/// that notary and docker remember, or the folder of keys itself, decides what is trusted.
pub(super) fn check_not_writable_by_others(path: &Path, metadata: &Metadata) -> Result<(), TrustDirError> {
    if metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = format!(
        "others than its owner may change it (mode {:04o}): `chmod go-w {}`",
        metadata.mode() & 0o7777,
        path.display()
    );
    Err(TrustDirError::new(path, why))
}

/// Root may put files into anybody's trust directory; others may not put theirs into one that is not their own.
pub(super) fn check_owner(path: &Path, uid: u32, owner: u32) -> Result<(), TrustDirError> {
    if uid == owner || uid == 0 {
        return Ok(());
    }
    let why = format!(
        "belongs to user {uid}, but the trust directory to user {owner}: `chown {owner} {}`",
        path.display()
    );
    Err(TrustDirError::new(path, why))
}

/// The text of a key file; `None` where there is none.
pub(super) fn read_key(
    path: &Path,
    owner: u32,
    max: usize,
) -> Result<Option<zeroize::Zeroizing<String>>, TrustDirError> {
    let failed = |error: &io::Error| TrustDirError::io(path, "read", error);
    let named = match fs::symlink_metadata(path) {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    if named.is_symlink() {
        let why = "is a symbolic link, which notary does not read: put the key file itself here";
        return Err(TrustDirError::new(path, why));
    }
    if !named.is_file() {
        return Err(TrustDirError::new(path, "is no file"));
    }
    check_private(path, &named, owner, 0o600)?;
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let opened = file.metadata().map_err(|error| failed(&error))?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(TrustDirError::new(path, "was replaced while it was being read: try again"));
    }
    if opened.len() > max as u64 {
        return Err(TrustDirError::new(path, "is too large for a key"));
    }
    // One byte more than its length, so that the string does not grow and leave its content behind.
    let room = usize::try_from(opened.len()).unwrap_or(max) + 1;
    let mut text = zeroize::Zeroizing::new(String::with_capacity(room));
    file.by_ref().take(room as u64).read_to_string(&mut text).map_err(|error| failed(&error))?;
    Ok(Some(text))
}
