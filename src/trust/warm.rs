//! Warm-up: what is known from before is had in memory before anybody asks (design §4 "Cache"). It is no admission: it pins
//! nothing, and what it cannot have is fetched when somebody asks, as ever.

mod round;

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::{OnceCell, watch};
use tokio::time::sleep;

use self::round::Servers;
use super::core::Core;
use super::entry::Entry;
use super::grant::{Accessor, Eyes};
use super::moment::Moment;
use super::resolution::roles_of;
use super::source::Grant;
use super::state::RepositoryKey;
use crate::image::ImageReference;
use crate::policy::{CredentialsSource, Demand};

/// So many are looked for on disk at once.
const RECALLS: usize = 16;

/// What a server that was down has left over is tried again after these pauses, in seconds: for twenty minutes.
const PAUSES: [u64; 8] = [10, 20, 40, 80, 160, 300, 300, 300];

/// A repository that is known from before.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// What policies ask of it; all lead to the same repository.
    pub demands: Vec<Demand>,
    /// An image that they ask it for.
    pub image: ImageReference,
    /// Whether somebody did ask for that image; else it was made from the repository's name.
    pub was_asked: bool,
    /// When it was last used.
    pub last_used: Timestamp,
}

/// What is in memory.
#[derive(Debug)]
pub struct Held {
    verified: HashSet<ByKey>,
    /// How many known ones may be fetched besides, so that memory stays bounded and nobody's is pushed out.
    pub room: usize,
}

impl Held {
    /// Whether the repository verified.
    pub fn has(&self, key: &RepositoryKey) -> bool {
        self.verified.contains(key)
    }

    /// Whether it verified, and nothing is known to be wrong with it since.
    pub fn is_well(&self, key: &RepositoryKey) -> bool {
        self.verified.get(key).is_some_and(|held| held.0.trouble.load().is_none())
    }
}

/// An entry that is looked up by its repository: of ten thousand keys none is copied.
#[derive(Debug)]
struct ByKey(Arc<Entry>);

impl Borrow<RepositoryKey> for ByKey {
    fn borrow(&self) -> &RepositoryKey {
        &self.0.state_key
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.state_key.hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.state_key == other.0.state_key
    }
}

impl Eq for ByKey {}

/// How far a warm-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Warmth {
    /// How many repositories there are.
    pub repositories: usize,
    /// How many of them the disk had.
    pub loaded: usize,
    /// How many their servers vouched for.
    pub revalidated: usize,
    /// How many could not be had, so far.
    pub failed: usize,
    /// How many are left to who asks: only a pod's pull secrets open them, or they were reset.
    pub left: usize,
    /// Whether all had their turn, but those of a server that is down.
    pub once: bool,
}

/// A repository that is not warm yet.
#[derive(Debug)]
struct Cold {
    entry: Arc<Entry>,
    /// Whose eyes read it: those that need no pod.
    accessors: Vec<Accessor>,
    last_used: Timestamp,
    /// Disk and state were looked at, by whoever came first: the look at all of them, or its turn at its server.
    looked: OnceCell<()>,
    has_failed: AtomicBool,
}

/// A warm-up under way.
struct Warming<'a> {
    core: &'a Arc<Core>,
    started: Moment,
    told: &'a watch::Sender<Warmth>,
}

impl Core {
    pub(super) async fn warm(self: &Arc<Self>, remembered: Vec<Remembered>, told: &watch::Sender<Warmth>) {
        let warming = Warming { core: self, started: self.moment(), told };
        let all = warming.all(remembered);
        let mut servers = by_server(&all);
        // A server is asked while the disk is read: neither waits for all of the other.
        tokio::join!(warming.recall_all(all), warming.round(&mut servers));
        told.send_modify(|warmth| warmth.once = true);
        for pause in PAUSES {
            if servers.is_empty() {
                return;
            }
            sleep(Duration::from_secs(pause)).await;
            warming.round(&mut servers).await;
        }
    }
}

/// Known repositories beyond this part of the most that memory holds are not fetched by rounds: the rest is for who asks, and
/// nobody's is pushed out for them.
const ROUNDS_FILL: (usize, usize) = (9, 10);

impl Core {
    /// One round alone, no longer than `limit`. Which servers gave no answer, or were not done by then.
    pub(super) async fn warm_once(
        self: &Arc<Self>,
        remembered: Vec<Remembered>,
        limit: Duration,
    ) -> BTreeSet<String> {
        let (told, _) = watch::channel(Warmth::default());
        let warming = Warming { core: self, started: self.moment(), told: &told };
        let servers = by_server(&warming.all(remembered));
        warming.only_round(servers, limit).await
    }

