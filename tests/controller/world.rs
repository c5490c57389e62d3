//! [`World`]: the watch of policies over an API server in memory, and what comes out of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tagseal::clock::ManualClock;
use tagseal::controller::{
    ClusterObjects, Events, Leadership, PolicyWatch, PolicyWatchOptions, PullSecretRemarks, TrustData,
};
use tagseal::image::ImageReference;
use tagseal::policy::{
    Labels, LabelsFuture, NamespaceLabels, NamespaceView, PolicySet, PolicySnapshot, Selection, Selector,
    SetOptions,
};
use tagseal::trust::RepositoryHealth;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::api_server::ApiServer;

/// The longest that a test waits for what must happen.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The trust server of policies.
pub const SERVER: &str = "https://notary.example.com";

/// The one namespace that there is.
#[derive(Debug)]
struct OnlyTheShop;

impl NamespaceLabels for OnlyTheShop {
    fn cached(&self, namespace: &str) -> Option<Arc<Labels>> {
        (namespace == "shop").then(Arc::default)
    }

    fn names(&self) -> Vec<String> {
        vec!["shop".to_owned()]
    }

    fn read<'a>(&'a self, _: &'a str) -> LabelsFuture<'a> {
        Box::pin(std::future::ready(Ok(Arc::default())))
    }
}

pub struct World {
    pub server: ApiServer,
    pub snapshots: watch::Receiver<PolicySnapshot>,
    pub clock: ManualClock,
    pub repositories: Repositories,
    task: JoinHandle<()>,
}

impl World {
    pub fn start(server: &ApiServer) -> Self {
        Self::with_patience(server, LIMIT)
    }

    /// `patience`: with objects that policies name.
    pub fn with_patience(server: &ApiServer, patience: Duration) -> Self {
        let (clock, repositories) = (ManualClock::at(now()), Repositories::default());
        Self::over(server, patience, clock, repositories.clone(), Arc::new(repositories), |watch| watch)
    }

    /// One replica of several: what it reads and writes goes through `client`, and it writes only while it leads.
    pub fn replica(server: &ApiServer, client: kube::Client, leadership: Leadership, events: Events) -> Self {
        let (clock, repositories) = (ManualClock::at(now()), Repositories::default());
        let trust = Arc::new(repositories.clone());
        Self::by(server, client, LIMIT, clock, repositories, trust, |watch| watch.led_by(leadership, events))
    }

    /// Over trust data that something else holds, which goes by `clock`.
    pub fn with_trust(server: &ApiServer, clock: &ManualClock, trust: Arc<dyn TrustData>) -> Self {
        Self::over(server, LIMIT, clock.clone(), Repositories::default(), trust, |watch| watch)
    }

    fn over(
        server: &ApiServer,
        patience: Duration,
        clock: ManualClock,
        repositories: Repositories,
        trust: Arc<dyn TrustData>,
        led: impl FnOnce(PolicyWatch) -> PolicyWatch,
    ) -> Self {
        Self::by(server, server.client(), patience, clock, repositories, trust, led)
    }

    fn by(
        server: &ApiServer,
        client: kube::Client,
        patience: Duration,
        clock: ManualClock,
        repositories: Repositories,
        trust: Arc<dyn TrustData>,
        led: impl FnOnce(PolicyWatch) -> PolicyWatch,
    ) -> Self {
        let (sender, snapshots) = watch::channel(PolicySnapshot::default());
        let options = PolicyWatchOptions {
            system_namespace: "tagseal-system".to_owned(),
            set: SetOptions::default(),
            patience,
        };
        let watch = led(PolicyWatch::new(client, options, sender, Arc::new(clock.clone())));
        let objects = Arc::new(ClusterObjects::new(server.client()));
        let covered = Arc::new(Selector::of_webhooks("tagseal-system"));
        let remarks = PullSecretRemarks::new(objects, Arc::new(OnlyTheShop), covered);
        let statuses = watch.statuses(trust).with_pull_secrets(remarks);
        let task = tokio::spawn(async move {
            tokio::join!(watch.run(), statuses.run());
        });
        Self { server: server.clone(), snapshots, clock, repositories, task }
    }

