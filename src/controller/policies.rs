//! [`PolicyWatch`]: from the cluster's policies to the set that the webhook asks.
//!
//! Policies are watched as raw objects and compiled from them, so that one that cannot be decoded denies what it could
//! match; it is never skipped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::mirror::Mirror;
use super::references::{Change, References};
use crate::policy::{CompileContext, CompiledPolicy, PolicyKind, PolicySet, PolicySnapshot, SetOptions, UnknownFields, compile};

/// How long after a change the set is built anew: many changes at once make one set.
const SETTLE: Duration = Duration::from_millis(20);

/// What the cluster's policies are compiled with.
#[derive(Debug, Clone)]
pub struct PolicyWatchOptions {
    /// tagseal's own namespace, where the references of cluster policies are looked up.
    pub system_namespace: String,
    /// Unmatched images, and the servers that namespaced policies may name.
    pub set: SetOptions,
}

/// The watches of both policy kinds and of what they refer to.
pub struct PolicyWatch {
    options: PolicyWatchOptions,
    snapshots: watch::Sender<PolicySnapshot>,
    events: BoxStream<'static, (PolicyKind, Event<DynamicObject>)>,
    changes: mpsc::Receiver<Change>,
    references: References,
    cluster: Mirror<Value>,
    namespaced: Mirror<Value>,
}

impl PolicyWatch {
    /// Starts watching. Nothing is published before both kinds, and all that they refer to, were read once.
    pub fn new(client: Client, options: PolicyWatchOptions, snapshots: watch::Sender<PolicySnapshot>) -> Self {
        let kinds = [PolicyKind::Cluster, PolicyKind::Namespaced].map(|kind| events(client.clone(), kind).boxed());
        let (references, changes) = References::new(client);
        let (cluster, namespaced) = (Mirror::default(), Mirror::default());
        Self { options, snapshots, events: futures::stream::select_all(kinds).boxed(), changes, references, cluster, namespaced }
    }

    /// Follows the cluster; never returns.
    pub async fn run(mut self) {
        let mut due = None;
        loop {
            let changed = tokio::select! {
                Some((kind, event)) = self.events.next() => self.mirror(kind).take(event, |object| raw(kind, object)),
                Some(change) = self.changes.recv() => self.references.take(change),
                () = at(due) => {
                    due = None;
                    self.publish();
                    false
                }
            };
            if changed {
                due = due.or_else(|| Some(Instant::now() + SETTLE));
            }
        }
    }

    fn mirror(&mut self, kind: PolicyKind) -> &mut Mirror<Value> {
        match kind {
            PolicyKind::Cluster => &mut self.cluster,
            PolicyKind::Namespaced => &mut self.namespaced,
        }
    }

    /// Builds the set and publishes it, unless something that it needs was never read: then its arrival calls again.
    fn publish(&mut self) {
        if !(self.cluster.is_synced() && self.namespaced.is_synced()) {
            return;
        }
        let compiled = self.compile();
        let wanted: BTreeSet<_> = compiled.iter().flat_map(|policy| policy.references()).cloned().collect();
        self.references.watch(&wanted);
        if !self.references.is_synced() {
            return;
        }
        let set = PolicySet::new(compiled, self.options.set.clone());
        report(&set);
        self.snapshots.send_replace(PolicySnapshot::Synced(Arc::new(set)));
    }

    fn compile(&self) -> Vec<Arc<CompiledPolicy>> {
        let context = CompileContext {
            system_namespace: &self.options.system_namespace,
            objects: &self.references,
            unknown_fields: UnknownFields::Warn,
        };
        let of = |kind, mirror: &Mirror<Value>| {
            mirror.objects().values().map(|object| Arc::new(compile(kind, object, &context))).collect::<Vec<_>>()
        };
        let mut compiled = of(PolicyKind::Cluster, &self.cluster);
        compiled.extend(of(PolicyKind::Namespaced, &self.namespaced));
        compiled
    }
}

/// Says once per set what is wrong with its policies.
fn report(set: &PolicySet) {
    let mut count = 0;
    for (policy, errors) in set.policies() {
        count += 1;
        for error in errors {
            tracing::warn!(policy = %policy.id(), field = error.field, error = error.message, "invalid policy: it denies what it could match");
        }
        for warning in policy.warnings() {
            tracing::warn!(policy = %policy.id(), warning, "policy");
        }
    }
    tracing::info!(policies = count, "policies synced");
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn events(client: Client, kind: PolicyKind) -> impl Stream<Item = (PolicyKind, Event<DynamicObject>)> + Send {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("tagseal.dev", "v1alpha1", kind.as_str()));
    let resource = ApiResource { plural: plural(kind).to_owned(), ..resource };
    let api = Api::<DynamicObject>::all_with(client, &resource);
    watcher(api, watcher::Config::default()).default_backoff().filter_map(move |event| async move {
        event
            .inspect_err(|error| {
                tracing::warn!(
                    %kind, %error,
                    "policies cannot be watched; are the CRDs installed, and may tagseal's ServiceAccount list and watch them?"
                );
            })
            .ok()
            .map(|event| (kind, event))
    })
}

const fn plural(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Cluster => "clustertrustpolicies",
        PolicyKind::Namespaced => "trustpolicies",
    }
}

/// The object as the API server has it, kind included: a list's items have none of their own.
fn raw(kind: PolicyKind, object: DynamicObject) -> Value {
    let mut value = object.data;
    if !value.is_object() {
        value = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(fields) = &mut value {
        fields.insert("apiVersion".to_owned(), "tagseal.dev/v1alpha1".into());
        fields.insert("kind".to_owned(), kind.as_str().into());
        fields.insert("metadata".to_owned(), serde_json::to_value(object.metadata).unwrap_or_default());
    }
    value
}
