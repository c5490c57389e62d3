//! [`DiskCache`]: verified metadata under `--cache-dir`, verified again from scratch when it is loaded; and [`CacheKey`], which
//! says what is kept apart there and in memory.
//!
//! ```text
//! CACHE_DIR/<hash of server, CA, client certificate's secret, GUN, anchors>/tuf/<GUN>/metadata/<role>.json    notary's own layout
//!                     …                                 /metadata/<N>.root.json  older roots, for the chain
//!                     …/history/<sha256>.json               superseded files of roles
//!                     …/tagseal.json                        when it was last vouched for
//! CACHE_DIR/<that hash>.reset-<N>/                                                to be deleted, and never read
//! CACHE_DIR/tuf/<GUN>/metadata/<role>.json                                        a seed that notary or docker left
//! ```

mod key;
mod note;
mod tree;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

pub(crate) use self::key::{CacheKey, is_same};
pub(crate) use self::note::Note;
pub(crate) use self::tree::Tree;
use crate::digest::Digest;
use crate::files;
use crate::tuf::{Gun, RoleName};

/// Superseded files of one repository beyond this many are deleted, the oldest first.
const MAX_HISTORY: usize = 64;

/// Stands in the names of what was put away, before a number.
const GRAVE: &str = ".reset-";

/// The cache directory. Everything here but [`Self::knows`] blocks: callers run it off the runtime's threads.
#[derive(Debug, Clone)]
pub(crate) struct DiskCache {
    directory: PathBuf,
    /// The names of the repositories' directories, so that nobody's invented names cost a look at the disk.
    known: Arc<RwLock<HashSet<String>>>,
    /// The number of the next grave.
    graves: Arc<AtomicU64>,
}

/// What the disk has of a repository.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) tree: Tree,
    pub(crate) note: Option<Note>,
}

/// What came of looking for a superseded file, with a bound on its size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The file.
    File(Bytes),
    /// It is larger than was asked for.
    Larger,
    /// There is none, or another one in its place.
    Absent,
}

impl DiskCache {
    pub(crate) fn new(directory: PathBuf) -> Self {
        let entries = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        let mut known: HashSet<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let old: Vec<String> = known.iter().filter(|name| grave_number(name).is_some()).cloned().collect();
        known.retain(|name| grave_number(name).is_none());
        let next =
            old.iter().filter_map(|name| grave_number(name)).max().map_or(0, |last| last.saturating_add(1));
        let disk =
            Self { directory, known: Arc::new(RwLock::new(known)), graves: Arc::new(AtomicU64::new(next)) };
        disk.delete_behind(old);
        disk
    }

    /// Deletes what an earlier process put away and did not come to delete.
    fn delete_behind(&self, graves: Vec<String>) {
        if graves.is_empty() {
            return;
        }
        let disk = self.clone();
        std::thread::spawn(move || {
            for grave in graves {
                if let Err(error) = disk.delete(&disk.directory.join(grave)) {
                    tracing::warn!(%error, "the cache directory could not be cleared of what was reset");
                }
            }
        });
    }

