//! From a [`TrustRecord`] to the `spec` of its `TrustedRepository`, and back.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::Value;

use super::name::object_name;
use crate::api::{FirstUsePin, PinnedBy, PinnedRoot, RecentVersion, RoleFloor, TrustedRepositorySpec};
use crate::digest::Digest;
use crate::trust::{RepositoryKey, RoleVersion, RootPin, TrustRecord};
use crate::tuf::{Floor, Gun, KeyId, KeyIdentity, RoleName};

/// Why an object is not a record that can be believed. Half-read floors are no floors: then there is no record at all, and
/// nothing else takes its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// Not what tagseal writes.
    #[error("{field} cannot be read: {message}")]
    Malformed {
        /// Where.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The object is about another repository than its name says.
    #[error("it is about {repository} at {server} under the anchors {anchors}, whose object is {name}")]
    OtherRepository {
        /// Its repository.
        repository: String,
        /// Its server.
        server: String,
        /// Its anchors.
        anchors: String,
        /// The name that its object has.
        name: String,
    },
}

fn malformed(field: &'static str) -> impl Fn(&dyn Display) -> RecordError {
    move |error| RecordError::Malformed { field, message: error.to_string() }
}

/// The `spec` of the object of `key`.
pub(super) fn spec(key: &RepositoryKey, record: &TrustRecord) -> TrustedRepositorySpec {
    let floors = record.floors.iter().map(|(role, floor)| RoleFloor {
        role: role.to_string(),
        version: floor.version.to_string(),
        signers: floor.signers.iter().map(|key| key.digest().hex()).collect(),
    });
    let recent = record.recent.iter().map(|version| RecentVersion {
        role: version.role.to_string(),
        version: version.version.to_string(),
        sha256: version.sha256.hex(),
        first_seen: version.first_seen,
        superseded: version.superseded,
    });
    let pin = record.pin.as_ref().map(|pin| FirstUsePin {
        version: pin.version.to_string(),
        sha256: pin.sha256.hex(),
        key_ids: pin.key_ids.iter().map(KeyId::to_string).collect(),
    });
    let pinned_by = if pin.is_some() { PinnedBy::FirstUse } else { PinnedBy::Policy };
    TrustedRepositorySpec {
        server: key.server.clone(),
        repository: key.gun.to_string(),
        anchors: key.anchors.hex(),
        root: PinnedRoot { pinned_by, first_use: pin },
        floors: floors.collect(),
        recent: recent.collect(),
    }
}

/// The part of a `spec` that says which repository it is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct About {
    server: String,
    repository: String,
    anchors: String,
}

/// What a `spec` is about, whatever else it holds.
///
/// # Errors
/// [`RecordError::Malformed`].
pub(super) fn about(spec: &Value) -> Result<About, RecordError> {
    About::deserialize(spec).map_err(|error| malformed("spec")(&error))
}

/// Which repository the object `name` is about.
///
/// # Errors
/// [`RecordError`], also where that is not the one that `name` stands for.
pub(super) fn key(name: &str, spec: &About) -> Result<RepositoryKey, RecordError> {
    let gun = Gun::new(&spec.repository).map_err(|error| malformed("spec.repository")(&error))?;
    let anchors = Digest::from_hex(&spec.anchors).map_err(|error| malformed("spec.anchors")(&error))?;
    let key = RepositoryKey { server: spec.server.clone(), gun, anchors };
    let named = object_name(&key);
    if named == name {
        return Ok(key);
    }
    let (repository, server) = (spec.repository.clone(), spec.server.clone());
    Err(RecordError::OtherRepository { repository, server, anchors: spec.anchors.clone(), name: named })
}

/// The record that a `spec` holds.
///
/// # Errors
/// [`RecordError::Malformed`].
pub(super) fn record(spec: &TrustedRepositorySpec) -> Result<TrustRecord, RecordError> {
    let floors = spec.floors.iter().map(|floor| {
        let bad = malformed("spec.floors");
        let signers = floor.signers.iter().map(|hex| Digest::from_hex(hex).map(KeyIdentity::from_digest));
        let signers = signers.collect::<Result<_, _>>().map_err(|error| bad(&error))?;
        let role = RoleName::parse(&floor.role).map_err(|error| bad(&error))?;
        Ok((role, Floor { version: version(&floor.version).map_err(|error| bad(&error))?, signers }))
    });
    let recent = spec.recent.iter().map(|recent| {
        let bad = malformed("spec.recent");
        Ok(RoleVersion {
            role: RoleName::parse(&recent.role).map_err(|error| bad(&error))?,
            version: version(&recent.version).map_err(|error| bad(&error))?,
            sha256: Digest::from_hex(&recent.sha256).map_err(|error| bad(&error))?,
            first_seen: recent.first_seen,
            superseded: recent.superseded,
        })
    });
    let record = TrustRecord {
        floors: floors.collect::<Result<_, RecordError>>()?,
        recent: recent.collect::<Result<_, RecordError>>()?,
        pin: spec.root.first_use.as_ref().map(pin).transpose()?,
    };
    let says_first_use = spec.root.pinned_by == PinnedBy::FirstUse;
    if says_first_use == record.pin.is_some() && record.floors.len() == spec.floors.len() {
        return Ok(record);
    }
    let message = match record.floors.len() == spec.floors.len() {
        true => "pinnedBy is FirstUse where firstUse holds a pin, and nowhere else",
        false => "a role has two floors",
    };
    Err(malformed("spec")(&message))
}

fn pin(pin: &FirstUsePin) -> Result<RootPin, RecordError> {
    let bad = malformed("spec.root.firstUse");
    let key_ids = pin.key_ids.iter().map(|id| KeyId::from_hex(id)).collect::<Result<_, _>>();
    Ok(RootPin {
        version: version(&pin.version).map_err(|error| bad(&error))?,
        sha256: Digest::from_hex(&pin.sha256).map_err(|error| bad(&error))?,
        key_ids: key_ids.map_err(|error| bad(&error))?,
    })
}

/// A version as it is written down: the digits alone, no sign and no zero before them.
fn version(digits: &str) -> Result<u64, String> {
    let version: u64 = digits.parse().map_err(|_| format!("{digits:?} is not a version"))?;
    if version.to_string() == digits { Ok(version) } else { Err(format!("{digits:?} is not a version")) }
}

#[cfg(test)]
mod tests;
