//! The metadata of one repository: `tuf/<GUN>/metadata/<role>.json`, replaced all or nothing.
//!
//! A commit writes the new files beside the old ones, to `metadata.tagseal-next`, and then a list of them, which makes it
//! count: from there on, whoever locks the repository next moves the files into place, as often as it takes. Each move
//! replaces one file whole, so notary and docker, which know nothing of all this, see at every moment files of the old set
//! or of the new one, and a root always; what does not fit together they download again. (To swap the folders would leave a
//! moment without any root, in which they would trust whatever the server says.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::access::{check_not_writable_by_others, entries};
use super::{TrustDir, TrustDirError};
use crate::backoff::jitter;
use crate::tuf::{Gun, RoleName};

const NEXT: &str = "metadata.tagseal-next";
const LOCK: &str = "metadata.tagseal-lock";
/// In [`NEXT`]: names the roles of the new set, a line each. No role has such a name.
const LIST: &str = "tagseal-list";
/// The list's first line: what a later version writes differently, it says here.
const LIST_VERSION: &str = "tagseal 1";

/// How long one try for the lock is apart from the next.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The one writer of a repository's metadata; others wait or fail until it is dropped.
#[derive(Debug)]
pub struct RepositoryLock<'a> {
    dir: &'a TrustDir,
    /// `tuf/<GUN>`.
    repository: PathBuf,
    /// Unlocked when closed.
    _lock: File,
}

impl TrustDir {
    /// The metadata files of a repository, as they are on disk: nothing is believed yet. Sorted by role. While somebody
    /// publishes, they may be of two sets.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn metadata(&self, gun: &Gun) -> Result<Vec<(RoleName, Bytes)>, TrustDirError> {
        files_in(&metadata_dir(&self.repository(gun)))
    }

    /// The repositories that have a root here, sorted.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn repositories(&self) -> Result<Vec<Gun>, TrustDirError> {
        let mut found = Vec::new();
        let mut folders = vec![(String::new(), self.path.join("tuf"))];
        while let Some((name, folder)) = folders.pop() {
            if role_path(&metadata_dir(&folder), &RoleName::root()).is_file() {
                found.extend(Gun::new(&name));
            }
            for entry in entries(&folder)?.into_iter().filter(|entry| entry.is_dir) {
                let slash = if name.is_empty() { "" } else { "/" };
                folders.push((format!("{name}{slash}{}", entry.name), entry.path));
            }
        }
        found.sort();
        Ok(found)
    }

    fn repository(&self, gun: &Gun) -> PathBuf {
        self.path.join("tuf").join(gun.as_str())
    }

    /// Takes the lock of a repository's metadata, and finishes or undoes what a killed process left.
    ///
    /// # Errors
    /// [`TrustDirError`], also when another process holds it for too long.
    #[expect(clippy::disallowed_methods, reason = "nobody tells when another process lets go of a file")]
    pub fn lock(&self, gun: &Gun) -> Result<RepositoryLock<'_>, TrustDirError> {
        let repository = self.repository(gun);
        self.disk.make_dirs(&repository)?;
        let path = repository.join(LOCK);
        let failed = |error: &io::Error| TrustDirError::io(&path, "lock", error);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(|error| failed(&error))?;
        let mut waited = Duration::ZERO;
        while let Err(error) = lock.try_lock() {
            match error {
                TryLockError::WouldBlock if waited < self.patience => {
                    // At random, so that of many who wait nobody is always the last.
                    let pause = LOCK_PAUSE / 2 + jitter(LOCK_PAUSE / 2);
                    std::thread::sleep(pause);
                    waited += pause;
                }
                TryLockError::WouldBlock => {
                    let waited = self.patience.as_secs();
                    let why = format!(
                        "is locked: another tagseal is publishing {gun}, and did not end within {waited} s; try again"
                    );
                    return Err(TrustDirError::new(&path, why));
                }
                TryLockError::Error(error) => return Err(failed(&error)),
            }
        }
        let lock = RepositoryLock { dir: self, repository, _lock: lock };
        lock.recover()?;
        Ok(lock)
    }
}

