//! [`Untrusted`] and [`Unavailable`]: "not signed" and "could not reach" are different types, and nothing
//! converts one into the other.

use crate::policy::Reason;

/// The trust data was read, and says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Untrusted {
    /// The stable word.
    pub reason: Reason,
    /// What was found and what would fix it.
    pub message: String,
}

/// There is no answer: nothing is known about whether the image is signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Unavailable {
    /// The stable word.
    pub reason: Reason,
    /// What was tried, what happened, what to check.
    pub message: String,
}

/// Why there is no signed digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The trust data says no.
    #[error(transparent)]
    Untrusted(Untrusted),
    /// There is no answer.
    #[error(transparent)]
    Unavailable(Unavailable),
}

impl Refusal {
    /// The stable word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Untrusted(untrusted) => untrusted.reason,
            Self::Unavailable(unavailable) => unavailable.reason,
        }
    }
}
