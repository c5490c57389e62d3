//! [`Registry`]: what a registry says of an image: its manifest's digest and size.

use std::sync::Arc;
use std::time::Duration;

use super::NotaryClient;
use super::remote::RemoteError;
use crate::image::ImageReference;
use crate::trust::{Access, TrustServer};

/// A registry (OCI distribution), read by the same connections and tokens as trust servers.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Arc<NotaryClient>,
    /// Its address and authorities; a registry host is no trust server, but is reached alike.
    server: Arc<TrustServer>,
    access: Access,
    timeout: Duration,
}

/// An image's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// The sha256 of its bytes, computed here.
    pub digest: crate::digest::Digest,
    /// Its size in bytes.
    pub length: u64,
}

impl Registry {
    /// A registry at the address in `server`.
    pub fn new(
        client: Arc<NotaryClient>,
        server: Arc<TrustServer>,
        access: Access,
        timeout: Duration,
    ) -> Self {
        Self { client, server, access, timeout }
    }

    /// The manifest that the image's tag names now. `None`: the registry knows no such tag.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn manifest(&self, _image: &ImageReference) -> Result<Option<Manifest>, RemoteError> {
        let _ = (&self.client, &self.server, &self.access, self.timeout);
        todo!()
    }
}