impl RepositoryLock<'_> {
    /// The metadata files, as they are on disk: nothing is believed yet. Sorted by role.
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn metadata(&self) -> Result<Vec<(RoleName, Bytes)>, TrustDirError> {
        files_in(&self.metadata_dir())
    }

    /// Makes these the metadata of the repository, all or nothing: a process killed at any point leaves the old set or the
    /// new one. Roles that are not among them are removed.
    ///
    /// # Errors
    /// [`TrustDirError`]. Which of the two sets it is, is decided then when the repository is locked next.
    pub fn commit(&self, files: &[(RoleName, Bytes)]) -> Result<(), TrustDirError> {
        let (disk, next) = (&self.dir.disk, self.repository.join(NEXT));
        disk.remove_tree(&next)?;
        let files: BTreeMap<_, _> = files.iter().map(|(role, bytes)| (role, bytes)).collect();
        disk.make_dirs(&next)?;
        let mut folders = BTreeSet::from([next.clone()]);
        for (role, bytes) in &files {
            let path = role_path(&next, role);
            if let Some(folder) = path.parent() {
                disk.make_dirs(folder)?;
                folders.insert(folder.to_owned());
            }
            disk.write(&path, bytes)?;
        }
        folders.iter().try_for_each(|folder| disk.sync_dir(folder))?;
        let roles: BTreeSet<_> = files.into_keys().cloned().collect();
        let mut list = format!("{LIST_VERSION}\n");
        roles.iter().for_each(|role| list.extend([role.as_str(), "\n"]));
        // From here on the new set counts.
        disk.write_atomically(&next.join(LIST), list.as_bytes())?;
        self.finish(&next, &roles)
    }

    /// Removes the repository's metadata (and neither its keys nor notary's changelist).
    ///
    /// # Errors
    /// [`TrustDirError`].
    pub fn remove(&self) -> Result<(), TrustDirError> {
        self.commit(&[])?;
        self.dir.disk.remove_empty(&self.metadata_dir())
    }

    /// Finishes a commit that counted, or undoes one that did not.
    fn recover(&self) -> Result<(), TrustDirError> {
        let next = self.repository.join(NEXT);
        let path = next.join(LIST);
        let list = match fs::read_to_string(&path) {
            Ok(list) => list,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.dir.disk.remove_tree(&next),
            Err(error) => return Err(TrustDirError::io(&path, "read", &error)),
        };
        let unknown = || {
            let why = format!(
                "is not a list that this version of tagseal writes: remove the folder {}, and the metadata is fetched again",
                next.display()
            );
            TrustDirError::new(&path, why)
        };
        let roles =
            list.strip_prefix(LIST_VERSION).and_then(|rest| rest.strip_prefix('\n')).ok_or_else(unknown)?;
        let roles = roles.lines().map(RoleName::parse).collect::<Result<_, _>>().map_err(|_| unknown())?;
        self.finish(&next, &roles)
    }

    /// Moves the files of a commit that counts into place; it may have been done in part before.
    fn finish(&self, next: &Path, roles: &BTreeSet<RoleName>) -> Result<(), TrustDirError> {
        let (disk, metadata) = (&self.dir.disk, self.metadata_dir());
        disk.make_dirs(&metadata)?;
        let mut folders = BTreeSet::from([metadata.clone()]);
        for role in in_order(roles) {
            let (from, to) = (role_path(next, role), role_path(&metadata, role));
            if fs::symlink_metadata(&from).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                continue; // it was moved before
            }
            if let Some(folder) = to.parent() {
                disk.make_dirs(folder)?;
                folders.insert(folder.to_owned());
            }
            disk.rename(&from, &to)?;
        }
        for (role, path) in role_files(&metadata)? {
            if !roles.contains(&role) {
                disk.remove_file(&path)?;
                folders.extend(path.parent().map(Path::to_owned));
            }
        }
        folders.iter().try_for_each(|folder| disk.sync_dir(folder))?;
        // The list first: without it the rest of the folder means nothing.
        disk.remove_file(&next.join(LIST))?;
        disk.sync_dir(next)?;
        disk.remove_tree(next)?;
        disk.sync_dir(&self.repository)
    }

    fn metadata_dir(&self) -> PathBuf {
        metadata_dir(&self.repository)
    }
}

fn metadata_dir(repository: &Path) -> PathBuf {
    repository.join("metadata")
}

fn files_in(metadata: &Path) -> Result<Vec<(RoleName, Bytes)>, TrustDirError> {
    let read = |(role, path): (RoleName, PathBuf)| {
        let failed = |error: io::Error| TrustDirError::io(&path, "read", &error);
        check_not_writable_by_others(&path, &fs::metadata(&path).map_err(failed)?)?;
        Ok((role, Bytes::from(fs::read(&path).map_err(failed)?)))
    };
    role_files(metadata)?.into_iter().map(read).collect()
}

/// The root first, the timestamp last: what a reader finds meanwhile is at worst out of date.
fn in_order(roles: &BTreeSet<RoleName>) -> Vec<&RoleName> {
    let mut roles: Vec<_> = roles.iter().collect();
    roles.sort_by_key(|role| match role.as_str() {
        "root" => 0,
        "timestamp" => 2,
        _ => 1,
    });
    roles
}

fn role_path(metadata: &Path, role: &RoleName) -> PathBuf {
    metadata.join(format!("{role}.json"))
}

/// The files below a metadata folder that are named like roles, sorted by role.
fn role_files(metadata: &Path) -> Result<Vec<(RoleName, PathBuf)>, TrustDirError> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), metadata.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        for entry in entries(&folder)? {
            let name = format!("{prefix}{}", entry.name);
            if entry.is_dir {
                // Another repository's folder may lie here, whose name ends in `/metadata/…`.
                let is_of_roles =
                    name == "targets" || RoleName::parse(&name).is_ok_and(|role| role.is_delegation());
                if is_of_roles {
                    folders.push((format!("{name}/"), entry.path));
                }
            } else if let Some(Ok(role)) = name.strip_suffix(".json").map(RoleName::parse) {
                files.push((role, entry.path));
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}
