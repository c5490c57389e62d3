//! [`Ahead`]: what this replica knows of one object and the watch has not shown yet.

use std::sync::Arc;

use super::super::held::Held;
use super::number;

/// What this replica knows of an object and the watch has not shown yet.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) what: What,
    /// The last version of it that is known.
    pub(super) last: Option<Arc<Held>>,
    /// Which turn of the view it was.
    pub(super) turn: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The API server itself said so: `last`.
    There,
    /// The API server itself said that there is none: `last` is gone for good.
    Absent,
    /// A write is under way, or nobody knows what became of it, or somebody else wrote.
    Doubtful,
}

/// What was known of an object when a request about it was about to be sent.
#[derive(Debug, Clone)]
pub(in super::super) struct Asked {
    pub(super) name: Box<str>,
    /// The version that the watch had shown.
    pub(super) shown: Option<Box<str>>,
    /// How many whole lists had arrived.
    pub(super) lists: u64,
    pub(super) turn: u64,
}

impl Ahead {
    /// The version of `last`.
    pub(super) fn version(&self) -> u64 {
        self.last.as_deref().and_then(|last| number(&last.version)).unwrap_or(0)
    }

    /// Whether the watch has caught up when it shows `version` of the object: this one, or its deletion.
    pub(super) fn ends_with(&self, version: &str, shown: Option<&Held>) -> bool {
        // A version that is no number cannot be compared: what the watch shows counts.
        let version = number(version).unwrap_or(u64::MAX);
        match self.what {
            What::Doubtful => false,
            What::There => version >= self.version(),
            // What is gone is shown for a while yet.
            What::Absent => {
                let is_last =
                    |shown: &Held| self.last.as_deref().is_some_and(|last| !last.is_another_than(shown));
                version > self.version() && !shown.is_some_and(is_last)
            }
        }
    }
}
