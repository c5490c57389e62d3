//! [`Pending`]: role files that too few keys signed yet, as they go from one signer to the next.
//!
//! The server takes no file that fewer keys signed than have to, so these go another way: a file that one signer hands to the
//! next. It holds public metadata and signatures, no secret. Nothing of it is believed before it is checked.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::tuf::{Gun, RoleName};

/// More roles than anybody signs at once.
const MAX_ROLES: usize = 1024;

/// Role files that too few keys signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The repository.
    pub gun: Gun,
    /// The files, with the signatures that they have so far.
    pub files: BTreeMap<RoleName, Bytes>,
}

/// Why a text is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no file of pending signatures: {0}")]
pub struct PendingError(String);

/// Each role with its file in base64: a signature is over bytes, and JSON in JSON invites an editor to reformat it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    repository: String,
    roles: BTreeMap<String, String>,
}

impl Pending {
    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`PendingError`].
    pub fn parse(text: &str) -> Result<Self, PendingError> {
        let wrong = |error: &dyn std::fmt::Display| PendingError(error.to_string());
        let written: Written = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        if written.roles.is_empty() || written.roles.len() > MAX_ROLES {
            return Err(PendingError(format!("it has {} roles", written.roles.len())));
        }
        let gun = Gun::new(&written.repository).map_err(|error| wrong(&error))?;
        let file = |(role, bytes): (String, String)| {
            let role = RoleName::parse(&role).map_err(|error| wrong(&error))?;
            let bytes = STANDARD.decode(bytes).map_err(|error| wrong(&error))?;
            Ok((role, Bytes::from(bytes)))
        };
        Ok(Self { gun, files: written.roles.into_iter().map(file).collect::<Result<_, _>>()? })
    }

    /// As a file has it.
    pub fn to_text(&self) -> String {
        let roles = self.files.iter().map(|(role, bytes)| (role.to_string(), STANDARD.encode(bytes)));
        let written = Written { repository: self.gun.to_string(), roles: roles.collect() };
        // Strings in maps always have a JSON form.
        serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_not_is_refused() {
        let role = RoleName::parse("targets/releases").unwrap();
        let files = BTreeMap::from([(role, Bytes::from_static(b"{}"))]);
        let pending = Pending { gun: Gun::new("r.test/web").unwrap(), files };
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
