//! [`DecisionCounts`]: decisions by reason and policy. Every admission comes by, so one that nothing stands against costs a few
//! look-ups and additions: no lock, no allocation.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::judge::ImageVerdict;
use super::observer::{Decided, Observer};
use super::verdict::{Decision, Hook};
use crate::policy::{PolicyId, Reason};
use crate::telemetry::{Counter, Endpoint, Metrics, PolicyCounts, PolicyVerdict};

/// Decisions that nothing stands against.
const PASSING: [Decision; 4] =
    [Decision::Sealed, Decision::Admitted, Decision::Unmatched, Decision::Unchanged];

/// More policies than this are not remembered: then it begins anew.
const MAX_KNOWN: usize = 4_096;

/// The counters of decisions.
#[derive(Debug)]
pub struct DecisionCounts {
    metrics: Metrics,
    mutate: [Counter; PASSING.len()],
    validate: [Counter; PASSING.len()],
    known: ArcSwap<Known>,
}

/// The counts of the policies that came by. A compiled policy hands out one `Arc` of its ID, so its address tells it apart;
/// the `Arc` is kept, so that the address stays its own.
#[derive(Debug, Default)]
struct Known {
    /// [`Metrics::generation`] when they were found.
    generation: u64,
    /// Sorted by address.
    policies: Vec<(Arc<PolicyId>, Arc<PolicyCounts>)>,
}

impl DecisionCounts {
    /// Counts in `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        let of = |endpoint| PASSING.map(|decision| metrics.passed(endpoint, decision.as_str()));
        let (mutate, validate) = (of(Endpoint::Mutate), of(Endpoint::Validate));
        Self { metrics, mutate, validate, known: ArcSwap::default() }
    }

    fn refusal(&self, endpoint: Endpoint, decided: &Decided<'_>) {
        let Some(denial) = decided.verdict.headline() else { return };
        let policy = denial.finding.policy.as_ref().map(|policy| self.of(policy));
        let (decision, reason) = (decided.decision.as_str(), denial.reason().as_str());
        self.metrics.refused(endpoint, decision, reason, policy.as_deref());
    }

    /// An image about which there is something to say. What no policy is to blame for (that they find different digests)
    /// stands against each of those that decided.
    fn findings(&self, endpoint: Endpoint, verdict: &ImageVerdict) {
        let denials = verdict.denials().iter().map(|denial| (PolicyVerdict::Denied, &denial.finding));
        let remarks = verdict.remarks.iter().map(|remark| (PolicyVerdict::Reported, &remark.denial.finding));
        let findings: Vec<_> = denials.chain(remarks).collect();
        for (said, finding) in &findings {
            let of_all = verdict.policies.iter().map(|policy| &**policy).filter(|_| finding.policy.is_none());
            for policy in finding.policy.iter().chain(of_all) {
                self.of(policy).found(endpoint, *said, finding.reason.as_str());
            }
        }
        for policy in &verdict.policies {
            let concerns = |of: &Option<PolicyId>| of.as_ref().is_none_or(|of| *of == **policy);
            if !findings.iter().any(|(_, finding)| concerns(&finding.policy)) {
                self.passed(endpoint, policy);
            }
        }
    }

    fn passed(&self, endpoint: Endpoint, policy: &Arc<PolicyId>) {
        let known = self.known.load();
        match known.find(policy).filter(|_| known.generation == self.metrics.generation()) {
            Some(counts) => counts.passed(endpoint, 1),
            None => self.learn(policy).passed(endpoint, 1),
        }
    }

    /// Looks a policy up, and remembers it.
    fn learn(&self, policy: &Arc<PolicyId>) -> Arc<PolicyCounts> {
        let generation = self.metrics.generation();
        let counts = self.of(policy);
        self.known.rcu(|known| known.with(generation, policy, &counts));
        counts
    }

    fn of(&self, policy: &PolicyId) -> Arc<PolicyCounts> {
        self.metrics.policy(&policy.label())
    }
}

impl Observer for DecisionCounts {
    fn decided(&self, decided: Decided<'_>) {
        let endpoint = endpoint(decided.hook);
        let passing = match decided.hook {
            Hook::Mutate => &self.mutate,
            Hook::Validate => &self.validate,
        };
        match PASSING.iter().zip(passing).find(|(decision, _)| **decision == decided.decision) {
            Some((_, counter)) => drop(counter.inc()),
            None => self.refusal(endpoint, &decided),
        }
        for image in decided.verdict.images() {
            let verdict = &image.verdict;
            if verdict.denials().is_empty() && verdict.remarks.is_empty() {
                verdict.policies.iter().for_each(|policy| self.passed(endpoint, policy));
            } else {
                self.findings(endpoint, verdict);
            }
        }
    }

    fn unsupported(&self, hook: Hook) {
        let reason = Reason::UnsupportedObject.as_str();
        self.metrics.refused(endpoint(hook), Decision::Denied.as_str(), reason, None);
    }
}

fn endpoint(hook: Hook) -> Endpoint {
    match hook {
        Hook::Mutate => Endpoint::Mutate,
        Hook::Validate => Endpoint::Validate,
    }
}

impl Known {
    fn find(&self, policy: &Arc<PolicyId>) -> Option<&PolicyCounts> {
        let by_address = |(known, _): &(Arc<PolicyId>, _)| Arc::as_ptr(known);
        let place = self.policies.binary_search_by_key(&Arc::as_ptr(policy), by_address).ok()?;
        self.policies.get(place).map(|(_, counts)| &**counts)
    }

    fn with(&self, generation: u64, policy: &Arc<PolicyId>, counts: &Arc<PolicyCounts>) -> Self {
        let is_new = generation != self.generation || self.policies.len() >= MAX_KNOWN;
        let mut policies = if is_new { Vec::new() } else { self.policies.clone() };
        let place = policies.partition_point(|(known, _)| Arc::as_ptr(known) < Arc::as_ptr(policy));
        if policies.get(place).is_none_or(|(known, _)| !Arc::ptr_eq(known, policy)) {
            policies.insert(place, (Arc::clone(policy), Arc::clone(counts)));
        }
        Self { generation, policies }
    }
}
