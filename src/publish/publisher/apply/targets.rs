//! Listing tags, by docker's rule or in named roles.

use super::{Workshop, check_lists_targets};
use crate::digest::Digest;
use crate::publish::document::Targets;
use crate::publish::operation::SigningRoles;
use crate::publish::publisher::StillListed;
use crate::publish::publisher::draft::{Draft, covers, malformed};
use crate::publish::publisher::error::PublishError;
use crate::tuf::{KeyId, RoleName};

/// The delegation that docker pulls from, before `targets`.
const RELEASES: &str = "targets/releases";

impl Workshop<'_> {
    pub(super) fn add_target(
        &mut self,
        draft: &mut Draft,
        roles: &SigningRoles,
        name: &str,
        digest: Digest,
        length: u64,
    ) -> Result<(), PublishError> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(PublishError::BadTargetName { name: name.to_owned() });
        }
        let roles = match roles {
            SigningRoles::These(roles) => roles.clone(),
            SigningRoles::Docker => self.signable(draft, name)?,
        };
        for role in &roles {
            check_lists(draft, role)?;
            let paths = draft.paths(role);
            if !covers(&paths, name) {
                let (role, name) = (role.clone(), name.to_owned());
                return Err(PublishError::PathNotAllowed { role, name, paths });
            }
            draft.edit(role)?.add(name, digest, length).map_err(malformed(role))?;
        }
        self.check_overruled(draft, &roles, name, digest);
        Ok(())
    }

    /// What `targets` lists is not looked at where `targets/releases` lists the tag too (Notary v1, "Delegations and lookup").
    fn check_overruled(&mut self, draft: &mut Draft, roles: &[RoleName], name: &str, digest: Digest) {
        let releases = draft.targets.iter().find(|(role, _)| role.as_str() == RELEASES);
        let Some((releases, file)) = releases else { return };
        let counts = draft.is_vouched_for(releases) && !draft.base.expired.contains(releases);
        let other = file.digest_of(name).filter(|other| *other != digest && counts);
        if let Some(other) =
            other.filter(|_| *roles == [RoleName::targets()] && covers(&draft.paths(releases), name))
        {
            let gun = self.remote.gun();
            self.warnings.push(format!(
                "{releases} lists {name:?} as {other}, and that is what clusters and clients take in place of what targets lists: \
                 sign it there (`tagseal trust sign --role {releases}`), or take it back there (`tagseal trust revoke \
                 {gun}:{name} --role {releases}`)"
            ));
            draft.is_overruled = true;
        }
    }

    pub(super) fn remove_target(
        &mut self,
        draft: &mut Draft,
        roles: &SigningRoles,
        name: &str,
    ) -> Result<(), PublishError> {
        let listing: Vec<RoleName> =
            self.candidates(draft, roles)?.into_iter().filter(|role| lists(draft, role, name)).collect();
        if listing.is_empty() {
            let (gun, name) = (self.remote.gun().clone(), name.to_owned());
            return Err(PublishError::NotListed { gun, name });
        }
        for role in self.removable(draft, roles, listing)? {
            draft.edit(&role)?.remove(name).map_err(malformed(&role))?;
        }
        self.find_left(draft, |listed| listed == name);
        Ok(())
    }

    pub(super) fn remove_targets(
        &mut self,
        draft: &mut Draft,
        roles: &SigningRoles,
    ) -> Result<(), PublishError> {
        let names =
            |draft: &Draft, role: &RoleName| draft.targets.get(role).map(Targets::names).unwrap_or_default();
        let listing: Vec<RoleName> = self
            .candidates(draft, roles)?
            .into_iter()
            .filter(|role| !names(draft, role).is_empty())
            .collect();
        for role in self.removable(draft, roles, listing)? {
            for name in names(draft, &role) {
                draft.edit(&role)?.remove(&name).map_err(malformed(&role))?;
            }
        }
        self.find_left(draft, |_| true);
        Ok(())
    }

    /// Notes where such tags are listed all the same.
    fn find_left(&mut self, draft: &Draft, is_meant: impl Fn(&str) -> bool) {
        for (role, file) in &draft.targets {
            let tags: Vec<String> = file.names().into_iter().filter(|tag| is_meant(tag)).collect();
            let Some(ring) = draft.keyring(role).filter(|_| !tags.is_empty()) else { continue };
            let (role, keys) = (role.clone(), ring.canonical_ids());
            let is_signed = draft.is_vouched_for(&role);
            self.still_listed.push(StillListed { role, tags, keys, is_signed });
        }
    }

    /// Docker's rule: every direct delegation whose key is here and whose paths allow, `targets` where nothing is delegated
    /// (Notary v1, "Publishing").
    fn signable(&self, draft: &Draft, name: &str) -> Result<Vec<RoleName>, PublishError> {
        let direct = direct(draft);
        if direct.is_empty() {
            return Ok(vec![RoleName::targets()]);
        }
        let mut signable = Vec::new();
        let mut others: Vec<(RoleName, Vec<KeyId>)> = Vec::new();
        for role in direct.into_iter().filter(|role| covers(&draft.paths(role), name)) {
            // Where too few of its keys are here, signing says so.
            match self.has_key(draft, &role)? {
                true => signable.push(role),
                false => {
                    let keys =
                        draft.keyring(&role).map(|keyring| keyring.canonical_ids()).unwrap_or_default();
                    others.push((role, keys));
                }
            }
        }
        match signable.is_empty() {
            false => Ok(signable),
            true => {
                let (gun, tag) = (self.remote.gun().clone(), name.to_owned());
                Err(PublishError::NoSignableRole { gun, tag, roles: others })
            }
        }
    }

    /// The roles that a removal looks at: every one, unless some are named. What is left in `targets` is pulled wherever
    /// `targets/releases` does not list it, and policies ask for roles of any depth.
    fn candidates(&self, draft: &Draft, roles: &SigningRoles) -> Result<Vec<RoleName>, PublishError> {
        match roles {
            SigningRoles::Docker => {
                Ok(draft.targets.keys().filter(|role| draft.keyring(role).is_some()).cloned().collect())
            }
            SigningRoles::These(roles) => {
                roles.iter().try_for_each(|role| check_lists(draft, role))?;
                Ok(roles.clone())
            }
        }
    }

    /// Those of `listing` that can be signed. Named roles all must; of docker's, one at least.
    fn removable(
        &self,
        draft: &Draft,
        roles: &SigningRoles,
        listing: Vec<RoleName>,
    ) -> Result<Vec<RoleName>, PublishError> {
        if let SigningRoles::These(_) = roles {
            return Ok(listing);
        }
        let mut removable = Vec::new();
        for role in &listing {
            if !draft.base.unsigned.contains(role) && self.can_sign(draft, role)? {
                removable.push(role.clone());
            }
        }
        // Where none can, signing the first says why.
        Ok(if removable.is_empty() { listing.into_iter().take(1).collect() } else { removable })
    }

    fn can_sign(&self, draft: &Draft, role: &RoleName) -> Result<bool, PublishError> {
        let Some(keyring) = draft.keyring(role) else { return Ok(false) };
        let needed = if self.may_lack { 1 } else { keyring.threshold };
        Ok(self.keys.held(&keyring.canonical_ids())?.len() as u64 >= needed)
    }

    fn has_key(&self, draft: &Draft, role: &RoleName) -> Result<bool, PublishError> {
        let Some(keyring) = draft.keyring(role) else { return Ok(false) };
        Ok(!self.keys.held(&keyring.canonical_ids())?.is_empty())
    }
}

/// The direct delegations of `targets`, in its order.
fn direct(draft: &Draft) -> Vec<RoleName> {
    draft.targets.get(&RoleName::targets()).map(Targets::delegated).unwrap_or_default()
}

fn lists(draft: &Draft, role: &RoleName, name: &str) -> bool {
    draft.targets.get(role).is_some_and(|file| file.lists(name))
}

/// Only `targets` and delegation roles list anything.
fn check_lists(draft: &Draft, role: &RoleName) -> Result<(), PublishError> {
    check_lists_targets(role, "listing tags")?;
    match draft.keyring(role) {
        Some(_) => Ok(()),
        None => Err(PublishError::NotDelegated { role: role.clone() }),
    }
}
