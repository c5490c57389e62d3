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
use super::cell::Cell;
use super::core::Core;
use super::load;
use super::moment::Moment;
use crate::image::ImageReference;
use crate::policy::{CredentialsSource, Demand};
use crate::records::RepositoryKey;
use crate::resolution::roles_of;
use crate::source::{PodIdentity, Requester, RequesterRef};

/// So many are looked for on disk at once.
const LOADS: usize = 16;

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
        self.verified.get(key).is_some_and(|held| held.0.contents().failing.is_none())
    }
}

/// A cell that is looked up by its repository: of ten thousand keys none is copied.
#[derive(Debug)]
struct ByKey(Arc<Cell>);

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
    cell: Arc<Cell>,
    /// On whose behalf it can be read: those that need no pod.
    requesters: Vec<Requester>,
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

/// Has repositories that are known from before in memory, before anybody asks for them. `told` hears how far it is.
pub(super) async fn warm(core: &Arc<Core>, remembered: Vec<Remembered>, told: &watch::Sender<Warmth>) {
    let warming = Warming { core, started: core.moment(), told };
    let all = warming.all(remembered);
    let mut servers = by_server(&all);
    // A server is asked while the disk is read: neither waits for all of the other.
    tokio::join!(warming.load_all(all), warming.round(&mut servers));
    told.send_modify(|warmth| warmth.once = true);
    for pause in PAUSES {
        if servers.is_empty() {
            return;
        }
        sleep(Duration::from_secs(pause)).await;
        warming.round(&mut servers).await;
    }
}

/// Known repositories beyond this part of the most that memory holds are not fetched by rounds: the rest is for who asks, and
/// nobody's is pushed out for them.
const ROUNDS_FILL: (usize, usize) = (9, 10);

/// One round alone, no longer than `limit`. Which servers gave no answer, or were not done by then.
pub(super) async fn warm_once(
    core: &Arc<Core>,
    remembered: Vec<Remembered>,
    limit: Duration,
) -> BTreeSet<String> {
    let (told, _) = watch::channel(Warmth::default());
    let warming = Warming { core, started: core.moment(), told: &told };
    let servers = by_server(&warming.all(remembered));
    warming.only_round(servers, limit).await
}

/// What verified and is in memory.
pub(super) fn held(core: &Core) -> Held {
    let all = core.repositories.all();
    let (numerator, denominator) = ROUNDS_FILL;
    let most = core.config.bounds.repositories_in_memory / denominator * numerator;
    let known = all.iter().filter(|cell| cell.contents().is_known()).count();
    let verified = all.into_iter().filter(|cell| cell.contents().pinned().is_some());
    Held { verified: verified.map(ByKey).collect(), room: most.saturating_sub(known) }
}

/// Notes what is remembered of repositories in memory: who asks for them, and when somebody did.
pub(super) fn remind(core: &Core, remembered: &[Remembered]) {
    for one in remembered {
        for demand in &one.demands {
            if let Some(cell) = core.repositories.find(demand) {
                one.note_in(&cell, demand);
            }
        }
    }
}

impl Remembered {
    fn note_in(&self, cell: &Cell, demand: &Demand) {
        let usage = &cell.usage;
        usage.was_used(self.last_used);
        usage.want(roles_of(demand));
        // The image not for a namespaced policy: who was asked for in which namespace is not remembered, and its status is
        // for its namespace to read.
        let is_told = self.was_asked && demand.policy.namespace.is_none();
        usage.note_policy(demand, is_told.then_some(&self.image));
    }
}

/// By trust server, in the same order.
fn by_server(all: &[Arc<Cold>]) -> Servers {
    let mut servers = Servers::new();
    for cold in all {
        servers.entry(cold.cell.state_key.server.clone()).or_default().push_back(Arc::clone(cold));
    }
    servers
}

impl Warming<'_> {
    /// What is to be warmed, the most recently used first.
    fn all(&self, mut remembered: Vec<Remembered>) -> Vec<Arc<Cold>> {
        remembered.sort_by_key(|one| Reverse(one.last_used));
        remembered.truncate(self.core.config.bounds.repositories_in_memory);
        let mut all: Vec<Cold> = remembered.iter().flat_map(|one| self.cells(one)).collect();
        all.sort_by_key(|cold| Reverse(cold.last_used));
        self.told.send_modify(|warmth| warmth.repositories += all.len());
        all.into_iter().map(Arc::new).collect()
    }

    /// Loads what the disk has, whether its server is slow or down.
    async fn load_all(&self, all: Vec<Arc<Cold>>) {
        let queue = Mutex::new(VecDeque::from(all));
        let load = || async {
            while let Some(cold) = next(&queue) {
                self.look(&cold).await;
            }
        };
        join_all((0..LOADS).map(|_| load())).await;
    }

    /// Looks at disk and state of one, once.
    async fn look(&self, cold: &Cold) {
        let look = async || {
            // What fails here is tried again in its turn.
            let _ = load::load_behind(self.core, &cold.cell).await;
            let loaded = usize::from(cold.cell.contents().served.is_some());
            self.told.send_modify(|warmth| warmth.loaded += loaded);
        };
        cold.looked.get_or_init(look).await;
    }

    /// The cells of a repository: one, or one for each set of authorities that policies know its server by.
    fn cells(&self, one: &Remembered) -> Vec<Cold> {
        let mut cold: Vec<Cold> = Vec::new();
        for demand in &one.demands {
            let repositories = &self.core.repositories;
            let Ok(cell) = repositories.cell_of_known(demand, one.last_used) else { continue };
            one.note_in(&cell, demand);
            let place = cold.iter().position(|cold| Arc::ptr_eq(&cold.cell, &cell));
            let place = place.unwrap_or_else(|| {
                let (requesters, last_used) = (Vec::new(), one.last_used);
                let (looked, has_failed) = (OnceCell::new(), AtomicBool::new(false));
                cold.push(Cold { cell, requesters, last_used, looked, has_failed });
                cold.len() - 1
            });
            if let (Some(requester), Some(cold)) = (without_pod(demand, &one.image), cold.get_mut(place))
                && !cold.requesters.contains(&requester)
            {
                cold.requesters.push(requester);
            }
        }
        cold
    }
}

/// Whether there is a record, and with first use a pin. Without, an admin reset it, or nobody ever used it.
fn is_trusted(cell: &Cell) -> bool {
    let contents = cell.contents();
    let is_recorded = contents.recorded.as_ref().is_some_and(|recorded| recorded.revision.is_some());
    is_recorded && (!cell.key.is_first_use() || contents.has_pin())
}

/// On whose behalf the repository is read for this demand, if that needs no pod.
fn without_pod(demand: &Demand, image: &ImageReference) -> Option<Requester> {
    let needs_a_pod = demand.credentials == CredentialsSource::ImagePullSecrets;
    let (realms, nobody) = (&demand.server.token_realms, PodIdentity::default());
    (!needs_a_pod).then(|| RequesterRef::new(&demand.credentials, &nobody, image.into(), realms).into())
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}
