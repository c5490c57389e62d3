//! [`Served`]: a verified set that answers questions, and when its server last vouched for it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::moment::{Moment, Since};
use crate::resolution::Provenances;
use crate::tuf::{RoleName, TrustedRepository};

/// A verified set that answers questions.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) repository: Arc<TrustedRepository>,
    /// When the request was sent by which the server last vouched for it. `None`: a seed, whose age nobody knows.
    pub(super) vouched: Option<Vouched>,
    /// Whether the root is pinned by policy or by a pin that is written down. A dry run leaves it open.
    pub(super) pinned: bool,
    pub(super) provenances: Provenances,
}

impl Served {
    pub(super) fn new(repository: Arc<TrustedRepository>, vouched: Option<Vouched>, pinned: bool) -> Self {
        Self { repository, vouched, pinned, provenances: Provenances::default() }
    }

    /// Whether the set knows about these roles.
    pub(super) fn covers<'r>(&self, roles: impl IntoIterator<Item = &'r RoleName>) -> bool {
        self.repository.covers(roles)
    }

    pub(super) fn timestamp_version(&self) -> u64 {
        self.repository.role(&RoleName::timestamp()).map_or(0, |role| role.version())
    }
}

/// When the server last vouched for a set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vouched {
    /// This process asked.
    Here(Moment),
    /// An earlier process did, says the disk.
    Before(Since),
}

impl Vouched {
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Here(moment) => moment.wall,
            Self::Before(since) => since.at,
        }
    }

    /// How long ago that was.
    pub(super) fn age(&self, now: &Moment) -> SignedDuration {
        match self {
            Self::Here(moment) => Since::from(*moment).age(now),
            Self::Before(since) => since.age(now),
        }
    }

    /// Whether this process asked after `moment`.
    pub(super) fn is_after(&self, moment: &Moment) -> bool {
        matches!(self, Self::Here(sent) if sent.order > moment.order)
    }
}
