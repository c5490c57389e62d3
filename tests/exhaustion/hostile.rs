//! [`Hostile`]: a trust server that serves what an attacker made, and the policies that lead there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use crate::cli::run::object;
use crate::support::trust_server::{TrustServer, url_path};
use crate::support::{ServedFiles, TestRepository};

/// Files by the path of their URL.
type Files = BTreeMap<String, Bytes>;

/// The server.
pub struct Hostile {
    server: TrustServer,
    files: Arc<Mutex<Files>>,
    asked: Arc<AtomicUsize>,
}

impl Hostile {
    /// Serves what these repositories published.
    pub fn serving<'a>(repositories: impl IntoIterator<Item = &'a TestRepository>) -> Self {
        Self::of(
            repositories.into_iter().flat_map(|repository| published(repository.gun(), repository.files())),
        )
    }

    /// Serves these files, by path.
    pub fn of(files: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let files = Arc::new(Mutex::new(Files::from_iter(files)));
        let asked = Arc::<AtomicUsize>::default();
        let (found, counted) = (Arc::clone(&files), Arc::clone(&asked));
        let find = move |path: &str| {
            counted.fetch_add(1, Ordering::SeqCst);
            found.lock().unwrap().get(path).cloned()
        };
        Self { server: TrustServer::of_files(find), files, asked }
    }

    /// From now on it has these files of a repository as well, or in the place of others.
    pub fn serve(&self, gun: &str, files: &ServedFiles) {
        self.files.lock().unwrap().extend(published(gun, files));
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// How many requests came so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn published(gun: &str, files: &ServedFiles) -> impl Iterator<Item = (String, Bytes)> {
    files.iter().map(move |(file, bytes)| (url_path(gun, file), bytes.clone()))
}

/// A cluster policy for this repository, that trusts its root key; with these fields of its spec besides.
pub fn trusting(repository: &TestRepository, server: &str, more: &Value) -> Value {
    pinning(repository.gun(), &repository.root_key().canonical_id(), server, more)
}

/// The same by the key's ID.
pub fn pinning(gun: &str, key: &str, server: &str, more: &Value) -> Value {
    let mut spec = json!({
        "images": {"include": [gun]}, "notary": {"server": server}, "roots": [{"keyID": key}],
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    object("ClusterTrustPolicy", &gun.replace('/', "-"), &spec)
}

/// A name of an attacker's repository.
pub fn gun(name: &str) -> String {
    format!("registry.test/attacker/{name}")
}

/// A repository of the attacker's, with nothing in it yet.
pub fn repository(name: &str) -> TestRepository {
    TestRepository::new(&gun(name), now())
}

pub fn now() -> Timestamp {
    SystemClock.now()
}

/// So many bytes of `piece`, as the items of an array.
pub fn items(piece: &str, bytes: usize) -> String {
    format!("[{}0]", format!("{piece},").repeat(bytes / (piece.len() + 1)))
}

/// The smallest values, whose memory has the highest ratio to their bytes.
pub const PIECES: [&str; 4] = ["[]", "{}", r#"{"":{}}"#, r#""""#];
