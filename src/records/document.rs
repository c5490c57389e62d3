//! How a [`TrustRecord`] is written down: JSON with a version of its own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RepositoryKey, RoleVersion, RootPin, TrustRecord};
use crate::digest::Digest;
use crate::tuf::{Floor, Gun, KeyId, KeyIdentity, RoleName};

/// The version of the format. An unknown one is refused: half-read floors are no floors.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    /// Made up when the record was, so that one that is deleted and made anew is another one. Files that were written
    /// before there were such IDs have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    server: String,
    gun: String,
    anchors: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<Pin>,
    floors: BTreeMap<String, FloorEntry>,
    recent: Vec<Recent>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pin {
    version: u64,
    sha256: Digest,
    key_ids: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FloorEntry {
    version: u64,
    signers: BTreeSet<Digest>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recent {
    role: String,
    version: u64,
    sha256: Digest,
    first_seen: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded: Option<Timestamp>,
}

/// Why bytes are not the record of `key`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    /// Not JSON of this form.
    #[error("it cannot be read: {0}")]
    Malformed(String),
    /// Another version of the format.
    #[error("it has format {0}, and only {FORMAT} is known")]
    Format(u32),
    /// It is about another repository.
    #[error("it is about {gun} at {server}")]
    OtherRepository {
        /// Its repository.
        gun: String,
        /// Its server.
        server: String,
    },
}

/// The record `record` of `key`, which goes by `id`.
pub(super) fn write(key: &RepositoryKey, id: &str, record: &TrustRecord) -> Vec<u8> {
    let document = Document {
        format: FORMAT,
        id: id.to_owned(),
        server: key.server.clone(),
        gun: key.gun.to_string(),
        anchors: key.anchors,
        pin: record.pin.as_ref().map(|pin| Pin {
            version: pin.version,
            sha256: pin.sha256,
            key_ids: pin.key_ids.iter().map(KeyId::to_string).collect(),
        }),
        floors: record.floors.iter().map(|(role, floor)| (role.to_string(), floor.into())).collect(),
        recent: record.recent.iter().map(Recent::from).collect(),
    };
    // Strings, integers and lists alone: it cannot fail.
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Which record it is, of whatever format.
#[derive(Debug, Deserialize)]
struct About {
    server: String,
    gun: String,
    anchors: Digest,
}

/// Which record bytes are of, whether all of it can be read or not; `None` where they do not say.
pub(super) fn about(bytes: &[u8]) -> Option<RepositoryKey> {
    let About { server, gun, anchors } = serde_json::from_slice(bytes).ok()?;
    Some(RepositoryKey { server, gun: Gun::new(&gun).ok()?, anchors })
}

/// The record of `key`, and its ID.
pub(super) fn read(key: &RepositoryKey, bytes: &[u8]) -> Result<(TrustRecord, String), DocumentError> {
    let malformed = |error: &dyn std::fmt::Display| DocumentError::Malformed(error.to_string());
    let document: Document = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    if document.format != FORMAT {
        return Err(DocumentError::Format(document.format));
    }
    let about = (document.server.as_str(), document.gun.as_str(), document.anchors);
    if about != (key.server.as_str(), key.gun.as_str(), key.anchors) {
        return Err(DocumentError::OtherRepository { gun: document.gun, server: document.server });
    }
    let floors = document.floors.into_iter().map(|(role, floor)| {
        let signers = floor.signers.into_iter().map(KeyIdentity::from_digest).collect();
        let role = RoleName::parse(&role).map_err(|error| malformed(&error))?;
        Ok((role, Floor { version: floor.version, signers }))
    });
    let recent = document.recent.into_iter().map(|recent| {
        let Recent { version, sha256, first_seen, superseded, .. } = recent;
        let role = RoleName::parse(&recent.role).map_err(|error| malformed(&error))?;
        Ok(RoleVersion { role, version, sha256, first_seen, superseded })
    });
    let record = TrustRecord {
        floors: floors.collect::<Result<_, DocumentError>>()?,
        recent: recent.collect::<Result<_, DocumentError>>()?,
        pin: document.pin.map(RootPin::try_from).transpose().map_err(|error| malformed(&error))?,
    };
    Ok((record, document.id))
}

impl From<&Floor> for FloorEntry {
    fn from(floor: &Floor) -> Self {
        Self { version: floor.version, signers: floor.signers.iter().map(KeyIdentity::digest).collect() }
    }
}

impl From<&RoleVersion> for Recent {
    fn from(version: &RoleVersion) -> Self {
        Self {
            role: version.role.to_string(),
            version: version.version,
            sha256: version.sha256,
            first_seen: version.first_seen,
            superseded: version.superseded,
        }
    }
}

impl TryFrom<Pin> for RootPin {
    type Error = crate::tuf::KeyError;

    fn try_from(pin: Pin) -> Result<Self, Self::Error> {
        let key_ids = pin.key_ids.iter().map(|id| KeyId::from_hex(id)).collect::<Result<_, _>>()?;
        Ok(Self { version: pin.version, sha256: pin.sha256, key_ids })
    }
}
