//! [`Repository`]: one repository on the server. One writer at a time; readers see the last whole publish.

use std::io;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::contents::{Contents, File, OldVersion, Which};
use super::disk::Disk;
use super::feed::{Category, Change, Feed};
use super::keys::KeyRing;
use super::lock;
use crate::publish::key::{KeyFault, PrivateKey, PublicForm};
use crate::tuf::upload::{
    self, Holdings, NewFile, Part, RenewError, ServerSignature, StoredFile, UploadError,
};
use crate::tuf::{Gun, KeyId, RoleName};

/// One repository.
#[derive(Debug)]
pub(super) struct Repository {
    gun: Gun,
    contents: Mutex<Arc<Contents>>,
    /// Held as long as a write takes.
    keys: Mutex<KeyRing>,
}

/// Why the server does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The upload breaks a rule.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// A newer version is stored already.
    #[error("a newer version of metadata is already available")]
    OldVersion,
    /// There is no valid timestamp.
    #[error(transparent)]
    Renew(#[from] RenewError),
    /// No key can be made.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The data folder cannot be written to.
    #[error("the data folder: {0}")]
    Disk(#[from] io::Error),
    /// The server remembers no more repositories.
    #[error("there are {limit} repositories already")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
}

/// Where a change is written down: on disk, and in the feed of the whole server.
pub(super) struct Journal<'a> {
    pub(super) disk: Option<&'a Disk>,
    pub(super) feed: &'a Mutex<Feed>,
    pub(super) now: Timestamp,
}

const NOT_FOUND: ServerError = ServerError::Renew(RenewError::NotFound);

/// What checks see of a repository.
struct View<'a> {
    contents: &'a Contents,
    keys: &'a KeyRing,
}

impl Holdings for View<'_> {
    fn current(&self, role: &RoleName) -> Option<StoredFile> {
        self.contents.current(role)
    }

    fn sign(&self, key: KeyId, message: &[u8]) -> Option<ServerSignature> {
        self.keys.sign(key, message)
    }
}

impl Repository {
    pub(super) fn new(gun: Gun) -> Self {
        Self::restored(gun, Contents::default(), KeyRing::default())
    }

    pub(super) fn restored(gun: Gun, contents: Contents, keys: KeyRing) -> Self {
        Self { gun, contents: Mutex::new(Arc::new(contents)), keys: Mutex::new(keys) }
    }

    pub(super) fn gun(&self) -> &Gun {
        &self.gun
    }

    /// What is published.
    pub(super) fn contents(&self) -> Arc<Contents> {
        Arc::clone(&lock(&self.contents))
    }

    /// Checks an upload and stores it, whole or not at all.
    pub(super) fn upload(&self, parts: Vec<Part>, journal: &Journal<'_>) -> Result<(), ServerError> {
        let keys = lock(&self.keys);
        let contents = self.contents();
        let view = View { contents: &contents, keys: &keys };
        let files = upload::check(&self.gun, parts, &view, journal.now)?;
        let next = contents.with(journal.created(files)).map_err(|OldVersion| ServerError::OldVersion)?;
        self.commit(next, journal)
    }

    /// Stores files that nobody checked, under the server's own snapshot and timestamp.
    pub(super) fn smuggle(&self, parts: Vec<Part>, journal: &Journal<'_>) -> Result<(), ServerError> {
        let keys = lock(&self.keys);
        let contents = self.contents();
        let view = View { contents: &contents, keys: &keys };
        let files = upload::wave_through(&self.gun, parts, &view, journal.now)?;
        self.commit(contents.with_any(journal.created(files)), journal)
    }

