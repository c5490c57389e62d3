//! [`Namespaces`]: the labels of namespaces, watched; read live where the watch does not have them yet.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};

use super::mirror::Mirror;
use crate::policy::{Labels, LabelsError, LabelsFuture, NamespaceLabels};

/// The labels of the cluster's namespaces.
#[derive(Clone)]
pub struct Namespaces {
    client: Client,
    // Held for a look-up or a swap, never across an await.
    labels: Arc<RwLock<BTreeMap<String, Arc<Labels>>>>,
}

impl std::fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Namespaces")
    }
}

impl Namespaces {
    /// Empty: everything is read live until [`Self::watch`] has filled it.
    pub fn new(client: Client) -> Self {
        Self { client, labels: Arc::default() }
    }

    /// Follows the cluster's namespaces; never returns.
    pub async fn watch(self) {
        let api = Api::<PartialObjectMeta<Namespace>>::all(self.client.clone());
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        let mut mirror = Mirror::default();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if mirror.take(event, labels_of) {
                        let labels = mirror
                            .objects()
                            .iter()
                            .map(|((_, name), labels)| (name.clone(), Arc::clone(labels)));
                        *self.labels.write().unwrap_or_else(PoisonError::into_inner) = labels.collect();
                    }
                }
                Err(error) => tracing::warn!(
                    %error,
                    "namespaces cannot be watched, so they are read one by one; may tagseal's ServiceAccount list and watch them?"
                ),
            }
        }
    }
}

impl NamespaceLabels for Namespaces {
    fn cached(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.labels.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned()
    }

    fn read<'a>(&'a self, namespace: &'a str) -> LabelsFuture<'a> {
        Box::pin(async move {
            let failed = |message: String| LabelsError { namespace: namespace.to_owned(), message };
            let object = Api::<Namespace>::all(self.client.clone())
                .get_metadata_opt(namespace)
                .await
                .map_err(|error| failed(error.to_string()))?
                .ok_or_else(|| failed("there is no such namespace".to_owned()))?;
            Ok(labels_of(object))
        })
    }
}

fn labels_of(namespace: PartialObjectMeta<Namespace>) -> Arc<Labels> {
    Arc::new(namespace.metadata.labels.unwrap_or_default())
}
