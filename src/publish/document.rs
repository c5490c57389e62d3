//! Metadata as it is edited and signed: generic JSON, so that what tagseal does not know survives.
//!
//! A [`Document`] is what a file says; [`root`], [`targets`] and [`snapshot`] know their kinds. [`wire`] writes files.

pub(super) mod root;
pub(super) mod snapshot;
pub(super) mod targets;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, Unit};

use super::key::PublicForm;
use crate::tuf::canonical::{self, CanonicalError, Value};
use crate::tuf::{KeyId, RoleName};

pub(super) use self::root::Root;
pub(super) use self::snapshot::Snapshot;
pub(super) use self::targets::Targets;
pub(super) use self::wire::{Signed, signatures_of};

pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Versions end here: canonical JSON passes them through a float64 (Notary v1, "Canonical JSON").
const MAX_VERSION: u64 = (1 << 53) - 1;

/// Why a file cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    /// It has not the shape of its kind.
    #[error("{0}")]
    Shape(String),
    /// Its version is the last there is.
    #[error("version {0} is the last there is")]
    LastVersion(u64),
}

impl From<CanonicalError> for DocumentError {
    fn from(error: CanonicalError) -> Self {
        Self::Shape(error.to_string())
    }
}

/// The `signed` part of a file, and whether it differs from what was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    signed: BTreeMap<String, Value>,
    is_dirty: bool,
}

/// The keys of a role, as its parent lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keyring {
    /// How many distinct keys have to sign.
    pub(super) threshold: u64,
    /// Those that can count, in the parent's order.
    pub(super) keys: Vec<ListedKey>,
}

/// A key as metadata lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedKey {
    /// The ID that signatures refer to it by.
    pub(super) id: KeyId,
    /// The ID that key stores know it by.
    pub(super) canonical: KeyId,
    /// The key.
    pub(super) form: PublicForm,
}

impl Document {
    /// A new document, of no version yet.
    fn new(kind: &str, members: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let mut signed: BTreeMap<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        signed.insert("_type".to_owned(), text(kind));
        signed.insert("version".to_owned(), number(0));
        Self { signed, is_dirty: true }
    }

    /// Reads a file that was verified.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        match canonical::parse(bytes)? {
            Value::Object(mut file) => match file.remove("signed") {
                Some(Value::Object(signed)) => Ok(Self { signed, is_dirty: false }),
                _ => Err(shape("it has no signed part")),
            },
            _ => Err(shape("it is not an object")),
        }
    }

    /// Its version; 0 before it is first signed.
    pub(super) fn version(&self) -> u64 {
        let version = self.signed.get("version").and_then(Value::as_integer);
        version.and_then(|version| u64::try_from(version).ok()).unwrap_or(0)
    }

    /// When it expires; `None` where it does not say so in a way that is understood.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.signed.get("expires")?.as_str()?.parse().ok()
    }

    /// Whether it expires before `time`, or does not say when.
    pub(super) fn ends_before(&self, time: Timestamp) -> bool {
        self.expires().is_none_or(|expires| expires < time)
    }

    /// Whether it has to be signed and uploaded.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Asks for it to be signed and uploaded, changed or not.
    pub(super) fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// Makes it the version after its own and after `floor`, valid for so many days.
    fn renew(&mut self, floor: u64, now: Timestamp, days: i32) -> Result<(), DocumentError> {
        let version = self.version().max(floor);
        if version >= MAX_VERSION {
            return Err(DocumentError::LastVersion(version));
        }
        let expires = now.saturating_add(DAY * days).unwrap_or(now);
        let expires = expires.round(Unit::Second).unwrap_or(expires);
        self.signed.insert("version".to_owned(), number(version + 1));
        self.signed.insert("expires".to_owned(), text(&expires.to_string()));
        Ok(())
    }

    /// What signatures cover: what it says now, in canonical form.
    pub(super) fn message(&self) -> Result<Vec<u8>, DocumentError> {
        Ok(Value::Object(self.signed.clone()).canonical()?)
    }

    /// The file of what it says now, with these signatures.
    pub(super) fn file(&self, signatures: Vec<Signed>) -> Result<Bytes, DocumentError> {
        Ok(wire::file(&Value::Object(self.signed.clone()), signatures)?)
    }

    fn object(&self, name: &str) -> Option<&BTreeMap<String, Value>> {
        self.signed.get(name)?.as_object()
    }

    /// The object `name`, made where there is none (Go writes `null` for an empty map).
    fn object_mut(&mut self, name: &str) -> Result<&mut BTreeMap<String, Value>, DocumentError> {
        member_object(&mut self.signed, name)
    }
}

