//! [`TrustedRepository`]: a verified, consistent set of a repository's metadata, and what it says.

mod historic;
mod sharing;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::error::TufError;
use super::key::{KeyId, KeyIdentity};
use super::lineage::Lineage;
use super::metadata::{self, Delegation, Metadata, RoleKeys, Snapshot, Targets};
use super::paths::Paths;
use super::role::{Gun, RoleName};
use super::root::TrustedRoot;
use super::stop::Stop;
use super::update::{Floor, Floors};
use super::verify::{Verified, check_expiry, has_expired};
use super::work::Work;
use crate::digest::Digest;

pub use historic::HistoricTargets;
pub use view::{Delegated, Lookup, Role, TargetEntry};

/// A key whose signature on a file is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleSigner {
    /// Its canonical key ID.
    pub key_id: KeyId,
    /// What it is counted by.
    pub identity: KeyIdentity,
}

/// A verified, consistent set of a repository's metadata. Immutable; shared by `Arc`. Holds parsed values alone,
/// not the files.
#[derive(Debug)]
pub struct TrustedRepository {
    pub(super) gun: Gun,
    pub(super) root: Arc<TrustedRoot>,
    pub(super) root_carries_pin: bool,
    /// The roots that led here.
    pub(super) lineage: Lineage,
    pub(super) timestamp: Arc<File<metadata::Timestamp>>,
    pub(super) snapshot: Arc<File<Snapshot>>,
    /// `targets` and the delegation roles that were loaded.
    pub(super) roles: BTreeMap<RoleName, Arc<Slot>>,
    /// Those of them that verified, and everything above them.
    sound: Box<[Sound]>,
}

/// A role about which nothing but time can be held against it or what is above it.
#[derive(Debug)]
struct Sound {
    name: RoleName,
    slot: Arc<Slot>,
    /// The earliest expiry of the role, its ancestors and the base roles.
    expires: Timestamp,
}

/// A verified file.
#[derive(Debug)]
pub(super) struct File<T> {
    pub(super) name: RoleName,
    pub(super) verified: Verified<T>,
    pub(super) sha256: Digest,
    pub(super) length: u64,
}

/// A role that is delegated, listed in the snapshot and was loaded.
#[derive(Debug)]
pub(super) struct Slot {
    /// Of the file that the snapshot names.
    pub(super) sha256: Digest,
    /// The keys that its parent asks for.
    pub(super) keys: RoleKeys,
    /// The path prefixes that count: the role's own within its ancestors'.
    pub(super) paths: Paths,
    /// What the file says, or why its publisher's word cannot be believed. Expiry is judged on use.
    pub(super) content: Result<Arc<File<Targets>>, TufError>,
}

/// Why a role says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleProblem {
    /// It, or the named ancestor or base role, is there but may not be believed.
    #[error("{error}")]
    Unusable {
        /// Which role.
        role: RoleName,
        /// Why.
        error: TufError,
    },
    /// It, or the named ancestor, is delegated but not in the snapshot.
    #[error("{role} is delegated, but the snapshot does not list it")]
    Missing {
        /// Which role.
        role: RoleName,
    },
    /// Its parent does not delegate it, or the named ancestor's does not.
    #[error("{role} is not delegated")]
    NotDelegated {
        /// Which role.
        role: RoleName,
    },
    /// It was not among the roles that the update was asked for.
    #[error("{role} was not loaded")]
    NotLoaded {
        /// Which role.
        role: RoleName,
    },
}

impl TrustedRepository {
    pub(super) fn new(
        gun: Gun,
        (root, root_carries_pin, lineage): (Arc<TrustedRoot>, bool, Lineage),
        timestamp: Arc<File<metadata::Timestamp>>,
        snapshot: Arc<File<Snapshot>>,
        roles: BTreeMap<RoleName, Arc<Slot>>,
    ) -> Self {
        let sound = Box::default();
        let mut new = Self { gun, root, root_carries_pin, lineage, timestamp, snapshot, roles, sound };
        new.sound = new.roles.keys().filter_map(|name| new.soundness(name)).collect();
        new
    }

