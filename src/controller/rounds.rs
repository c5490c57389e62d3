//! [`Rounds`]: the leader has in memory what the cluster knows, whichever replica was asked for it, so that what it says of
//! repositories and of policies' trust data is true (design §2).
//!
//! After a start the warm-up does that for what is known then. What others are asked for later is fetched here, a few
//! repositories at a time; from then on it is revalidated like all that is in use (design §4 "Cache"). No request to the API
//! server comes of it: what is known stands in the watch.

mod pauses;

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::pauses::Pauses;
use super::apart::apart;
use super::leader::Leadership;
use super::remembered::{is_in_use, remember};
use super::repositories::{ClusterState, Known};
use crate::clock::SharedClock;
use crate::policy::{PolicySet, PolicySnapshot};
use crate::trust::{Held, Remembered, RepositoryKey, Resolver};

/// How often it is looked what is missing.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// So many repositories are fetched at a time: one a second.
const AT_A_TIME: usize = 10;
/// For so many it is looked, each time, which policies ask for them: with a thousand policies that takes a moment.
const LOOKED_AT: usize = 100;
/// So long a round waits for slow servers. What was asked of them goes on.
const ROUND: Duration = Duration::from_secs(30);

/// Keeps the leader's memory as full as the cluster's.
#[derive(Clone)]
pub struct Rounds {
    state: ClusterState,
    resolver: Arc<Resolver>,
    policies: watch::Receiver<PolicySnapshot>,
    leadership: Leadership,
    clock: SharedClock,
}

/// What is not held, or what its status says of it another replica saw, and what policies ask of it. An old leader's word that a
/// repository cannot be verified is held against its server by the new one, and not only when it is due there.
type Missing = (RepositoryKey, Remembered);

/// What goes on from one look to the next.
#[derive(Debug, Default)]
struct Progress {
    pauses: Pauses,
    turns: Turn,
    is_full: bool,
}

impl Rounds {
    /// Of what `state` knows and `policies` ask for, by `resolver`.
    pub fn new(
        state: ClusterState,
        resolver: Arc<Resolver>,
        policies: watch::Receiver<PolicySnapshot>,
        leadership: Leadership,
        clock: SharedClock,
    ) -> Self {
        Self { state, resolver, policies, leadership, clock }
    }

    /// Goes round for ever, while this replica leads.
    pub async fn run(self) {
        self.state.loaded().await;
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut progress = Progress::default();
        loop {
            ticks.tick().await;
            if !self.leadership.is_leader() {
                progress = Progress::default();
                continue;
            }
            let PolicySnapshot::Synced(set) = self.policies.borrow().clone() else { continue };
            progress.pauses.are_under(&set, Instant::now());
            let Some((after, held, missing)) = self.look(set, progress).await else { return };
            progress = after;
            self.fetch(missing, &held, &mut progress.pauses).await;
        }
    }

    /// What is held and what is missing, on a thread of its own: with thousands of repositories it takes a while, which admissions are not to
    /// wait for. `None`: the runtime shuts down.
    async fn look(
        &self,
        set: Arc<PolicySet>,
        mut progress: Progress,
    ) -> Option<(Progress, Held, Vec<Missing>)> {
        let (state, resolver, now) = (self.state.clone(), Arc::clone(&self.resolver), self.clock.now());
        let at = Instant::now();
        let looked = move || {
            let held = resolver.held();
            let asked = |known: &Known| remember(&set, known, now);
            let turn = progress.turn();
            let present = state.known_where(|key, _, _| turn.takes(key) && held.has(key));
            progress.took(present.len());
            resolver.remind(&present.iter().filter_map(asked).collect::<Vec<_>>());
            let is_due = |key: &RepositoryKey, last_used, _| {
                is_in_use(last_used, now) && !held.has(key) && !progress.pauses.covers(key, at)
            };
            let mut missing = state.known_where(is_due);
            missing.sort_by_key(|known| Reverse(known.last_used.unwrap_or(now)));
            let mut missing = progress.missing(held.room, &missing, asked);
            let is_doubtful = |key: &RepositoryKey, _, fails| {
                fails && held.is_well(key) && !progress.pauses.covers(key, at)
            };
            let doubtful = state.known_where(is_doubtful);
            let room = AT_A_TIME.saturating_sub(missing.len());
            missing.extend(progress.remembered(room, &doubtful, asked));
            (progress, held, missing)
        };
        apart(looked).await
    }

    /// `before` is what was held when it was looked what is missing.
    async fn fetch(&self, missing: Vec<Missing>, before: &Held, pauses: &mut Pauses) {
        if missing.is_empty() {
            return;
        }
        let (tried, remembered): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        let silent = self.resolver.warm_once(remembered, ROUND).await;
        let (held, now) = (self.resolver.held(), Instant::now());
        for key in tried {
            if before.has(&key) {
                // What its status says is not settled here: until it is written anew, or for good, it waits.
                pauses.failed(key, now);
            } else if held.has(&key) {
                pauses.server_answers(&key.server);
            } else if !silent.contains(&key.server) {
                pauses.failed(key, now);
            } else {
                pauses.server_is_silent(&key.server, now);
            }
        }
    }
}

impl Progress {
    /// What is held and looked at this time. All of it is in the end: others may have been asked for it under policies that
    /// this replica was not.
    fn turn(&mut self) -> Turn {
        self.turns.turn = (self.turns.turn + 1) % self.turns.of;
        self.turns
    }

    /// A turn came to so many: the next ones are about as large as they may be.
    fn took(&mut self, count: usize) {
        let held = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(self.turns.of);
        self.turns.of = held.div_ceil(LOOKED_AT as u64).max(1);
    }

    /// What is fetched next: the most recently used of what policies ask for, as far as there is room.
    fn missing(
        &mut self,
        room: usize,
        missing: &[Known],
        remember: impl Fn(&Known) -> Option<Remembered>,
    ) -> Vec<Missing> {
        let next = self.remembered(AT_A_TIME.min(room), missing, remember);
        let is_full = room == 0 && !missing.is_empty();
        if is_full && !self.is_full {
            let missing = missing.len();
            tracing::warn!(
                missing,
                "memory has no room for all repositories in use: of the others, statuses say what was last known"
            );
        }
        self.is_full = is_full;
        next
    }

    /// What policies ask of the first ones, at most so many.
    fn remembered(
        &mut self,
        most: usize,
        known: &[Known],
        remember: impl Fn(&Known) -> Option<Remembered>,
    ) -> Vec<Missing> {
        let mut next = Vec::new();
        for known in known.iter().take(LOOKED_AT) {
            if next.len() >= most {
                break;
            }
            match remember(known) {
                Some(remembered) => next.push((known.key.clone(), remembered)),
                None => self.pauses.nobody_asks(&known.key),
            }
        }
        next
    }
}

/// A part of what is held.
#[derive(Debug, Clone, Copy)]
struct Turn {
    turn: u64,
    of: u64,
}

impl Turn {
    fn takes(self, key: &RepositoryKey) -> bool {
        hash(key) % self.of == self.turn % self.of
    }
}

impl Default for Turn {
    /// Nobody knows yet how much is held.
    fn default() -> Self {
        Self { turn: 0, of: 128 }
    }
}

/// The same for as long as the process lives.
fn hash(key: &RepositoryKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
