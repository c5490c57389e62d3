//! [`TestRepository`]: a publisher and its server in one value. Edits say what the next publish is to look like.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tagseal::digest::Digest;

use super::{ServedFiles, TestKey, base64};

/// A repository whose every role is ours. New ones have the four base roles, each with an ECDSA key of its own;
/// the root's is certified for the GUN.
///
/// Keys, thresholds, paths, targets and delegations last. Everything else (`expires`, `version`, `keys_that_sign`,
/// `edit`, `tamper`, `corrupt`, `unlist_from_snapshot`) concerns the next [`publish`](Self::publish) alone, and makes its
/// role part of it. A role's version rises with every publish that changes it; the timestamp's with every publish.
pub struct TestRepository {
    pub(super) gun: String,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) unlisted: BTreeSet<String>,
    pub(super) files: ServedFiles,
}

#[derive(Default)]
pub(super) struct Role {
    pub(super) keys: Vec<TestKey>,
    pub(super) threshold: u64,
    pub(super) paths: Vec<String>,
    pub(super) targets: BTreeMap<String, Value>,
    pub(super) delegations: Vec<String>,
    pub(super) version: u64,
    pub(super) published: Option<Bytes>,
    /// Keys that the role had at its last publish (the root's must sign its successor).
    pub(super) published_keys: Vec<TestKey>,
    pub(super) changed: bool,
    pub(super) next: Next,
}

type Edit<T> = Box<dyn FnOnce(&mut T) + Send>;

/// What concerns a role's next publish alone.
#[derive(Default)]
pub(super) struct Next {
    pub(super) version: Option<u64>,
    pub(super) expires: Option<String>,
    pub(super) signers: Option<Vec<TestKey>>,
    pub(super) edits: Vec<Edit<Value>>,
    pub(super) signature_edits: Vec<Edit<Vec<Value>>>,
    pub(super) tampers: Vec<Edit<Vec<u8>>>,
    pub(super) corruptions: Vec<Edit<Vec<u8>>>,
    pub(super) old_version: Option<u64>,
}

impl TestRepository {
    /// A repository that was initialised at `now`. Nothing is published yet.
    pub fn new(gun: &str, now: Timestamp) -> Self {
        let role = |key| Role { keys: vec![key], threshold: 1, changed: true, ..Role::default() };
        let roles = [
            ("root", TestKey::root(gun, now)),
            ("targets", TestKey::ecdsa()),
            ("snapshot", TestKey::ecdsa()),
            ("timestamp", TestKey::ecdsa()),
        ];
        Self {
            gun: gun.to_owned(),
            roles: roles.map(|(name, key)| (name.to_owned(), role(key))).into(),
            unlisted: BTreeSet::new(),
            files: ServedFiles::default(),
        }
    }

    /// The GUN.
    pub fn gun(&self) -> &str {
        &self.gun
    }

    /// The keys of `role`, as listed by whoever lists them.
    pub fn keys(&self, role: &str) -> &[TestKey] {
        &self.roles.get(role).unwrap_or_else(|| panic!("no role {role}")).keys
    }

    /// The first root key.
    pub fn root_key(&self) -> &TestKey {
        &self.keys("root")[0]
    }

    /// What is served now.
    pub fn files(&self) -> &ServedFiles {
        &self.files
    }

    /// Delegates `role` to `keys`: threshold 1, all paths. Its file appears with its first target, as with notary.
    pub fn delegate(&mut self, role: &str, keys: &[&TestKey]) -> &mut Self {
        let parent = self.parent_of(role);
        let parent = self.role(&parent);
        if !parent.delegations.iter().any(|name| name == role) {
            parent.delegations.push(role.to_owned());
        }
        parent.changed = true;
        let delegation = self.roles.entry(role.to_owned()).or_default();
        delegation.keys = keys.iter().copied().cloned().collect();
        delegation.threshold = 1;
        delegation.paths = vec![String::new()];
        self
    }

    /// Restricts `role` to targets with these prefixes; none at all permits nothing.
    pub fn paths(&mut self, role: &str, prefixes: &[&str]) -> &mut Self {
        self.role(role).paths = prefixes.iter().map(ToString::to_string).collect();
        self.changed_in_parent(role)
    }

    /// Asks for `threshold` signatures on `role`.
    pub fn threshold(&mut self, role: &str, threshold: u64) -> &mut Self {
        self.role(role).threshold = threshold;
        self.changed_in_parent(role)
    }

    /// Takes the delegation of `role` back. Its file stays, and in the snapshot too, as on a real server.
    pub fn remove_delegation(&mut self, role: &str) -> &mut Self {
        let parent = self.parent_of(role);
        let parent = self.role(&parent);
        parent.delegations.retain(|name| name != role);
        parent.changed = true;
        self
    }

