//! [`Lineage`]: the roots that led to the trusted one, and by it, which records of trust state are about this repository.

use std::collections::BTreeSet;

use super::key::{KeyIdentities, KeyIdentity};
use super::metadata::{RoleKeys, Root};
use super::repository::TrustedRepository;
use super::role::RoleName;
use super::root::TrustedRoot;
use super::update::{Floor, Floors};
use crate::limits::{LINEAGE_KEYS, LINEAGE_SIGNERS};

/// The trusted root and those that led to it, each signed by its predecessor's threshold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lineage {
    /// The keys of their root roles.
    keys: BTreeSet<KeyIdentity>,
    /// Who signed them: keys of their own root roles, and of their predecessors'.
    signers: BTreeSet<KeyIdentity>,
}

impl Lineage {
    /// Adds a root that is trusted.
    pub(super) fn add(&mut self, root: &TrustedRoot) {
        let keys = root.verified.root_keys().public_keys().map(|key| key.identity());
        keys.for_each(|key| add(&mut self.keys, key, LINEAGE_KEYS));
        let signers = root.verified.signers().iter().map(|signer| signer.identity);
        signers
            .chain(root.retired.iter().copied())
            .for_each(|signer| add(&mut self.signers, signer, LINEAGE_SIGNERS));
    }

    /// Who signed the roots.
    pub(super) fn signers(&self) -> KeyIdentities {
        self.signers.iter().copied().collect()
    }
}

fn add(keys: &mut BTreeSet<KeyIdentity>, key: KeyIdentity, limit: usize) {
    if keys.len() < limit {
        keys.insert(key);
    }
}

/// What the floors of other records of the GUN are judged by: the present root and its lineage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present<'a> {
    pub(super) root: &'a Root,
    pub(super) lineage: &'a Lineage,
}

impl Present<'_> {
    /// Whether the root that set the root's floor, or one that led to it, was signed by enough keys of this root or of one
    /// that led here. What a root merely lists as its keys does not count: anybody can list anything.
    pub(super) fn shares_root(&self, floors: &Floors) -> bool {
        let root = floors.get(&RoleName::root());
        root.is_some_and(|floor| self.signed_by_lineage(floor))
    }

    fn signed_by_lineage(&self, floor: &Floor) -> bool {
        floor.signers.count_in(&self.lineage.keys) as u64 >= self.root.root_keys().threshold
    }

    /// Whether `floors`, those of another record of the GUN, are about this repository: they share a root, or all three
    /// roles that make up a set besides were signed by the present keys (the root may have been rotated unseen). One role
    /// alone proves nothing: role files do not say which repository they belong to, and one signer signs for many.
    pub(super) fn are_of_this_repository(&self, floors: &Floors) -> bool {
        let base = [RoleName::timestamp(), RoleName::snapshot(), RoleName::targets()];
        self.shares_root(floors)
            || base.iter().all(|role| {
                let keys = self.root.keys(role);
                floors.get(role).zip(keys).is_some_and(|(floor, keys)| floor.holds(role, keys))
            })
    }

    /// The floor of `role` above `version` among those of another record, if it holds here. `is_kin` says whether that
    /// record is about this repository ([`Self::are_of_this_repository`]). A root's floor never falls in its own record;
    /// one of another record holds where the roots lead to each other, so that foreign anchors lock nobody out.
    pub(super) fn floor_above<'f>(
        &self,
        version: u64,
        (floors, is_kin): (&'f Floors, bool),
        role: &RoleName,
        keys: &RoleKeys,
    ) -> Option<&'f Floor> {
        let floor = floors.get(role).filter(|floor| floor.version > version)?;
        let holds = match *role == RoleName::root() {
            true => self.signed_by_lineage(floor),
            false => is_kin && floor.holds(role, keys),
        };
        holds.then_some(floor)
    }
}

impl TrustedRepository {
    fn present(&self) -> Present<'_> {
        Present { root: &self.root.verified, lineage: &self.lineage }
    }

    /// Whether `floors`, those of another record of the GUN, are about this repository.
    pub fn shares_history_with(&self, floors: &Floors) -> bool {
        self.present().are_of_this_repository(floors)
    }

    /// `before`, raised by this set. A floor of `before` that is higher stays if it still holds under the role's
    /// present keys (another replica saw a newer file), and falls otherwise (design §4 "Floors").
    pub fn raise(&self, before: &Floors) -> Floors {
        self.raise_beside(before, &[])
    }

    /// As [`Self::raise`], beside the floors of other records of the GUN: those that hold here count as if they were
    /// `before`'s. Of a role that neither this set nor `before` knows, the floor of a record of this repository is taken
    /// over as it is.
    pub fn raise_beside(&self, before: &Floors, others: &[&Floors]) -> Floors {
        let present = self.present();
        let kin = |floors: &&Floors| present.are_of_this_repository(floors);
        let others: Vec<(&Floors, bool)> = others.iter().map(|floors| (*floors, kin(floors))).collect();
        let mut floors = before.clone();
        for (role, raised) in self.floors() {
            let Some(keys) = self.keys(&role) else { continue };
            let own = before.get(&role).filter(|old| old.holds(&role, keys));
            // A root's floor says who signed, whatever its version is.
            let version = if role == RoleName::root() { 0 } else { raised.version };
            let theirs = others.iter().filter_map(|other| present.floor_above(version, *other, &role, keys));
            let known: Vec<&Floor> = own.into_iter().chain(theirs).collect();
            floors.insert(role.clone(), self.highest(&role, raised, &known));
        }
        for (other, _) in others.iter().filter(|(_, is_kin)| *is_kin) {
            for (role, floor) in other.iter().filter(|(role, _)| !before.contains_key(*role)) {
                let is_higher = |known: &Floor| floor.version > known.version && self.role(role).is_none();
                if floors.get(role).is_none_or(is_higher) {
                    floors.insert(role.clone(), floor.clone());
                }
            }
        }
        floors
    }

    /// The highest of these floors. A root's keeps the signers of all that lead to each other.
    fn highest(&self, role: &RoleName, raised: Floor, known: &[&Floor]) -> Floor {
        let highest = known.iter().max_by_key(|floor| floor.version);
        if let Some(higher) = highest.filter(|known| known.version > raised.version) {
            return Floor::clone(higher);
        }
        if *role != RoleName::root() {
            return raised;
        }
        let mut signers: BTreeSet<_> = raised.signers.iter().copied().collect();
        for floor in known.iter().filter(|floor| self.present().signed_by_lineage(floor)) {
            floor.signers.iter().for_each(|signer| add(&mut signers, *signer, LINEAGE_SIGNERS));
        }
        Floor { version: raised.version, signers: signers.into_iter().collect() }
    }
}
