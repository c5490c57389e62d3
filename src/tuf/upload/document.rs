//! [`Maker`]: the snapshots and timestamps that a server signs itself.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp as Time};
use sha2::{Digest as _, Sha512};

use super::{Holdings, NewFile};
use crate::digest::Digest;
use crate::tuf::canonical::Value;
use crate::tuf::error::TufError;
use crate::tuf::metadata::{FileMeta, Metadata, RoleKeys, Snapshot, Timestamp};
use crate::tuf::role::RoleName;
use crate::tuf::root::TrustedRoot;
use crate::tuf::verify::{Verified, verify_recorded};
use crate::tuf::work::Work;

/// How long a timestamp lives (Notary v1, Server rules).
const TIMESTAMP_LIFETIME: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long a snapshot lives (Notary v1, Server rules): three years of 365 days.
const SNAPSHOT_LIFETIME: SignedDuration = SignedDuration::from_hours(3 * 365 * 24);

/// Makes the next snapshot and timestamp under a root.
pub(super) struct Maker<'a> {
    pub(super) root: &'a TrustedRoot,
    pub(super) holdings: &'a dyn Holdings,
    pub(super) now: Time,
}

/// Why a file cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Making {
    /// The server holds too few of the role's keys.
    NoKey {
        /// How many it holds.
        found: usize,
        /// How many are needed.
        threshold: u64,
        /// Canonical key IDs of those that it does not hold.
        missing: Vec<String>,
    },
    /// The previous file cannot be read.
    Stored(TufError),
}

impl Maker<'_> {
    /// The previous snapshot, one version on, with new entries for the `changed` files.
    pub(super) fn snapshot(&self, changed: &BTreeMap<&RoleName, &Bytes>) -> Result<NewFile, Making> {
        let role = RoleName::snapshot();
        let previous: Option<Verified<Snapshot>> = self.previous(&role)?;
        let mut meta = BTreeMap::new();
        for (name, listed) in previous.iter().flat_map(|previous| previous.files()) {
            meta.insert(name.to_owned(), listed_as(listed));
        }
        for (name, bytes) in changed {
            meta.insert(name.as_str().to_owned(), listing(bytes));
        }
        let version = previous.map_or(0, |previous| previous.common().version);
        self.make(role, "Snapshot", meta, version, SNAPSHOT_LIFETIME)
    }

    /// The previous timestamp, one version on, for `snapshot`.
    pub(super) fn timestamp(&self, snapshot: &[u8]) -> Result<NewFile, Making> {
        let role = RoleName::timestamp();
        let previous: Option<Verified<Timestamp>> = self.previous(&role)?;
        let version = previous.map_or(0, |previous| previous.common().version);
        let meta = [("snapshot".to_owned(), listing(snapshot))].into();
        self.make(role, "Timestamp", meta, version, TIMESTAMP_LIFETIME)
    }

    /// The current file, as the server recorded it: whether the present root's keys signed it does not matter.
    fn previous<T: Metadata>(&self, role: &RoleName) -> Result<Option<Verified<T>>, Making> {
        let Some(stored) = self.holdings.current(role) else { return Ok(None) };
        verify_recorded(role, stored.sha256, &stored.bytes, self.keys(role)?, &Work::unstopped())
            .map(Some)
            .map_err(Making::Stored)
    }

    fn make(
        &self,
        role: RoleName,
        kind: &str,
        meta: BTreeMap<String, Value>,
        previous_version: u64,
        lifetime: SignedDuration,
    ) -> Result<NewFile, Making> {
        let malformed =
            |what: &str| Making::Stored(TufError::Malformed { role: role.clone(), what: what.to_owned() });
        let version = previous_version.checked_add(1).ok_or_else(|| malformed("there is no next version"))?;
        let expires = self.now.saturating_add(lifetime).unwrap_or(Time::MAX);
        let signed = Value::object([
            ("_type", Value::String(kind.to_owned())),
            ("expires", Value::String(expires.to_string())),
            ("meta", Value::Object(meta)),
            ("version", Value::Number(version.to_string())),
        ]);
        let message = signed.canonical().map_err(|error| malformed(&error.to_string()))?;
        let signatures = self.sign(self.keys(&role)?, &message)?;
        // Both parts are canonical, and nothing in them needs an escape: names of roles, base64 and a time.
        let signatures =
            Value::Array(signatures).canonical().map_err(|error| malformed(&error.to_string()))?;
        let bytes = [b"{\"signed\":", &*message, b",\"signatures\":", &signatures, b"}"].concat().into();
        Ok(NewFile { role, version, bytes })
    }

    fn keys(&self, role: &RoleName) -> Result<&RoleKeys, Making> {
        let unlisted = || TufError::NoValidSignature { role: role.clone() };
        self.root.verified.keys(role).ok_or_else(|| Making::Stored(unlisted()))
    }

    /// Signs with every key of the role that the server holds, if those are enough.
    fn sign(&self, keys: &RoleKeys, message: &[u8]) -> Result<Vec<Value>, Making> {
        let mut counted = BTreeSet::new();
        let (mut signatures, mut missing) = (Vec::new(), Vec::new());
        for key in keys.keys.iter().filter(|key| key.is_rightly_called()).filter_map(|key| key.key.as_ref()) {
            match self.holdings.sign(key.canonical_id(), message) {
                Some(signature) if counted.insert(key.identity()) => signatures.push(Value::object([
                    ("keyid", Value::String(key.id().to_string())),
                    ("method", Value::String(signature.method.to_owned())),
                    ("sig", Value::String(STANDARD.encode(&signature.bytes))),
                ])),
                Some(_) => {}
                None => missing.push(key.canonical_id().to_string()),
            }
        }
        if (signatures.len() as u64) < keys.threshold {
            return Err(Making::NoKey { found: signatures.len(), threshold: keys.threshold, missing });
        }
        Ok(signatures)
    }
}

/// What a parent says about a file: both hashes, and the length.
pub fn listing(bytes: &[u8]) -> Value {
    let sha512 = Sha512::digest(bytes);
    file_meta(Some(Digest::of(bytes)), Some(&sha512), bytes.len() as u64)
}

fn listed_as(meta: &FileMeta) -> Value {
    file_meta(meta.sha256, meta.sha512.as_ref().map(|sha512| &sha512[..]), meta.length)
}

fn file_meta(sha256: Option<Digest>, sha512: Option<&[u8]>, length: u64) -> Value {
    let encoded = |bytes: &[u8]| Value::String(STANDARD.encode(bytes));
    let sha256 = sha256.map(|sha256| ("sha256".to_owned(), encoded(sha256.as_bytes())));
    let sha512 = sha512.map(|sha512| ("sha512".to_owned(), encoded(sha512)));
    let hashes: BTreeMap<_, _> = sha256.into_iter().chain(sha512).collect();
    Value::object([("hashes", Value::Object(hashes)), ("length", Value::Number(length.to_string()))])
}