impl Keyring {
    /// Reads a role's `keyids` and `threshold`. A key that cannot count (of an unknown type, too weak, under an ID that is
    /// not its own) is not in it.
    fn read(role: &Value, keys: Option<&BTreeMap<String, Value>>) -> Self {
        let threshold = role.get("threshold").and_then(Value::as_integer);
        let ids = role.get("keyids").and_then(Value::as_array).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let keys = ids.iter().filter_map(|id| {
            let id = id.as_str().filter(|id| seen.insert(*id))?;
            let listed = keys?.get(id)?;
            let public = listed.get("keyval")?.get("public")?.as_str()?;
            let form = PublicForm::from_metadata(listed.get("keytype")?.as_str()?, public).ok()?;
            let listed = ListedKey { id: form.id(), canonical: form.canonical_id(), form };
            (KeyId::from_hex(id) == Ok(listed.id)).then_some(listed)
        });
        let keys = keys.collect();
        let threshold = threshold.and_then(|threshold| u64::try_from(threshold).ok()).unwrap_or(1).max(1);
        Self { threshold, keys }
    }

    /// The canonical IDs of its keys, each once: what signatures are counted by.
    pub(super) fn canonical_ids(&self) -> Vec<KeyId> {
        let mut ids = Vec::new();
        for key in &self.keys {
            if !ids.contains(&key.canonical) {
                ids.push(key.canonical);
            }
        }
        ids
    }

    /// Whether one of its keys made the signature.
    pub(super) fn verifies(&self, signed: &Signed, message: &[u8]) -> bool {
        let key = self.keys.iter().find(|key| key.id == signed.key).and_then(|key| key.form.key().ok());
        key.is_some_and(|key| key.verifies(signed.signature.method, message, &signed.signature.bytes))
    }

    /// The ID by which key stores know the key that metadata knows by this one, if it is in the ring.
    pub(super) fn find(&self, id: KeyId) -> Option<KeyId> {
        self.keys.iter().find(|key| key.id == id).map(|key| key.canonical)
    }

    /// The canonical IDs of its keys that made one of the signatures, each once.
    pub(super) fn signers(&self, signatures: &[Signed], message: &[u8]) -> Vec<KeyId> {
        let mut ids = Vec::new();
        for signed in signatures.iter().filter(|signed| self.verifies(signed, message)) {
            let id = self.canonical_of(signed.key);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The ID by which key stores know the key that metadata knows by this one.
    pub(super) fn canonical_of(&self, id: KeyId) -> KeyId {
        self.find(id).unwrap_or(id)
    }

    /// Whether metadata or key stores know one of its keys by this ID.
    pub(super) fn has(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id == id || key.canonical == id)
    }
}

fn shape(what: impl Into<String>) -> DocumentError {
    DocumentError::Shape(what.into())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn number(number: u64) -> Value {
    Value::Number(number.to_string())
}

/// `keyids` and `threshold`.
fn role_value(keys: &[&PublicForm], threshold: u64) -> Value {
    let ids = keys.iter().map(|key| text(&key.id().to_string())).collect();
    Value::object([("keyids", Value::Array(ids)), ("threshold", number(threshold))])
}

fn member_object<'a>(
    members: &'a mut BTreeMap<String, Value>,
    name: &str,
) -> Result<&'a mut BTreeMap<String, Value>, DocumentError> {
    let member = members.entry(name.to_owned()).or_insert(Value::Null);
    if member.is_null() {
        *member = Value::Object(BTreeMap::new());
    }
    match member {
        Value::Object(object) => Ok(object),
        _ => Err(shape(format!("its {name} is not an object"))),
    }
}

fn member_array<'a>(
    members: &'a mut BTreeMap<String, Value>,
    name: &str,
) -> Result<&'a mut Vec<Value>, DocumentError> {
    let member = members.entry(name.to_owned()).or_insert(Value::Null);
    if member.is_null() {
        *member = Value::Array(Vec::new());
    }
    match member {
        Value::Array(array) => Ok(array),
        _ => Err(shape(format!("its {name} is not an array"))),
    }
}

/// Reads only the version of a file that nothing vouches for.
pub(super) fn unverified_version(bytes: &[u8]) -> Option<u64> {
    Document::read(bytes).ok().map(|document| document.version())
}

/// The role's name as it stands in metadata.
fn named(role: &RoleName) -> Value {
    text(role.as_str())
}