    /// The current timestamp or snapshot, renewed when it is expired.
    pub(super) fn fresh(&self, role: &RoleName, journal: &Journal<'_>) -> Result<Arc<File>, ServerError> {
        // Mostly there is nothing to sign, and then nobody waits for a writer.
        let mut contents = self.contents();
        let nothing = View { contents: &contents, keys: &KeyRing::default() };
        if upload::renew(&self.gun, &nothing, journal.now).is_ok_and(|files| files.is_empty()) {
            return contents.file(role.as_str(), Which::Current).cloned().ok_or(NOT_FOUND);
        }
        let keys = lock(&self.keys);
        contents = self.contents();
        let view = View { contents: &contents, keys: &keys };
        let files = upload::renew(&self.gun, &view, journal.now)?;
        if !files.is_empty() {
            let next = contents.with(journal.created(files)).map_err(|OldVersion| ServerError::OldVersion)?;
            self.commit(next, journal)?;
            contents = self.contents();
        }
        contents.file(role.as_str(), Which::Current).cloned().ok_or(NOT_FOUND)
    }

    /// The key that the root lists for `role`, if the server holds it; else a new one.
    pub(super) fn key(&self, role: &RoleName, journal: &Journal<'_>) -> Result<PublicForm, ServerError> {
        let listed = self.listed(role);
        if let Some(held) = lock(&self.keys).first_of(&listed) {
            return Ok(held);
        }
        self.new_key(role, journal)
    }

    /// A new key. It counts once a root lists it.
    pub(super) fn new_key(&self, role: &RoleName, journal: &Journal<'_>) -> Result<PublicForm, ServerError> {
        let mut keys = lock(&self.keys);
        let key: Arc<PrivateKey> = KeyRing::generate()?;
        if let Some(disk) = journal.disk {
            disk.add_key(&self.gun, role, &key)?;
        }
        let listed = [self.listed(&RoleName::timestamp()), self.listed(&RoleName::snapshot())].concat();
        if let (Some(gone), Some(disk)) =
            (keys.add(Arc::clone(&key), |id| listed.contains(&id)), journal.disk)
        {
            disk.remove_key(&self.gun, gone.id())?;
        }
        Ok(key.public().clone())
    }

    /// Drops all files. The keys stay: a publisher who uploads the same root again still has them listed.
    pub(super) fn delete(&self, journal: &Journal<'_>) -> Result<(), ServerError> {
        let _writing = lock(&self.keys);
        if self.contents().is_empty() { Ok(()) } else { self.commit(Contents::default(), journal) }
    }

    /// Puts back what was published once.
    pub(super) fn restore(&self, contents: Contents, journal: &Journal<'_>) -> Result<(), ServerError> {
        let _writing = lock(&self.keys);
        self.commit(contents, journal)
    }

    fn listed(&self, role: &RoleName) -> Vec<KeyId> {
        let root = self.contents().current(&RoleName::root());
        root.map(|root| upload::listed_keys(&self.gun, &root, role)).unwrap_or_default()
    }

    /// Writes the next contents down, then shows them. The caller is the one writer.
    fn commit(&self, next: Contents, journal: &Journal<'_>) -> Result<(), ServerError> {
        let mut feed = lock(journal.feed);
        let change = journal.change(&self.gun, &next, feed.next_id());
        if let Some(disk) = journal.disk {
            disk.save(&self.gun, &next, &change)?;
        }
        feed.remember(change);
        *lock(&self.contents) = Arc::new(next);
        Ok(())
    }
}

impl Journal<'_> {
    fn created(&self, files: Vec<NewFile>) -> impl Iterator<Item = File> {
        let now = self.now;
        files.into_iter().map(move |file| File::new(file, now))
    }

    fn change(&self, gun: &Gun, next: &Contents, id: u64) -> Change {
        let timestamp = next.file(RoleName::timestamp().as_str(), Which::Current);
        Change {
            id,
            created_at: self.now,
            gun: gun.as_str().to_owned(),
            version: timestamp.map_or(0, |timestamp| timestamp.version),
            sha256: timestamp.map(|timestamp| timestamp.sha256.hex()).unwrap_or_default(),
            category: if timestamp.is_some() { Category::Update } else { Category::Deletion },
        }
    }
}