    /// Lets this time go by, in steps in which the controller does all that it does. With tokio's clock paused.
    pub async fn passes(&self, time: SignedDuration) {
        for _ in 0..time.as_secs() {
            self.clock.advance(SignedDuration::from_secs(1));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The set, once it is one that `fits`.
    pub async fn set(&mut self, fits: impl Fn(&PolicySet) -> bool) -> Arc<PolicySet> {
        let wanted = |snapshot: &PolicySnapshot| match snapshot {
            PolicySnapshot::Synced(set) => fits(set),
            PolicySnapshot::NotSynced => false,
        };
        let snapshot = tokio::time::timeout(LIMIT, self.snapshots.wait_for(wanted)).await;
        match snapshot
            .unwrap_or_else(|_| panic!("no such set; {:#?}", self.server.requests()))
            .unwrap()
            .clone()
        {
            PolicySnapshot::Synced(set) => set,
            PolicySnapshot::NotSynced => unreachable!("waited for"),
        }
    }

    /// The set, once it has exactly these policies, by whether they are valid.
    pub async fn policies(&mut self, wanted: &[(&str, bool)]) -> Arc<PolicySet> {
        let wanted: BTreeMap<_, _> = wanted.iter().map(|(id, valid)| ((*id).to_owned(), *valid)).collect();
        self.set(|set| {
            let there = set.policies().map(|(policy, errors)| (policy.id().to_string(), errors.is_empty()));
            there.collect::<BTreeMap<_, _>>() == wanted
        })
        .await
    }

    pub fn is_synced(&self) -> bool {
        matches!(*self.snapshots.borrow(), PolicySnapshot::Synced(_))
    }

    /// Whether the watch still runs.
    pub fn runs(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            assert_eq!(self.server.unexpected(), Vec::<String>::new());
        }
    }
}

/// What a resolver would say of its repositories.
#[derive(Debug, Clone, Default)]
pub struct Repositories(Arc<Mutex<Vec<RepositoryHealth>>>);

impl Repositories {
    pub fn are(&self, repositories: Vec<RepositoryHealth>) {
        *self.0.lock().unwrap() = repositories;
    }
}

impl TrustData for Repositories {
    fn health(&self) -> Vec<RepositoryHealth> {
        self.0.lock().unwrap().clone()
    }
}

pub fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A `ClusterTrustPolicy` about `include`.
pub fn cluster_policy(name: &str, include: &str) -> Value {
    json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "ClusterTrustPolicy",
        "metadata": {"name": name},
        "spec": spec(include)
    })
}

/// A `TrustPolicy` about `include`.
pub fn policy(namespace: &str, name: &str, include: &str) -> Value {
    json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec(include)
    })
}

fn spec(include: &str) -> Value {
    json!({
        "images": {"include": [include]},
        "notary": {"server": SERVER},
        "roots": [{"keyID": "5f".repeat(32)}]
    })
}

/// The same with another value at `pointer`, whose parent is there.
pub fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[field] = value;
    object
}

pub fn config_map(name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "tagseal-system", "name": name}, "data": data
    })
}

/// What `set` asks of an image in `namespace`, of which only the name is known: the policies by name, or what is wrong.
pub fn asks(set: &PolicySet, namespace: &str, image: &str) -> Result<Vec<String>, Vec<String>> {
    match set.select(&NamespaceView::unlabelled(namespace), &ImageReference::parse(image).unwrap()) {
        Selection::Unmatched => Ok(Vec::new()),
        Selection::Invalid(objections) => Err(objections
            .iter()
            .map(|objection| format!("{} {}: {}", objection.policy, objection.reason, objection.message))
            .collect()),
        Selection::Require { deny, .. } => Ok(deny.iter().map(|demand| demand.policy.to_string()).collect()),
    }
}
