//! [`KnownFloors`]: the versions below which nothing is believed, wherever they are known from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Floor, Floors, UpdateInput};
use crate::tuf::lineage::Present;
use crate::tuf::metadata::RoleKeys;
use crate::tuf::role::RoleName;

/// The floors of all sources: the state's, the known set's, what local files prove, and those of the GUN's other records.
#[derive(Debug)]
pub(super) struct KnownFloors {
    own: BTreeMap<RoleName, Vec<Floor>>,
    others: Vec<Arc<Floors>>,
}

impl KnownFloors {
    pub(super) fn new(input: &UpdateInput) -> Self {
        let mut floors = Self { own: BTreeMap::new(), others: input.others.clone() };
        floors.extend(input.floors.clone());
        if let Some(known) = &input.known {
            floors.extend(known.floors());
        }
        floors
    }

    pub(super) fn extend(&mut self, more: Floors) {
        for (role, floor) in more {
            self.own.entry(role).or_default().push(floor);
        }
    }

    /// Whether nothing is known of the repository itself. What other records of the GUN saw may be another one.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// The lowest version of `role` that may be believed now; 0 where no floor holds.
    pub(super) fn lowest(&self, role: &RoleName, keys: &RoleKeys, present: Option<Present<'_>>) -> u64 {
        let own = self.own.get(role).into_iter().flatten().filter(|floor| floor.holds(role, keys));
        let theirs = present.into_iter().flat_map(|present| {
            self.others.iter().filter_map(move |floors| present.floor_among(floors, role, keys))
        });
        own.chain(theirs).map(|floor| floor.version).max().unwrap_or(0)
    }

    /// Which of the other records have a floor of `role` above `version` that holds.
    pub(super) fn above(
        &self,
        role: &RoleName,
        version: u64,
        keys: &RoleKeys,
        present: Present<'_>,
    ) -> Vec<usize> {
        let is_above = |floors: &Floors| {
            present.floor_among(floors, role, keys).is_some_and(|floor| floor.version > version)
        };
        let above = self.others.iter().enumerate().filter(|(_, floors)| is_above(floors));
        above.map(|(at, _)| at).collect()
    }
}
