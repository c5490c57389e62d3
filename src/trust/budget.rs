//! [`Budget`]: how many repositories that never verified are looked up at once on one trust server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds look-ups of unknown repositories, so that invented names leave connections to the known ones (design §4
/// "Cache").
#[derive(Debug)]
pub(super) struct Budget {
    at_once: usize,
    servers: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Budget {
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_once, servers: Mutex::default() }
    }

    /// Waits for a place. Servers are few: policies name them.
    pub(super) async fn place(&self, server: &str) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(self.at_once.max(1)));
            Arc::clone(servers.entry(server.to_owned()).or_insert_with(new))
        };
        // Never closed, so there always is one in the end.
        semaphore.acquire_owned().await.ok()
    }
}
