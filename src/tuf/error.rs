//! [`TufError`]: what can be wrong with trust data, as data, grouped by whose fault it is.

use jiff::Timestamp;

use super::certificate::CertificateError;
use super::role::RoleName;
use super::update::FileName;
use crate::digest::Digest;

/// What is wrong with trust data. Every variant carries its facts and compares equal in tests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TufError {
    // The server's fault: nothing is taken from the update (design §4 "Whose fault").
    /// The file cannot be read as what it is to be.
    #[error("{role} metadata is malformed: {what}")]
    Malformed {
        /// The role.
        role: RoleName,
        /// What is wrong with it.
        what: String,
    },
    /// The file is not the one that its verified parent names.
    #[error("{role} metadata is not the file that its parent names: expected {expected}, got {actual}")]
    HashMismatch {
        /// The role.
        role: RoleName,
        /// The hash that the parent names.
        expected: Digest,
        /// The hash of what came.
        actual: Digest,
    },
    /// The file is larger than its parent says, or than any such file may be.
    #[error("{file} is larger than {max_bytes} bytes")]
    TooLarge {
        /// The file.
        file: FileName,
        /// The cap.
        max_bytes: u64,
    },
    /// The repository has more of something, or takes more, than a bound of [`crate::limits`] has it.
    #[error("the repository's metadata exceeds the limit of {limit} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many may be.
        limit: usize,
    },
    /// The trust server says that there is no such file, though verified metadata names it or it was there before.
    #[error("the trust server has no {file}, though the repository's metadata calls for it")]
    Missing {
        /// The file.
        file: FileName,
    },
    /// The version is below one that was verified before.
    #[error("{role} metadata was rolled back: version {version} is below {floor}, which was seen before")]
    Rollback {
        /// The role.
        role: RoleName,
        /// The version that came.
        version: u64,
        /// The lowest that may be believed.
        floor: u64,
    },
    /// A signature uses a key ID that is not its key's.
    #[error("{role} metadata is signed under key ID {key_id}, which is not the ID of its key")]
    KeyIdMismatch {
        /// The role.
        role: RoleName,
        /// The ID, as written.
        key_id: String,
    },
    /// The file carries no signatures at all.
    #[error("{role} metadata carries no signatures")]
    Unsigned {
        /// The role.
        role: RoleName,
    },

    // The publisher's word.
    /// Past its expiry.
    #[error("{role} metadata expired at {expires} (it is {now})")]
    Expired {
        /// The role.
        role: RoleName,
        /// When it expired.
        expires: Timestamp,
        /// The time of the judgement.
        now: Timestamp,
    },
    /// Some signatures are valid, but by too few distinct keys.
    #[error("{role} metadata is validly signed by {valid} of the {threshold} distinct keys that it needs")]
    ThresholdNotMet {
        /// The role.
        role: RoleName,
        /// Distinct keys of the role whose signatures are valid.
        valid: usize,
        /// How many it needs.
        threshold: u64,
    },
    /// No signature is valid.
    #[error("no signature on the {role} metadata is valid by a key of that role")]
    NoValidSignature {
        /// The role.
        role: RoleName,
    },

    // The root is not the one that is trusted.
    /// The root is not the pinned one, nor reached from it.
    #[error("the repository's root is not trusted: {0}")]
    RootMismatch(RootMismatch),
    /// Neither a pin nor first use says which root to trust.
    #[error("nothing says which root to trust: pin a root key, or allow first use")]
    RootNotPinned,
    /// The root that first use pinned cannot be read back.
    #[error("the root that was pinned on first use is damaged: {0}")]
    DamagedPin(Box<TufError>),

    // There is no repository, or no answer.
    /// The trust server knows no such repository, and neither do we.
    #[error("the trust server has no trust data for this repository")]
    RepositoryNotFound,
    /// [`super::Stop`] ended the work. Nothing was learned about the files.
    #[error("the work on the repository's metadata was stopped before it was done")]
    Stopped,
    /// There was no answer about a file that is needed. The caller knows the cause.
    #[error("{file} could not be fetched")]
    Unreachable {
        /// The file.
        file: FileName,
    },
}

/// Why a root is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootMismatch {
    /// No pinned key is in the root role of this version.
    #[error("no pinned key is in the root role of version {version}")]
    NoPinnedKey {
        /// The root's version.
        version: u64,
    },
    /// A pinned key is in the root role, but did not sign.
    #[error("a pinned key is in the root role of version {version}, but did not sign it")]
    PinnedKeyDidNotSign {
        /// The root's version.
        version: u64,
    },
    /// The keys that would count have certificates that do not.
    #[error("{0}")]
    Certificate(CertificateError),
    /// A root key without a certificate, which Notary v1 does not take for roots.
    #[error("the root keys of version {version} carry no certificates")]
    NoCertificate {
        /// The root's version.
        version: u64,
    },
    /// A version is not signed by enough of its predecessor's keys.
    #[error("version {version} is not signed by the root keys of version {predecessor}")]
    NotSignedByPredecessor {
        /// The root's version.
        version: u64,
        /// The version whose keys should have signed.
        predecessor: u64,
    },
    /// A version between the trusted root and the newest is missing, or another version stands in its place.
    #[error(
        "version {version}, a link between the trusted root and the newest, is missing on the trust server"
    )]
    MissingLink {
        /// The missing version.
        version: u64,
    },
    /// The newest root is another one, and no newer, than the trusted root.
    #[error("another root of version {version} is trusted, and only version {predecessor} + 1 may follow it")]
    NotSuccessor {
        /// The root's version.
        version: u64,
        /// The version of the trusted root.
        predecessor: u64,
    },
    /// No root that carries a pin was found within the newest versions.
    #[error("none of the versions {oldest} to {newest} carries a pinned key")]
    NoPinnedAncestor {
        /// The oldest version that was looked at.
        oldest: u64,
        /// The newest version.
        newest: u64,
    },
}
