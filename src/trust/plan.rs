//! [`Plan`] and [`Fetched`]: what a refresh is to fetch, and what it fetched.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::moment::Moment;
use super::per_server::Places;
use super::served::Served;
use crate::records::Recorded;
use crate::resolution::fault::Causes;
use crate::source::{Access, Requester};
use crate::tuf::{RoleName, Updated};

/// What is to be fetched, and for whom.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) requester: &'a Requester,
    /// The delegations to load; `None` loads all of them.
    pub(super) wanted: Option<BTreeSet<RoleName>>,
    /// Those among them without which the refresh fails.
    pub(super) needed: &'a [RoleName],
    /// Whether a timestamp that is not to be had falls back to the one from before.
    pub(super) fall_back: bool,
}

/// What was fetched and verified, before it is committed.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) updated: Updated,
    /// When the first request was about to be sent.
    pub(super) sent: Moment,
    pub(super) recorded: Arc<Recorded>,
    /// What the update started from.
    pub(super) known: Option<Arc<Served>>,
    /// What the server let read.
    pub(super) access: Access,
    /// The root that first use pinned, where it was needed.
    pub(super) pinned_root: Option<Bytes>,
    /// Why files did not come.
    pub(super) causes: Causes,
    /// Held as long as the files are.
    pub(super) _place: Option<Places>,
}