    /// What [`Self::usable`] goes by, where time alone can make a difference.
    fn soundness(&self, name: &RoleName) -> Option<Sound> {
        let [mut expires, snapshot, root] = self.base_expiries().map(|(_, expires)| expires);
        expires = expires.min(snapshot).min(root);
        let slot = self.descend(name, |slot| {
            if let Ok(file) = &slot.content {
                expires = expires.min(file.verified.common().expires);
            }
            Ok(())
        });
        let slot = Arc::clone(slot.ok()?);
        Some(Sound { name: name.clone(), slot, expires })
    }

    fn sound(&self, name: &RoleName) -> Option<&Sound> {
        // One by one: there are a few, and their lengths mostly tell them apart, which an order cannot go by.
        self.sound.iter().find(|sound| sound.name == *name)
    }

    /// The repository.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The root.
    pub fn root(&self) -> Role<'_> {
        Role::of_root(&self.root)
    }

    /// Whether the root itself carries a pin; if not, rotation led to it and the pin is out of date. A root that
    /// first use pinned carries it as long as it is the newest.
    pub fn root_carries_pin(&self) -> bool {
        self.root_carries_pin
    }

    /// Version and expiry of a role, as [`Self::role`] has them.
    pub fn version_and_expiry(&self, name: &RoleName) -> Option<(u64, Timestamp)> {
        let common = match name.as_str() {
            "root" => self.root.verified.common(),
            "timestamp" => self.timestamp.verified.common(),
            "snapshot" => self.snapshot.verified.common(),
            _ => self.roles.get(name)?.content.as_ref().ok()?.verified.common(),
        };
        Some((common.version, common.expires))
    }

    /// Any role that verified, base roles and expired ones included. Says nothing about usability.
    pub fn role(&self, name: &RoleName) -> Option<Role<'_>> {
        let root = &self.root.verified;
        match name.as_str() {
            "root" => Some(self.root()),
            "timestamp" => Some(Role::of_base(&self.timestamp, root.keys(name)?)),
            "snapshot" => Some(Role::of_base(&self.snapshot, root.keys(name)?)),
            _ => Role::of_slot(self.roles.get(name)?),
        }
    }

    /// `targets` and every loaded delegation role that is usable at `now`, in pre-order.
    pub fn roles(&self, now: Timestamp, skew: SignedDuration) -> Vec<Role<'_>> {
        let mut roles = Vec::new();
        self.walk(now, skew, &mut |_, found| roles.extend(found.ok()));
        roles
    }

    /// Every delegation that is not usable at `now`, in pre-order, with its own problem. Roles below an unusable
    /// one, and roles that no update asked for, are not listed.
    pub fn unusable(&self, now: Timestamp, skew: SignedDuration) -> Vec<(RoleName, RoleProblem)> {
        let mut problems = Vec::new();
        self.walk(now, skew, &mut |name, found| match found {
            Ok(_) | Err(RoleProblem::NotLoaded { .. }) => {}
            Err(problem) => problems.push((name.clone(), problem)),
        });
        problems
    }

    /// The role, if it and everything above it may be believed at `now`: base roles, ancestors, the role itself.
    ///
    /// # Errors
    /// [`RoleProblem`] of the topmost role that stands in the way.
    pub fn usable(
        &self,
        name: &RoleName,
        now: Timestamp,
        skew: SignedDuration,
    ) -> Result<Role<'_>, RoleProblem> {
        // Mostly everything is in order, and then the earliest expiry tells it all.
        if let Some(sound) = self.sound(name).filter(|sound| !has_expired(sound.expires, now, skew))
            && let Some(role) = Role::of_slot(&sound.slot)
        {
            return Ok(role);
        }
        self.check_base(now, skew).map_err(|(role, error)| RoleProblem::Unusable { role, error })?;
        let slot = self.descend(name, |slot| slot.check(now, skew))?;
        Role::of_slot(slot).ok_or_else(|| RoleProblem::NotDelegated { role: name.clone() })
    }

    /// [`Self::usable`], then [`Role::lookup`].
    ///
    /// # Errors
    /// As [`Self::usable`].
    pub fn lookup(
        &self,
        role: &RoleName,
        tag: &str,
        now: Timestamp,
        skew: SignedDuration,
    ) -> Result<Lookup<'_>, RoleProblem> {
        Ok(self.usable(role, now, skew)?.lookup(tag))
    }

    /// Whether `role` is delegated, as far as the loaded roles tell.
    pub fn delegates(&self, role: &RoleName) -> bool {
        self.delegation(role).is_some()
    }

    /// Whether the snapshot lists the role (delegated or not).
    pub fn snapshot_lists(&self, role: &RoleName) -> bool {
        self.snapshot.verified.file(role).is_some()
    }

    /// Whether everything that can be known about these roles is here, so that no update for them is needed.
    pub fn covers<'r>(&self, roles: impl IntoIterator<Item = &'r RoleName>) -> bool {
        roles.into_iter().all(|role| {
            self.sound(role).is_some()
                || !matches!(self.descend(role, |_| Ok(())), Err(RoleProblem::NotLoaded { .. }))
        })
    }

    /// The earliest expiry among the base roles and the given roles (those that verified).
    pub fn earliest_expiry<'r>(
        &self,
        roles: impl IntoIterator<Item = &'r RoleName>,
    ) -> (RoleName, Timestamp) {
        let mut earliest = (self.root.name.clone(), self.root.verified.common().expires);
        let mut consider = |name: &RoleName| {
            if let Some(role) = self.role(name).filter(|role| role.expires() < earliest.1) {
                earliest = (name.clone(), role.expires());
            }
        };
        [RoleName::timestamp(), RoleName::snapshot(), RoleName::targets()].iter().for_each(&mut consider);
        roles.into_iter().for_each(consider);
        earliest
    }

    /// The floors that this set raises, for every role of it that verified, expired ones included. The root's signers are
    /// those of all roots that led to it.
    pub fn floors(&self) -> Floors {
        self.verified_roles()
            .map(|role| {
                let signers = match role.name().as_str() {
                    "root" => self.lineage.signers(),
                    _ => role.signed_by().iter().map(|signer| signer.identity).collect(),
                };
                (role.name().clone(), Floor { version: role.version(), signers })
            })
            .collect()
    }

    /// Reads an older file of `role`, which tagseal itself verified when it was current and recorded the sha256 of:
    /// that record is what vouches for it. Its entries are filtered by the role's present paths, its signers are
    /// those of the role's present keys.
    ///
    /// # Errors
    /// [`TufError::HashMismatch`], [`TufError::Malformed`], or [`TufError::Stopped`], which says nothing about the file.
    pub fn historic(
        &self,
        role: &RoleName,
        recorded: Digest,
        bytes: &[u8],
        stop: &Stop,
    ) -> Result<HistoricTargets, TufError> {
        let slot = self.roles.get(role).map(|slot| &**slot);
        HistoricTargets::decode(slot, role, recorded, bytes, &Work::under(stop))
    }

    /// Reads the file that a server keeps as `version` of `role`, and that nobody here saw when it was current. It is
    /// verified by the role's present keys and threshold; its expiry does not matter.
    ///
    /// # Errors
    /// [`TufError`], also where it is another version.
    pub fn historic_unseen(
        &self,
        role: &RoleName,
        version: u64,
        bytes: &[u8],
        stop: &Stop,
    ) -> Result<HistoricTargets, TufError> {
        let slot = self.roles.get(role).map(|slot| &**slot);
        HistoricTargets::decode_unseen(slot, role, version, bytes, &Work::under(stop))
    }

    /// What [`Self::historic`] and [`Self::historic_unseen`] make of a file depends on this and the file alone: the role's
    /// present keys, threshold and paths.
    pub fn historic_basis(&self, role: &RoleName) -> Digest {
        historic::basis(self.roles.get(role).map(|slot| &**slot))
    }

    /// The base roles that expired, the shortest-lived first.
    fn check_base(&self, now: Timestamp, skew: SignedDuration) -> Result<(), (RoleName, TufError)> {
        for (name, expires) in self.base_expiries() {
            check_expiry(name, expires, now, skew).map_err(|error| (name.clone(), error))?;
        }
        Ok(())
    }

    fn base_expiries(&self) -> [(&RoleName, Timestamp); 3] {
        let (root, timestamp, snapshot) = (&self.root, &self.timestamp, &self.snapshot);
        [
            (&timestamp.name, timestamp.verified.common().expires),
            (&snapshot.name, snapshot.verified.common().expires),
            (&root.name, root.verified.common().expires),
        ]
    }

    /// Goes from `targets` down to `name`; every role on the way must be delegated, listed, loaded and pass `check`.
    fn descend(
        &self,
        name: &RoleName,
        mut check: impl FnMut(&Slot) -> Result<(), TufError>,
    ) -> Result<&Arc<Slot>, RoleProblem> {
        let mut parent: Option<&Targets> = None;
        let mut found = None;
        for ancestor in ancestors_and_self(name) {
            let delegated = parent.is_none_or(|parent| parent.delegation_named(ancestor).is_some());
            let role = || RoleName::parse(ancestor).unwrap_or_else(|_| name.clone());
            if !delegated || !ancestor.starts_with("targets") {
                return Err(RoleProblem::NotDelegated { role: role() });
            }
            let slot = match self.roles.get(ancestor) {
                Some(slot) => slot,
                None if self.snapshot.verified.file_named(ancestor).is_none() => {
                    return Err(RoleProblem::Missing { role: role() });
                }
                None => return Err(RoleProblem::NotLoaded { role: role() }),
            };
            check(slot).map_err(|error| RoleProblem::Unusable { role: role(), error })?;
            match &slot.content {
                Ok(file) => parent = Some(&file.verified),
                Err(error) => return Err(RoleProblem::Unusable { role: role(), error: error.clone() }),
            }
            found = Some(slot);
        }
        found.ok_or_else(|| RoleProblem::NotDelegated { role: name.clone() })
    }

    /// Visits `targets` and what it delegates, in pre-order, down to the first problem of each branch.
    fn walk<'a>(
        &'a self,
        now: Timestamp,
        skew: SignedDuration,
        visit: &mut dyn FnMut(&RoleName, Result<Role<'a>, RoleProblem>),
    ) {
        let mut stack = vec![RoleName::targets()];
        while let Some(name) = stack.pop() {
            let found = self.usable(&name, now, skew);
            if let Some(targets) = found.as_ref().ok().and_then(|role| role.delegations()) {
                stack.extend(targets.iter().rev().map(|delegation| delegation.name.clone()));
            }
            visit(&name, found);
        }
    }

    fn delegation(&self, role: &RoleName) -> Option<&Delegation> {
        let parent = self.roles.get(&role.parent()?)?.content.as_ref().ok()?;
        parent.verified.delegation(role)
    }

    /// The keys that may sign a role now.
    pub(super) fn keys(&self, role: &RoleName) -> Option<&RoleKeys> {
        self.root.verified.keys(role).or_else(|| self.delegation(role).map(|delegation| &delegation.keys))
    }

    fn verified_roles(&self) -> impl Iterator<Item = Role<'_>> {
        let base = [RoleName::root(), RoleName::timestamp(), RoleName::snapshot()];
        let base = base.into_iter().filter_map(|name| self.role(&name));
        base.chain(self.roles.values().filter_map(|slot| Role::of_slot(slot)))
    }
}

impl Slot {
    /// Whether the file may be believed at `now`, as far as itself goes.
    pub(super) fn check(&self, now: Timestamp, skew: SignedDuration) -> Result<(), TufError> {
        let file = self.content.as_ref().map_err(TufError::clone)?;
        check_expiry(&file.name, file.verified.common().expires, now, skew)
    }
}

impl Floor {
    /// Whether the floor holds: the file that set it would still meet the role's present keys and threshold, so that
    /// the floor of a stolen key falls when the key is rotated out. The root's own never falls (design §4 "Floors").
    pub(super) fn holds(&self, role: &RoleName, keys: &RoleKeys) -> bool {
        let present: std::collections::BTreeSet<_> = keys.public_keys().map(|key| key.identity()).collect();
        role.as_str() == "root" || self.signers.count_in(&present) as u64 >= keys.threshold
    }
}

/// `targets`, `targets/a`, `targets/a/b` for `targets/a/b`.
fn ancestors_and_self(name: &RoleName) -> impl Iterator<Item = &str> {
    let name = name.as_str();
    let slashes = name.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
    slashes.chain([name.len()]).filter_map(|at| name.get(..at))
}
