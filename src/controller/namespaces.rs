//! [`Namespaces`]: the labels of namespaces, watched; read live where the watch does not have them yet.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::time::timeout;

use super::follow::follow;
use super::mirror::{Mirror, key};
use super::trouble::{Subject, chain};
use crate::clock::SharedClock;
use crate::policy::{Labels, LabelsError, LabelsFuture, NamespaceLabels};
use crate::telemetry::Metrics;

/// The longest that one live read takes (design §11, deadlines: a request).
const READ: Duration = Duration::from_secs(5);

/// The labels of the cluster's namespaces.
#[derive(Clone)]
pub struct Namespaces {
    client: Client,
    clock: SharedClock,
    // Held for a look-up or a swap, never across an await.
    labels: Arc<RwLock<BTreeMap<String, Arc<Labels>>>>,
    metrics: Metrics,
}

impl std::fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Namespaces")
    }
}

impl Namespaces {
    /// Empty: everything is read live until [`Self::watch`] has filled it.
    pub fn new(client: Client, clock: SharedClock) -> Self {
        Self { client, clock, labels: Arc::default(), metrics: Metrics::default() }
    }

    /// The same, which counts those that opted out.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Follows the cluster's namespaces; never returns.
    pub async fn watch(self) {
        let api = Api::<PartialObjectMeta<Namespace>>::all(self.client.clone());
        let subject = Subject {
            what: "namespaces".to_owned(),
            resource: "namespaces".to_owned(),
            meanwhile: "labels last seen hold; other namespaces are read one by one",
        };
        let mut events = std::pin::pin!(follow(api, watcher::Config::default(), subject, self.clock.clone()));
        let mut mirror = Mirror::default();
        let mut opted_out = 0_usize;
        while let Some(event) = events.next().await {
            let Ok(event) = event else { continue };
            let one = match &event {
                Event::Apply(namespace) | Event::Delete(namespace) => Some(key(namespace)),
                _ => None,
            };
            if !mirror.take(event, labels_of) {
                continue;
            }
            // What is counted, and what is let go, is no reader's to wait for: under the lock stands one change alone.
            let (before, now) = match one {
                Some(key) => {
                    let labels = mirror.objects().get(&key).cloned();
                    let now = count(labels.as_deref());
                    let before = self.change(|all| match labels {
                        Some(labels) => all.insert(key.1, labels),
                        None => all.remove(&key.1),
                    });
                    (count(before.as_deref()), now)
                }
                None => {
                    let listed = mirror.objects().iter();
                    let listed: BTreeMap<_, _> =
                        listed.map(|((_, name), labels)| (name.clone(), Arc::clone(labels))).collect();
                    let now = count(listed.values().map(|labels| &**labels));
                    drop(self.change(|all| std::mem::replace(all, listed)));
                    (opted_out, now)
                }
            };
            opted_out = (opted_out + now).saturating_sub(before);
            self.metrics.namespaces_opted_out(opted_out);
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<Labels>>) -> T) -> T {
        change(&mut self.labels.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl NamespaceLabels for Namespaces {
    fn cached(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.labels.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.labels.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn read<'a>(&'a self, namespace: &'a str) -> LabelsFuture<'a> {
        Box::pin(async move {
            let failed = |message: String| LabelsError { namespace: namespace.to_owned(), message };
            let api = Api::<Namespace>::all(self.client.clone());
            match timeout(READ, api.get_metadata_opt(namespace)).await {
                Ok(Ok(Some(namespace))) => Ok(labels_of(namespace)),
                Ok(Ok(None)) => Err(failed("there is no such namespace".to_owned())),
                Ok(Err(error)) => Err(failed(chain(&error))),
                Err(_) => Err(failed(format!("the API server did not answer within {} s", READ.as_secs()))),
            }
        })
    }
}

/// Whether the webhooks' selectors leave the namespace out by its own label (design §3).
fn has_opted_out(labels: &Labels) -> bool {
    labels.get("tagseal.dev/admission").is_some_and(|value| value == "ignore")
}

/// How many of these have.
fn count<'a>(labels: impl IntoIterator<Item = &'a Labels>) -> usize {
    labels.into_iter().filter(|labels| has_opted_out(labels)).count()
}

fn labels_of(namespace: PartialObjectMeta<Namespace>) -> Arc<Labels> {
    Arc::new(namespace.metadata.labels.unwrap_or_default())
}
