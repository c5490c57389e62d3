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
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::compiler::Compiler;
use super::events::Events;
use super::exemptions::{
    ExemptionCompiler, ExemptionReport, ExemptionStatuses, ExemptionUses, WatchedExemption,
};
use super::follow::follow;
use super::in_force::Enforcement;
use super::leader::Leadership;
use super::mirror::{self, Mirror};
use super::references::References;
use super::report::Report;
use super::status::{PolicyStatuses, StatusWriter};
use super::trouble::{Failure, Subject};
use super::trust_data::TrustData;
use super::watched::Watched;
use crate::api::{ClusterTrustPolicy, TrustExemption, TrustPolicy};
use crate::clock::SharedClock;
use crate::policy::{CompiledPolicy, PolicyKind, PolicySet, PolicySnapshot, SetOptions};
use crate::telemetry::Heartbeat;

/// How long after a change the set is built anew: many changes at once make one set.
const SETTLE: Duration = Duration::from_millis(20);

/// What the cluster's policies are compiled with.
#[derive(Debug, Clone)]
pub struct PolicyWatchOptions {
    /// tagseal's own namespace, where the references of cluster policies are looked up.
    pub system_namespace: String,
    /// Unmatched images, and the servers that namespaced policies may name.
    pub set: SetOptions,
    /// How long a set waits for objects that policies name and that were never read. Then those policies are invalid, and
    /// the others go on: no policy holds up another for longer.
    pub patience: Duration,
}

/// A set and the objects that it was compiled from, for status.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) set: Arc<PolicySet>,
    pub(super) objects: Vec<Arc<Watched>>,
    pub(super) exemptions: Vec<Arc<WatchedExemption>>,
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Policy(PolicyKind),
    Exemption,
}

/// The watches of both policy kinds, of what they refer to, and of exemptions.
///
/// Once a set was published there is always one: when the API server goes away, the last one stays.
pub struct PolicyWatch {
    options: PolicyWatchOptions,
    snapshots: watch::Sender<PolicySnapshot>,
    /// What the status writer works on: the newest alone, at its own pace.
    published: watch::Sender<Option<Published>>,
    writer: StatusWriter,
    events: BoxStream<'static, (Kind, Result<Event<DynamicObject>, Failure>)>,
    cluster: Mirror<Arc<Watched>>,
    namespaced: Mirror<Arc<Watched>>,
    exemptions: Mirror<Arc<WatchedExemption>>,
    /// Policies hold without exemptions where these cannot be read in time.
    exemptions_given_up: bool,
    references: References,
    compiler: Compiler,
    exemption_compiler: ExemptionCompiler,
    report: Report,
    exemption_report: ExemptionReport,
    heartbeat: Heartbeat,
}

impl PolicyWatch {
    /// Watches `client`'s cluster once it runs. Nothing is published before both kinds, and all that they refer to, were
    /// read once.
    pub fn new(
        client: Client,
        options: PolicyWatchOptions,
        snapshots: watch::Sender<PolicySnapshot>,
        clock: SharedClock,
    ) -> Self {
        let kinds =
            [Kind::Policy(PolicyKind::Cluster), Kind::Policy(PolicyKind::Namespaced), Kind::Exemption]
                .map(|kind| events(client.clone(), kind, clock.clone()).boxed());
        let references = References::new(client.clone(), clock.clone());
        Self {
            options,
            snapshots,
            published: watch::channel(None).0,
            writer: StatusWriter {
                client,
                clock,
                leadership: Leadership::always(),
                events: Events::nowhere(),
                enforcement: watch::channel(None).1,
            },
            events: futures::stream::select_all(kinds).boxed(),
            cluster: Mirror::default(),
            namespaced: Mirror::default(),
            exemptions: Mirror::default(),
            exemptions_given_up: false,
            references,
            compiler: Compiler::default(),
            exemption_compiler: ExemptionCompiler::default(),
            report: Report::default(),
            exemption_report: ExemptionReport::default(),
            heartbeat: Heartbeat::default(),
        }
    }

