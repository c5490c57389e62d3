//! Several holders of the root's key, or of the repository key: who they are, and how many of them have to sign.

use super::Workshop;
use super::adopt::check_certificate;
use crate::publish::key::PublicForm;
use crate::publish::operation::KeyToAdd;
use crate::publish::publisher::draft::{Draft, malformed};
use crate::publish::publisher::error::PublishError;
use crate::tuf::{KeyId, RoleName};

impl Workshop<'_> {
    pub(super) fn change_keys(
        &mut self,
        draft: &mut Draft,
        role: &RoleName,
        threshold: Option<u64>,
        (add, remove): (&[KeyToAdd], &[KeyId]),
    ) -> Result<(), PublishError> {
        if *role != RoleName::root() && *role != RoleName::targets() {
            let (operation, takes) = (
                "several keys, or a threshold,",
                "root and targets (a delegation's are its own: `tagseal trust delegation add`)",
            );
            return Err(PublishError::WrongRole { operation, takes, role: role.clone() });
        }
        let before = draft.root.keyring(role);
        if let Some(id) = remove.iter().find(|id| !before.has(**id)) {
            let keys = before.canonical_ids();
            return Err(PublishError::KeyNotInRole { role: role.clone(), id: *id, keys });
        }
        let root = RoleName::root();
        let broken = malformed(&root);
        for key in add {
            let (key, is_given) = self.key_to_add(role, key)?;
            let same: Vec<_> =
                before.keys.iter().filter(|listed| listed.canonical == key.canonical_id()).collect();
            // A key that is here has a certificate already where it is in the role: it keeps that one.
            if !is_given && !same.is_empty() {
                continue;
            }
            draft.root.add_key(role, &key).map_err(&broken)?;
            let replaced =
                same.iter().filter(|listed| listed.id != key.id()).map(|listed| listed.id.to_string());
            let replaced: Vec<String> = replaced.collect();
            if !replaced.is_empty() {
                draft.root.remove_keys(role, &replaced).map_err(&broken)?;
            }
        }
        let gone =
            before.keys.iter().filter(|key| remove.contains(&key.id) || remove.contains(&key.canonical));
        let gone: Vec<String> = gone.map(|key| key.id.to_string()).collect();
        if !gone.is_empty() {
            draft.root.remove_keys(role, &gone).map_err(&broken)?;
        }
        if let Some(threshold) = threshold {
            draft.root.set_threshold(role, threshold).map_err(&broken)?;
        }
        let after = draft.root.keyring(role);
        let (keys, threshold) = (after.canonical_ids().len() as u64, after.threshold);
        if keys < threshold {
            return Err(PublishError::TooFewKeys { role: role.clone(), keys, threshold });
        }
        // What its old keys signed still counts, or is signed anew by the present ones.
        if *role == RoleName::targets() && !draft.is_vouched_for(role) {
            draft.edit(role)?.0.touch();
        }
        Ok(())
    }

    /// The key as the role lists it, and whether it came from somewhere else.
    fn key_to_add(&mut self, role: &RoleName, key: &KeyToAdd) -> Result<(PublicForm, bool), PublishError> {
        let is_root = *role == RoleName::root();
        match key {
            KeyToAdd::Held(id) if is_root => {
                let (gun, now) = (self.remote.gun(), self.now);
                Ok((self.keys.unlock(*id)?.root_certificate(gun, now)?, false))
            }
            KeyToAdd::Held(id) => Ok((self.keys.unlock(*id)?.public().clone(), false)),
            KeyToAdd::Given(key) => {
                if is_root {
                    let (gun, id) = (self.remote.gun().clone(), key.canonical_id());
                    let listed = key.key().map_err(crate::publish::key::KeyFault::from)?;
                    check_certificate(&listed, &gun, self.now).map_err(|why| PublishError::NotARootKey {
                        gun,
                        id,
                        why,
                    })?;
                }
                Ok((key.clone(), true))
            }
        }
    }
}
