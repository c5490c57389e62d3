//! [`Root`]: which keys sign the base roles.

mod changes;
mod holders;

use jiff::Timestamp;

use super::{
    Document, DocumentError, Keyring, ListedKey, member_array, member_object, number, role_value, shape,
};
use crate::publish::key::PublicForm;
use crate::tuf::canonical::Value;
use crate::tuf::{CertificateChain, KeyId, PublicKey, RoleName};

/// Ten years.
const DAYS: i32 = 3650;

/// A root that is being edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::publish) struct Root(pub(in crate::publish) Document);

/// The keys of a new repository.
#[derive(Debug)]
pub(in crate::publish) struct BaseKeys<'a> {
    pub(in crate::publish) root: &'a PublicForm,
    pub(in crate::publish) targets: &'a PublicForm,
    pub(in crate::publish) snapshot: &'a PublicForm,
    pub(in crate::publish) timestamp: &'a PublicForm,
}

impl Root {
    /// The root of a new repository; every role has one key.
    pub(in crate::publish) fn new(keys: &BaseKeys<'_>) -> Result<Self, DocumentError> {
        let empty = || Value::Object(Default::default());
        let members = [("consistent_snapshot", Value::Bool(false)), ("keys", empty()), ("roles", empty())];
        let mut root = Self(Document::new("Root", members));
        let all = [
            (RoleName::root(), keys.root),
            (RoleName::targets(), keys.targets),
            (RoleName::snapshot(), keys.snapshot),
            (RoleName::timestamp(), keys.timestamp),
        ];
        for (role, key) in all {
            root.replace_key(&role, key)?;
        }
        Ok(root)
    }

    /// Reads a verified file.
    pub(in crate::publish) fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        Document::read(bytes).map(Self)
    }

    /// The keys of a base role.
    pub(in crate::publish) fn keyring(&self, role: &RoleName) -> Keyring {
        let role = self.0.object("roles").and_then(|roles| roles.get(role.as_str()));
        Keyring::read(role.unwrap_or(&Value::Null), self.0.object("keys"))
    }

    /// Makes `key` the one key of a base role; the threshold stays. Old root certificates stay in `keys`, as notary leaves
    /// them; other keys that no role lists any more go.
    pub(in crate::publish) fn replace_key(
        &mut self,
        role: &RoleName,
        key: &PublicForm,
    ) -> Result<(), DocumentError> {
        let id = key.id().to_string();
        self.0.object_mut("keys")?.insert(id.clone(), key.to_value());
        let roles = self.0.object_mut("roles")?;
        let old = match roles.get_mut(role.as_str()) {
            Some(Value::Object(entry)) => {
                entry.insert("keyids".to_owned(), Value::Array(vec![Value::String(id)]))
            }
            None => roles.insert(role.as_str().to_owned(), role_value(&[key], 1)),
            Some(_) => return Err(shape(format!("its role {role} is not an object"))),
        };
        self.0.touch();
        if *role != RoleName::root() {
            let old = old.as_ref().and_then(Value::as_array).unwrap_or_default();
            let old = old.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect::<Vec<_>>();
            self.drop_unlisted(&old)?;
        }
        Ok(())
    }

    fn drop_unlisted(&mut self, ids: &[String]) -> Result<(), DocumentError> {
        let roles = self.0.object_mut("roles")?.clone();
        let listed = |id: &String| {
            roles
                .values()
                .filter_map(|role| role.get("keyids")?.as_array())
                .flatten()
                .any(|listed| listed.as_str() == Some(id))
        };
        let unlisted: Vec<&String> = ids.iter().filter(|id| !listed(id)).collect();
        let keys = self.0.object_mut("keys")?;
        unlisted.into_iter().for_each(|id| drop(keys.remove(id)));
        Ok(())
    }

    /// Whether the certificate of a root key has expired.
    pub(in crate::publish) fn has_expired_certificate(&self, now: Timestamp) -> bool {
        !self.certificates_that_end_before(now).is_empty()
    }

    /// The root keys whose certificates end before `time`.
    pub(in crate::publish) fn certificates_that_end_before(&self, time: Timestamp) -> Vec<ListedKey> {
        let not_after = |listed: &ListedKey| {
            let key = self.0.object("keys")?.get(&listed.id.to_string())?;
            let public = key.get("keyval")?.get("public")?.as_str()?;
            let key = PublicKey::from_metadata(key.get("keytype")?.as_str()?, public).ok()?;
            key.certificate().map(CertificateChain::not_after)
        };
        let keys = self.keyring(&RoleName::root()).keys.into_iter();
        keys.filter(|key| not_after(key).is_some_and(|not_after| not_after < time)).collect()
    }

    /// Lists a root key by another certificate.
    pub(in crate::publish) fn replace_certificate(
        &mut self,
        old: KeyId,
        certificate: &PublicForm,
    ) -> Result<(), DocumentError> {
        let (old, new) = (old.to_string(), certificate.id().to_string());
        self.0.object_mut("keys")?.insert(new.clone(), certificate.to_value());
        let root = member_object(self.0.object_mut("roles")?, "root")?;
        let ids = member_array(root, "keyids")?;
        ids.iter_mut().filter(|id| id.as_str() == Some(&old)).for_each(|id| *id = Value::String(new.clone()));
        self.0.touch();
        Ok(())
    }

    /// Lists the root keys, and the threshold, that `other` has.
    pub(in crate::publish) fn take_root_keys(&mut self, other: &Self) -> Result<(), DocumentError> {
        let theirs = other.0.object("roles").and_then(|roles| roles.get("root")).cloned();
        let theirs = theirs.ok_or_else(|| shape("it has no role root"))?;
        let ids = theirs.get("keyids").and_then(Value::as_array).unwrap_or_default();
        let listed = ids
            .iter()
            .filter_map(Value::as_str)
            .filter_map(|id| Some((id.to_owned(), other.0.object("keys")?.get(id)?.clone())));
        self.0.object_mut("keys")?.extend(listed.collect::<Vec<_>>());
        self.0.object_mut("roles")?.insert("root".to_owned(), theirs);
        self.0.touch();
        Ok(())
    }

    /// Makes it this version, whatever it was, for ten years.
    pub(in crate::publish) fn number(&mut self, version: u64, now: Timestamp) -> Result<(), DocumentError> {
        self.0.signed.insert("version".to_owned(), number(0));
        self.0.renew(version.saturating_sub(1), now, DAYS)
    }

    /// The next version, for ten years.
    pub(in crate::publish) fn renew(&mut self, now: Timestamp) -> Result<(), DocumentError> {
        self.0.renew(0, now, DAYS)
    }
}
