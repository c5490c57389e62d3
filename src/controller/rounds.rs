//! [`Rounds`]: the leader has in memory what the cluster knows, whichever replica was asked for it, so that what it says of
//! repositories and of policies' trust data is true (design §2).
//!
//! After a start the warm-up does that for what is known then. What others are asked for later is fetched here, a few
//! repositories at a time; from then on it is revalidated like all that is in use (design §4 "Cache"). No request to the API
//! server comes of it: what is known stands in the watch.

mod pauses;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::pauses::Pauses;
use super::leader::Leadership;
use super::remembered::{is_in_use, remember};
use super::repositories::{ClusterState, Known};
use crate::clock::SharedClock;
use crate::policy::{PolicySet, PolicySnapshot};
use crate::trust::{Remembered, RepositoryKey, Resolver};

/// How often it is looked what is missing.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// So many repositories are fetched at a time: one a second.
const AT_A_TIME: usize = 10;
/// For so many it is looked, each time, which policies ask for them: with a thousand policies that takes a moment.
const LOOKED_AT: usize = 100;
/// So long a round waits for slow servers. What was asked of them goes on.
const ROUND: Duration = Duration::from_secs(30);

/// Keeps the leader's memory as full as the cluster's.
pub struct Rounds {
    state: ClusterState,
    resolver: Arc<Resolver>,
    policies: watch::Receiver<PolicySnapshot>,
    leadership: Leadership,
    clock: SharedClock,
}

/// What is not held, and what policies ask of it.
type Missing = (RepositoryKey, Remembered);

/// What goes on from one look to the next.
#[derive(Debug, Default)]
struct Progress {
    pauses: Pauses,
    /// How many of what is held were looked at in this turn.
    reminded: usize,
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
            progress.pauses.are_under(&set);
            let Some((after, missing)) = self.look(set, progress).await else { return };
            progress = after;
            self.fetch(missing, &mut progress.pauses).await;
        }
    }

    /// What is missing, on a thread of its own: with thousands of repositories it takes a while, which admissions are not to
    /// wait for. `None`: the runtime shuts down.
    async fn look(&self, set: Arc<PolicySet>, mut progress: Progress) -> Option<(Progress, Vec<Missing>)> {
        let (state, resolver, now) = (self.state.clone(), Arc::clone(&self.resolver), self.clock.now());
        let at = Instant::now();
        let looked = tokio::task::spawn_blocking(move || {
            let held = resolver.held();
            let known = state.known().into_iter().filter(|known| is_in_use(known, now));
            let (present, mut missing): (Vec<_>, Vec<_>) =
                known.partition(|known| held.keys.contains(&known.key));
            missing.sort_by_key(|known| Reverse(known.last_used.unwrap_or(now)));
            let asked = |known: &Known| remember(&set, known, now);
            resolver.remind(&progress.reminders(present, asked));
            let missing = progress.missing(held.room, &missing, at, asked);
            (progress, missing)
        });
        match looked.await {
            Ok(looked) => Some(looked),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => None,
            },
        }
    }

    async fn fetch(&self, missing: Vec<Missing>, pauses: &mut Pauses) {
        if missing.is_empty() {
            return;
        }
        let (tried, remembered): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        let silent = timeout(ROUND, self.resolver.warm_once(remembered)).await;
        let (held, now) = (self.resolver.held().keys, Instant::now());
        for key in tried {
            if held.contains(&key) {
                pauses.server_answers(&key.server);
            } else if silent.as_ref().is_ok_and(|silent| !silent.contains(&key.server)) {
                pauses.failed(key, now);
            } else {
                pauses.server_is_silent(&key.server, now);
            }
        }
    }
}

impl Progress {
    /// The next few of what is held, in turn, each with what policies ask of it: others may have been asked for it under
    /// policies that this replica was not.
    fn reminders(
        &mut self,
        mut present: Vec<Known>,
        remember: impl Fn(&Known) -> Option<Remembered>,
    ) -> Vec<Remembered> {
        present.sort_by(|a, b| a.key.cmp(&b.key));
        if self.reminded >= present.len() {
            self.reminded = 0;
        }
        let next: Vec<_> = present.iter().skip(self.reminded).take(LOOKED_AT).collect();
        self.reminded += next.len();
        next.into_iter().filter_map(remember).collect()
    }

    /// What is fetched next: the most recently used of what policies ask for, as far as there is room.
    fn missing(
        &mut self,
        room: usize,
        missing: &[Known],
        now: Instant,
        remember: impl Fn(&Known) -> Option<Remembered>,
    ) -> Vec<Missing> {
        self.pauses.retain(missing);
        let is_due = |known: &&Known| !self.pauses.covers(&known.key, now);
        let due: Vec<_> = missing.iter().filter(is_due).take(LOOKED_AT).collect();
        let mut next = Vec::new();
        for known in due {
            if next.len() >= AT_A_TIME.min(room) {
                break;
            }
            match remember(known) {
                Some(remembered) => next.push((known.key.clone(), remembered)),
                None => self.pauses.nobody_asks(known.key.clone()),
            }
        }
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
}
