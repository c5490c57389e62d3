//! [`NotaryServer`]: an embedded Notary v1 server, with the checks and the errors of the real one.
//!
//! What it checks is [`crate::tuf::upload`]; here are its routes, its keys and its memory. And it can be told to lie, as
//! a server in an attacker's hands would.

mod answer;
mod contents;
mod disk;
mod feed;
mod handler;
mod keys;
mod lie;
mod repository;
mod route;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use bytes::Bytes;

use self::disk::Disk;
use self::feed::Feed;
pub use self::lie::Checkpoint;
use self::repository::Repository;
pub use self::repository::ServerError;
use crate::clock::SharedClock;
use crate::tuf::Gun;

/// The largest upload, in bytes. The verifier takes no file larger than this.
pub const MAX_UPLOAD: usize = 16 << 20;

/// So many repositories are remembered: whoever asks for the key of a new name makes the server remember it.
const MAX_REPOSITORIES: usize = 10_000;

/// A Notary v1 server. Cheap to clone; all clones are one server.
#[derive(Debug, Clone)]
pub struct NotaryServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: SharedClock,
    disk: Option<Disk>,
    repositories: Mutex<HashMap<Gun, Arc<Repository>>>,
    feed: Mutex<Feed>,
    /// What is answered instead of the truth, by repository and path below `…/_trust/tuf/`.
    overruled: Mutex<HashMap<(Gun, String), Option<Bytes>>>,
}

impl NotaryServer {
    /// A server that keeps everything in memory, or below `data_dir`.
    ///
    /// # Errors
    /// When the folder cannot be used, is used by another server, or holds what this server did not write.
    pub fn new(data_dir: Option<PathBuf>, clock: SharedClock) -> io::Result<Self> {
        let disk = data_dir.map(Disk::open).transpose()?;
        let mut repositories = HashMap::new();
        let mut feed = Feed::default();
        for (repository, changes) in disk.as_ref().map(Disk::load).transpose()?.unwrap_or_default() {
            changes.into_iter().for_each(|change| feed.remember(change));
            repositories.insert(repository.gun().clone(), Arc::new(repository));
        }
        Ok(Self(Arc::new(Inner {
            clock,
            disk,
            repositories: Mutex::new(repositories),
            feed: Mutex::new(feed),
            overruled: Mutex::default(),
        })))
    }

    /// Its routes, for a listener or an in-process test.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(handler::answer)
            .layer(DefaultBodyLimit::max(MAX_UPLOAD))
            .with_state(self.clone())
    }

    /// The repository, if anything is known of it.
    fn repository(&self, gun: &Gun) -> Option<Arc<Repository>> {
        lock(&self.0.repositories).get(gun).cloned()
    }

    /// The repository, remembered from now on.
    ///
    /// # Errors
    /// [`ServerError::TooMany`].
    fn repository_or_new(&self, gun: &Gun) -> Result<Arc<Repository>, ServerError> {
        let mut repositories = lock(&self.0.repositories);
        if let Some(repository) = repositories.get(gun) {
            return Ok(Arc::clone(repository));
        }
        if repositories.len() >= MAX_REPOSITORIES {
            return Err(ServerError::TooMany { limit: MAX_REPOSITORIES });
        }
        let repository = Arc::new(Repository::new(gun.clone()));
        repositories.insert(gun.clone(), Arc::clone(&repository));
        Ok(repository)
    }
}

/// A lock that outlives a panic: what it guards is replaced whole, never changed halfway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
