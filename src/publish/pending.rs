//! [`Pending`]: files that too few keys signed yet, as they go from one signer to the next.
//!
//! The server takes no file that fewer keys signed than have to, so these go another way: a file that one signer hands to the
//! next. It holds public metadata and signatures, no secret. Nothing of it is believed before it is checked.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::document::{Document, Signed, signatures_of};
use crate::limits::{PENDING_BYTES, PENDING_ROLES, PENDING_SIGNATURES};
use crate::tuf::{Gun, RoleName};

/// Files that too few keys signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The repository.
    pub gun: Gun,
    /// The files, with the signatures that they have so far.
    pub files: BTreeMap<RoleName, Bytes>,
    /// What was published when they were begun, as far as a signer without a network needs it: the root, these roles, and
    /// those above them.
    pub before: BTreeMap<RoleName, Bytes>,
}

/// Why a text is none of these, or is none that goes together with another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PendingError {
    /// It has not the form.
    #[error("it is no file of pending signatures: {0}")]
    Form(String),
    /// It is about something else.
    #[error("it is not about the same as the file before it: {0}; merge only copies of one file")]
    Other(String),
}

/// Each role with its file in base64: a signature is over bytes, and JSON in JSON invites an editor to reformat it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    repository: String,
    roles: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    before: BTreeMap<String, String>,
}

impl Pending {
    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`PendingError`].
    pub fn parse(text: &str) -> Result<Self, PendingError> {
        let wrong = |error: &dyn std::fmt::Display| PendingError::Form(error.to_string());
        if text.len() as u64 > PENDING_BYTES {
            return Err(PendingError::Form(format!("it is larger than {PENDING_BYTES} bytes")));
        }
        let written: Written = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        if written.roles.is_empty() || written.roles.len().max(written.before.len()) > PENDING_ROLES {
            return Err(PendingError::Form(format!("it has {} roles", written.roles.len())));
        }
        let gun = Gun::new(&written.repository).map_err(|error| wrong(&error))?;
        let file = |(role, bytes): (String, String)| {
            let role = RoleName::parse(&role).map_err(|error| wrong(&error))?;
            let bytes = STANDARD.decode(bytes).map_err(|error| wrong(&error))?;
            Ok((role, Bytes::from(bytes)))
        };
        let files =
            |written: BTreeMap<String, String>| written.into_iter().map(file).collect::<Result<_, _>>();
        Ok(Self { gun, files: files(written.roles)?, before: files(written.before)? })
    }

    /// As a file has it.
    pub fn to_text(&self) -> String {
        let text = |files: &BTreeMap<RoleName, Bytes>| {
            files.iter().map(|(role, bytes)| (role.to_string(), STANDARD.encode(bytes))).collect()
        };
        let (roles, before) = (text(&self.files), text(&self.before));
        let written = Written { repository: self.gun.to_string(), roles, before };
        // Strings in maps always have a JSON form.
        serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"
    }

    /// The same with the signatures of both, where the other one says the same.
    ///
    /// # Errors
    /// [`PendingError::Other`] with the difference.
    pub fn merge(mut self, other: &Self) -> Result<Self, PendingError> {
        if self.gun != other.gun {
            return Err(PendingError::Other(format!("it is about {}", other.gun)));
        }
        if !self.files.keys().eq(other.files.keys()) {
            let roles = other.files.keys().map(RoleName::as_str).collect::<Vec<_>>();
            return Err(PendingError::Other(format!("it is about {}", roles.join(", "))));
        }
        for (role, file) in &mut self.files {
            let wrong = |error: &dyn std::fmt::Display| PendingError::Form(format!("{role}: {error}"));
            let read = |bytes: &Bytes| -> Result<(Document, Vec<u8>, Vec<Signed>), PendingError> {
                let document = Document::read(bytes).map_err(|error| wrong(&error))?;
                let message = document.message().map_err(|error| wrong(&error))?;
                let signatures = signatures_of(bytes).map_err(|error| wrong(&error))?;
                Ok((document, message, signatures))
            };
            let Some(theirs) = other.files.get(role) else { continue };
            let ((document, message, mut signatures), (_, same, more)) = (read(file)?, read(theirs)?);
            if message != same {
                return Err(PendingError::Other(format!("it says something else of {role}")));
            }
            signatures.extend(more);
            let mut merged: Vec<Signed> = Vec::new();
            for signed in signatures {
                // One that does not verify is refused when the keys are known: it does not hide one that does.
                if !merged.contains(&signed) {
                    merged.push(signed);
                }
            }
            if merged.len() > PENDING_SIGNATURES {
                return Err(PendingError::Form(format!("{role} has {} signatures", merged.len())));
            }
            *file = document.file(merged).map_err(|error| wrong(&error))?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_not_is_refused() {
        let role = RoleName::parse("targets/releases").unwrap();
        let files = BTreeMap::from([(role, Bytes::from_static(b"{}"))]);
        let pending = Pending { gun: Gun::new("r.test/web").unwrap(), before: files.clone(), files };
        assert_eq!(Pending::parse(&pending.to_text()), Ok(pending));
        for text in [
            "",
            "{}",
            r#"{"repository": "r.test/web", "roles": {}}"#,
            r#"{"repository": "r.test/web", "roles": {"targets/A": ""}}"#,
            r#"{"repository": "r.test/web", "roles": {"targets/a": "?"}}"#,
            r#"{"repository": "../web", "roles": {"targets/a": ""}}"#,
            r#"{"repository": "r.test/web", "roles": {"targets/a": ""}, "more": 1}"#,
        ] {
            assert!(Pending::parse(text).is_err(), "{text}");
        }
    }
}
