//! [`PolicyWatch`]: from the cluster's policies to the set that the webhook asks.
//!
//! Policies are watched as raw objects and compiled from them, so that one that cannot be decoded denies what it could
//! match; it is never skipped.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Sleep, sleep};

use super::mirror::{self, Mirror, ObjectKey};
use super::references::{Change, References};
use super::status::{Objects, StatusWriter};
use crate::api::{ClusterTrustPolicy, TrustPolicy};
use crate::clock::SharedClock;
use crate::policy::{
    CompileContext, CompiledPolicy, PolicyId, PolicyKind, PolicySet, PolicySnapshot, SetOptions,
    UnknownFields, compile,
};

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

/// The watches of both policy kinds and of what they refer to, and the statuses that say what came of them.
pub struct PolicyWatch {
    options: PolicyWatchOptions,
    snapshots: watch::Sender<PolicySnapshot>,
    /// What the status writer works on: the newest alone, at its own pace.
    statuses: watch::Sender<Option<(Arc<PolicySet>, Objects)>>,
    writer: Arc<StatusWriter>,
    events: BoxStream<'static, (PolicyKind, Event<DynamicObject>)>,
    changes: mpsc::Receiver<Change>,
    references: References,
    cluster: Mirror<Value>,
    namespaced: Mirror<Value>,
}

impl PolicyWatch {
    /// Starts watching. Nothing is published before both kinds, and all that they refer to, were read once.
    pub fn new(
        client: Client,
        options: PolicyWatchOptions,
        snapshots: watch::Sender<PolicySnapshot>,
        clock: SharedClock,
    ) -> Self {
        let writer = Arc::new(StatusWriter::new(client.clone(), clock));
        let (statuses, _) = watch::channel(None);
        let kinds =
            [PolicyKind::Cluster, PolicyKind::Namespaced].map(|kind| events(client.clone(), kind).boxed());
        let (references, changes) = References::new(client);
        let (cluster, namespaced) = (Mirror::default(), Mirror::default());
        Self {
            options,
            snapshots,
            statuses,
            writer,
            events: futures::stream::select_all(kinds).boxed(),
            changes,
            references,
            cluster,
            namespaced,
        }
    }

    /// Follows the cluster; never returns.
    pub async fn run(self) {
        let statuses = write_statuses(Arc::clone(&self.writer), self.statuses.subscribe());
        tokio::join!(self.follow(), statuses);
    }

    async fn follow(mut self) {
        let mut due = None;
        loop {
            let changed = tokio::select! {
                Some((kind, event)) = self.events.next() => self.take(kind, event),
                Some(change) = self.changes.recv() => self.references.take(change),
                () = over(&mut due) => {
                    due = None;
                    self.publish();
                    false
                }
            };
            if changed {
                due.get_or_insert_with(|| Box::pin(sleep(SETTLE)));
            }
        }
    }

    /// Takes one event; says whether a policy may have changed. What tagseal itself wrote is no such change.
    fn take(&mut self, kind: PolicyKind, event: Event<DynamicObject>) -> bool {
        let mirror = self.mirror(kind);
        let same_spec = match &event {
            Event::Apply(object) => {
                let before = mirror.objects().get(&mirror::key(object));
                before.is_some_and(|before| before.get("spec") == object.data.get("spec"))
            }
            _ => false,
        };
        mirror.take(event, |object| raw(kind, object)) && !same_spec
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
        let set = Arc::new(set);
        self.snapshots.send_replace(PolicySnapshot::Synced(Arc::clone(&set)));
        self.statuses.send_replace(Some((set, self.objects())));
    }

    fn objects(&self) -> Objects {
        let both = self.cluster.objects().iter().chain(self.namespaced.objects());
        let id = |(namespace, name): &ObjectKey| PolicyId {
            namespace: Some(namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: name.clone(),
        };
        both.map(|(key, object)| (id(key), object.clone())).collect()
    }

    fn compile(&self) -> Vec<Arc<CompiledPolicy>> {
        let context = CompileContext {
            system_namespace: &self.options.system_namespace,
            objects: &self.references,
            unknown_fields: UnknownFields::Warn,
        };
        let of = |kind, mirror: &Mirror<Value>| {
            mirror
                .objects()
                .values()
                .map(|object| Arc::new(compile(kind, object, &context)))
                .collect::<Vec<_>>()
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

/// Writes the statuses of each set that is published; while it writes, only the newest one waits.
async fn write_statuses(
    writer: Arc<StatusWriter>,
    mut statuses: watch::Receiver<Option<(Arc<PolicySet>, Objects)>>,
) {
    while statuses.changed().await.is_ok() {
        let newest = statuses.borrow_and_update().clone();
        if let Some((set, objects)) = newest {
            writer.write(&set, &objects).await;
        }
    }
}

async fn over(due: &mut Option<Pin<Box<Sleep>>>) {
    match due {
        Some(due) => due.await,
        None => std::future::pending().await,
    }
}

/// How the API server names a kind of policy.
pub(super) fn resource(kind: PolicyKind) -> ApiResource {
    match kind {
        PolicyKind::Cluster => ApiResource::erase::<ClusterTrustPolicy>(&()),
        PolicyKind::Namespaced => ApiResource::erase::<TrustPolicy>(&()),
    }
}

fn events(client: Client, kind: PolicyKind) -> impl Stream<Item = (PolicyKind, Event<DynamicObject>)> + Send {
    let api = Api::<DynamicObject>::all_with(client, &resource(kind));
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
