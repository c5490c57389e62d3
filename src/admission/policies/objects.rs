//! What a policy refers to, while it is judged: what it promises to be there, and what is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::{Entries, LiveError, LookupError, ObjectKind, ObjectRef, ReferencedObjects, text_of};

/// Every object is there, and is what it should be: what is still wrong then is wrong with the policy itself.
#[derive(Debug, Clone, Copy)]
pub struct Promised;

impl ReferencedObjects for Promised {
    fn config_map_key(&self, _: &str, _: &str, _: &str) -> Result<Arc<str>, LookupError> {
        Ok("-----BEGIN CERTIFICATE-----".into())
    }

    fn secret(&self, _: &str, _: &str) -> Result<(), LookupError> {
        Ok(())
    }
}

/// The objects as the cluster shows them. One that it has no answer about is promised: no warning is better than a
/// false one.
#[derive(Debug, Default)]
pub struct Shown(pub BTreeMap<ObjectRef, Result<Option<Entries>, LiveError>>);

impl Shown {
    fn object(&self, object: &ObjectRef) -> Option<Result<&Entries, LookupError>> {
        match self.0.get(object)? {
            Ok(Some(entries)) => Some(Ok(entries)),
            Ok(None) => Some(Err(LookupError::NoObject(object.clone()))),
            Err(error) => error.is_answer.then(|| {
                Err(LookupError::Unreadable { object: object.clone(), message: error.message.clone() })
            }),
        }
    }
}

impl ReferencedObjects for Shown {
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        let object = reference(ObjectKind::ConfigMap, namespace, name);
        let Some(entries) = self.object(&object) else {
            return Promised.config_map_key(namespace, name, key);
        };
        text_of(entries?, &object, key)
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        match self.object(&reference(ObjectKind::Secret, namespace, name)) {
            Some(entries) => entries.map(drop),
            None => Promised.secret(namespace, name),
        }
    }
}

fn reference(kind: ObjectKind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}
