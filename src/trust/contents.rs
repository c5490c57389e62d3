//! [`Contents`]: what is held of one repository at one moment. Immutable: a change makes a new value.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::permissions::Permissions;
use super::served::Served;
use crate::policy::Demand;
use crate::records::Recorded;
use crate::resolution::{Refusal, roles_of};
use crate::tuf::RoleName;

/// What is held of one repository at one moment.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    /// Whether disk and trust state were looked at.
    pub(super) loaded: bool,
    /// Whether disk or trust state had it before memory did.
    pub(super) known_before: bool,
    pub(super) served: Option<Arc<Served>>,
    /// An earlier set with roles that the present one lacks, because they could not be had the last time.
    pub(super) older: Option<Arc<Served>>,
    pub(super) recorded: Option<Arc<Recorded>>,
    pub(super) permissions: Permissions,
    /// Why refreshes fail, where the last one did.
    pub(super) failing: Option<Arc<Failing>>,
    /// When the disk last heard that the set is current, in seconds since the epoch.
    pub(super) noted: i64,
}

/// Why the last refresh failed, and since when they do.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    pub(super) refusal: Refusal,
    /// The delegation that it is about, where it is about one.
    pub(super) role: Option<RoleName>,
    pub(super) since: Timestamp,
    pub(super) last: Timestamp,
}

impl Failing {
    /// Whether the last failure is one that a question about `roles` would meet again, and no longer ago than `within`.
    pub(super) fn concerns<'r>(
        &self,
        mut roles: impl Iterator<Item = &'r RoleName>,
        now: Timestamp,
        within: SignedDuration,
    ) -> bool {
        let age = now.duration_since(self.last);
        let is_recent = !age.is_negative() && age <= within;
        is_recent && self.role.as_ref().is_none_or(|role| roles.any(|asked| asked == role))
    }
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            loaded: false,
            known_before: false,
            served: None,
            older: None,
            recorded: None,
            permissions: Permissions::default(),
            failing: None,
            noted: i64::MIN,
        }
    }
}

impl Contents {
    /// Whether the repository has verified before, here or elsewhere.
    pub(super) fn is_known(&self) -> bool {
        let has_floors = |recorded: &Arc<Recorded>| !recorded.record.floors.is_empty();
        self.known_before || self.served.is_some() || self.recorded.as_ref().is_some_and(has_floors)
    }

    /// Whether first use has pinned a root, as far as is known here.
    pub(super) fn has_pin(&self) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.record.pin.is_some())
    }

    /// The set whose root is pinned, by policy or by a pin that is written down.
    pub(super) fn pinned(&self) -> Option<&Arc<Served>> {
        self.served.as_ref().filter(|served| served.pinned)
    }

    /// The set that knows about the roles of a demand, the newest first; else the newest. And whether it does.
    pub(super) fn served_for(&self, demand: &Demand) -> Option<(&Arc<Served>, bool)> {
        let newest = self.served.as_ref()?;
        if newest.covers(roles_of(demand)) {
            return Some((newest, true));
        }
        let older = self.older.as_ref().filter(|older| older.covers(roles_of(demand)));
        Some(older.map_or((newest, false), |older| (older, true)))
    }

    /// Serves `new` from now on. `known` is what its update started from: where another refresh came in between, the
    /// later set stays. `wanted` are all roles that were ever asked for.
    pub(super) fn install(&mut self, new: Served, known: Option<&Arc<Served>>, wanted: &BTreeSet<RoleName>) {
        if let Some(present) = self.served.clone() {
            let since = known.is_none_or(|known| !Arc::ptr_eq(&known.repository, &present.repository));
            if since && present.timestamp_version() > new.timestamp_version() {
                return;
            }
            self.keep_older(present, &new, wanted);
        }
        self.served = Some(Arc::new(new));
    }

    /// Keeps the present set beside `new` where it knows about roles that `new` lacks, for who asks for these. That
    /// neither ever knew about another role, which some policy names in vain, does not matter.
    fn keep_older(&mut self, present: Arc<Served>, new: &Served, wanted: &BTreeSet<RoleName>) {
        let lacked: Vec<_> = wanted.iter().filter(|role| !new.covers([*role])).collect();
        let of = |set: &Served| lacked.iter().filter(|role| set.covers([**role])).count();
        let in_older = self.older.as_ref().map_or(0, |older| of(older));
        if !Arc::ptr_eq(&present.repository, &new.repository) && of(&present) >= in_older.max(1) {
            self.older = Some(present);
        } else if in_older == 0 {
            self.older = None;
        }
    }

    /// Whether what is held rests on another record than `gone`.
    pub(super) fn rests_on_another(&self, gone: &str) -> bool {
        let revision = self.recorded.as_ref().and_then(|recorded| recorded.revision.as_ref());
        revision.is_some_and(|revision| revision.record != gone)
    }
}
