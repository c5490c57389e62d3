//! A trust server of this process, that serves repositories of the tests' own signer and never changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use bytes::Bytes;
use tagseal::clock::{Clock, SystemClock};

use crate::support::trust_server::TrustServer;
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
        let mut files: BTreeMap<String, Bytes> = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (name, gun, tags) in repositories {
            let mut repository = TestRepository::new(gun, now);
            for tag in *tags {
                repository.sign_target("targets", tag, image_digest(&format!("{name}:{tag}")));
            }
            keys.insert((*name).to_owned(), repository.root_key().bare().id());
            let published = repository.publish(now);
            let path = |file: &str| format!("/v2/{gun}/_trust/tuf/{file}");
            files.extend(published.iter().map(|(file, bytes)| (path(file), bytes.clone())));
        }
        let files = Arc::new(files);
        let answer = move |uri: Uri| async move {
            match files.get(uri.path()) {
                Some(bytes) => bytes.clone().into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        };
        Self { server: TrustServer::serve(axum::Router::new().fallback(answer)), keys }
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
