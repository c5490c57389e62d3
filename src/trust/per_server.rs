//! [`PerServer`]: how many refreshes of a kind are under way at once on one trust server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places on each trust server.
#[derive(Debug)]
pub(super) struct PerServer {
    at_once: usize,
    servers: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Places of all, and of these so many on each trust server.
#[derive(Debug)]
pub(super) struct SharedPlaces {
    all: Arc<Semaphore>,
    of_server: PerServer,
}

/// A place of all, and on its trust server.
#[derive(Debug)]
pub(super) struct Places {
    _of_all: OwnedSemaphorePermit,
    _of_server: OwnedSemaphorePermit,
}

impl SharedPlaces {
    pub(super) fn new(all: usize, of_server: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_server: PerServer::new(of_server) }
    }

    /// Waits for a place.
    pub(super) async fn place(&self, server: &str) -> Option<Places> {
        // Of the server first: one that is slow must not keep the places of all.
        let of_server = self.of_server.place(server).await?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Places { _of_all: of_all, _of_server: of_server })
    }
}

impl PerServer {
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, servers: Mutex::default() }
    }

    /// Waits for a place.
    pub(super) async fn place(&self, server: &str) -> Option<OwnedSemaphorePermit> {
        // Never closed, so there always is one in the end.
        self.of(server).acquire_owned().await.ok()
    }

    /// A place, if there is one.
    pub(super) fn try_place(&self, server: &str) -> Option<OwnedSemaphorePermit> {
        self.of(server).try_acquire_owned().ok()
    }

    /// Servers are few: policies name them.
    fn of(&self, server: &str) -> Arc<Semaphore> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = servers.get(server) {
            return Arc::clone(semaphore);
        }
        let semaphore = Arc::new(Semaphore::new(self.at_once.max(1)));
        servers.insert(server.to_owned(), Arc::clone(&semaphore));
        semaphore
    }
}
