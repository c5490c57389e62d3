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
    /// The trust data says no.
    pub(crate) fn untrusted(reason: Reason, message: impl Into<String>) -> Self {
        Self::Untrusted(Untrusted { reason, message: message.into() })
    }

    /// There is no answer.
    pub(crate) fn unavailable(reason: Reason, message: impl Into<String>) -> Self {
        Self::Unavailable(Unavailable { reason, message: message.into() })
    }

    /// What was found, without the stable word.
    pub fn message(&self) -> &str {
        match self {
            Self::Untrusted(untrusted) => &untrusted.message,
            Self::Unavailable(unavailable) => &unavailable.message,
        }
    }

    /// The same verdict with another message; the verdict itself never changes.
    pub(crate) fn with_message(self, message: String) -> Self {
        match self {
            Self::Untrusted(untrusted) => Self::Untrusted(Untrusted { message, ..untrusted }),
            Self::Unavailable(unavailable) => Self::Unavailable(Unavailable { message, ..unavailable }),
        }
    }

    /// The stable word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Untrusted(untrusted) => untrusted.reason,
            Self::Unavailable(unavailable) => unavailable.reason,
        }
    }
}
