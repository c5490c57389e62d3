//! [`DiskState`]: trust state under `--state-dir`, one file a repository.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ring::rand::{SecureRandom as _, SystemRandom};

use super::{OtherRecord, RepositoryKey, Revision, StateError, TrustRecord, TrustState, document};
use crate::digest::Digest;
use crate::files;
use crate::source::BoxFuture;
use crate::tuf::Gun;

/// Trust state on disk. A write is a new file, synced and renamed over the old one; a record that cannot be read is
/// `Unavailable` for its repository alone, never "none yet".
///
/// Compare-and-swap holds within the process: two processes must not share a directory.
#[derive(Debug, Clone)]
pub struct DiskState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    writing: Mutex<()>,
    /// Which records there are of a GUN: read from the directory once, and kept up with what is written here.
    by_gun: Mutex<Option<HashMap<Gun, BTreeSet<RepositoryKey>>>>,
}

impl DiskState {
    /// State under `directory`, which is made when it is first written to.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            directory: directory.into(),
            writing: Mutex::new(()),
            by_gun: Mutex::new(None),
        }))
    }
}

impl Inner {
    fn path(&self, key: &RepositoryKey) -> PathBuf {
        let name = [key.server.as_bytes(), key.gun.as_str().as_bytes(), key.anchors.as_bytes()].join(&0);
        self.directory.join(format!("{}.json", Digest::of(&name).hex()))
    }

    fn load(&self, key: &RepositoryKey) -> Result<Option<(TrustRecord, Revision)>, StateError> {
        let path = self.path(key);
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let (record, id) = document::read(key, &bytes).map_err(|error| unavailable(&path, "read", &error))?;
        Ok(Some((record, Revision { record: id, version: version(&bytes) })))
    }

    fn store(
        &self,
        key: &RepositoryKey,
        expected: Option<&Revision>,
        record: &TrustRecord,
    ) -> Result<Revision, StateError> {
        let path = self.path(key);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let present = read(&path)?;
        if present.as_deref().map(version).as_ref() != expected.map(|expected| &expected.version) {
            return Err(StateError::Conflict);
        }
        // Who has the version has read the ID.
        let id = match expected {
            Some(expected) => expected.record.clone(),
            None => new_id().ok_or_else(|| unavailable(&path, "written", &"there is no randomness"))?,
        };
        let bytes = document::write(key, &id, record);
        if let Some(by_gun) = &mut *self.by_gun.lock().unwrap_or_else(PoisonError::into_inner) {
            by_gun.entry(key.gun.clone()).or_default().insert(key.clone());
        }
        files::create_dir_synced(&self.directory)
            .and_then(|()| files::write_synced(&path, &bytes))
            .map_err(|error| unavailable(&path, "written", &error))?;
        Ok(Revision { record: id, version: version(&bytes) })
    }
}

impl Inner {
    fn others(&self, key: &RepositoryKey, is_new: bool) -> Result<Vec<OtherRecord>, StateError> {
        let mut others = Vec::new();
        for other in self.keys_of(&key.gun)?.into_iter().filter(|other| other != key) {
            match self.load(&other) {
                Ok(Some((record, _))) => {
                    others.push(OtherRecord { key: other, floors: Arc::new(record.floors) });
                }
                Ok(None) => {}
                Err(error) if is_new => return Err(error),
                Err(error) => tracing::debug!(gun = %key.gun, %error, "another record is left out"),
            }
        }
        Ok(others)
    }

    /// The records of a GUN, as far as their files say which they are.
    fn keys_of(&self, gun: &Gun) -> Result<BTreeSet<RepositoryKey>, StateError> {
        let mut by_gun = self.by_gun.lock().unwrap_or_else(PoisonError::into_inner);
        let by_gun = match &mut *by_gun {
            Some(by_gun) => by_gun,
            none => none.insert(self.index()?),
        };
        Ok(by_gun.get(gun).cloned().unwrap_or_default())
    }

    fn index(&self) -> Result<HashMap<Gun, BTreeSet<RepositoryKey>>, StateError> {
        let mut by_gun: HashMap<Gun, BTreeSet<RepositoryKey>> = HashMap::new();
        let listed = match std::fs::read_dir(&self.directory) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(by_gun),
            Err(error) => return Err(unavailable(&self.directory, "read", &error)),
        };
        for file in listed {
            let path = file.map_err(|error| unavailable(&self.directory, "read", &error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            // One that cannot be read says nothing of which repository it is about. Its own finds out.
            let key = read(&path).ok().flatten().and_then(|bytes| document::about(&bytes));
            if let Some(key) = key.filter(|key| self.path(key) == path) {
                by_gun.entry(key.gun.clone()).or_default().insert(key);
            }
        }
        Ok(by_gun)
    }
}

/// What a file is compared by: its content.
fn version(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()
}

/// The ID of a new record.
fn new_id() -> Option<String> {
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(id)))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unavailable(path, "read", &error)),
    }
}

fn unavailable(path: &Path, what: &str, error: &dyn std::fmt::Display) -> StateError {
    StateError::Unavailable(format!("the record {} cannot be {what}: {error}", path.display()))
}

impl TrustState for DiskState {
    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>> {
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        Box::pin(async move { blocking(move || inner.load(&key)).await })
    }

    fn others<'a>(
        &'a self,
        key: &'a RepositoryKey,
        is_new: bool,
    ) -> BoxFuture<'a, Result<Vec<OtherRecord>, StateError>> {
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        Box::pin(async move { blocking(move || inner.others(&key, is_new)).await })
    }

    fn name_of(&self, key: &RepositoryKey) -> Option<String> {
        Some(self.0.path(key).display().to_string())
    }

    fn store<'a>(
        &'a self,
        key: &'a RepositoryKey,
        expected: Option<&'a Revision>,
        record: &'a TrustRecord,
    ) -> BoxFuture<'a, Result<Revision, StateError>> {
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        let (expected, record) = (expected.cloned(), record.clone());
        Box::pin(async move { blocking(move || inner.store(&key, expected.as_ref(), &record)).await })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StateError::Unavailable(format!("the record was not handled: {error}"))))
}

#[cfg(test)]
mod tests;
