//! [`PolicyFiguresWatch`]: what metrics say of policies and of the trust data that they rest on, looked at now and then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::apart::apart;
use super::leader::Leadership;
use super::trust_data::holdings;
use crate::clock::SharedClock;
use crate::policy::{PolicyId, PolicySet, PolicySnapshot};
use crate::telemetry::{Figures, Metrics, PolicyFigures};
use crate::trust::{RepositoryHealth, Resolver, Survey};

/// How often it is looked. Whoever scrapes costs nothing more, and as often as they like.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Looks are no closer than this, however often policies change.
const APART: Duration = Duration::from_secs(1);

/// Keeps the figures of policies and repositories.
#[derive(Debug, Clone)]
pub struct PolicyFiguresWatch {
    metrics: Metrics,
    policies: watch::Receiver<PolicySnapshot>,
    resolver: Arc<Resolver>,
    clock: SharedClock,
    leadership: Leadership,
}

impl PolicyFiguresWatch {
    /// Of the policies that `policies` shows, and what `resolver` has in memory.
    pub fn new(
        metrics: Metrics,
        policies: watch::Receiver<PolicySnapshot>,
        resolver: Arc<Resolver>,
        clock: SharedClock,
    ) -> Self {
        Self { metrics, policies, resolver, clock, leadership: Leadership::always() }
    }

    /// The same for one of several replicas. Only the leader knows what the others were asked for ([`super::Rounds`]).
    #[must_use]
    pub fn led_by(self, leadership: Leadership) -> Self {
        Self { leadership, ..self }
    }

    /// Looks, until nobody shows policies any more.
    pub async fn run(mut self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = self.policies.changed() => if changed.is_err() { return },
                _ = ticks.tick() => {}
            }
            let snapshot = self.policies.borrow_and_update().clone();
            if let PolicySnapshot::Synced(set) = snapshot {
                let (metrics, resolver, now) =
                    (self.metrics.clone(), Arc::clone(&self.resolver), self.clock.now());
                let leads = self.leadership.is_leader();
                // Many repositories take milliseconds, which are not an admission's to wait.
                let looked = apart(move || {
                    metrics.policies(set.policies().map(|(policy, _)| policy.id().label().into_owned()));
                    metrics.exemptions(set.exemptions().map(|(exemption, _)| exemption.name().to_owned()));
                    metrics.figures(figures(&set, resolver.survey(), leads, now));
                });
                if looked.await.is_none() {
                    return;
                }
                tokio::time::sleep(APART).await;
            }
        }
    }
}

fn figures(set: &PolicySet, survey: Survey, leads: bool, now: Timestamp) -> Figures {
    let mut renewals: BTreeMap<Arc<PolicyId>, Timestamp> = BTreeMap::new();
    let mut confirmed: BTreeMap<Arc<PolicyId>, Timestamp> = BTreeMap::new();
    for repository in &survey.in_use {
        for asked in &repository.health.asked {
            let demand = set.demand_of(&asked.policy, &asked.image);
            let Some(demand) = demand.filter(|demand| repository.health.answers(demand)) else { continue };
            if let Some((_, expires)) = repository.renewal(&demand) {
                keep_first(&mut renewals, &asked.policy, expires);
            }
            if let Some(of) = &repository.health.confirmed {
                keep_first(&mut confirmed, &asked.policy, of.at);
            }
        }
    }
    let repositories = Some((survey.verified, survey.unverified));
    let health: Vec<RepositoryHealth> = survey.in_use.into_iter().map(|surveyed| surveyed.health).collect();
    let holdings = holdings(set, &health, now);
    let mut kinds = BTreeMap::from(NO_POLICIES);
    let policies = set.policies().map(|(policy, errors)| {
        let id = policy.id();
        let kind = if id.namespace.is_none() { "ClusterTrustPolicy" } else { "TrustPolicy" };
        let state = if errors.is_empty() { "ready" } else { "invalid" };
        *kinds.entry((kind, state)).or_default() += 1;
        let (fresh, ailing) = holdings.get(id).map_or((0, 0), |holdings| holdings.fresh_and_ailing(leads));
        PolicyFigures {
            label: id.label().into_owned(),
            age: confirmed.get(id).map(|at| now.duration_since(*at).as_secs()),
            expires: renewals.get(id).map(|expires| expires.as_second()),
            fresh,
            ailing,
        }
    });
    let policies = policies.collect();
    Figures { policies, kinds, repositories, exemptions: remaining(set, now) }
}

/// How many seconds are left of each exemption that has an end.
fn remaining(set: &PolicySet, now: Timestamp) -> Vec<(String, i64)> {
    let exemptions = set.exemptions().filter_map(|(exemption, _)| exemption.exemption());
    exemptions
        .filter_map(|terms| Some((terms.name.clone(), terms.until?.duration_since(now).as_secs().max(0))))
        .collect()
}

/// That there are none is said, too.
const NO_POLICIES: [((&str, &str), usize); 4] = [
    (("ClusterTrustPolicy", "ready"), 0),
    (("ClusterTrustPolicy", "invalid"), 0),
    (("TrustPolicy", "ready"), 0),
    (("TrustPolicy", "invalid"), 0),
];

fn keep_first(times: &mut BTreeMap<Arc<PolicyId>, Timestamp>, of: &Arc<PolicyId>, at: Timestamp) {
    let first = times.entry(Arc::clone(of)).or_insert(at);
    *first = at.min(*first);
}
