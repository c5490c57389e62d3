//! [`WarmUp`]: after a start, the repositories that the cluster knows are had in memory before this replica is ready, within
//! a bound (design §4 "Cache").

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::apart::apart;
use super::remembered::remembered;
use super::repositories::ClusterState;
use crate::clock::SharedClock;
use crate::policy::PolicySnapshot;
use crate::trust::{Resolver, Warmth};

/// So long at most it holds up readiness. What is not warm by then becomes so behind everybody's back.
const BOUND: Duration = Duration::from_secs(15);

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
            let remembered = apart(move || remembered(&set, known, now)).await.unwrap_or_default();
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
        repositories,
        loaded,
        revalidated,
        failed,
        left,
        took_s = took.as_secs_f64(),
        "known repositories were looked at{goes_on}"
    );
}
