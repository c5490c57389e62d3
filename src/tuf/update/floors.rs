//! [`KnownFloors`]: the versions below which nothing is believed, wherever they are known from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Floor, Floors, UpdateInput};
use crate::digest::Digest;
use crate::tuf::lineage::Present;
use crate::tuf::metadata::RoleKeys;
use crate::tuf::role::RoleName;

/// The floors of all sources: the state's, the known set's, what local files prove, and those of the GUN's other records.
#[derive(Debug)]
pub(super) struct KnownFloors {
    own: BTreeMap<RoleName, Vec<Floor>>,
    /// Each with whether it is about this repository, as the root of the hash `related` has it.
    others: Vec<(Arc<Floors>, bool)>,
    related: Option<Digest>,
}

impl KnownFloors {
    pub(super) fn new(input: &UpdateInput) -> Self {
        let others = input.others.iter().map(|floors| (Arc::clone(floors), false)).collect();
        let mut floors = Self { own: BTreeMap::new(), others, related: None };
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

    /// Tells which of the other records are about this repository: once for a root, and not for each role.
    pub(super) fn relate(&mut self, root: Digest, present: Present<'_>) {
        if self.related.replace(root) != Some(root) {
            for (floors, is_kin) in &mut self.others {
                *is_kin = present.are_of_this_repository(floors);
            }
        }
    }

    /// The lowest version of `role` that may be believed now; 0 where no floor holds.
    pub(super) fn lowest(&self, role: &RoleName, keys: &RoleKeys, present: Option<Present<'_>>) -> u64 {
        let mut lowest = 0;
        for floor in self.own.get(role).into_iter().flatten() {
            if floor.version > lowest && floor.holds(role, keys) {
                lowest = floor.version;
            }
        }
        let Some(present) = present else { return lowest };
        for other in self.others() {
            if let Some(floor) = present.floor_above(lowest, other, role, keys) {
                lowest = floor.version;
            }
        }
        lowest
    }

    /// Which of the other records have a floor of `role` above `version` that holds.
    pub(super) fn above(
        &self,
        role: &RoleName,
        version: u64,
        keys: &RoleKeys,
        present: Present<'_>,
    ) -> Vec<usize> {
        let is_above = |other| present.floor_above(version, other, role, keys).is_some();
        self.others().enumerate().filter(|(_, other)| is_above(*other)).map(|(at, _)| at).collect()
    }

    fn others(&self) -> impl Iterator<Item = (&Floors, bool)> {
        self.others.iter().map(|(floors, is_kin)| (&**floors, *is_kin))
    }
}
