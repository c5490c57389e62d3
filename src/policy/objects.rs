//! [`ReferencedObjects`]: how a policy reaches the config maps and secrets that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::Entries;

/// The kind of an object that a policy refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// `v1` `ConfigMap`
    ConfigMap,
    /// `v1` `Secret`
    Secret,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        })
    }
}

/// An object that a policy refers to: when it changes, the policy is compiled anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace: the policy's own, tagseal's for a cluster policy (design §2).
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Why an object cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such object.
    #[error("{0} does not exist")]
    NoObject(ObjectRef),
    /// The object has no such key.
    #[error("{object} has no key {key:?}")]
    NoKey {
        /// The object.
        object: ObjectRef,
        /// The key that it lacks.
        key: String,
    },
    /// It may exist, but could not be read.
    #[error("{object} could not be read: {message}")]
    Unreadable {
        /// The object.
        object: ObjectRef,
        /// Why.
        message: String,
    },
}

/// Config maps and secrets by name; implemented by the controller (over its watches) and by [`FileObjects`].
pub trait ReferencedObjects {
    /// The text under `key` of a config map.
    ///
    /// # Errors
    /// [`LookupError`], which breaks the policy that asked.
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError>;

    /// Whether a secret is there. What is in it never reaches a policy.
    ///
    /// # Errors
    /// [`LookupError`], which breaks the policy that asked.
    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError>;
}

/// The objects that policies name, each as it was read once; what was not read is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadObjects(pub BTreeMap<ObjectRef, Entries>);

impl ReadObjects {
    fn entries(&self, object: &ObjectRef) -> Result<&Entries, LookupError> {
        self.0.get(object).ok_or_else(|| LookupError::NoObject(object.clone()))
    }
}

impl ReferencedObjects for ReadObjects {
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        let config_map = object(ObjectKind::ConfigMap, namespace, name);
        text_of(self.entries(&config_map)?, &config_map, key)
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        self.entries(&object(ObjectKind::Secret, namespace, name)).map(drop)
    }
}

/// The text under `key` of `object`, which has these entries.
///
/// # Errors
/// [`LookupError`] where there is no such key, or no text under it.
pub fn text_of(entries: &Entries, object: &ObjectRef, key: &str) -> Result<Arc<str>, LookupError> {
    let object = object.clone();
    let Some(bytes) = entries.get(key) else {
        return Err(LookupError::NoKey { object, key: key.to_owned() });
    };
    let message = || format!("the value of {key:?} is not UTF-8");
    let text = std::str::from_utf8(bytes);
    text.map(Arc::from).map_err(|_| LookupError::Unreadable { object, message: message() })
}

/// One source of objects, and another that is asked about what the first does not have.
#[derive(Clone, Copy)]
pub struct Either<'a>(pub &'a dyn ReferencedObjects, pub &'a dyn ReferencedObjects);

impl ReferencedObjects for Either<'_> {
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        match self.0.config_map_key(namespace, name, key) {
            Err(LookupError::NoObject(_)) => self.1.config_map_key(namespace, name, key),
            found => found,
        }
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        match self.0.secret(namespace, name) {
            Err(LookupError::NoObject(_)) => self.1.secret(namespace, name),
            found => found,
        }
    }
}

/// No objects at all: every reference is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObjects;

impl ReferencedObjects for NoObjects {
    fn config_map_key(&self, namespace: &str, name: &str, _key: &str) -> Result<Arc<str>, LookupError> {
        Err(LookupError::NoObject(object(ObjectKind::ConfigMap, namespace, name)))
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        Err(LookupError::NoObject(object(ObjectKind::Secret, namespace, name)))
    }
}

/// The config maps and secrets that stand beside policies in files. Objects without a namespace answer for any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileObjects {
    config_maps: BTreeMap<(Option<String>, String), BTreeMap<String, Arc<str>>>,
    secrets: BTreeSet<(Option<String>, String)>,
}

impl FileObjects {
    /// Adds a config map.
    pub fn add_config_map(&mut self, namespace: Option<&str>, name: &str, data: BTreeMap<String, Arc<str>>) {
        self.config_maps.insert((namespace.map(str::to_owned), name.to_owned()), data);
    }

    /// Adds a secret, by its name alone.
    pub fn add_secret(&mut self, namespace: Option<&str>, name: &str) {
        self.secrets.insert((namespace.map(str::to_owned), name.to_owned()));
    }

    /// Takes over what another file had.
    pub fn extend(&mut self, other: Self) {
        self.config_maps.extend(other.config_maps);
        self.secrets.extend(other.secrets);
    }
}

impl ReferencedObjects for FileObjects {
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        let find =
            |namespace: Option<&str>| self.config_maps.get(&(namespace.map(str::to_owned), name.to_owned()));
        let missing = object(ObjectKind::ConfigMap, namespace, name);
        let Some(data) = find(Some(namespace)).or_else(|| find(None)) else {
            return Err(LookupError::NoObject(missing));
        };
        data.get(key).cloned().ok_or_else(|| LookupError::NoKey { object: missing, key: key.to_owned() })
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        let has =
            |namespace: Option<&str>| self.secrets.contains(&(namespace.map(str::to_owned), name.to_owned()));
        if has(Some(namespace)) || has(None) {
            return Ok(());
        }
        Err(LookupError::NoObject(object(ObjectKind::Secret, namespace, name)))
    }
}

fn object(kind: ObjectKind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}
