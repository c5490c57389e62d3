//! [`ServedFiles`]: what a trust server would answer for one repository.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{hex, sha256};

/// Files by the path below `…/_trust/tuf/`: `timestamp.json`, `targets/releases.<sha256>.json`, `3.root.json`.
/// Old publishes stay available by hash and by version, as on a real server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServedFiles(BTreeMap<String, Bytes>);

impl ServedFiles {
    /// The file at `path`.
    pub fn get(&self, path: &str) -> Option<&Bytes> {
        self.0.get(path)
    }

    /// All files.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.0.iter().map(|(path, bytes)| (path.as_str(), bytes))
    }

    /// The current file of `role`.
    ///
    /// # Panics
    /// When there is none.
    pub fn current(&self, role: &str) -> &Bytes {
        self.get(&format!("{role}.json")).unwrap_or_else(|| panic!("{role} was never published"))
    }

    /// The current `signed` part of `role`.
    pub fn signed(&self, role: &str) -> Value {
        let envelope: Value = serde_json::from_slice(self.current(role)).expect("an envelope");
        envelope["signed"].clone()
    }

    /// The version of the current file of `role`.
    pub fn version(&self, role: &str) -> u64 {
        self.signed(role)["version"].as_u64().expect("a version")
    }

    /// The paths under which the current file of `role` stands: by name, by hash, by version.
    pub fn paths_of(&self, role: &str) -> Vec<String> {
        let current = self.current(role);
        let hashed = format!("{role}.{}.json", hex(&sha256(current)));
        let is_of_role = |path: &str| {
            path == format!("{role}.json")
                || path == hashed
                || path
                    .strip_suffix(&format!(".{role}.json"))
                    .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        };
        self.0
            .iter()
            .filter(|(path, bytes)| is_of_role(path) && *bytes == current)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// The same with `bytes` at `path`.
    pub fn with(mut self, path: &str, bytes: impl Into<Bytes>) -> Self {
        self.0.insert(path.to_owned(), bytes.into());
        self
    }

    /// The same without the file at `path`.
    pub fn without(mut self, path: &str) -> Self {
        self.0.remove(path);
        self
    }

    /// The same with `bytes` under every path of the current file of `role`: a server that lies about content.
    pub fn with_role(mut self, role: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        for path in self.paths_of(role) {
            self.0.insert(path, bytes.clone());
        }
        self
    }

    /// The same without the current file of `role` under any path.
    pub fn without_role(mut self, role: &str) -> Self {
        for path in self.paths_of(role) {
            self.0.remove(&path);
        }
        self
    }

    /// Adds a newly published file of `role`, and keeps what was there by hash and version.
    pub(super) fn publish(&mut self, role: &str, version: u64, bytes: &Bytes) {
        self.0.insert(format!("{role}.json"), bytes.clone());
        self.0.insert(format!("{role}.{}.json", hex(&sha256(bytes))), bytes.clone());
        self.0.insert(format!("{version}.{role}.json"), bytes.clone());
    }
}
