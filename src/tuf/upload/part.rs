//! [`Part`]: one file of an upload, of which no more than its role and version is known.

use bytes::Bytes;

use super::NewFile;
use crate::digest::Digest;
use crate::tuf::canonical;
use crate::tuf::decode::{Fields, What, timestamp};
use crate::tuf::role::RoleName;
use crate::tuf::work::Work;

/// One file of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub(super) role: RoleName,
    /// As written; 0 when absent, as in Go.
    pub(super) version: i64,
    pub(super) bytes: Bytes,
}

/// Why a part is refused before anything is verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// It has no file name.
    #[error("the part has no file name")]
    NoName,
    /// Its file name is no role.
    #[error("{0:?} is not a role name")]
    Role(String),
    /// It is not JSON of the shape that all metadata has.
    #[error("the part is not a metadata file: {0}")]
    Json(String),
}

impl Part {
    /// Takes a part whose file name is a role, with or without `.json`.
    ///
    /// # Errors
    /// [`PartError`] for a name that is no role, and for what cannot be read as `signed` with `_type`, `expires`, an
    /// integer `version`, and `signatures`.
    pub fn read(file_name: &str, bytes: Bytes) -> Result<Self, PartError> {
        let role = file_name.strip_suffix(".json").unwrap_or(file_name);
        if role.is_empty() {
            return Err(PartError::NoName);
        }
        let role = RoleName::parse(role).map_err(|_| PartError::Role(role.to_owned()))?;
        let version = read_version(&bytes).map_err(PartError::Json)?;
        Ok(Self { role, version, bytes })
    }

    /// Its role.
    pub fn role(&self) -> &RoleName {
        &self.role
    }

    /// The hash of the file.
    pub fn sha256(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    pub(super) fn unchecked(self) -> Option<NewFile> {
        Some(NewFile { version: u64::try_from(self.version).ok()?, role: self.role, bytes: self.bytes })
    }
}

/// The version, and whether the fields that all metadata has are of their types. An absent field is none of the wrong
/// type.
fn read_version(bytes: &[u8]) -> Result<i64, What> {
    let parsed = canonical::read(bytes, &Work::unstopped()).map_err(|error| error.to_string())?;
    let file = Fields::of(parsed.root(), "the file")?;
    for signature in file.array("signatures")? {
        let signature = Fields::of(signature, "a signature")?;
        signature.string_or_empty("keyid")?;
        signature.string_or_empty("method")?;
        signature.base64("sig")?;
    }
    let Some(signed) = file.optional("signed") else { return Ok(0) };
    let signed = Fields::of(signed, "signed")?;
    signed.string_or_empty("_type")?;
    if signed.optional("expires").is_some() {
        timestamp(signed.string("expires")?)?;
    }
    let Some(version) = signed.optional("version") else { return Ok(0) };
    let number = version.as_number().ok_or_else(|| "signed.version is not an integer".to_owned())?;
    number.parse().map_err(|_| format!("signed.version is {number}, not an integer"))
}
