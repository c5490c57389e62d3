//! Backups of keys: the archive that docker's documentation has people make, `tar -zcf FILE private`, written and read with
//! more care.
//!
//! Keys stay as encrypted as they are; the passphrases are not in the archive.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use zeroize::Zeroizing;

use super::external::{ExternalKey, SUFFIX, id_of};
use super::key_file::{KeyFile, MAX_KEY_FILE_BYTES};
use super::trust_dir::{BESIDE, Disk, KeyPlace, StoredKey, TrustDir, TrustDirError};
use crate::tuf::KeyId;

/// An archive has at most this many bytes when it is unpacked, and so many entries: it may come from anywhere.
const MAX_BYTES: u64 = 64 << 20;
const MAX_ENTRIES: usize = 10_000;

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// Keys that were not here.
    pub added: Vec<KeyId>,
    /// Keys that were here already, the same.
    pub present: Vec<KeyId>,
    /// External keys that were not here: each brings a command that is run to sign.
    pub external: Vec<ExternalKey>,
}

/// What an archive holds.
#[derive(Default)]
struct Unpacked {
    keys: BTreeMap<KeyId, KeyFile>,
    externals: BTreeMap<KeyId, ExternalKey>,
}

/// What an entry of an archive is.
enum Place {
    Key(KeyPlace),
    External(KeyId),
}

/// Why keys were not backed up or not restored; nothing was changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// The archive is there already.
    #[error("{} exists already: name another file, or remove it first", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// There is nothing to back up or restore.
    #[error("{} has no keys", path.display())]
    NoKeys {
        /// The trust directory, or the archive.
        path: PathBuf,
    },
    /// The archive cannot be written or read.
    #[error("{}: {message}", path.display())]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Something in the archive does not belong into a backup of keys.
    #[error("{}: its entry {entry:?} {message}", path.display())]
    Entry {
        /// Which archive.
        path: PathBuf,
        /// Which entry.
        entry: String,
        /// What is wrong.
        message: String,
    },
    /// A key is here already, and its file says something else.
    #[error(
        "key {id} is here already, and its file is another one (another passphrase or role): \
         remove one of the two with `tagseal trust key remove`, or restore into an empty trust directory"
    )]
    Conflict {
        /// Which key.
        id: KeyId,
    },
    /// The trust directory.
    #[error(transparent)]
    Dir(#[from] TrustDirError),
}

/// Writes all keys of a trust directory to a new archive (0600), whole or not at all; gives what is in it. `replace` lets it
/// take the place of an old one.
///
/// # Errors
/// [`BackupError`].
pub fn back_up(dir: &TrustDir, path: &Path, replace: bool) -> Result<Vec<StoredKey>, BackupError> {
    let keys = dir.keys()?;
    if keys.is_empty() {
        return Err(BackupError::NoKeys { path: dir.path().to_owned() });
    }
    let archive = pack(dir, &keys).map_err(|error| archive_error(path, error))??;
    let disk = Disk::default();
    if replace {
        disk.write_atomically(path, &archive)?;
        return Ok(keys);
    }
    // The name is taken first, so that what appears there meanwhile is not replaced.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists { path: path.to_owned() });
        }
        Err(error) => return Err(archive_error(path, error)),
    }
    disk.write_atomically(path, &archive).inspect_err(|_| {
        // What failed is what is told; the empty file is only tidied up.
        let _ = fs::remove_file(path);
    })?;
    Ok(keys)
}

/// The outer error is the archive's, the inner one the trust directory's.
fn pack(dir: &TrustDir, keys: &[StoredKey]) -> io::Result<Result<Zeroizing<Vec<u8>>, TrustDirError>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header
    };
    archive.append_data(&mut header(tar::EntryType::Directory, 0o700, 0), "private/", io::empty())?;
    for key in keys {
        let (text, ending) = match (&key.external, dir.key(&key.id)) {
            (Some(external), _) => (Zeroizing::new(external.to_text()), SUFFIX),
            (None, Ok(Some(file))) => (Zeroizing::new(file.pem().to_owned()), ".key"),
            (None, Ok(None)) => continue, // removed a moment ago
            (None, Err(error)) => return Ok(Err(error)),
        };
        let text = text.as_bytes();
        let mut header = header(tar::EntryType::Regular, 0o600, text.len() as u64);
        archive.append_data(&mut header, format!("private/{}{ending}", key.id), text)?;
    }
    let mut gzip = archive.into_inner()?;
    gzip.flush()?;
    Ok(Ok(Zeroizing::new(gzip.finish()?)))
}