    /// Whether there is anything of a repository.
    pub(crate) fn knows(&self, key: &CacheKey) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&name(key))
    }

    /// What is there; what cannot be read is a miss.
    pub(crate) fn load(&self, key: &CacheKey) -> Stored {
        let home = self.home(key);
        let note =
            std::fs::read(home.join("tagseal.json")).ok().and_then(|bytes| Note::read(&bytes, &key.gun));
        Stored { tree: Tree::read(&metadata(&home, &key.gun)), note }
    }

    /// The tree that notary or docker left for a repository. Never written to.
    pub(crate) fn seed(&self, gun: &Gun) -> Tree {
        Tree::read(&metadata(&self.directory, gun))
    }

    /// Writes the files whose content is not there yet. Children come before the parents that name them, so that a crash in
    /// between leaves a set that is merely incomplete. `replaced` is the version of the root on disk: a root that is replaced
    /// stays, for the chain from a pin.
    pub(crate) fn save(
        &self,
        key: &CacheKey,
        new: &[(RoleName, Bytes)],
        roots: &[(u64, Bytes)],
        replaced: Option<u64>,
        note: &Note,
    ) -> std::io::Result<()> {
        let home = self.home(key);
        let directory = metadata(&home, &key.gun);
        files::create_dir(&directory)?;
        let root = directory.join("root.json");
        if let Some(version) = replaced.filter(|_| new.iter().any(|(role, _)| *role == RoleName::root()))
            && let Ok(old) = std::fs::read(&root)
        {
            files::write_changed(&directory.join(format!("{version}.root.json")), &old)?;
        }
        for (version, bytes) in roots {
            files::write_changed(&directory.join(format!("{version}.root.json")), bytes)?;
        }
        let mut new: Vec<_> = new.iter().collect();
        new.sort_by_key(|(role, _)| rank(role));
        for (role, bytes) in new {
            let path = directory.join(format!("{role}.json"));
            if files::holds(&path, bytes) {
                continue;
            }
            if role.is_delegation() || *role == RoleName::targets() {
                keep_old(&home, &path)?;
            }
            path.parent().map_or(Ok(()), files::create_dir)?;
            files::write(&path, bytes)?;
        }
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(name(key));
        files::write_changed(&home.join("tagseal.json"), &note.write())
    }

    /// Writes down that the set is still current.
    pub(crate) fn note(&self, key: &CacheKey, note: &Note) -> std::io::Result<()> {
        let home = self.home(key);
        files::create_dir(&home)?;
        files::write(&home.join("tagseal.json"), &note.write())
    }

    /// A superseded file of a role, as far as it has at most so many bytes.
    pub(crate) fn history(&self, key: &CacheKey, sha256: Digest, most: u64) -> Found {
        let path = history_path(&self.home(key), sha256);
        match std::fs::metadata(&path) {
            Ok(file) if file.len() > most => return Found::Larger,
            Ok(_) => {}
            Err(_) => return Found::Absent,
        }
        match std::fs::read(path) {
            Ok(bytes) if Digest::of(&bytes) == sha256 => Found::File(bytes.into()),
            _ => Found::Absent,
        }
    }

    /// Puts everything of a repository away, which takes no longer for many files: from now on there is nothing of it. Where
    /// that is, to be deleted; `None`: there was nothing.
    pub(crate) fn bury(&self, key: &CacheKey) -> std::io::Result<Option<PathBuf>> {
        let name = name(key);
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
        let number = self.graves.fetch_add(1, Ordering::Relaxed);
        let grave = self.directory.join(format!("{name}{GRAVE}{number}"));
        match std::fs::rename(self.directory.join(name), &grave) {
            Ok(()) => Ok(Some(grave)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // It is not to be read again, however long it takes.
            Err(_) => self.delete(&self.home(key)).map(|()| None),
        }
    }

    /// Deletes what was put away.
    pub(crate) fn delete(&self, grave: &Path) -> std::io::Result<()> {
        match std::fs::remove_dir_all(grave) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn home(&self, key: &CacheKey) -> PathBuf {
        self.directory.join(name(key))
    }
}

/// What `directory` has of a repository, for whichever servers and anchors, and as a seed.
pub(crate) fn trees(directory: &Path, gun: &Gun) -> Vec<Tree> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let is_home = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| Digest::from_hex(name).is_ok());
    let homes = entries.filter(|entry| is_home(&entry.file_name())).map(|entry| entry.path());
    let trees = homes.chain([directory.to_owned()]).map(|home| Tree::read(&metadata(&home, gun)));
    trees.filter(|tree| *tree != Tree::default()).collect()
}

/// The number in the name of what was put away.
fn grave_number(name: &str) -> Option<u64> {
    let (of, number) = name.split_once(GRAVE)?;
    Digest::from_hex(of).ok()?;
    number.parse().ok()
}

/// The name of a repository's directory.
fn name(key: &CacheKey) -> String {
    let ca = key.server.ca_pem.as_deref().map_or(&[][..], str::as_bytes);
    let (server, gun) = (key.server.url.as_str().as_bytes(), key.gun.as_str().as_bytes());
    let mut parts = [server, Digest::of(ca).as_bytes(), gun, key.anchors.fingerprint().as_bytes()].join(&0);
    if let Some(certificate) = &key.server.client_certificate {
        parts.push(0);
        parts.extend_from_slice(certificate.to_string().as_bytes());
    }
    Digest::of(&parts).hex()
}

fn metadata(home: &Path, gun: &Gun) -> PathBuf {
    home.join("tuf").join(gun.as_str()).join("metadata")
}

fn history_path(home: &Path, sha256: Digest) -> PathBuf {
    home.join("history").join(format!("{}.json", sha256.hex()))
}

/// Delegations, `targets`, root, snapshot, timestamp.
fn rank(role: &RoleName) -> u8 {
    match role.as_str() {
        "targets" => 1,
        "root" => 2,
        "snapshot" => 3,
        "timestamp" => 4,
        _ => 0,
    }
}

/// Keeps a copy of the file at `path`, which is about to be replaced, in the history.
fn keep_old(home: &Path, path: &Path) -> std::io::Result<()> {
    let Ok(old) = std::fs::read(path) else { return Ok(()) };
    let kept = history_path(home, Digest::of(&old));
    kept.parent().map_or(Ok(()), files::create_dir)?;
    files::write(&kept, &old)?;
    if let Some(history) = kept.parent() {
        forget_oldest(history)?;
    }
    Ok(())
}

fn forget_oldest(history: &Path) -> std::io::Result<()> {
    let entries = std::fs::read_dir(history)?.filter_map(Result::ok);
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    if files.len() > MAX_HISTORY {
        files.sort();
        for (_, path) in files.iter().take(files.len() - MAX_HISTORY) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
