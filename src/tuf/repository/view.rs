//! [`Role`]: one verified role, and what it says about tags.

use jiff::Timestamp;

use super::{File, RoleSigner, Slot};
use crate::digest::Digest;
use crate::tuf::key::KeyId;
use crate::tuf::metadata::{Common, Delegation, Metadata, RoleKeys, Target, Targets};
use crate::tuf::paths::Paths;
use crate::tuf::role::RoleName;
use crate::tuf::root::TrustedRoot;

/// One verified role of a [`super::TrustedRepository`].
#[derive(Debug, Clone, Copy)]
pub struct Role<'a> {
    name: &'a RoleName,
    common: Common,
    sha256: Digest,
    length: u64,
    keys: &'a RoleKeys,
    signers: &'a [RoleSigner],
    /// What it lists, for `targets` and delegation roles.
    targets: Option<&'a Targets>,
    /// Those of `targets`.
    paths: Option<&'a Paths>,
}

/// What a role says about a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It lists the tag.
    Listed(TargetEntry<'a>),
    /// It does not list the tag.
    NotListed,
    /// It lists the tag without a sha256 of 32 bytes, which does not count.
    BadHash,
    /// It lists the tag, but its `paths` (these, within its ancestors') do not cover it: the entry does not count.
    NotCovered(Vec<&'a str>),
}

/// A target that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetEntry<'a> {
    /// The tag.
    pub name: &'a str,
    /// What it is signed to be.
    pub digest: Digest,
    /// The length that was signed, in bytes.
    pub length: u64,
    /// Who signed the role's file.
    pub signers: &'a [RoleSigner],
}

/// A delegation as its parent makes it, whether or not its role was ever published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated<'a> {
    /// The role.
    pub name: &'a RoleName,
    /// As [`Role::key_ids`].
    pub key_ids: Vec<KeyId>,
    /// How many distinct keys must sign it.
    pub threshold: u64,
    /// Path prefixes; `""` is everything, none is nothing.
    pub paths: Vec<&'a str>,
}

impl<'a> Role<'a> {
    pub(super) fn of_root(root: &'a TrustedRoot) -> Self {
        Self {
            name: &root.name,
            common: *root.verified.common(),
            sha256: root.sha256,
            length: root.length,
            keys: root.verified.root_keys(),
            signers: root.verified.signers(),
            targets: None,
            paths: None,
        }
    }

    pub(super) fn of_base<T: Metadata>(file: &'a File<T>, keys: &'a RoleKeys) -> Self {
        Self {
            name: &file.name,
            common: *file.verified.common(),
            sha256: file.sha256,
            length: file.length,
            keys,
            signers: file.verified.signers(),
            targets: None,
            paths: None,
        }
    }

    pub(super) fn of_slot(slot: &'a Slot) -> Option<Self> {
        let file = slot.content.as_ref().ok()?;
        let base = Self::of_base(&**file, &slot.keys);
        Some(Self { targets: Some(&file.verified), paths: Some(&slot.paths), ..base })
    }

    /// Its name.
    pub fn name(&self) -> &'a RoleName {
        self.name
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.common.version
    }

    /// When it expires.
    pub fn expires(&self) -> Timestamp {
        self.common.expires
    }

    /// The sha256 of its file.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// The size of its file, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many distinct keys must sign it.
    pub fn threshold(&self) -> u64 {
        self.keys.threshold
    }

    /// The canonical IDs of the keys that may sign it, in its parent's order, each once. Keys that can never count
    /// (of an unknown type, too weak) have none.
    pub fn key_ids(&self) -> Vec<KeyId> {
        canonical_ids(self.keys)
    }

    /// The roles that it delegates to, in its order, which is priority.
    pub fn delegated(&self) -> Vec<Delegated<'a>> {
        let delegated = |delegation: &'a Delegation| Delegated {
            name: &delegation.name,
            key_ids: canonical_ids(&delegation.keys),
            threshold: delegation.keys.threshold,
            paths: delegation.paths.iter().collect(),
        };
        self.delegations().unwrap_or_default().iter().map(delegated).collect()
    }

    /// The keys whose signatures on it are valid, each once.
    pub fn signed_by(&self) -> &'a [RoleSigner] {
        self.signers
    }

    /// What it says about a tag. Names are compared byte by byte.
    pub fn lookup(&self, tag: &str) -> Lookup<'a> {
        let Some(target) = self.targets.and_then(|targets| targets.target(tag)) else {
            return Lookup::NotListed;
        };
        if !self.covers(tag) {
            return Lookup::NotCovered(self.paths.map(|paths| paths.iter().collect()).unwrap_or_default());
        }
        self.entry(target).map_or(Lookup::BadHash, Lookup::Listed)
    }

    /// The targets that count: with a sha256, within the role's paths. Sorted by name.
    pub fn targets(&self) -> impl Iterator<Item = TargetEntry<'a>> + use<'a> {
        let role = *self;
        self.targets
            .into_iter()
            .flat_map(Targets::targets)
            .filter(move |target| role.covers(target.name))
            .filter_map(move |target| role.entry(target))
    }

    /// The tags that it lists with this digest, as [`Self::targets`].
    pub fn tags_of(&self, digest: Digest) -> impl Iterator<Item = &'a str> + use<'a> {
        self.targets().filter(move |target| target.digest == digest).map(|target| target.name)
    }

    pub(super) fn delegations(&self) -> Option<&'a [Delegation]> {
        self.targets.map(|targets| &*targets.delegations)
    }

    fn covers(&self, name: &str) -> bool {
        self.paths.is_some_and(|paths| paths.cover(name))
    }

    fn entry(&self, target: Target<'a>) -> Option<TargetEntry<'a>> {
        let digest = target.digest?;
        Some(TargetEntry { name: target.name, digest, length: target.length, signers: self.signers })
    }
}

/// The canonical IDs of the keys that can count, in the parent's order, each once.
fn canonical_ids(keys: &RoleKeys) -> Vec<KeyId> {
    let mut ids = Vec::new();
    for id in keys.public_keys().map(crate::tuf::key::PublicKey::canonical_id) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}
