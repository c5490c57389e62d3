//! [`Disk`]: the server's data folder.
//!
//! ```text
//! DATA_DIR/lock                                  held by the one server that uses the folder
//! DATA_DIR/<sha256 of the GUN>/repository.json   what is published: the one file whose replacement is a publish
//!                             /files/<sha256>.json
//!                             /private/<key ID>.key   (0600, in notary's format, not encrypted)
//! ```

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::contents::{Contents, File};
use super::feed::Change;
use super::keys::KeyRing;
use super::repository::Repository;
use crate::digest::Digest;
use crate::publish::key::PrivateKey;
use crate::publish::key_file::{KeyFile, KeyHeader};
use crate::tuf::{Gun, KeyId, RoleName};

/// So many changes of one repository are kept.
const MAX_CHANGES: usize = 1_000;

/// The data folder. Everything here blocks.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    /// Locked as long as it is open.
    _lock: fs::File,
}

/// What is published.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    gun: String,
    files: Vec<Listed>,
    changes: Vec<Change>,
    /// IDs of the server's keys, the oldest first.
    keys: Vec<String>,
}

/// A file that is published, each role's current one last.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    role: String,
    version: u64,
    sha256: String,
    created: Timestamp,
}

impl Disk {
    /// Takes a folder, which is made where there is none.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        create_dir(&directory)?;
        let path = directory.join("lock");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(&path).map_err(|error| at(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => {
                let what = format!("{}: another server uses this folder", directory.display());
                Err(io::Error::new(io::ErrorKind::ResourceBusy, what))
            }
            Err(fs::TryLockError::Error(error)) => Err(at(&path, &error)),
        }
    }

    /// Everything that is there.
    pub(super) fn load(&self) -> io::Result<Vec<(Repository, Vec<Change>)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let home = entry?.path();
            // Without an index nothing was ever answered but a key that nobody got.
            if home.join("repository.json").is_file() {
                found.push(load(&home)?);
            }
        }
        Ok(found)
    }

    /// Writes what is published next. New files first: until the index names them they are nothing.
    pub(super) fn save(&self, gun: &Gun, contents: &Contents, change: &Change) -> io::Result<()> {
        let home = self.home(gun);
        let mut index = self.index(gun)?;
        create_dir(&home.join("files"))?;
        for file in contents.files() {
            let path = file_path(&home, file.sha256);
            if !path.exists() {
                write(&path, &file.bytes)?;
            }
        }
        let before = std::mem::replace(&mut index.files, contents.files().map(|file| listed(file)).collect());
        index.changes.push(change.clone());
        let too_many = index.changes.len().saturating_sub(MAX_CHANGES);
        index.changes.drain(..too_many);
        self.write_index(gun, &index)?;
        for gone in before.iter().filter(|old| index.files.iter().all(|new| new.sha256 != old.sha256)) {
            remove(&home.join("files").join(format!("{}.json", gone.sha256)))?;
        }
        Ok(())
    }

    /// Writes a key, before anybody learns of it.
    pub(super) fn add_key(&self, gun: &Gun, role: &RoleName, key: &PrivateKey) -> io::Result<()> {
        let home = self.home(gun);
        create_dir(&home.join("private"))?;
        let header = KeyHeader { role: Some(role.as_str().to_owned()), gun: Some(gun.clone()) };
        let file = KeyFile::seal(key, header, None).map_err(io::Error::other)?;
        write(&key_path(&home, &key.id().to_string()), file.pem().as_bytes())?;
        let mut index = self.index(gun)?;
        index.keys.push(key.id().to_string());
        self.write_index(gun, &index)
    }

    /// Removes a key.
    pub(super) fn remove_key(&self, gun: &Gun, key: KeyId) -> io::Result<()> {
        let mut index = self.index(gun)?;
        index.keys.retain(|id| *id != key.to_string());
        self.write_index(gun, &index)?;
        remove(&key_path(&self.home(gun), &key.to_string()))
    }

    fn home(&self, gun: &Gun) -> PathBuf {
        self.directory.join(Digest::of(gun.as_str().as_bytes()).hex())
    }

    fn index(&self, gun: &Gun) -> io::Result<Index> {
        let path = self.home(gun).join("repository.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| damaged(&path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index {
                gun: gun.as_str().to_owned(),
                files: Vec::new(),
                changes: Vec::new(),
                keys: Vec::new(),
            }),
            Err(error) => Err(at(&path, &error)),
        }
    }

    fn write_index(&self, gun: &Gun, index: &Index) -> io::Result<()> {
        write(&self.home(gun).join("repository.json"), &serde_json::to_vec(index)?)
    }
}

fn load(home: &Path) -> io::Result<(Repository, Vec<Change>)> {
    let path = home.join("repository.json");
    let index: Index = serde_json::from_slice(&read(&path)?).map_err(|error| damaged(&path, &error))?;
    let gun = Gun::new(&index.gun).map_err(|error| damaged(&path, &error))?;
    let files: Vec<File> =
        index.files.iter().map(|listed| load_file(home, listed)).collect::<Result<_, _>>()?;
    let mut keys = KeyRing::default();
    for id in &index.keys {
        let path = key_path(home, id);
        let text = String::from_utf8(read(&path)?).map_err(|error| damaged(&path, &error))?;
        let key = KeyFile::parse(&text).and_then(|file| file.open(None));
        keys.add(Arc::new(key.map_err(|error| damaged(&path, &error))?), |_| true);
    }
    Ok((Repository::restored(gun, Contents::default().with_any(files), keys), index.changes))
}

fn load_file(home: &Path, listed: &Listed) -> io::Result<File> {
    let path = home.join("files").join(format!("{}.json", listed.sha256));
    let role = RoleName::parse(&listed.role).map_err(|error| damaged(&path, &error))?;
    let bytes: bytes::Bytes = read(&path)?.into();
    let sha256 = Digest::of(&bytes);
    if sha256.hex() != listed.sha256 {
        return Err(damaged(&path, &"its hash is not its name"));
    }
    Ok(File { role, version: listed.version, sha256, bytes, created: listed.created })
}

fn listed(file: &File) -> Listed {
    Listed {
        role: file.role.as_str().to_owned(),
        version: file.version,
        sha256: file.sha256.hex(),
        created: file.created,
    }
}

fn file_path(home: &Path, sha256: Digest) -> PathBuf {
    home.join("files").join(format!("{}.json", sha256.hex()))
}

fn key_path(home: &Path, id: &str) -> PathBuf {
    home.join("private").join(format!("{id}.key"))
}

/// Makes a folder, and those above it, for the owner alone.
fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| at(path, &error))
}

/// Replaces a file (0600) in one step, and is on disk when it returns.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        fs::File::open(parent)?.sync_all()
    })();
    written.map_err(|error: io::Error| at(path, &error))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| at(path, &error))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, &error)),
        _ => Ok(()),
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn damaged(path: &Path, what: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}
