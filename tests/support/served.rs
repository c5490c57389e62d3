//! A trust server of this process, that serves repositories of the tests' own signer and never changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tagseal::clock::{Clock, SystemClock};

use crate::support::trust_server::{TrustServer, url_path};
use crate::support::{TestRepository, image_digest};

/// A repository: how the tests call it, its name, and its signed tags.
pub type Signed<'a> = (&'a str, &'a str, &'a [&'a str]);

/// The server.
pub struct Served {
    server: TrustServer,
    keys: BTreeMap<String, String>,
}

impl Served {
    /// Signs and serves. The digest of a tag is [`digest`] of `NAME:TAG`.
    pub fn new(repositories: &[Signed<'_>]) -> Self {
        let now = SystemClock.now();
        let mut files = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (name, gun, tags) in repositories {
            let mut repository = TestRepository::new(gun, now);
            for tag in *tags {
                repository.sign_target("targets", tag, image_digest(&format!("{name}:{tag}")));
            }
            keys.insert((*name).to_owned(), repository.root_key().bare().id());
            let published = repository.publish(now);
            files.extend(published.iter().map(|(file, bytes)| (url_path(gun, file), bytes.clone())));
        }
        let files = Arc::new(files);
        let find = move |path: &str| files.get(path).cloned();
        Self { server: TrustServer::of_files(find), keys }
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The canonical ID of a repository's root key.
    pub fn key(&self, name: &str) -> &str {
        &self.keys[name]
    }
}

/// The digest of `NAME:TAG`.
pub fn digest(image: &str) -> String {
    image_digest(image).to_string()
}
