//! [`KnownFloors`]: the versions below which nothing is believed, wherever they are known from.

use std::collections::BTreeMap;

use super::{Floor, Floors, UpdateInput};
use crate::tuf::metadata::RoleKeys;
use crate::tuf::role::RoleName;

/// The floors of all sources: the state's, the known set's, and what local files prove.
#[derive(Debug)]
pub(super) struct KnownFloors(BTreeMap<RoleName, Vec<Floor>>);

impl KnownFloors {
    pub(super) fn new(input: &UpdateInput) -> Self {
        let mut floors = Self(BTreeMap::new());
        floors.extend(input.floors.clone());
        if let Some(known) = &input.known {
            floors.extend(known.floors());
        }
        floors
    }

    pub(super) fn extend(&mut self, more: Floors) {
        for (role, floor) in more {
            self.0.entry(role).or_default().push(floor);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest version of `role` that may be believed now; 0 where no floor holds.
    pub(super) fn lowest(&self, role: &RoleName, keys: &RoleKeys) -> u64 {
        let floors = self.0.get(role).into_iter().flatten();
        floors.filter(|floor| floor.holds(role, keys)).map(|floor| floor.version).max().unwrap_or(0)
    }
}
