//! `targets` and the delegations: which are loaded, and whose fault it is when one cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::files::fetch_named;
use super::{Fetch, Halt, Update};
use crate::digest::Digest;
use crate::limits::{ROLE_LEVELS, ROLES, ROLES_BYTES};
use crate::tuf::error::TufError;
use crate::tuf::metadata::{FileMeta, Metadata, RoleKeys, Snapshot, Targets};
use crate::tuf::paths::Paths;
use crate::tuf::repository::{File, Slot};
use crate::tuf::role::RoleName;
use crate::tuf::root::TrustedRoot;
use crate::tuf::verify::{Expiry, check_version};

/// A role that is delegated and so may be loaded.
struct Delegated {
    name: RoleName,
    keys: RoleKeys,
    paths: Paths,
}

impl Update {
    /// Loads `targets` and the roles that matter below it.
    pub(super) fn roles(
        &mut self,
        root: &TrustedRoot,
        snapshot: &File<Snapshot>,
    ) -> Result<BTreeMap<RoleName, Arc<Slot>>, Halt> {
        let wanted = self.input.wanted.as_ref().map(with_ancestors);
        if let Some(wanted) = &wanted {
            self.ask_ahead(wanted, &snapshot.verified)?;
        }
        let Some(keys) = root.verified.keys(&RoleName::targets()) else {
            return Err(TufError::NoValidSignature { role: RoleName::targets() }.into());
        };
        let targets = Delegated { name: RoleName::targets(), keys: keys.clone(), paths: Paths::everything() };
        let mut loaded = BTreeMap::new();
        let mut needs = Vec::new();
        let mut memory = 0_usize;
        let mut stack = vec![targets];
        while let Some(role) = stack.pop() {
            let Some(meta) = snapshot.verified.file(&role.name) else { continue };
            let meta = meta.map_err(|what| TufError::Malformed {
                role: RoleName::snapshot(),
                what: format!("its entry for {}: {what}", role.name),
            })?;
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&role.name))
                && !meta.sha256.is_some_and(|sha256| self.has_known(&role, sha256))
            {
                continue;
            }
            let slot = match self.slot(&role, meta) {
                Ok(slot) => slot,
                Err(Halt::Need(more)) => {
                    needs.extend(more);
                    continue;
                }
                Err(fail) => return Err(fail),
            };
            if let Ok(file) = &slot.content
                && slot.check(self.input.now, self.input.clock_skew).is_ok()
            {
                self.push_children(file, &slot, &snapshot.verified, &mut stack)?;
            }
            memory = memory.saturating_add(slot.memory());
            if memory > ROLES_BYTES {
                return Err(
                    TufError::TooMany { what: "bytes of memory of its roles", limit: ROLES_BYTES }.into()
                );
            }
            loaded.insert(role.name.clone(), slot);
            check_bounds(&role.name, loaded.len() + needs.len())?;
        }
        if needs.is_empty() { Ok(loaded) } else { Err(Halt::Need(needs)) }
    }

    /// Asks at once for all roles whose parents have yet to come: their hashes are all in the snapshot. Whether they
    /// are delegated at all shows when the parents are here.
    fn ask_ahead(&mut self, wanted: &BTreeSet<RoleName>, snapshot: &Snapshot) -> Result<(), Halt> {
        let mut coming = BTreeSet::new();
        let mut fetches: Vec<Fetch> = Vec::new();
        // Sorted by name: parents come before their children.
        for name in wanted {
            let Some(Ok(meta)) = snapshot.file(name) else { continue };
            let parent_is_here = name.parent().is_some_and(|parent| !coming.contains(&parent));
            let known = self.input.known.as_ref().and_then(|known| known.roles.get(name));
            let is_here = known.is_some_and(|slot| meta.sha256 == Some(slot.sha256))
                || self.files.at_hand_as(meta).is_some();
            if !parent_is_here && !is_here {
                coming.insert(name.clone());
                fetches.push(fetch_named(name, meta));
            }
        }
        let fetches = self.files.unanswered(fetches);
        if fetches.is_empty() { Ok(()) } else { Err(Halt::Need(fetches)) }
    }

    /// What a role delegates and the snapshot lists, in reverse of its order, for a stack.
    fn push_children(
        &self,
        file: &File<Targets>,
        slot: &Slot,
        snapshot: &Snapshot,
        stack: &mut Vec<Delegated>,
    ) -> Result<(), TufError> {
        for delegation in file.verified.delegations.iter().rev() {
            self.work.take(1)?;
            if snapshot.file(&delegation.name).is_none() {
                continue;
            }
            stack.push(Delegated {
                name: delegation.name.clone(),
                keys: delegation.keys.clone(),
                paths: slot.paths.restrict(&delegation.paths, &self.work)?,
            });
        }
        Ok(())
    }

    fn slot(&mut self, role: &Delegated, meta: &FileMeta) -> Result<Arc<Slot>, Halt> {
        if let Some(slot) = self.pass.slots.get(&role.name) {
            return Ok(Arc::clone(slot));
        }
        let sha256 = self.files.identify(&role.name, meta)?;
        let slot = match self.known_slot(role, sha256)? {
            Some(slot) => slot,
            None => self.new_slot(role, meta, sha256)?,
        };
        self.pass.slots.insert(role.name.clone(), Arc::clone(&slot));
        Ok(slot)
    }

    /// Whether the known set has the role with the same hash and the same keys.
    fn has_known(&self, role: &Delegated, sha256: Digest) -> bool {
        let known = self.input.known.as_ref().and_then(|known| known.roles.get(&role.name));
        known.is_some_and(|slot| slot.sha256 == sha256 && slot.keys == role.keys)
    }

    /// The known role, used again.
    fn known_slot(&self, role: &Delegated, sha256: Digest) -> Result<Option<Arc<Slot>>, TufError> {
        let known = self.input.known.as_ref().and_then(|known| known.roles.get(&role.name));
        let Some(slot) = known.filter(|_| self.has_known(role, sha256)) else { return Ok(None) };
        if let Ok(file) = &slot.content {
            check_version(&role.name, file.verified.common().version, self.floor(&role.name, &role.keys))?;
        }
        if !role.name.is_delegation() {
            slot.check(self.input.now, self.input.clock_skew)?;
        }
        if slot.paths == role.paths {
            return Ok(Some(Arc::clone(slot)));
        }
        let (keys, paths) = (slot.keys.clone(), role.paths.clone());
        Ok(Some(Arc::new(Slot { sha256, keys, paths, content: slot.content.clone() })))
    }

    /// The role from its file. What the publisher signed too weakly makes a delegation unusable, everything else is
    /// the server's fault (design §4 "Whose fault"); for `targets` there is no difference.
    fn new_slot(&mut self, role: &Delegated, meta: &FileMeta, sha256: Digest) -> Result<Arc<Slot>, Halt> {
        let bytes = self.files.named(&role.name, meta)?;
        let expiry = if role.name.is_delegation() { Expiry::AtUse } else { self.at_now() };
        let content = match self.verify_file::<Targets>(&role.name, &bytes, &role.keys, expiry) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error @ (TufError::NoValidSignature { .. } | TufError::ThresholdNotMet { .. }))
                if role.name.is_delegation() =>
            {
                Err(error)
            }
            Err(error) => return Err(error.into()),
        };
        let (keys, paths) = (role.keys.clone(), role.paths.clone());
        Ok(Arc::new(Slot { sha256, keys, paths, content }))
    }
}

/// The wanted roles, all their ancestors, and `targets`.
fn with_ancestors(wanted: &BTreeSet<RoleName>) -> BTreeSet<RoleName> {
    let mut all = BTreeSet::from([RoleName::targets()]);
    for role in wanted {
        let mut next = Some(role.clone()).filter(RoleName::is_delegation);
        while let Some(role) = next {
            next = role.parent();
            all.insert(role);
        }
    }
    all
}

fn check_bounds(role: &RoleName, roles: usize) -> Result<(), TufError> {
    if roles > ROLES {
        return Err(TufError::TooMany { what: "roles", limit: ROLES });
    }
    if role.as_str().matches('/').count() > ROLE_LEVELS {
        return Err(TufError::TooMany { what: "levels", limit: ROLE_LEVELS });
    }
    Ok(())
}
