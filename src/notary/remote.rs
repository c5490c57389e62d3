//! [`Remote`]: one repository at a trust server, for its publisher: reads, uploads, keys, deletion.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::NotaryClient;
use crate::trust::{Access, SourceError, TrustServer};
use crate::tuf::{Fetch, Gun, RoleName};

/// A repository at a trust server, and what its publisher shows there.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Arc<NotaryClient>,
    server: Arc<TrustServer>,
    gun: Gun,
    registry: String,
    access: Access,
    timeout: Duration,
}

/// What a server refused, in its own words (Notary v1, "Errors").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// `INVALID_UPDATE`, `VERSION`, …; empty when the body is none of notary's.
    pub code: String,
    /// The message.
    pub message: String,
    /// The name and message of an `INVALID_UPDATE`'s detail: `ErrBadRoot`, `ErrBadHierarchy`, ….
    pub detail: Option<(String, String)>,
}

/// Why a request to a trust server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// No answer, or no right to one.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The server answered no.
    #[error("{}: {}", .0.code, .0.message)]
    Rejected(Rejection),
}

impl Remote {
    /// `registry` is the host whose token realm may see the credentials too; `timeout` bounds each request.
    pub fn new(
        client: Arc<NotaryClient>,
        server: Arc<TrustServer>,
        gun: Gun,
        registry: String,
        access: Access,
        timeout: Duration,
    ) -> Self {
        Self { client, server, gun, registry, access, timeout }
    }

    /// Which repository.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Which server, for messages.
    pub fn server(&self) -> &str {
        self.server.url.as_str()
    }

    /// One file, with the right to push (Notary v1, "HTTP API"). `None` is a 404.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn fetch(&self, _fetch: &Fetch) -> Result<Option<Bytes>, RemoteError> {
        let _ = (&self.client, &self.registry, &self.access, self.timeout);
        todo!()
    }

    /// Uploads the files in one POST. Never repeated by itself: the caller reads the repository to learn whether it arrived.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn upload(&self, _files: &[(RoleName, Bytes)]) -> Result<(), RemoteError> {
        todo!()
    }

    /// The server's public key for `timestamp` or `snapshot`, as JSON.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn server_key(&self, _role: &RoleName) -> Result<Bytes, RemoteError> {
        todo!()
    }

    /// Makes the server take a new key for `timestamp` or `snapshot`; it counts when a root lists it.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn rotate_server_key(&self, _role: &RoleName) -> Result<Bytes, RemoteError> {
        todo!()
    }

    /// Deletes the repository's trust data.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn delete(&self) -> Result<(), RemoteError> {
        todo!()
    }
}