    /// The same, which beats as long as it goes on.
    #[must_use]
    pub fn beating(mut self, heartbeat: Heartbeat) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// The same, whose statuses are written, and told of in Events, only while `leadership` is this replica's.
    #[must_use]
    pub fn led_by(mut self, leadership: Leadership, events: Events) -> Self {
        (self.writer.leadership, self.writer.events) = (leadership, events);
        self
    }

    /// The same, whose statuses say what is in force.
    #[must_use]
    pub fn enforced_by(mut self, enforcement: watch::Receiver<Option<Arc<Enforcement>>>) -> Self {
        self.writer.enforcement = enforcement;
        self
    }

    /// What writes the statuses of what this publishes. `trust` is what they say of trust data.
    pub fn statuses(&self, trust: Arc<dyn TrustData>) -> PolicyStatuses {
        let (writer, published) = (self.writer.clone(), self.published.subscribe());
        PolicyStatuses { writer, published, trust, pull_secrets: None }
    }

    /// What writes the statuses of exemptions, and how often they were used.
    pub fn exemption_statuses(&self, uses: ExemptionUses) -> ExemptionStatuses {
        let StatusWriter { client, clock, leadership, events, .. } = self.writer.clone();
        let published = self.published.subscribe();
        ExemptionStatuses { client, clock, leadership, events, published, uses }
    }

    /// Follows the cluster; never returns.
    pub async fn run(mut self) {
        let mut due = None;
        let mut patience = None;
        let mut statuses = None;
        loop {
            self.heartbeat.beat();
            let changed = tokio::select! {
                Some((kind, event)) = self.events.next() => {
                    let changed = event.is_ok_and(|event| self.take(kind, event));
                    if !changed {
                        statuses.get_or_insert_with(|| Box::pin(sleep(SETTLE)));
                    }
                    changed
                }
                Some(change) = self.references.next() => {
                    let object = change.0.clone();
                    let changed = self.references.take(change);
                    if changed {
                        self.compiler.forget(&object);
                    }
                    changed
                }
                () = over(&mut due) => {
                    due = None;
                    self.publish(false);
                    false
                }
                () = over(&mut statuses) => {
                    statuses = None;
                    self.show_statuses();
                    false
                }
                () = over(&mut patience) => {
                    self.publish(true);
                    false
                }
                () = sleep(Heartbeat::EVERY) => false,
            };
            if changed {
                due.get_or_insert_with(|| Box::pin(sleep(SETTLE)));
            }
            if !self.waits() {
                patience = None;
            } else if patience.is_none() {
                patience = Some(Box::pin(sleep(self.options.patience)));
            }
        }
    }

    /// Whether something is awaited that a set can be built without.
    fn waits(&self) -> bool {
        let awaits_exemptions = !(self.exemptions.is_synced() || self.exemptions_given_up);
        self.has_policies() && (self.references.are_awaited() || awaits_exemptions)
    }

    /// Whether both kinds of policies were read once.
    fn has_policies(&self) -> bool {
        self.cluster.is_synced() && self.namespaced.is_synced()
    }

    /// Takes one event; says whether a policy or an exemption may have changed. What is written into a status is no such
    /// change.
    fn take(&mut self, kind: Kind, event: Event<DynamicObject>) -> bool {
        let (kind, mirror) = match kind {
            Kind::Policy(kind @ PolicyKind::Cluster) => (kind, &mut self.cluster),
            Kind::Policy(kind @ PolicyKind::Namespaced) => (kind, &mut self.namespaced),
            Kind::Exemption => return self.take_exemption(event),
        };
        let same = matches!(&event, Event::Apply(object)
            if mirror.objects().get(&mirror::key(object)).is_some_and(|before| before.has_spec_of(object)));
        mirror.take(event, |object| Arc::new(Watched::new(kind, object))) && !same
    }

    fn take_exemption(&mut self, event: Event<DynamicObject>) -> bool {
        let same = matches!(&event, Event::Apply(object)
            if self.exemptions.objects().get(&mirror::key(object)).is_some_and(|before| before.has_spec_of(object)));
        self.exemptions.take(event, |object| Arc::new(WatchedExemption::new(object))) && !same
    }