/// Puts all keys of an archive into a trust directory: one of [`back_up`], or one that `tar` made of docker's `private`
/// folder, compressed or not. Everything is checked before anything is written; when writing fails, what was written goes
/// again. (A process that is killed meanwhile leaves whole keys; to restore again adds the rest.)
///
/// # Errors
/// [`BackupError`].
pub fn restore(dir: &TrustDir, path: &Path) -> Result<Restored, BackupError> {
    let Unpacked { keys, externals } = unpack(path)?;
    let mut restored = Restored::default();
    for (id, key) in &externals {
        match dir.external(id)? {
            None => restored.external.push(key.clone()),
            Some(here) if here == *key => restored.present.push(*id),
            Some(_) => return Err(BackupError::Conflict { id: *id }),
        }
    }
    for (id, file) in &keys {
        match dir.key(id)? {
            None => restored.added.push(*id),
            Some(here) if here.pem() == file.pem() => restored.present.push(*id),
            Some(_) => return Err(BackupError::Conflict { id: *id }),
        }
    }
    for (written, id) in restored.added.iter().enumerate() {
        let Some(file) = keys.get(id) else { continue };
        if let Err(error) = dir.add_key(id, file) {
            for id in restored.added.iter().take(written + 1) {
                // What failed is what is told; the last one may not be there.
                let _ = dir.remove_key(id);
            }
            return Err(error.into());
        }
    }
    for (written, key) in restored.external.iter().enumerate() {
        if let Err(error) = dir.add_external(key) {
            let external = restored.external.iter().take(written + 1).map(ExternalKey::id);
            for id in external.chain(restored.added.iter().copied()) {
                let _ = dir.remove_key(&id);
            }
            return Err(error.into());
        }
    }
    Ok(restored)
}

/// The keys of an archive, every entry checked.
fn unpack(path: &Path) -> Result<Unpacked, BackupError> {
    let mut unpacked = Unpacked::default();
    let failed = |error| archive_error(path, error);
    let mut archive = tar::Archive::new(open(path).map_err(failed)?);
    for (number, entry) in archive.entries().map_err(failed)?.enumerate() {
        let mut entry = entry.map_err(failed)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let wrong = |message: &str| BackupError::Entry {
            path: path.to_owned(),
            entry: name.clone(),
            message: message.to_owned(),
        };
        if number >= MAX_ENTRIES {
            return Err(wrong("is one too many"));
        }
        let kind = entry.header().entry_type();
        let Some(place) = place(&name, kind).map_err(wrong)? else { continue };
        if entry.size() > MAX_KEY_FILE_BYTES as u64 {
            return Err(wrong("is too large for a key"));
        }
        let room = usize::try_from(entry.size()).unwrap_or(MAX_KEY_FILE_BYTES);
        let mut text = Zeroizing::new(String::with_capacity(room + 1));
        entry.read_to_string(&mut text).map_err(failed)?;
        let place = match place {
            Place::Key(place) => place,
            Place::External(id) => {
                let key = ExternalKey::parse(&text).map_err(|error| wrong(&error))?;
                if key.id() != id {
                    return Err(wrong("is named after another key than its own"));
                }
                unpacked.externals.insert(id, key);
                continue;
            }
        };
        let file = KeyFile::parse(&text).map_err(|error| wrong(&format!("is no key file: {error}")))?;
        let file = place.complete(&file.with_path(None));
        let other = unpacked.keys.insert(place.id, file.clone());
        if other.is_some_and(|other| other.pem() != file.pem()) {
            return Err(wrong("is there twice, with two contents"));
        }
    }
    // To the end, where gzip has its checksum.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(failed)?;
    if unpacked.keys.is_empty() && unpacked.externals.is_empty() {
        return Err(BackupError::NoKeys { path: path.to_owned() });
    }
    Ok(unpacked)
}

/// What key an entry is; `None` for what is skipped.
fn place(name: &str, kind: tar::EntryType) -> Result<Option<Place>, &'static str> {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str().ok_or("has a name that is no UTF-8")?),
            _ => return Err("leads out of the archive"),
        }
    }
    match kind {
        tar::EntryType::Directory | tar::EntryType::XGlobalHeader => return Ok(None),
        tar::EntryType::Regular | tar::EntryType::Continuous => {}
        _ => return Err("is neither a file nor a folder"),
    }
    let Some((file, folders)) = parts.split_last() else { return Err("has no name") };
    // Finder's attributes; a key that was being written.
    if file.starts_with("._") || file.ends_with(BESIDE) {
        return Ok(None);
    }
    // Docker's documentation has people archive `~/.docker/trust/private`: what leads to it is in the archive too.
    let privates = folders.iter().enumerate().filter(|(_, folder)| **folder == "private");
    let mut below = privates.filter_map(|(at, _)| folders.get(at + 1..)).peekable();
    if below.peek().is_none() {
        return Err("is not in the folder `private`");
    }
    if let Some(id) = id_of(Path::new(file)) {
        return Ok(Some(Place::External(id)));
    }
    below
        .find_map(|folders| KeyPlace::parse(folders, file))
        .map(|place| Some(Place::Key(place)))
        .ok_or("is not named like a key")
}

/// The archive, unpacked as it is read, with a bound.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    let mut start = [0; 2];
    let read = file.read(&mut start)?;
    let start = start.get(..read).unwrap_or_default().to_vec();
    let is_gzip = start == [0x1f, 0x8b];
    let whole = io::Cursor::new(start).chain(file);
    let bounded = |read: Box<dyn Read>| Box::new(Bounded { read, left: MAX_BYTES });
    Ok(if is_gzip { bounded(Box::new(MultiGzDecoder::new(whole))) } else { bounded(Box::new(whole)) })
}

/// A reader that fails past so many bytes, instead of ending as if all were well.
struct Bounded {
    read: Box<dyn Read>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.read.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other("it is too large"))?;
        Ok(read)
    }
}

fn archive_error(path: &Path, error: io::Error) -> BackupError {
    BackupError::Archive { path: path.to_owned(), message: error.to_string() }
}
