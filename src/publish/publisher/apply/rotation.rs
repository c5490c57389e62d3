//! New keys for base roles.

use super::Workshop;
use crate::publish::key::PublicForm;
use crate::publish::publisher::draft::{Draft, malformed};
use crate::publish::publisher::error::PublishError;
use crate::publish::publisher::server_key;
use crate::tuf::{KeyId, RoleName};

impl Workshop<'_> {
    pub(super) fn rotate_root(
        &mut self,
        draft: &mut Draft,
        index: usize,
        new_key: Option<KeyId>,
    ) -> Result<(), PublishError> {
        self.check_single(draft, &RoleName::root())?;
        let certificate = self.root_certificate(index, new_key)?;
        replace(draft, &RoleName::root(), &certificate)
    }

    pub(super) fn rotate_local(
        &mut self,
        draft: &mut Draft,
        index: usize,
        role: &RoleName,
        new_key: Option<KeyId>,
    ) -> Result<(), PublishError> {
        if *role != RoleName::targets() && *role != RoleName::snapshot() {
            let (operation, takes) = ("a new local key", "targets and snapshot");
            return Err(PublishError::WrongRole { operation, takes, role: role.clone() });
        }
        self.check_single(draft, role)?;
        let key = match new_key {
            Some(id) => self.keys.unlock(id)?,
            None => self.keys.make(index, role)?,
        };
        let key = key.public().clone();
        replace(draft, role, &key)?;
        if *role == RoleName::targets() {
            draft.edit(role)?.0.touch();
        }
        Ok(())
    }

    pub(super) async fn rotate_server_managed(
        &mut self,
        draft: &mut Draft,
        index: usize,
        role: &RoleName,
    ) -> Result<(), PublishError> {
        if *role != RoleName::timestamp() && *role != RoleName::snapshot() {
            let (operation, takes) = ("a key that the server makes", "timestamp and snapshot");
            return Err(PublishError::WrongRole { operation, takes, role: role.clone() });
        }
        let key = match self.server_keys.get(&index) {
            Some(key) => key.clone(),
            None => server_key(role, &self.remote.rotate_server_key(role).await?)?,
        };
        self.server_keys.insert(index, key.clone());
        replace(draft, role, &key)
    }

    /// The one key of a role is replaced without more words; of several, somebody's would go who was not asked.
    fn check_single(&self, draft: &Draft, role: &RoleName) -> Result<(), PublishError> {
        let ring = draft.root.keyring(role);
        let (keys, threshold) = (ring.canonical_ids(), ring.threshold);
        match keys.len() {
            2.. if *role != RoleName::snapshot() => {
                let (role, gun) = (role.clone(), self.remote.gun().clone());
                Err(PublishError::SeveralKeys { role, gun, threshold, keys })
            }
            _ => Ok(()),
        }
    }

    /// The certificate by which a root key is listed for this repository.
    pub(super) fn root_certificate(
        &mut self,
        index: usize,
        key: Option<KeyId>,
    ) -> Result<PublicForm, PublishError> {
        let (gun, now) = (self.remote.gun(), self.now);
        let key = match key {
            Some(id) => self.keys.unlock(id)?,
            None => self.keys.make(index, &RoleName::root())?,
        };
        key.root_certificate(gun, now)
    }
}

fn replace(draft: &mut Draft, role: &RoleName, key: &PublicForm) -> Result<(), PublishError> {
    draft.root.replace_key(role, key).map_err(malformed(&RoleName::root()))?;
    let threshold = draft.root.keyring(role).threshold;
    match threshold {
        1 => Ok(()),
        _ => Err(PublishError::TooFewKeys { role: role.clone(), keys: 1, threshold }),
    }
}
