//! The four kinds of metadata, read strictly (Notary v1, Metadata).
//!
//! Field names and `_type` are exact, a version is an integer as written; unknown extra fields are accepted.

mod root;
mod snapshot;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp as Time;

use super::canonical::{Node, shortened};
use super::decode::{Fields, What, base64, timestamp};
use super::key::{KeyId, PublicKey};
use super::role::RoleName;
use super::verify::SignedValue;
use crate::digest::Digest;
use crate::limits::ROLE_KEYS;

pub(super) use root::{Root, RootRole};
pub(super) use snapshot::{Snapshot, Timestamp};
pub(super) use targets::{Delegation, Target, Targets};

/// What verification makes of the `signed` part of a file.
pub(super) trait Metadata: Sized {
    /// The value of `_type`.
    const TYPE: &str;

    /// Reads what is not common to all kinds.
    fn decode(role: &RoleName, common: Common, signed: Fields<'_>) -> Result<Self, What>;

    /// What is common to all kinds.
    fn common(&self) -> &Common;
}

/// About how many bytes an allocation takes at least.
pub(super) const ALLOCATION: usize = 16;

/// What all kinds of metadata have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Common {
    /// At least 1.
    pub(super) version: u64,
    /// Expired is strictly before now.
    pub(super) expires: Time,
}

/// Reads a file's `signed` part.
pub(super) fn decode<T: Metadata>(role: &RoleName, signed: SignedValue<'_>) -> Result<T, What> {
    let fields = Fields::of(signed.value(), "signed")?;
    let found = fields.string("_type")?;
    if found != T::TYPE {
        return Err(format!("signed._type is {:?}, not {:?}", shortened(found), T::TYPE));
    }
    let common =
        Common { version: fields.integer("version", 1)?, expires: timestamp(fields.string("expires")?)? };
    T::decode(role, common, fields)
}

/// The keys that may sign a role, and how many of them must. Compared when verified files are used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleKeys {
    pub(super) keys: Arc<[RoleKey]>,
    /// At least 1.
    pub(super) threshold: u64,
}

/// A key as a role names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleKey {
    /// The ID that signatures refer to it by.
    id: DeclaredId,
    /// `None` where the key is of an unknown type or too weak: it never counts.
    pub(super) key: Option<PublicKey>,
}

/// The ID under which a file lists a key. Whether it is the key's own matters when a signature uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DeclaredId {
    /// The key's own.
    Own(KeyId),
    /// Any other string.
    Other(Box<str>),
}

impl RoleKey {
    /// Whether `id` refers to it. `parsed` is the same as a key ID, where it is one.
    pub(super) fn is_called(&self, id: &str, parsed: Option<KeyId>) -> bool {
        match &self.id {
            DeclaredId::Own(own) => parsed == Some(*own),
            DeclaredId::Other(other) => **other == *id,
        }
    }

    /// All that decides whether a signature is this key's, and whose it is then.
    pub(super) fn basis(&self) -> Vec<u8> {
        let mut basis = match &self.id {
            DeclaredId::Own(own) => format!("own {own}\0"),
            DeclaredId::Other(other) => format!("other {}\0{other}\0", other.len()),
        };
        if let Some(key) = &self.key {
            basis.push_str(&format!("{} {}", key.canonical_id(), key.identity().digest()));
        }
        basis.into_bytes()
    }

    /// Whether the ID is the key's own.
    pub(super) fn is_rightly_called(&self) -> bool {
        matches!(self.id, DeclaredId::Own(_))
    }
}

impl RoleKeys {
    /// About how many bytes of memory they take: keys themselves are shared, their IDs mostly are not.
    pub(super) fn memory(&self) -> usize {
        self.keys.len() * (size_of::<RoleKey>() + ALLOCATION)
    }

    /// Reads `keyids` and `threshold`; every key ID must be in `keys`.
    fn decode<'a>(role: Fields<'a>, name: &str, keys: &mut KeyTable<'a>) -> Result<Self, What> {
        let threshold = role.integer("threshold", 1)?;
        let ids = role.strings("keyids")?;
        if ids.len() > ROLE_KEYS {
            return Err(format!("role {name} has more than {ROLE_KEYS} keys"));
        }
        // A key ID listed twice is one key.
        let mut seen = BTreeSet::new();
        let found = ids.into_iter().filter(|id| seen.insert(*id)).map(|id| keys.key(id, name));
        Ok(Self { keys: found.collect::<Result<_, What>>()?, threshold })
    }

    /// The keys for which `counts` holds, with the same threshold.
    pub(super) fn retain(&self, counts: impl Fn(&PublicKey) -> bool) -> Self {
        let keys = self.keys.iter().filter(|key| key.key.as_ref().is_some_and(&counts)).cloned().collect();
        Self { keys, threshold: self.threshold }
    }

    /// The keys that can count.
    pub(super) fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().filter_map(|key| key.key.as_ref())
    }
}