    /// Gives `role` other keys. A root is signed by the old ones as well.
    pub fn rotate(&mut self, role: &str, keys: &[&TestKey]) -> &mut Self {
        self.role(role).keys = keys.iter().copied().cloned().collect();
        if self.role(role).published.is_some() {
            self.role(role).changed = true;
        }
        self.changed_in_parent(role)
    }

    /// Signs `tag` with `digest` in `role`.
    pub fn sign_target(&mut self, role: &str, tag: &str, digest: Digest) -> &mut Self {
        let entry = json!({"hashes": {"sha256": base64(digest.as_bytes())}, "length": 528});
        self.sign_target_as(role, tag, entry)
    }

    /// Puts `entry` as it is under `name` into `role`.
    pub fn sign_target_as(&mut self, role: &str, name: &str, entry: Value) -> &mut Self {
        self.role(role).targets.insert(name.to_owned(), entry);
        self.witness(role)
    }

    /// Removes `tag` from `role`.
    pub fn remove_target(&mut self, role: &str, tag: &str) -> &mut Self {
        assert!(self.role(role).targets.remove(tag).is_some(), "{role} does not list {tag}");
        self.witness(role)
    }

    /// Signs `role` anew at the next publish, whether its content changed or not.
    pub fn witness(&mut self, role: &str) -> &mut Self {
        self.role(role).changed = true;
        self
    }

    /// The next file of `role` expires then.
    pub fn expires(&mut self, role: &str, time: Timestamp) -> &mut Self {
        self.expires_as(role, &time.to_string())
    }

    /// The next file of `role` has this `expires`, whatever it says.
    pub fn expires_as(&mut self, role: &str, text: &str) -> &mut Self {
        self.role(role).next.expires = Some(text.to_owned());
        self.witness(role)
    }

    /// The next file of `role` has this version; later ones count on from it.
    pub fn version(&mut self, role: &str, version: u64) -> &mut Self {
        self.role(role).next.version = Some(version);
        self.witness(role)
    }

    /// The next file of `role` is signed by these keys and no others, whatever is listed.
    pub fn keys_that_sign(&mut self, role: &str, keys: &[&TestKey]) -> &mut Self {
        self.role(role).next.signers = Some(keys.iter().copied().cloned().collect());
        self.witness(role)
    }

    /// Changes `signed` of the next file of `role` before it is signed.
    pub fn edit(&mut self, role: &str, edit: impl FnOnce(&mut Value) + Send + 'static) -> &mut Self {
        self.role(role).next.edits.push(Box::new(edit));
        self.witness(role)
    }

    /// Changes `signatures` of the next file of `role`.
    pub fn edit_signatures(
        &mut self,
        role: &str,
        edit: impl FnOnce(&mut Vec<Value>) + Send + 'static,
    ) -> &mut Self {
        self.role(role).next.signature_edits.push(Box::new(edit));
        self.witness(role)
    }

    /// Changes the next file of `role` after it was signed. Its parents list the changed bytes: the publisher's fault.
    pub fn tamper(&mut self, role: &str, tamper: impl FnOnce(&mut Vec<u8>) + Send + 'static) -> &mut Self {
        self.role(role).next.tampers.push(Box::new(tamper));
        self.witness(role)
    }

    /// Changes the next file of `role` after it was signed. Its parents list the right bytes: the server's fault.
    pub fn corrupt(&mut self, role: &str, corrupt: impl FnOnce(&mut Vec<u8>) + Send + 'static) -> &mut Self {
        self.role(role).next.corruptions.push(Box::new(corrupt));
        self.witness(role)
    }

    /// The next publish has the old file of `role` again, under good hashes: what whoever holds the snapshot and
    /// timestamp keys can do. A snapshot rolled back lists what it listed then.
    pub fn roll_back(&mut self, role: &str, version: u64) -> &mut Self {
        self.role(role).next.old_version = Some(version);
        self.witness(role)
    }

    /// The next snapshot does not list `role`.
    pub fn unlist_from_snapshot(&mut self, role: &str) -> &mut Self {
        self.unlisted.insert(role.to_owned());
        self.witness("snapshot")
    }

    fn changed_in_parent(&mut self, role: &str) -> &mut Self {
        let parent = self.parent_of(role);
        self.witness(&parent)
    }

    /// The role whose file lists the keys of `role`.
    fn parent_of(&self, role: &str) -> String {
        role.rsplit_once('/').map_or("root", |(parent, _)| parent).to_owned()
    }

    pub(super) fn role(&mut self, role: &str) -> &mut Role {
        self.roles.get_mut(role).unwrap_or_else(|| panic!("no role {role}"))
    }
}
