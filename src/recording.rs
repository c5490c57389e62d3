//! Trust servers' answers in a folder: [`Recorder`] writes down what servers answer, [`Recording`] answers in their place. What
//! is in the folder is not trusted: it goes through the same verification as what comes from a server.
//!
//! ```text
//! DIR/recorded.json                         what each server answered for which repository, by file name
//! DIR/tuf/<GUN>/metadata/<role>.<sha256>.json   the files; the name says the content, so that none ever changes
//! ```
//!
//! A folder without `recorded.json` is read as a cache directory, or as a tree that notary or docker left.

mod folder;
mod recorder;
mod replay;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::recorder::Recorder;
pub use self::replay::Recording;
use crate::digest::Digest;
use crate::source::SourceError;
use crate::tuf::{Gun, RoleName};

const FORMAT: u32 = 1;

/// The list's name.
const LIST: &str = "recorded.json";

/// Why a recorded folder cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file system says no.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: String,
        /// What it says.
        error: std::io::Error,
    },
    /// The list in the folder is not one, or of another version.
    #[error("{path} cannot be read: {message}; remove the folder and record anew")]
    List {
        /// The list.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The folder holds something that was not recorded.
    #[error("{path} is not empty and was not recorded: name a folder that is new, empty or recorded before")]
    Foreign {
        /// The folder.
        path: String,
    },
    /// There is no such folder.
    #[error("{path} does not exist")]
    Missing {
        /// The folder.
        path: String,
    },
}

/// `recorded.json`
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    format: u32,
    repositories: Vec<Repository>,
}

/// What a server answered for a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repository {
    server: String,
    gun: String,
    recorded: Timestamp,
    /// By the name of the file that was asked for. `None`: the server said that there is none.
    answers: BTreeMap<String, Option<Sha256>>,
    /// By the name of a file about which nothing else was learnt: why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<String, Failure>,
}

/// A [`SourceError`], as the list has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    kind: FailureKind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum FailureKind {
    Unauthorized,
    Unreachable,
    Invalid,
}

impl From<&SourceError> for Failure {
    fn from(error: &SourceError) -> Self {
        let kind = match error {
            SourceError::Unauthorized { .. } => FailureKind::Unauthorized,
            SourceError::Unreachable { .. } | SourceError::Elsewhere { .. } => FailureKind::Unreachable,
            SourceError::Invalid { .. } => FailureKind::Invalid,
        };
        Self { kind, message: error.to_string() }
    }
}

impl From<&Failure> for SourceError {
    fn from(failure: &Failure) -> Self {
        let message = failure.message.clone();
        match failure.kind {
            FailureKind::Unauthorized => Self::Unauthorized { message },
            FailureKind::Unreachable => Self::Unreachable { message },
            FailureKind::Invalid => Self::Invalid { message },
        }
    }
}

/// A digest in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Sha256(Digest);

impl TryFrom<String> for Sha256 {
    type Error = crate::digest::DigestError;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        Digest::from_hex(&hex).map(Self)
    }
}

impl From<Sha256> for String {
    fn from(Sha256(digest): Sha256) -> Self {
        digest.hex()
    }
}

impl List {
    /// The list of a folder; `None` where it has none.
    fn read(folder: &Path) -> Result<Option<Self>, RecordingError> {
        let path = folder.join(LIST);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        let wrong = |message: String| RecordingError::List { path: path.display().to_string(), message };
        let list: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        match list.format {
            FORMAT => Ok(Some(list)),
            other => Err(wrong(format!("its format is {other}, and this tagseal knows {FORMAT}"))),
        }
    }
}

/// Where a file of a repository is. A `Gun` and a `RoleName` have no empty or dotted segments.
fn path(folder: &Path, gun: &Gun, role: &RoleName, sha256: Digest) -> PathBuf {
    folder.join("tuf").join(gun.as_str()).join("metadata").join(format!("{role}.{}.json", sha256.hex()))
}

fn failed(path: &Path, error: std::io::Error) -> RecordingError {
    RecordingError::Io { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests;
