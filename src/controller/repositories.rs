//! [`ClusterState`]: trust state in the cluster, one `TrustedRepository` a repository, shared by all replicas.
//!
//! Reads are answered from a watch, writes are compare-and-swap by the object's resource version. Whoever deletes an object
//! resets its repository: every replica sees it go and drops what it holds.

mod held;
mod name;
mod packed;
mod record;
mod recorded;
mod requests;
mod resets;
mod status;
mod view;
mod wanted;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use kube::runtime::watcher;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::held::Held;
use self::name::object_name;
pub use self::recorded::RecordedState;
use self::requests::{Failed, Requests};
use self::resets::Resets;
use self::status::StatusWriter;
use self::view::{Change, Look, View};
use super::events::Events;
use super::follow::follow;
use super::leader::Leadership;
use super::trouble::Subject;
use crate::clock::SharedClock;
use crate::telemetry::Metrics;
use crate::trust::{
    BoxFuture, OtherRecord, RepositoryKey, RepositoryStatus, Resolver, Revision, StateError, TrustRecord,
    TrustState,
};

/// Objects in one page of a list: records are a few kibibytes, at worst hundreds.
const PAGE: u32 = 200;
/// How long a repository without a record waits, after a start, until all objects are read: some may be about it.
const READING: Duration = Duration::from_secs(5);
/// How often the API server is asked about one object, while others write it, before that is left to the next try.
const ASKS: usize = 3;

/// The trust data that the objects are about.
pub trait Inventory: Send + Sync + 'static {
    /// What is known of every repository in memory that verified.
    fn status(&self) -> Vec<RepositoryStatus>;

    /// Drops what is held of a repository under `record`, the object's UID: memory before this returns, the disk before the
    /// future is done. What rests on another record stays.
    fn forget(&self, key: &RepositoryKey, record: Option<&str>) -> BoxFuture<'static, ()>;
}

impl Inventory for Resolver {
    fn status(&self) -> Vec<RepositoryStatus> {
        Self::status(self)
    }

    fn forget(&self, key: &RepositoryKey, record: Option<&str>) -> BoxFuture<'static, ()> {
        Self::forget(self, key, record)
    }
}

/// A repository that the cluster remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Which one.
    pub key: RepositoryKey,
    /// One of the images that were asked for, where a status says so: by it, the policies that ask for it are found.
    pub image: Option<String>,
    /// The day on which it was last asked for, where a status says so; else when its record was made.
    pub last_used: Option<Timestamp>,
}

/// Trust state in the cluster. Clones share everything.
#[derive(Clone)]
pub struct ClusterState(Arc<Inner>);

struct Inner {
    requests: Requests,
    metrics: Metrics,
    clock: SharedClock,
    view: Mutex<View>,
    loaded: watch::Sender<bool>,
}

impl fmt::Debug for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterState")
    }
}

impl ClusterState {
    /// The state of `client`'s cluster. Until [`Self::watch`] has read all of it, each record is asked for by itself.
    pub fn new(client: Client, metrics: Metrics, clock: SharedClock) -> Self {
        let (requests, view) = (Requests::new(client), Mutex::default());
        Self(Arc::new(Inner { requests, metrics, clock, view, loaded: watch::channel(false).0 }))
    }

    /// Follows the objects; never returns. What is deleted is forgotten by `inventory`; the leader tells it in an Event.
    pub async fn watch(self, inventory: Arc<dyn Inventory>, leadership: Leadership, events: Events) {
        let resets = Resets { inventory, leadership, events, metrics: self.0.metrics.clone() };
        let (gone, to_reset) = mpsc::unbounded_channel();
        tokio::join!(self.follow(&gone), resets.run(to_reset));
    }

    /// Writes the statuses of what `inventory` holds, while this replica leads; never returns. No decision depends on it: it
    /// may end, and begin anew.
    pub async fn statuses(self, inventory: Arc<dyn Inventory>, leadership: Leadership) {
        StatusWriter::new(self, inventory, leadership).run().await;
    }

