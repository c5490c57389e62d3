//! Several keys of one base role, and how many of them have to sign.

use super::super::{DocumentError, member_array, member_object, number, text};
use super::Root;
use crate::publish::key::PublicForm;
use crate::tuf::RoleName;
use crate::tuf::canonical::Value;

impl Root {
    /// Adds a key to a base role.
    pub(in crate::publish) fn add_key(
        &mut self,
        role: &RoleName,
        key: &PublicForm,
    ) -> Result<(), DocumentError> {
        let id = key.id().to_string();
        let ids = member_array(self.role_mut(role)?, "keyids")?;
        if ids.iter().any(|listed| listed.as_str() == Some(&id)) {
            return Ok(());
        }
        ids.push(text(&id));
        self.0.object_mut("keys")?.insert(id, key.to_value());
        self.0.touch();
        Ok(())
    }

    /// Takes the keys with these listed IDs from a base role. Old root certificates stay in `keys`, as notary leaves them.
    pub(in crate::publish) fn remove_keys(
        &mut self,
        role: &RoleName,
        ids: &[String],
    ) -> Result<(), DocumentError> {
        let listed = member_array(self.role_mut(role)?, "keyids")?;
        listed.retain(|id| id.as_str().is_none_or(|id| !ids.iter().any(|gone| gone == id)));
        self.0.touch();
        match *role == RoleName::root() {
            true => Ok(()),
            false => self.drop_unlisted(ids),
        }
    }

    /// Sets how many keys have to sign a base role.
    pub(in crate::publish) fn set_threshold(
        &mut self,
        role: &RoleName,
        threshold: u64,
    ) -> Result<(), DocumentError> {
        let before = self.role_mut(role)?.insert("threshold".to_owned(), number(threshold));
        if before != Some(number(threshold)) {
            self.0.touch();
        }
        Ok(())
    }

    fn role_mut(
        &mut self,
        role: &RoleName,
    ) -> Result<&mut std::collections::BTreeMap<String, Value>, DocumentError> {
        member_object(self.0.object_mut("roles")?, role.as_str())
    }
}
