//! An embedded server with a clock, and a repository on it.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tagseal::clock::ManualClock;
use tagseal::sandbox::server::NotaryServer;
use tagseal::tuf::{Gun, RoleName};

use crate::support::t;
use crate::support::trust_server::{Answered, TrustServer};
use crate::support::uploads::Uploader;

pub const GUN: &str = "registry.test/shop/web";

/// When everything begins.
pub fn start() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

pub fn gun() -> Gun {
    Gun::new(GUN).unwrap()
}

pub fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

/// A server, from inside and from outside.
pub struct World {
    pub clock: ManualClock,
    pub inside: NotaryServer,
    pub server: TrustServer,
}

impl World {
    /// A server in memory.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// A server on disk.
    pub fn on(data_dir: &Path) -> Self {
        Self::with(Some(data_dir))
    }

    fn with(data_dir: Option<&Path>) -> Self {
        let clock = ManualClock::at(start());
        let inside = NotaryServer::new(data_dir.map(Into::into), Arc::new(clock.clone())).unwrap();
        Self { server: TrustServer::serve(inside.router()), inside, clock }
    }

    /// A publisher of a repository whose snapshot key is its own.
    pub fn uploader(&self) -> Uploader {
        Uploader::new(&self.server, GUN, start())
    }

    /// A publisher of a repository whose snapshot the server signs.
    pub fn uploader_with_server_snapshot(&self) -> Uploader {
        Uploader::with_server_snapshot(&self.server, GUN, start())
    }

    /// GETs a file of the repository.
    pub fn get(&self, path: &str) -> Answered {
        self.server.get(GUN, path)
    }

    /// The version of a role's current file.
    pub fn version(&self, role: &str) -> u64 {
        self.server.signed(GUN, role)["version"].as_u64().unwrap()
    }

    /// Uploads, and it is accepted.
    #[track_caller]
    pub fn accepts(&self, parts: &[(String, bytes::Bytes)]) {
        let answer = self.server.upload(GUN, parts);
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }
}
