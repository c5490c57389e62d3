//! [`ExternalError`]: why a program gave no signature.

use crate::foreign::Quoted;
use crate::tuf::KeyId;

/// What went wrong, with which program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signing program {} {fault}", Quoted(.program))]
pub struct ExternalError {
    /// The program, as it is started.
    pub program: String,
    /// What went wrong.
    pub fault: ExternalFault,
}

/// What went wrong with a signing program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExternalFault {
    /// It is not there, or may not be run.
    #[error("cannot be started: {0}")]
    NotStarted(String),
    /// It ended with an exit status other than 0, or by a signal.
    #[error("failed at `{command}` ({status}){said}")]
    Failed {
        /// What it was asked.
        command: &'static str,
        /// How it ended.
        status: String,
        /// What it said, beginning with a separator; empty where it said nothing.
        said: String,
        /// The reason that `errorMetadata` names, for programs of tagseal's own.
        reason: Option<String>,
    },
    /// It took too long.
    #[error("did not answer `{command}` within {seconds} s, and was ended")]
    TooSlow {
        /// What it was asked.
        command: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// It writes more than any answer has.
    #[error("answered `{command}` with more than {limit} bytes, and was ended")]
    TooLarge {
        /// What it was asked.
        command: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Its answer is not the JSON that was expected.
    #[error("answered `{command}` with something else than was asked: {why}")]
    Malformed {
        /// What it was asked.
        command: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The key would sign with another hash than Notary's.
    #[error(
        "has a key of the kind {}, which signature plugins do not sign SHA-256 with, as Notary does: take a key of the kind EC-256 or \
         RSA-2048", Quoted(.spec)
    )]
    KeySpec {
        /// The kind.
        spec: String,
    },
    /// The answer is signed by another algorithm than Notary's.
    #[error(
        "signed with {}, where Notary signs with ECDSA-SHA-256 or RSASSA-PSS-SHA-256", Quoted(.algorithm)
    )]
    Algorithm {
        /// The algorithm.
        algorithm: String,
    },
    /// Nothing tells the public key.
    #[error("tells no public key: name it with `--public-key FILE`")]
    NoPublicKey,
    /// Notary has no use for such a key from outside.
    #[error("has a key of type {0}: an external key is ECDSA or RSA")]
    KeyType(&'static str),
    /// The key itself.
    #[error("has a key that Notary does not take: {0}")]
    Key(String),
    /// The signature is not the key's.
    #[error("gave a signature that is not by the key {id}: another token or key may be plugged in")]
    WrongSignature {
        /// Its canonical ID.
        id: KeyId,
    },
}

impl ExternalError {
    /// The reason that a program of tagseal's own named.
    pub fn reason(&self) -> Option<&str> {
        match &self.fault {
            ExternalFault::Failed { reason, .. } => reason.as_deref(),
            _ => None,
        }
    }
}
