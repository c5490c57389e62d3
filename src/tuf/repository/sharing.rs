//! Sets of one repository under different pins hold the same files once; and what a set takes in memory.

use std::sync::Arc;

use super::{Slot, TrustedRepository};
use crate::tuf::role::RoleName;

/// What a role takes beside its file, roughly.
const OVERHEAD: usize = 512;

impl TrustedRepository {
    /// The same set, with the roles of `others` in place of its own where they are the same: the same file, believed by the
    /// same keys, within the same paths. `None`: none is.
    pub fn sharing<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut roles = self.roles.clone();
        let mut shares = false;
        for other in others {
            for (name, slot) in &mut roles {
                let same = other.same(name, slot);
                shares |= same.is_some();
                *slot = same.unwrap_or_else(|| Arc::clone(slot));
            }
        }
        let root = (Arc::clone(&self.root), self.root_carries_pin, self.lineage.clone());
        let (timestamp, snapshot) = (Arc::clone(&self.timestamp), Arc::clone(&self.snapshot));
        shares.then(|| Self::new(self.gun.clone(), root, timestamp, snapshot, roles))
    }

    /// The role as this set has it, where that is the same as `slot` and not it already.
    fn same(&self, name: &RoleName, slot: &Arc<Slot>) -> Option<Arc<Slot>> {
        let ours = self.roles.get(name)?;
        let is_same = ours.sha256 == slot.sha256 && ours.keys == slot.keys && ours.paths == slot.paths;
        (is_same && ours.content.is_ok() && !Arc::ptr_eq(ours, slot)).then(|| Arc::clone(ours))
    }

    /// Roughly how many bytes of memory it takes: the files that it was read from, which are larger than what is kept of
    /// them. What is shared with others counts in full.
    pub fn memory(&self) -> usize {
        let length = |length: u64| usize::try_from(length).unwrap_or(usize::MAX);
        let of_slot = |slot: &Slot| slot.content.as_ref().map_or(0, |file| length(file.length));
        let roles = self.roles.values().map(|slot| of_slot(slot).saturating_add(OVERHEAD));
        let base = length(self.timestamp.length).saturating_add(length(self.snapshot.length));
        roles.fold(base.saturating_add(OVERHEAD), usize::saturating_add)
    }
}
