//! [`WarmUp`]: after a start, the repositories that the cluster knows are had in memory before this replica is ready, within
//! a bound (design §4 "Cache").

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::repositories::{ClusterState, Known};
use crate::clock::SharedClock;
use crate::image::ImageReference;
use crate::policy::{Demand, PolicySet, PolicySnapshot};
use crate::trust::{Remembered, RepositoryKey, Resolver, Warmth};

/// So long at most it holds up readiness. What is not warm by then becomes so behind everybody's back.
const BOUND: Duration = Duration::from_secs(15);

/// Repositories that nobody asked for in this time are left alone.
const IN_USE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Warms a resolver up.
#[derive(Clone)]
pub struct WarmUp {
    state: ClusterState,
    resolver: Arc<Resolver>,
    policies: watch::Receiver<PolicySnapshot>,
    clock: SharedClock,
}

impl WarmUp {
    /// Of what `state` knows, for what `policies` ask.
    pub fn new(
        state: ClusterState,
        resolver: Arc<Resolver>,
        policies: watch::Receiver<PolicySnapshot>,
        clock: SharedClock,
    ) -> Self {
        Self { state, resolver, policies, clock }
    }

    /// Waits for trust state and policies, and warms up what is known then. Calls `ready` once all of it had its turn, or
    /// the bound is over, and goes on. Returns when nothing is left to try.
    pub async fn run(mut self, ready: impl FnOnce()) {
        self.state.loaded().await;
        let synced = self.policies.wait_for(|policies| matches!(policies, PolicySnapshot::Synced(_)));
        let Some(PolicySnapshot::Synced(set)) = synced.await.ok().map(|policies| policies.clone()) else {
            // Nobody watches policies any more: the process ends.
            return;
        };
        let started = Instant::now();
        let (told, mut hears) = watch::channel(Warmth::default());
        let known = self.state.known();
        let count = known.len();
        let warm = async {
            let now = self.clock.now();
            // Thousands of repositories under hundreds of policies: nothing that requests should wait for.
            let remembered = tokio::task::spawn_blocking(move || remembered(&set, known, now)).await;
            let remembered = match remembered.map_err(tokio::task::JoinError::try_into_panic) {
                Ok(remembered) => remembered,
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                // The runtime shuts down.
                Err(Err(_)) => Vec::new(),
            };
            self.resolver.warm(remembered, &told).await;
        };
        let report = async {
            let in_time = timeout_at(started + BOUND, hears.wait_for(|warmth| warmth.once)).await.is_ok();
            let warmth = *hears.borrow();
            ready();
            report(count, warmth, started.elapsed(), in_time);
        };
        tokio::join!(warm, report);
    }
}

fn report(known: usize, warmth: Warmth, took: Duration, in_time: bool) {
    let Warmth { repositories, loaded, revalidated, failed, left, once: _ } = warmth;
    let goes_on = if in_time { "" } else { "; the rest follows in the background" };
    tracing::info!(
        known,
        asked_for = repositories,
        loaded,
        revalidated,
        failed,
        left,
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "known repositories were looked at{goes_on}"
    );
}

/// What the policies of `set` ask of the repositories in use, the most recently used first. Where no status says when one
/// was used, its record is new.
fn remembered(set: &PolicySet, mut known: Vec<Known>, now: Timestamp) -> Vec<Remembered> {
    known.retain(|known| known.last_used.is_none_or(|used| now.duration_since(used) <= IN_USE));
    known.sort_by_key(|known| Reverse(known.last_used.unwrap_or(now)));
    known.into_iter().filter_map(|known| remember(set, &known, now)).collect()
}

fn remember(set: &PolicySet, known: &Known, now: Timestamp) -> Option<Remembered> {
    let asked = known.image.as_deref().map(|image| (image.to_owned(), true));
    // Only the leader writes an image, of what it was asked for itself; without, the repository's own name is one, unless policies rewrite names.
    let own_name = (format!("{}:latest", known.key.gun), false);
    asked.into_iter().chain([own_name]).find_map(|(image, was_asked)| {
        let image = ImageReference::parse(&image).ok()?;
        let asks = |demand: &Demand| leads_to(demand, &known.key);
        let demands =
            set.policies().filter_map(|(policy, _)| set.demand_of(policy.id(), &image).filter(asks));
        let demands: Vec<Demand> = demands.collect();
        let last_used = known.last_used.unwrap_or(now);
        (!demands.is_empty()).then_some(Remembered { demands, image, was_asked, last_used })
    })
}

fn leads_to(demand: &Demand, key: &RepositoryKey) -> bool {
    demand.gun == key.gun
        && demand.server.url.as_str() == key.server
        && demand.anchors.fingerprint() == key.anchors
}