    /// What verified and is in memory.
    pub(super) fn held(&self) -> Held {
        let all = self.entries.all();
        let (numerator, denominator) = ROUNDS_FILL;
        let most = self.config.max_repositories / denominator * numerator;
        let known = all.iter().filter(|entry| entry.is_known()).count();
        let verified = all.into_iter().filter(|entry| entry.served().is_some_and(|served| served.pinned));
        Held { verified: verified.map(ByKey).collect(), room: most.saturating_sub(known) }
    }

    /// Notes what is remembered of repositories in memory: who asks for them, and when somebody did.
    pub(super) fn remind(&self, remembered: &[Remembered]) {
        for one in remembered {
            for demand in &one.demands {
                let key = self.entries.key(&demand.server, &demand.gun, &demand.anchors);
                if let Some(entry) = self.entries.find(&key) {
                    one.note_in(&entry, demand);
                }
            }
        }
    }
}

impl Remembered {
    fn note_in(&self, entry: &Entry, demand: &Demand) {
        entry.was_used(self.last_used);
        entry.keep_fresh(&demand.freshness);
        entry.want(&roles_of(demand).cloned().collect::<Vec<_>>());
        // Not for a namespaced policy: who was asked for in which namespace is not remembered, and its status is for its
        // namespace to read.
        if self.was_asked && demand.policy.namespace.is_none() {
            entry.note_asked(&demand.policy, &self.image);
        }
    }
}

/// By trust server, in the same order.
fn by_server(all: &[Arc<Cold>]) -> Servers {
    let mut servers = Servers::new();
    for cold in all {
        servers.entry(cold.entry.state_key.server.clone()).or_default().push_back(Arc::clone(cold));
    }
    servers
}

impl Warming<'_> {
    /// What is to be warmed, the most recently used first.
    fn all(&self, mut remembered: Vec<Remembered>) -> Vec<Arc<Cold>> {
        remembered.sort_by_key(|one| Reverse(one.last_used));
        remembered.truncate(self.core.config.max_repositories);
        let mut all: Vec<Cold> = remembered.iter().flat_map(|one| self.entries(one)).collect();
        all.sort_by_key(|cold| Reverse(cold.last_used));
        self.told.send_modify(|warmth| warmth.repositories += all.len());
        all.into_iter().map(Arc::new).collect()
    }

    /// Loads what the disk has, whether its server is slow or down.
    async fn recall_all(&self, all: Vec<Arc<Cold>>) {
        let queue = Mutex::new(VecDeque::from(all));
        let recall = || async {
            while let Some(cold) = next(&queue) {
                self.look(&cold).await;
            }
        };
        join_all((0..RECALLS).map(|_| recall())).await;
    }

    /// Looks at disk and state of one, once.
    async fn look(&self, cold: &Cold) {
        let look = async || {
            // What fails here is tried again in its turn.
            let _ = self.core.recall_behind(&cold.entry).await;
            let loaded = usize::from(cold.entry.served().is_some());
            self.told.send_modify(|warmth| warmth.loaded += loaded);
        };
        cold.looked.get_or_init(look).await;
    }

    /// The entries of a repository: one, or one for each set of authorities that policies know its server by.
    fn entries(&self, one: &Remembered) -> Vec<Cold> {
        let mut cold: Vec<Cold> = Vec::new();
        for demand in &one.demands {
            let entries = &self.core.entries;
            let key = entries.key(&demand.server, &demand.gun, &demand.anchors);
            let Ok(entry) = entries.entry_of_known(key, &demand.anchors, one.last_used) else { continue };
            one.note_in(&entry, demand);
            let place = cold.iter().position(|cold| Arc::ptr_eq(&cold.entry, &entry));
            let place = place.unwrap_or_else(|| {
                let (accessors, last_used) = (Vec::new(), one.last_used);
                let (looked, has_failed) = (OnceCell::new(), AtomicBool::new(false));
                cold.push(Cold { entry, accessors, last_used, looked, has_failed });
                cold.len() - 1
            });
            if let (Some(accessor), Some(cold)) = (without_pod(demand, &one.image), cold.get_mut(place))
                && !cold.accessors.contains(&accessor)
            {
                cold.accessors.push(accessor);
            }
        }
        cold
    }
}

/// Whether there is a record, and with first use a pin. Without, an admin reset it, or nobody ever used it.
fn is_trusted(entry: &Entry) -> bool {
    let recorded = entry.recorded.load();
    let is_recorded = recorded.as_ref().is_some_and(|recorded| recorded.revision.is_some());
    is_recorded && (!entry.is_first_use() || entry.has_pin())
}

/// Whose eyes read the repository for this demand, if they need no pod.
fn without_pod(demand: &Demand, image: &ImageReference) -> Option<Accessor> {
    let needs_a_pod = demand.credentials == CredentialsSource::ImagePullSecrets;
    let (realms, nobody) = (&demand.server.token_realms, Grant::default());
    (!needs_a_pod).then(|| Eyes::new(&demand.credentials, &nobody, image.into(), realms).into())
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}