/// The `keys` of a file. One that several roles name is read once; one that none names is not.
struct KeyTable<'a> {
    /// `None` where the file lists none at all.
    written: Option<Fields<'a>>,
    read: BTreeMap<&'a str, RoleKey>,
}

impl<'a> KeyTable<'a> {
    fn new(written: Option<Fields<'a>>) -> Self {
        Self { written, read: BTreeMap::new() }
    }

    fn key(&mut self, id: &'a str, role: &str) -> Result<RoleKey, What> {
        if let Some(key) = self.read.get(id) {
            return Ok(key.clone());
        }
        let missing = || format!("key {:?} of role {role} is not among the keys", shortened(id));
        let key = decode_key(id, self.written.and_then(|keys| keys.optional(id)).ok_or_else(missing)?)?;
        self.read.insert(id, key.clone());
        Ok(key)
    }
}

/// The key that a file lists as `id`, whichever role it is for, if the ID is its own and it can count.
pub(super) fn listed_key(signed: Node<'_>, id: &str) -> Option<PublicKey> {
    let keys = Fields::of(Fields::of(signed, "signed").ok()?.optional("keys")?, "signed.keys").ok()?;
    let listed = decode_key(id, keys.optional(id)?).ok()?;
    listed.key.filter(|_| matches!(listed.id, DeclaredId::Own(_)))
}

/// Reads a key. Its structure must be sound; that it is of an unknown type or too weak is no error of the file.
fn decode_key(id: &str, value: Node<'_>) -> Result<RoleKey, What> {
    let fields = Fields::of(value, "a key")?;
    let keytype = fields.string("keytype")?;
    let keyval = Fields::of(fields.required("keyval")?, "a key's keyval")?;
    let public = keyval.string("public")?;
    if base64(public).is_none() {
        return Err(format!("the public part of key {:?} is not base64", shortened(id)));
    }
    let own = KeyId::of(keytype, public);
    let id = if KeyId::from_hex(id) == Ok(own) { DeclaredId::Own(own) } else { DeclaredId::Other(id.into()) };
    Ok(RoleKey { id, key: PublicKey::from_metadata(keytype, public).ok() })
}

/// What a parent says about a metadata file. At least one of the hashes is there, and all that are there must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileMeta {
    pub(super) sha256: Option<Digest>,
    pub(super) sha512: Option<Box<[u8; 64]>>,
    /// In bytes; a cap, not a promise: a file may be shorter.
    pub(super) length: u64,
}

impl FileMeta {
    /// Reads `hashes` and `length`. A known hash of the wrong size is an error, an unknown algorithm is not, but it does not
    /// count either (Notary v1, Metadata).
    fn decode(value: Node<'_>, name: &str) -> Result<Self, What> {
        let meta = Fields::of(value, name)?;
        let (mut sha256, mut sha512) = (None, None);
        for (algorithm, hash) in meta.entries("hashes")? {
            match algorithm {
                "sha256" => sha256 = Some(Digest::from_bytes(hash_of(hash, algorithm, name)?)),
                "sha512" => sha512 = Some(Box::new(hash_of(hash, algorithm, name)?)),
                _ => {}
            }
        }
        if sha256.is_none() && sha512.is_none() {
            return Err(format!("{name} has neither a sha256 nor a sha512"));
        }
        Ok(Self { sha256, sha512, length: length(meta)? })
    }
}

/// The bytes of a hash.
fn hash_of<const N: usize>(hash: Node<'_>, algorithm: &str, name: &str) -> Result<[u8; N], What> {
    let bytes = hash.as_str().and_then(base64).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("the {algorithm} of {name} is not {N} bytes in base64"))
}

/// The sha256 among a target's `hashes`, if there is one of 32 bytes.
fn sha256(meta: Fields<'_>, name: &str) -> Result<Option<Digest>, What> {
    let Some(hashes) = meta.optional("hashes") else { return Ok(None) };
    let hashes = Fields::of(hashes, name)?;
    let bytes = hashes.base64("sha256")?;
    Ok(<[u8; 32]>::try_from(bytes).ok().map(Digest::from_bytes))
}

/// A length in bytes; 0 when absent, as in Go.
fn length(meta: Fields<'_>) -> Result<u64, What> {
    if meta.optional("length").is_none() { Ok(0) } else { meta.integer("length", 0) }
}
