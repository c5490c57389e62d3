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

    /// Roughly how many bytes of memory it takes: what was read from its files, or the files where they are larger. What is
    /// shared with others counts in full.
    pub fn memory(&self) -> usize {
        let roles = self.roles.values().map(|slot| slot.memory().max(slot.length()).saturating_add(OVERHEAD));
        let snapshot = self.snapshot.verified.memory().max(bytes(self.snapshot.length));
        let base = bytes(self.timestamp.length).saturating_add(snapshot);
        roles.fold(base.saturating_add(OVERHEAD), usize::saturating_add)
    }
}

impl Slot {
    /// About how many bytes of memory it takes.
    pub(in crate::tuf) fn memory(&self) -> usize {
        let content = self.content.as_ref().map_or(0, |file| file.verified.memory());
        content + self.keys.memory() + self.paths.memory()
    }

    /// How many bytes its file has.
    fn length(&self) -> usize {
        self.content.as_ref().map_or(0, |file| bytes(file.length))
    }
}

fn bytes(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
