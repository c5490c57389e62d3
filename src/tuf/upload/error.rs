//! [`UploadError`]: why an upload is refused. The texts are those of the real server where it has one.

use jiff::Timestamp;

use super::PartError;
use crate::tuf::error::TufError;
use crate::tuf::role::RoleName;

/// Why an upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// The root.
    #[error("{0}")]
    BadRoot(RootFault),
    /// `targets` or a delegation role.
    #[error("{0}")]
    BadTargets(TargetsFault),
    /// The uploaded snapshot.
    #[error("{0}")]
    BadSnapshot(SnapshotFault),
    /// No snapshot was uploaded, and the server cannot sign one.
    #[error(
        "no snapshot was included in update and server does not hold current snapshot key for repository"
    )]
    BadHierarchy,
    /// The set as a whole.
    #[error("{0}")]
    Validation(ValidationFault),
    /// What the server has stored stands in the way; the real server tells nobody what.
    #[error("the stored metadata cannot be built on: {0}")]
    Stored(TufError),
}

/// What is wrong with a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootFault {
    /// A new root has the current version or the next.
    #[error("Root modifications must increment the version. Current {current}, new {new}")]
    Version {
        /// The current one, 1 where there is none.
        current: u64,
        /// What was uploaded.
        new: i64,
    },
    /// The current root's threshold of keys did not sign it.
    #[error(
        "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates"
    )]
    NotSignedByPredecessor,
    /// The root itself.
    #[error("{}", root_text(.0))]
    File(TufError),
    /// Its timestamp role has no key of the server's, or asks for more.
    #[error("no  timestamp keys exist on the server")]
    NoTimestampKey,
}

/// What is wrong with `targets` or a delegation role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetsFault {
    /// The file itself.
    #[error("{}", file_text(.0))]
    File(TufError),
    /// Its parent does not delegate it.
    #[error("tuf: invalid role {0}. delegation does not exist")]
    NotDelegated(RoleName),
    /// A delegation role, and there is no `targets` at all.
    #[error("targets must be loaded first")]
    NoTargets,
}

/// What is wrong with an uploaded snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// The file itself.
    #[error("{}", file_text(.0))]
    File(TufError),
    /// It does not list a role that was uploaded or that an uploaded one hangs on.
    #[error("no checksums for supported algorithms were provided for {0}")]
    Unlisted(RoleName),
    /// It lists another file.
    #[error("{algorithm} checksum for {role} did not match: expected {expected}")]
    Mismatch {
        /// Of which role.
        role: RoleName,
        /// `sha256` or `sha512`.
        algorithm: &'static str,
        /// The hash that it lists, in hex.
        expected: String,
    },
}

/// What is wrong with the set as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValidationFault {
    /// Nothing can be judged without a root.
    #[error("no pre-existing root and no root provided in update.")]
    NoRoot,
    /// The first snapshot needs `targets`.
    #[error("targets must be loaded first")]
    NoTargets,
}

impl UploadError {
    /// The name that the server's answer gives it; `None` where it gives none.
    pub const fn name(&self) -> Option<&'static str> {
        match self {
            Self::BadRoot(_) => Some("ErrBadRoot"),
            Self::BadTargets(_) => Some("ErrBadTargets"),
            Self::BadSnapshot(_) => Some("ErrBadSnapshot"),
            Self::BadHierarchy => Some("ErrBadHierarchy"),
            Self::Validation(_) => Some("ErrValidation"),
            Self::Stored(_) => None,
        }
    }

    /// For a file that cannot even be read.
    pub fn unreadable(error: &PartError) -> Self {
        Self::Stored(TufError::Malformed { role: RoleName::targets(), what: error.to_string() })
    }

    /// The role that is missing, where that is what is wrong.
    pub fn missing(&self) -> Option<RoleName> {
        matches!(self, Self::BadHierarchy).then(RoleName::snapshot)
    }
}

fn root_text(error: &TufError) -> String {
    let path = "could not validate the path to a trusted root";
    match error {
        TufError::RootMismatch(_) => format!("{path}: unable to retrieve valid leaf certificates"),
        TufError::NoValidSignature { .. }
        | TufError::ThresholdNotMet { .. }
        | TufError::KeyIdMismatch { .. }
        | TufError::Unsigned { .. } => format!("{path}: failed to validate integrity of roots"),
        other => file_text(other),
    }
}

fn file_text(error: &TufError) -> String {
    match error {
        TufError::NoValidSignature { role } | TufError::ThresholdNotMet { role, .. } => {
            format!("valid signatures did not meet threshold for {role}")
        }
        TufError::Unsigned { .. } => "tuf: data has no signatures".to_owned(),
        TufError::KeyIdMismatch { .. } => "key ID is not valid for key content".to_owned(),
        TufError::Malformed { role, what } => format!("{role} type metadata invalid: {what}"),
        TufError::Expired { role, expires, .. } => format!("{role} expired at {}", unix_date(*expires)),
        other => other.to_string(),
    }
}

/// A time as the real server writes it in messages.
pub(super) fn unix_date(time: Timestamp) -> String {
    time.strftime("%a %b %-d %H:%M:%S UTC %Y").to_string()
}
