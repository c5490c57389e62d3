//! [`References`]: the config maps and secrets that policies name, watched one by one, so that no right to list all of
//! them is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Which object a policy names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ReferenceKey {
    pub(super) kind: ReferenceKind,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// Its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ReferenceKind {
    ConfigMap,
    Secret,
}

/// An object's entries; `None` where there is no such object.
pub(super) type Entries = Option<BTreeMap<String, Vec<u8>>>;

/// A change of one referenced object.
pub(super) type Change = (ReferenceKey, Entries);

/// The watches of referenced objects and what they have shown.
#[derive(Debug)]
pub(super) struct References {
    client: Client,
    changes: mpsc::Sender<Change>,
    watches: BTreeMap<ReferenceKey, AbortHandle>,
    seen: BTreeMap<ReferenceKey, Entries>,
}

impl References {
    /// No watches yet. Changes arrive at the receiver; hand each to [`Self::take`].
    pub(super) fn new(client: Client) -> (Self, mpsc::Receiver<Change>) {
        let (changes, receiver) = mpsc::channel(64);
        (Self { client, changes, watches: BTreeMap::new(), seen: BTreeMap::new() }, receiver)
    }

    /// Watches exactly these from now on.
    pub(super) fn watch(&mut self, wanted: &BTreeSet<ReferenceKey>) {
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
    pub(super) fn take(&mut self, (key, entries): Change) -> bool {
        let watched = self.watches.contains_key(&key);
        if watched {
            self.seen.insert(key, entries);
        }
        watched
    }

    /// Whether every watched object was read once.
    pub(super) fn is_synced(&self) -> bool {
        self.watches.keys().all(|key| self.seen.contains_key(key))
    }

    /// What is known of an object: `None` before it was read once.
    pub(super) fn entries(&self, key: &ReferenceKey) -> Option<&Entries> {
        self.seen.get(key)
    }

    fn start(&self, key: ReferenceKey) -> AbortHandle {
        let (client, changes) = (self.client.clone(), self.changes.clone());
        let task = match key.kind {
            ReferenceKind::ConfigMap => tokio::spawn(follow::<ConfigMap>(client, key, changes, config_map_entries)),
            ReferenceKind::Secret => tokio::spawn(follow::<Secret>(client, key, changes, secret_entries)),
        };
        task.abort_handle()
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
    key: ReferenceKey,
    changes: mpsc::Sender<Change>,
    entries: impl Fn(K) -> BTreeMap<String, Vec<u8>> + Send,
) where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default,
{
    let api = Api::<K>::namespaced(client, &key.namespace);
    let mut objects = std::pin::pin!(watcher::watch_object(api, &key.name).default_backoff());
    while let Some(object) = objects.next().await {
        match object {
            Ok(object) => {
                if changes.send((key.clone(), object.map(&entries))).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!(
                kind = ?key.kind, namespace = key.namespace, name = key.name, %error,
                "an object that a policy names cannot be watched; check that tagseal's ServiceAccount may get, list and watch it"
            ),
        }
    }
}

fn config_map_entries(object: ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let text = object.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binary = object.binary_data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value));
    text.chain(binary).collect()
}

fn secret_entries(object: Secret) -> BTreeMap<String, Vec<u8>> {
    object.data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value)).collect()
}
