//! [`References`]: the config maps and secrets that policies name, watched one by one, so that no right to list all of
//! them is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::policy::{LookupError, ObjectKind, ObjectRef, ReferencedObjects};

/// What was last seen of an object: its entries, `None` where there is no such object, or why it cannot be read.
pub(super) type Seen = Result<Option<Entries>, String>;

/// A change of one referenced object.
pub(super) type Change = (ObjectRef, Seen);

type Entries = BTreeMap<String, Vec<u8>>;

/// The watches of referenced objects and what they have shown.
pub(super) struct References {
    client: Client,
    changes: mpsc::Sender<Change>,
    watches: BTreeMap<ObjectRef, AbortHandle>,
    seen: BTreeMap<ObjectRef, Seen>,
}

impl References {
    /// No watches yet. Changes arrive at the receiver; hand each to [`Self::take`].
    pub(super) fn new(client: Client) -> (Self, mpsc::Receiver<Change>) {
        let (changes, receiver) = mpsc::channel(64);
        (Self { client, changes, watches: BTreeMap::new(), seen: BTreeMap::new() }, receiver)
    }

    /// Watches exactly these from now on.
    pub(super) fn watch(&mut self, wanted: &BTreeSet<ObjectRef>) {
        self.watches.retain(|key, watch| {
            let keep = wanted.contains(key);
            if !keep {
                watch.abort();
            }
            keep
        });
        self.seen.retain(|key, _| wanted.contains(key));
        for key in wanted {
            if !self.watches.contains_key(key) {
                let watch = self.start(key.clone());
                self.watches.insert(key.clone(), watch);
            }
        }
    }

    /// Takes a change; says whether it is of an object that is still watched.
    pub(super) fn take(&mut self, (key, seen): Change) -> bool {
        if !self.watches.contains_key(&key) {
            return false;
        }
        // A watch that stumbles says nothing about an object that was read before.
        if seen.is_err() && matches!(self.seen.get(&key), Some(Ok(_))) {
            return false;
        }
        self.seen.insert(key, seen);
        true
    }

    /// Whether every watched object was read once.
    pub(super) fn is_synced(&self) -> bool {
        self.watches.keys().all(|key| self.seen.contains_key(key))
    }

    fn object(&self, kind: ObjectKind, namespace: &str, name: &str) -> Result<&Entries, LookupError> {
        let object = ObjectRef { kind, namespace: namespace.to_owned(), name: name.to_owned() };
        match self.seen.get(&object) {
            Some(Ok(Some(entries))) => Ok(entries),
            Some(Ok(None)) => Err(LookupError::NoObject(object)),
            Some(Err(message)) => Err(LookupError::Unreadable { object, message: message.clone() }),
            None => Err(LookupError::Unreadable { object, message: "it was not read yet".to_owned() }),
        }
    }

    fn start(&self, key: ObjectRef) -> AbortHandle {
        let (client, changes) = (self.client.clone(), self.changes.clone());
        let task = match key.kind {
            ObjectKind::ConfigMap => {
                tokio::spawn(follow::<ConfigMap>(client, key, changes, config_map_entries))
            }
            ObjectKind::Secret => tokio::spawn(follow::<Secret>(client, key, changes, secret_entries)),
        };
        task.abort_handle()
    }
}

impl ReferencedObjects for References {
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        let entries = self.object(ObjectKind::ConfigMap, namespace, name)?;
        let object = || ObjectRef {
            kind: ObjectKind::ConfigMap,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let bytes =
            entries.get(key).ok_or_else(|| LookupError::NoKey { object: object(), key: key.to_owned() })?;
        let text = std::str::from_utf8(bytes).map_err(|_| LookupError::Unreadable {
            object: object(),
            message: format!("the value of {key:?} is not UTF-8"),
        })?;
        Ok(text.into())
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        self.object(ObjectKind::Secret, namespace, name).map(|_| ())
    }
}

impl Drop for References {
    fn drop(&mut self) {
        for watch in self.watches.values() {
            watch.abort();
        }
    }
}

async fn follow<K>(
    client: Client,
    key: ObjectRef,
    changes: mpsc::Sender<Change>,
    entries: impl Fn(K) -> Entries + Send,
) where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static,
    K::DynamicType: Default,
{
    let api = Api::<K>::namespaced(client, &key.namespace);
    let mut objects = std::pin::pin!(watcher::watch_object(api, &key.name).default_backoff());
    while let Some(object) = objects.next().await {
        let seen = match object {
            Ok(object) => Ok(object.map(&entries)),
            Err(error) => {
                tracing::warn!(object = %key, %error, "an object that a policy names cannot be watched");
                Err(format!("{error}; may tagseal's ServiceAccount get, list and watch it?"))
            }
        };
        if changes.send((key.clone(), seen)).await.is_err() {
            return;
        }
    }
}

fn config_map_entries(object: ConfigMap) -> Entries {
    let text = object.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binary =
        object.binary_data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value));
    text.chain(binary).collect()
}

fn secret_entries(object: Secret) -> Entries {
    object.data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value)).collect()
}
