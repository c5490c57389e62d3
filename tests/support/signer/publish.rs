//! Publishing: from the state of a [`TestRepository`] to signed files that are consistent with each other.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha512};

use super::repository::{Next, Role};
use super::{ServedFiles, TestKey, TestRepository, base64, canonical, sha256};
use crate::support::time::days;

impl TestRepository {
    /// Publishes what changed at `now`, with notary's lifetimes: 10 years for the root, 3 for targets, delegations and
    /// the snapshot, 14 days for the timestamp.
    pub fn publish(&mut self, now: Timestamp) -> ServedFiles {
        let changed: Vec<String> = self
            .roles
            .iter()
            .filter(|(name, role)| role.changed && !matches!(name.as_str(), "snapshot" | "timestamp"))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &changed {
            let body = if name == "root" { self.root_body() } else { self.targets_body(name) };
            self.publish_role(name, body, now);
        }
        if !changed.is_empty() || self.role("snapshot").changed {
            let body = self.snapshot_body();
            self.publish_role("snapshot", body, now);
        }
        let body = json!({"_type": "Timestamp", "meta": {"snapshot": self.meta("snapshot")}});
        self.publish_role("timestamp", body, now);
        self.unlisted.clear();
        self.files.clone()
    }

    /// Signs `body` as the next file of role `name` and serves it.
    fn publish_role(&mut self, name: &str, body: Value, now: Timestamp) {
        let role = self.roles.get_mut(name).expect("it is being published");
        let mut next = std::mem::take(&mut role.next);
        role.changed = false;
        if let Some(version) = next.old_version {
            let path = format!("{version}.{name}.json");
            let old = self.files.get(&path).unwrap_or_else(|| panic!("no {path}")).clone();
            self.files.publish(name, version, &old);
            role.published = Some(old);
            return;
        }
        role.version = next.version.unwrap_or(role.version + 1);
        let expires = next.expires.take().unwrap_or_else(|| (now + lifetime(name)).to_string());
        let corruptions = std::mem::take(&mut next.corruptions);
        let bytes = Bytes::from(role.envelope(name, body, &expires, next));
        role.published_keys.clone_from(&role.keys);
        role.published = Some(bytes.clone());
        self.files.publish(name, role.version, &bytes);
        if !corruptions.is_empty() {
            let mut bytes = bytes.to_vec();
            corruptions.into_iter().for_each(|corrupt| corrupt(&mut bytes));
            self.files = std::mem::take(&mut self.files).with_role(name, bytes);
        }
    }

    fn root_body(&self) -> Value {
        let mut keys = Map::new();
        let mut roles = Map::new();
        for name in ["root", "targets", "snapshot", "timestamp"] {
            let role = &self.roles[name];
            roles.insert(name.into(), json!({"keyids": key_ids(&role.keys), "threshold": role.threshold}));
            let retired = if name == "root" { &role.published_keys[..] } else { &[] };
            keys.extend(role.keys.iter().chain(retired).map(|key| (key.id(), key.json())));
        }
        json!({"_type": "Root", "consistent_snapshot": false, "keys": keys, "roles": roles})
    }

    fn targets_body(&self, name: &str) -> Value {
        let role = &self.roles[name];
        let mut keys = Map::new();
        let mut roles = Vec::new();
        for child_name in &role.delegations {
            let child = &self.roles[child_name];
            keys.extend(child.keys.iter().map(|key| (key.id(), key.json())));
            roles.push(json!({
                "keyids": key_ids(&child.keys), "name": child_name, "paths": child.paths, "threshold": child.threshold,
            }));
        }
        json!({"_type": "Targets", "delegations": {"keys": keys, "roles": roles}, "targets": role.targets})
    }

    fn snapshot_body(&self) -> Value {
        let meta: Map<_, _> = self
            .roles
            .iter()
            .filter(|(name, role)| {
                role.published.is_some()
                    && !matches!(name.as_str(), "snapshot" | "timestamp")
                    && !self.unlisted.contains(*name)
            })
            .map(|(name, _)| (name.clone(), self.meta(name)))
            .collect();
        json!({"_type": "Snapshot", "meta": meta})
    }

    /// What a parent says about the current file of role `name`.
    fn meta(&self, name: &str) -> Value {
        let bytes = self.roles[name].published.as_ref().expect("published before its parent");
        json!({
            "hashes": {"sha256": base64(&sha256(bytes)), "sha512": base64(&Sha512::digest(bytes))},
            "length": bytes.len(),
        })
    }
}

impl Role {
    fn envelope(&self, name: &str, body: Value, expires: &str, next: Next) -> Vec<u8> {
        let mut signed = body;
        signed["expires"] = expires.into();
        signed["version"] = self.version.into();
        next.edits.into_iter().for_each(|edit| edit(&mut signed));
        let message = canonical(&signed);
        let signers = next.signers.unwrap_or_else(|| self.default_signers(name));
        let mut signatures: Vec<Value> = signers.iter().map(|key| key.sign(&message).json()).collect();
        next.signature_edits.into_iter().for_each(|edit| edit(&mut signatures));
        // In notary's own order: a real server hashes a file as it would itself write it.
        let mut bytes =
            format!(r#"{{"signed":{signed},"signatures":{}}}"#, Value::from(signatures)).into_bytes();
        next.tampers.into_iter().for_each(|tamper| tamper(&mut bytes));
        bytes
    }

    /// The role's keys; for a root whose keys changed, those of its predecessor as well.
    fn default_signers(&self, name: &str) -> Vec<TestKey> {
        let mut signers = self.keys.clone();
        if name == "root" {
            let is_new = |old: &&TestKey| !self.keys.iter().any(|key| key.id() == old.id());
            signers.extend(self.published_keys.iter().filter(is_new).cloned());
        }
        signers
    }
}

fn key_ids(keys: &[TestKey]) -> Vec<String> {
    keys.iter().map(TestKey::id).collect()
}

fn lifetime(role: &str) -> jiff::SignedDuration {
    match role {
        "root" => days(3650),
        "timestamp" => days(14),
        _ => days(3 * 365),
    }
}