    /// Builds the set and publishes it, unless something that it needs was never read and `patience_is_over` is false.
    fn publish(&mut self, patience_is_over: bool) {
        if !self.has_policies() {
            return;
        }
        let compiled = self.compile();
        let wanted: BTreeSet<_> = compiled.iter().flat_map(|policy| policy.references()).cloned().collect();
        self.references.watch(&wanted);
        if patience_is_over {
            self.references.give_up();
            self.exemptions_given_up = true;
        }
        if self.waits() {
            return;
        }
        let exemptions: Vec<_> = self.exemptions.objects().values().cloned().collect();
        let set = PolicySet::new(compiled, self.options.set.clone())
            .with_exemptions(self.exemption_compiler.compile(&exemptions));
        let set = Arc::new(set);
        self.report.tell(&set);
        self.exemption_report.tell(&set);
        self.snapshots.send_replace(PolicySnapshot::Synced(Arc::clone(&set)));
        self.published.send_replace(Some(Published { set, objects: self.objects(), exemptions }));
    }

    /// Shows the status writer what stands now, if that is not what it saw: a status may have been written by somebody else,
    /// or by a replica that led before. An object that changed otherwise waits for the set that is made of it.
    fn show_statuses(&self) {
        self.published.send_if_modified(|published| {
            let mut is_news = false;
            for shown in published.iter_mut().flat_map(|published| &mut published.exemptions) {
                let now = self.exemptions.objects().get(&(String::new(), shown.name.clone()));
                let Some(now) = now.filter(|now| !Arc::ptr_eq(now, shown) && now.object == shown.object)
                else {
                    continue;
                };
                is_news |= now.resource_version != shown.resource_version;
                *shown = Arc::clone(now);
            }
            for shown in published.iter_mut().flat_map(|published| &mut published.objects) {
                let Some(now) = self.standing(shown).filter(|now| now.object == shown.object) else {
                    continue;
                };
                is_news |= now.status != shown.status;
                *shown = Arc::clone(now);
            }
            is_news
        });
    }

    /// The object as the watch has it now, if it is not `shown` itself.
    fn standing(&self, shown: &Arc<Watched>) -> Option<&Arc<Watched>> {
        let mirror = match shown.kind {
            PolicyKind::Cluster => &self.cluster,
            PolicyKind::Namespaced => &self.namespaced,
        };
        let key = (shown.id.namespace.clone().unwrap_or_default(), shown.id.name.clone());
        mirror.objects().get(&key).filter(|now| !Arc::ptr_eq(now, shown))
    }

    fn objects(&self) -> Vec<Arc<Watched>> {
        self.cluster.objects().values().chain(self.namespaced.objects().values()).cloned().collect()
    }

    fn compile(&mut self) -> Vec<Arc<CompiledPolicy>> {
        let objects = self.cluster.objects().values().chain(self.namespaced.objects().values());
        self.compiler.compile(objects, &self.options.system_namespace, &self.references, &self.options.set)
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

fn events(
    client: Client,
    kind: Kind,
    clock: SharedClock,
) -> impl Stream<Item = (Kind, Result<Event<DynamicObject>, Failure>)> + Send {
    let (resource, meanwhile) = match kind {
        Kind::Policy(kind) => (
            resource(kind),
            "the policies last seen hold; where none were ever seen, everything is denied (NotSynced)",
        ),
        Kind::Exemption => (
            ApiResource::erase::<TrustExemption>(&()),
            "the exemptions last seen hold; where none were ever seen, nothing is exempt",
        ),
    };
    let subject = Subject {
        what: format!("{} objects", resource.kind),
        resource: format!("{}.{}", resource.plural, resource.group),
        meanwhile,
    };
    let api = Api::<DynamicObject>::all_with(client, &resource);
    follow(api, watcher::Config::default(), subject, clock).map(move |event| (kind, event))
}
