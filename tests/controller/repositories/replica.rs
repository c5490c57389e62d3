//! [`Cluster`] and [`Replica`]: resolvers over one API server, each with a watch of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tagseal::clock::{Clock as _, ManualClock};
use tagseal::controller::{ClusterState, Events, Inventory, Leadership, Notice};
use tagseal::digest::Digest;
use tagseal::image::ImageReference;
use tagseal::limits::Bounds;
use tagseal::policy::{Demand, Reason};
use tagseal::telemetry::Metrics;
use tagseal::trust::{PodIdentity, Question, Refusal, RepositoryKey, Resolved, Resolver, ResolverConfig};
use tagseal::tuf::Gun;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::api_server::ApiServer;
use super::super::world::{LIMIT, now};
use crate::support::{
    DemandBuilder, FakeCredentials, FakeSource, SERVER, TestKey, TestRepository, demand, image_digest,
};

pub const GUN: &str = "registry.example.com/shop/web";
pub const IMAGE: &str = "registry.example.com/shop/web:1.4";
pub const RELEASES: &str = "targets/releases";
pub const TREPO: &str = "trustedrepositories";

/// A cluster, a trust server, and the time. The clock stands still until told otherwise.
pub struct Cluster {
    pub server: ApiServer,
    pub source: FakeSource,
    pub clock: ManualClock,
}

/// One tagseal.
pub struct Replica {
    pub state: ClusterState,
    pub resolver: Arc<Resolver>,
    pub events: mpsc::Receiver<Notice>,
    pub leadership: Leadership,
    leads: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Cluster {
    pub fn new() -> Self {
        Self { server: ApiServer::new(), source: FakeSource::new(), clock: ManualClock::at(now()) }
    }

    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Publishes what changed.
    pub fn publish(&self, repository: &mut TestRepository) {
        let files = repository.publish(self.now());
        self.source.serve(SERVER, repository.gun(), &files);
    }

    /// Past `revalidateAfter`.
    pub fn a_minute_passes(&self) {
        self.clock.advance(SignedDuration::from_secs(61));
    }

    /// Lets this time go by, in steps in which everything is done that is due. With tokio's clock paused.
    pub async fn passes(&self, time: SignedDuration) {
        for _ in 0..time.as_secs() {
            self.clock.advance(SignedDuration::from_secs(1));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A replica that has read everything.
    pub async fn replica(&self) -> Replica {
        let replica = self.starts(None, &self.source);
        tokio::time::timeout(LIMIT, replica.state.loaded()).await.unwrap();
        replica
    }

    /// The same with this cache directory.
    pub async fn replica_with_cache(&self, cache: PathBuf) -> Replica {
        let replica = self.starts(Some(cache), &self.source);
        tokio::time::timeout(LIMIT, replica.state.loaded()).await.unwrap();
        replica
    }

    /// The same that keeps at most so many repositories in memory.
    pub async fn small_replica(&self, max_repositories: usize) -> Replica {
        let config = ResolverConfig {
            bounds: Bounds { repositories_in_memory: max_repositories, ..Bounds::default() },
            ..ResolverConfig::default()
        };
        let replica = self.starts_with(config, &self.source);
        tokio::time::timeout(LIMIT, replica.state.loaded()).await.unwrap();
        replica
    }

    /// A replica that sees other trust servers. It may not have read anything yet.
    pub fn starts(&self, cache_dir: Option<PathBuf>, source: &FakeSource) -> Replica {
        self.starts_with(ResolverConfig { cache_dir, ..ResolverConfig::default() }, source)
    }

    fn starts_with(&self, config: ResolverConfig, source: &FakeSource) -> Replica {
        let clock = Arc::new(self.clock.clone());
        let state = ClusterState::new(self.server.client(), Metrics::default(), clock.clone());
        let resolver = Arc::new(Resolver::new(
            config,
            Arc::new(source.clone()),
            Arc::new(FakeCredentials::new()),
            Arc::new(state.clone()),
            clock,
        ));
        let (leads, leadership) = watch::channel(false);
        let (sender, events) = Events::channel();
        let inventory = Arc::clone(&resolver) as Arc<dyn Inventory>;
        let leadership = Leadership::new(leadership);
        let statuses = state.clone().statuses(Arc::clone(&inventory), leadership.clone());
        let watch = state.clone().watch(inventory, leadership.clone(), sender);
        let task = tokio::spawn(async move {
            tokio::join!(watch, statuses);
        });
        Replica { state, resolver, events, leadership, leads, task }
    }

    /// The only object.
    pub fn object(&self) -> Value {
        let names = self.server.names(TREPO);
        assert_eq!(names.len(), 1, "{names:?}");
        self.server.object(TREPO, "", &names[0])
    }

    /// The floor of a role in the only object.
    pub fn floor(&self, role: &str) -> String {
        let object = self.object();
        let floors = object["spec"]["floors"].as_array().unwrap();
        let floor = floors.iter().find(|floor| floor["role"] == role);
        floor.unwrap_or_else(|| panic!("{object:#}"))["version"].as_str().unwrap().to_owned()
    }

    /// An admin deletes the only object.
    pub fn reset(&self) {
        self.server.delete(TREPO, "", &self.server.names(TREPO)[0]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.server.unexpected(), Vec::<String>::new());
        }
    }
}

impl Replica {
    pub async fn resolve(&self, demand: &Demand, image: &str) -> Result<Resolved, Refusal> {
        let image = ImageReference::parse(image).unwrap();
        let (deadline, pod) = (Instant::now() + Duration::from_secs(9), PodIdentity::default());
        self.resolver.resolve(Question { demand, image: &image, pod: &pod, deadline, dry_run: false }).await
    }

    /// What it seals the image to.
    pub async fn seals(&self, demand: &Demand) -> Digest {
        self.resolve(demand, IMAGE).await.expect("a signed image").signed.expect("a digest").digest()
    }

    /// Why it refuses the image.
    pub async fn refuses(&self, demand: &Demand) -> Reason {
        self.resolve(demand, IMAGE).await.expect_err("a refusal").reason()
    }

    pub fn leads(&self, leads: bool) {
        self.leads.send_replace(leads);
    }

    /// Whether it holds anything in memory.
    pub fn holds_nothing(&self) -> bool {
        self.resolver.status().is_empty()
    }

    /// Waits until `holds`.
    pub async fn awaits(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                // Under a paused clock, to yield alone would keep the time limit from ever being reached.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("not {what}"));
    }

    /// Ends it, without a word.
    pub fn dies(self) {}
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `registry.example.com/shop/web:1.4`, signed in `targets/releases` with the image `name`.
pub fn web(name: &str) -> TestRepository {
    let mut repository = TestRepository::new(GUN, now());
    repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1.4", image_digest(name));
    repository
}

/// Pins the repository's root key and requires `targets/releases`.
pub fn pinned(repository: &TestRepository) -> Demand {
    demand(repository).requires(RELEASES).build()
}

/// Trusts whichever root comes first.
pub fn first_use() -> Demand {
    DemandBuilder::new(GUN).first_use().build()
}

pub fn key(demand: &Demand) -> RepositoryKey {
    RepositoryKey {
        server: demand.server.url.to_string(),
        gun: Gun::new(GUN).unwrap(),
        anchors: demand.anchors.fingerprint(),
    }
}
