//! [`Past`]: the older files of roles that are at hand.

use std::collections::HashMap;
use std::sync::Arc;

use crate::resolution::Refusal;
use crate::tuf::{FileName, HistoricTargets};

/// The older files at hand: those that tagseal saw by hash, those that passed unseen by version.
pub(crate) type Past = HashMap<FileName, PastFile>;

/// An older file of a role.
#[derive(Debug, Clone)]
pub(crate) enum PastFile {
    /// What it listed, by the role's present paths and keys.
    Read(Arc<HistoricTargets>),
    /// The server does not have it, or has something else in its place.
    Absent,
    /// There was no answer.
    Failed(Refusal),
}

impl PastFile {
    /// What it says of one tag alone.
    pub(crate) fn only(self, tag: &str) -> Self {
        match self {
            Self::Read(file) => Self::Read(Arc::new(file.only(tag))),
            other => other,
        }
    }
}