    /// Waits until all of it was read once.
    pub async fn loaded(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// All repositories that the cluster remembers.
    pub fn known(&self) -> Vec<Known> {
        self.known_where(|_, _, _| true)
    }

    /// Those of them for which `takes` holds, by what they are, when they were last asked for, and whether their status says that
    /// they could not be verified.
    pub(super) fn known_where(
        &self,
        takes: impl Fn(&RepositoryKey, Option<Timestamp>, bool) -> bool,
    ) -> Vec<Known> {
        let all = self.view().all();
        let known = all.iter().filter_map(|held| {
            let (image, last_used) = (held.standing.image.as_deref(), held.standing.last_used.or(held.made));
            let key = held.key().filter(|key| takes(key, last_used, held.standing.fails))?;
            Some(Known { key: key.clone(), image: image.map(str::to_owned), last_used })
        });
        known.collect()
    }

    async fn follow(&self, resets: &mpsc::UnboundedSender<Arc<Held>>) {
        let requests = &self.0.requests;
        let subject = Subject {
            what: "TrustedRepository objects".to_owned(),
            resource: requests.rbac_name(),
            meanwhile: "floors and pins are those last seen; none are written that others changed",
        };
        let config = watcher::Config::default().page_size(PAGE);
        let mut changes = follow(requests.api.clone(), config, subject, self.0.clock.clone()).boxed();
        while let Some(event) = changes.next().await {
            let Ok(event) = event else { continue };
            let change = Change::of(event);
            let taken = self.view().take(change);
            let mut gone = taken.gone;
            for held in taken.unsettled {
                // Where there is no answer, the next load asks again, and finds out.
                let asked = self.ask(&held.name).await;
                let is_gone = match self.view().look(&held.name) {
                    Look::Found(now) => now.is_another_than(&held),
                    Look::Absent => true,
                    Look::Ask => false,
                };
                if asked.is_ok() && is_gone {
                    gone.push(held);
                }
            }
            for held in gone {
                // Its other end runs as long as this one.
                let _ = resets.send(held);
            }
            if self.view().is_synced() {
                self.0.loaded.send_if_modified(|loaded| !std::mem::replace(loaded, true));
            }
        }
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.0.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the API server about one object.
    async fn ask(&self, name: &str) -> Result<(), Failed> {
        let asked = self.view().asks(name);
        let answer = match self.0.requests.get(name).await {
            Ok(object) => Some(Held::new(object)),
            Err(Failed::Absent) => None,
            Err(failed) => return Err(failed),
        };
        self.view().answered(&asked, answer);
        Ok(())
    }

    async fn load_now(&self, key: &RepositoryKey) -> Result<Option<(TrustRecord, Revision)>, StateError> {
        let name = object_name(key);
        for asked in 0..=ASKS {
            let look = self.view().look(&name);
            match look {
                Look::Found(held) => {
                    return Ok(Some((held.record(key)?, held.revision())));
                }
                Look::Absent => return Ok(None),
                Look::Ask if asked == ASKS => break,
                Look::Ask => self.ask(&name).await.map_err(|failed| unavailable(&name, "read", &failed))?,
            }
        }
        Err(unavailable(&name, "read", &"others keep writing to it; try again"))
    }

    async fn others_now(&self, key: &RepositoryKey, is_new: bool) -> Result<Vec<OtherRecord>, StateError> {
        if is_new && timeout(READING, self.loaded()).await.is_err() {
            let why = "not all TrustedRepository objects have been read yet; try again";
            return Err(StateError::Unavailable(why.to_owned()));
        }
        let (own, objects) = (object_name(key), self.view().of_gun(&key.gun));
        let mut others = Vec::new();
        for held in objects.iter().filter(|held| *held.name != *own) {
            others.extend(held.as_other(is_new)?);
        }
        Ok(others)
    }

    async fn store_now(
        &self,
        key: &RepositoryKey,
        expected: Option<&Revision>,
        record: &TrustRecord,
    ) -> Result<Revision, StateError> {
        let name = object_name(key);
        let spec = record::spec(key, record);
        let (before, asked) = {
            let mut view = self.view();
            let before = match (view.look(&name), expected) {
                (Look::Found(held), Some(expected)) if held.revision() == *expected => Some(held),
                (Look::Absent | Look::Ask, None) => None,
                // Somebody wrote it, created it or deleted it: the API server would say the same.
                _ => return Err(StateError::Conflict),
            };
            // Until the answer is there, and where it never comes, nobody knows what is written.
            view.doubt(&name);
            (before, view.asks(&name))
        };
        let written = match &before {
            Some(held) => self.0.requests.replace(held.metadata(), &spec).await,
            None => self.0.requests.create(&name, &spec).await,
        };
        match written {
            Ok(object) => {
                let held = Held::new(object);
                let revision = held.revision();
                self.view().answered(&asked, Some(held));
                Ok(revision)
            }
            Err(Failed::Conflict) => Err(StateError::Conflict),
            Err(failed) => Err(unavailable(&name, "written", &failed)),
        }
    }
}

fn unavailable(name: &str, what: &str, why: &dyn fmt::Display) -> StateError {
    StateError::Unavailable(format!("TrustedRepository {name} cannot be {what}: {why}"))
}

impl TrustState for ClusterState {
    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>> {
        Box::pin(self.load_now(key))
    }

    fn others<'a>(
        &'a self,
        key: &'a RepositoryKey,
        is_new: bool,
    ) -> BoxFuture<'a, Result<Vec<OtherRecord>, StateError>> {
        Box::pin(self.others_now(key, is_new))
    }

    fn name_of(&self, key: &RepositoryKey) -> Option<String> {
        Some(format!("TrustedRepository {}", object_name(key)))
    }

    fn store<'a>(
        &'a self,
        key: &'a RepositoryKey,
        expected: Option<&'a Revision>,
        record: &'a TrustRecord,
    ) -> BoxFuture<'a, Result<Revision, StateError>> {
        Box::pin(async move {
            let stored = self.store_now(key, expected, record).await;
            self.0.metrics.state_write(match &stored {
                Ok(_) => "written",
                Err(StateError::Conflict) => "conflict",
                Err(StateError::Unavailable(_)) => "failed",
            });
            stored
        })
    }
}
