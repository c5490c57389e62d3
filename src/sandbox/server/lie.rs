//! A server in an attacker's hands: answers that are replaced, a past that comes back, files that nobody checked.

use std::sync::Arc;

use bytes::Bytes;

use super::contents::{Contents, Which};
use super::repository::{Journal, ServerError};
use super::{NotaryServer, lock};
use crate::tuf::upload::{Part, PartError, UploadError};
use crate::tuf::{Gun, RoleName};

/// What a repository had published at one moment.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    gun: Gun,
    contents: Arc<Contents>,
}

impl Checkpoint {
    /// The file of a role that was current then.
    pub fn current(&self, role: &RoleName) -> Option<Bytes> {
        self.contents.file(role.as_str(), Which::Current).map(|file| file.bytes.clone())
    }
}

impl NotaryServer {
    /// From now on answers GETs of `path`, below `…/_trust/tuf/` of `gun`, with `answer`; with 404 where that is `None`.
    pub fn overrule(&self, gun: &Gun, path: &str, answer: Option<Bytes>) {
        lock(&self.0.overruled).insert((gun.clone(), path.to_owned()), answer);
    }

    /// Answers for `gun` with the truth again.
    pub fn lift_overrules(&self, gun: &Gun) {
        lock(&self.0.overruled).retain(|(overruled, _), _| overruled != gun);
    }

    pub(super) fn overruled(&self, gun: &Gun, path: &str) -> Option<Option<Bytes>> {
        lock(&self.0.overruled).get(&(gun.clone(), path.to_owned())).cloned()
    }

    /// What `gun` has published now. An empty one for a repository that is unknown.
    pub fn checkpoint(&self, gun: &Gun) -> Checkpoint {
        let contents = self.repository(gun).map(|repository| repository.contents()).unwrap_or_default();
        Checkpoint { gun: gun.clone(), contents }
    }

    /// Rolls a repository back to a checkpoint; the server's keys stay as they are. What expired since is renewed when it
    /// is read, as always: a server that freezes its timestamp has it [overruled](Self::overrule).
    ///
    /// # Errors
    /// [`ServerError::Disk`], [`ServerError::TooMany`].
    pub fn restore(&self, checkpoint: &Checkpoint) -> Result<(), ServerError> {
        let repository = self.repository_or_new(&checkpoint.gun)?;
        repository.restore(Contents::clone(&checkpoint.contents), &self.journal())
    }

    /// Publishes files that nobody checked, under a snapshot and a timestamp by the server's own keys.
    ///
    /// # Errors
    /// [`ServerError::Upload`] where there is no root, the server does not hold the snapshot key, or a file cannot even be read.
    pub fn smuggle(
        &self,
        gun: &Gun,
        files: impl IntoIterator<Item = (RoleName, Bytes)>,
    ) -> Result<(), ServerError> {
        let parts: Result<Vec<Part>, PartError> =
            files.into_iter().map(|(role, bytes)| Part::read(role.as_str(), bytes)).collect();
        let parts = parts.map_err(|error| ServerError::Upload(UploadError::unreadable(&error)))?;
        self.repository_or_new(gun)?.smuggle(parts, &self.journal())
    }

    pub(super) fn journal(&self) -> Journal<'_> {
        Journal { disk: self.0.disk.as_ref(), feed: &self.0.feed, now: self.0.clock.now() }
    }
}
