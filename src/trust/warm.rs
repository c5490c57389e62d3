//! Warm-up: what is known from before is had in memory before anybody asks (design §4 "Cache"). It is no admission: it pins
//! nothing, and what it cannot have is fetched when somebody asks, as ever.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::core::{Core, Waited};
use super::entry::{Entry, Vouched};
use super::error::Refusal;
use super::flight::{FlightKey, Ticket};
use super::grant::{Accessor, Eyes};
use super::moment::Moment;
use super::resolution::roles_of;
use super::source::Grant;
use crate::image::ImageReference;
use crate::policy::{CredentialsSource, Demand, Reason};

/// So many are looked for on disk at once.
const RECALLS: usize = 16;

/// So many are revalidated at once on one trust server: a few of its connections, so that who asks has the others. After as
/// many failures in a row the server counts as down.
const AT_ONCE: usize = 8;

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
    has_failed: bool,
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
        let mut servers = warming.recall_all(remembered).await;
        warming.round(&mut servers).await;
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

impl Warming<'_> {
    /// Loads what the disk has. What is left to do, by trust server, the most recently used first.
    async fn recall_all(&self, mut remembered: Vec<Remembered>) -> BTreeMap<String, VecDeque<Cold>> {
        remembered.sort_by_key(|one| Reverse(one.last_used));
        remembered.truncate(self.core.config.max_repositories);
        let (queue, all) = (Mutex::new(VecDeque::from(remembered)), Mutex::new(Vec::new()));
        let recall = || async {
            while let Some(one) = next(&queue) {
                for cold in self.entries(&one) {
                    // What fails here is tried again in its turn.
                    let _ = self.core.recall_behind(&cold.entry).await;
                    let loaded = usize::from(cold.entry.served().is_some());
                    self.told.send_modify(|warmth| {
                        warmth.repositories += 1;
                        warmth.loaded += loaded;
                    });
                    all.lock().unwrap_or_else(PoisonError::into_inner).push(cold);
                }
            }
        };
        join_all((0..RECALLS).map(|_| recall())).await;
        let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        all.sort_by_key(|cold| Reverse(cold.last_used));
        let mut servers: BTreeMap<String, VecDeque<Cold>> = BTreeMap::new();
        for cold in all {
            servers.entry(cold.entry.state_key.server.clone()).or_default().push_back(cold);
        }
        servers
    }

    /// The entries of a repository: one, or one for each set of authorities that policies know its server by.
    fn entries(&self, one: &Remembered) -> Vec<Cold> {
        let mut cold: Vec<Cold> = Vec::new();
        for demand in &one.demands {
            let entries = &self.core.entries;
            let key = entries.key(&demand.server, &demand.gun, &demand.anchors);
            let Ok(entry) = entries.entry_of_known(key, &demand.anchors, one.last_used) else { continue };
            entry.keep_fresh(&demand.freshness);
            entry.want(&roles_of(demand).cloned().collect::<Vec<_>>());
            if one.was_asked {
                entry.note_asked(&demand.policy, &one.image);
            }
            let place = cold.iter().position(|cold| Arc::ptr_eq(&cold.entry, &entry));
            let place = place.unwrap_or_else(|| {
                let (accessors, last_used) = (Vec::new(), one.last_used);
                cold.push(Cold { entry, accessors, last_used, has_failed: false });
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

    /// Tries what is left once, each server's apart: one that is down or slow takes no turn from the others.
    async fn round(&self, servers: &mut BTreeMap<String, VecDeque<Cold>>) {
        let rounds = std::mem::take(servers).into_iter().map(|(server, cold)| async {
            let left = self.round_of_one(cold).await;
            (server, left)
        });
        let left = join_all(rounds).await;
        servers.extend(left.into_iter().filter(|(_, left)| !left.is_empty()));
    }

    /// What is to be tried again.
    async fn round_of_one(&self, cold: VecDeque<Cold>) -> VecDeque<Cold> {
        let (queue, failed) = (Mutex::new(cold), Mutex::new(Vec::new()));
        let (in_a_row, has_answered) = (AtomicUsize::new(0), AtomicBool::new(false));
        let revalidate = || async {
            while in_a_row.load(Ordering::Relaxed) < AT_ONCE
                && let Some(mut cold) = next(&queue)
            {
                let tried = self.revalidate(&cold).await;
                self.count(&tried, cold.has_failed);
                match tried {
                    Err(refusal) if passes(refusal.reason()) => {
                        in_a_row.fetch_add(1, Ordering::Relaxed);
                        cold.has_failed = true;
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(cold);
                        if !has_answered.load(Ordering::Relaxed) {
                            // One timeout is enough to wait for a server that says nothing at all.
                            return;
                        }
                    }
                    // Nobody asked it.
                    Ok(false) => {}
                    Ok(true) | Err(_) => {
                        has_answered.store(true, Ordering::Relaxed);
                        in_a_row.store(0, Ordering::Relaxed);
                    }
                }
            }
        };
        join_all((0..AT_ONCE).map(|_| revalidate())).await;
        let mut left = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        left.extend(failed.into_inner().unwrap_or_else(PoisonError::into_inner));
        left
    }

    /// `false`: it is left to who asks.
    async fn revalidate(&self, cold: &Cold) -> Result<bool, Refusal> {
        let (core, entry) = (self.core, &cold.entry);
        core.recall_behind(entry).await?;
        let mut accessors = cold.accessors.clone();
        if accessors.is_empty() {
            // As `maintain` does: whoever was let in last, says the disk.
            accessors.extend(entry.grants.latest());
        }
        if !is_trusted(entry) || accessors.is_empty() {
            return Ok(false);
        }
        for accessor in accessors {
            if self.is_warm(entry, &accessor) {
                continue;
            }
            let _place = core.background.place(&entry.state_key.server).await;
            // Whatever becomes of the record meanwhile, no first use is made here.
            let key = FlightKey { accessor, pin: !entry.is_first_use() };
            // Nobody's roles: each is done without if it fails.
            let ticket = Ticket { key, roles: Vec::new(), not_before: None };
            // A refresh ends by itself before that.
            let deadline = Instant::now() + core.config.refresh_timeout.saturating_mul(2);
            match core.refresh(entry, &ticket, deadline, None).await {
                Ok(()) => {}
                Err(Waited::Failed(refusal)) => return Err(refusal),
                Err(Waited::TooLong) => {
                    let (gun, server) = (&entry.state_key.gun, &entry.state_key.server);
                    let message = format!("{gun} at {server}: no answer");
                    return Err(Refusal::unavailable(Reason::TrustServerUnreachable, message));
                }
            }
        }
        Ok(true)
    }

    /// Whether somebody refreshed it meanwhile.
    fn is_warm(&self, entry: &Entry, accessor: &Accessor) -> bool {
        let served = entry.served().filter(|served| served.pinned);
        let vouched = served.and_then(|served| served.vouched);
        matches!(vouched, Some(Vouched::Here(sent)) if sent.order > self.started.order)
            && entry.grants.at(&accessor.eyes()).is_some()
    }

    fn count(&self, tried: &Result<bool, Refusal>, had_failed: bool) {
        self.told.send_modify(|warmth| {
            warmth.failed -= usize::from(had_failed);
            match tried {
                Ok(true) => warmth.revalidated += 1,
                Ok(false) => warmth.left += 1,
                Err(_) => warmth.failed += 1,
            }
        });
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
    (!needs_a_pod).then(|| Eyes::new(&demand.credentials, &nobody, image.registry(), realms).into())
}

/// Whether trying again may help soon.
fn passes(reason: Reason) -> bool {
    matches!(reason, Reason::TrustServerUnreachable | Reason::StateUnavailable)
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}
