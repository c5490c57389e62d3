//! [`Incomplete`]: why a refresh ended without a result.

use crate::resolution::Refusal;
use crate::tuf::RoleName;

/// Why a refresh ended without a result.
#[derive(Debug)]
pub(super) enum Incomplete {
    /// The repository was reset. What was fetched or read before is not for what is there now.
    Replaced,
    /// It failed.
    Failed(RefreshError),
}

/// Why a refresh failed.
#[derive(Debug)]
pub(super) struct RefreshError {
    pub(super) refusal: Refusal,
    /// The delegation that it is about, where it is about one: whoever does not need it may try without.
    pub(super) role: Option<RoleName>,
    /// Whether it is the server's word about the credentials that were shown: others may see more.
    pub(super) about_access: bool,
    /// Whether it may pass without anybody's doing, as soon as a secret exists that a pod names.
    pub(super) is_passing: bool,
}

impl From<Refusal> for RefreshError {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, role: None, about_access: false, is_passing: false }
    }
}

impl From<Refusal> for Incomplete {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}
