//! [`DecisionCounts`]: decisions by reason and policy. Every admission comes by, so one that nothing stands against costs a few
//! look-ups and additions: no lock, no allocation.

mod known;

use std::sync::Arc;

use self::known::Known;

use super::judge::ImageVerdict;
use super::observer::{Decided, Observer};
use super::verdict::{Decision, Hook};
use crate::policy::{Finding, PolicyId, Reason};
use crate::telemetry::{Counter, Endpoint, Metrics, PolicyCounts, PolicyVerdict};

/// Decisions that nothing stands against.
const PASSING: [Decision; 5] =
    [Decision::Sealed, Decision::Admitted, Decision::Unmatched, Decision::Exempt, Decision::Unchanged];

/// The counters of decisions.
#[derive(Debug)]
pub struct DecisionCounts {
    metrics: Metrics,
    mutate: [Counter; PASSING.len()],
    validate: [Counter; PASSING.len()],
    known: Known,
}

impl DecisionCounts {
    /// Counts in `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        let of = |endpoint| PASSING.map(|decision| metrics.passed(endpoint, decision.as_str()));
        let (mutate, validate) = (of(Endpoint::Mutate), of(Endpoint::Validate));
        Self { metrics, mutate, validate, known: Known::default() }
    }

    fn refusal(&self, endpoint: Endpoint, decided: &Decided<'_>) {
        let Some(denial) = decided.verdict.headline() else { return };
        let policy = denial.finding.policy.as_ref().map(|policy| self.of(policy));
        let (decision, reason) = (decided.decision.as_str(), denial.reason().as_str());
        self.metrics.refused(endpoint, decision, reason, policy.as_deref());
    }

    /// An image about which there is something to say. What no policy is to blame for (that they find different digests)
    /// stands against each of those that decided; that an image is unmatched, against none.
    fn findings(&self, endpoint: Endpoint, verdict: &ImageVerdict) {
        let word = match endpoint {
            Endpoint::Mutate => PolicyVerdict::Deferred,
            _ => PolicyVerdict::Denied,
        };
        let denials = verdict.denials().iter().map(|denial| (word, &denial.finding));
        let remarks = verdict.remarks.iter().map(|remark| (PolicyVerdict::Reported, &remark.denial.finding));
        let findings: Vec<_> = denials.chain(remarks).collect();
        for (said, finding) in &findings {
            let of_all = verdict.policies.iter().map(|policy| &**policy).filter(|_| is_of_all(finding));
            for policy in finding.policy.iter().chain(of_all) {
                self.of(policy).found(endpoint, *said, finding.reason.as_str());
            }
        }
        for policy in &verdict.policies {
            let concerns =
                |finding: &Finding| finding.policy.as_ref().map_or(is_of_all(finding), |of| *of == **policy);
            if !findings.iter().any(|(_, finding)| concerns(finding)) {
                self.passed(endpoint, policy);
            }
        }
    }

    fn passed(&self, endpoint: Endpoint, policy: &Arc<PolicyId>) {
        let generation = self.metrics.generation();
        let is_known = self.known.with(policy, generation, |counts| counts.passed(endpoint, 1));
        if !is_known {
            let counts = self.of(policy);
            counts.passed(endpoint, 1);
            self.known.learn(policy, generation, counts);
        }
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
            verdict.exemptions.iter().for_each(|exemption| self.metrics.exempted(endpoint, &exemption.name));
            if verdict.denials().is_empty() && verdict.remarks.is_empty() {
                verdict.policies.iter().for_each(|policy| self.passed(endpoint, policy));
            } else {
                self.findings(endpoint, verdict);
            }
        }
    }

    fn unjudged(&self, hook: Hook, reason: Reason) {
        self.metrics.refused(endpoint(hook), Decision::refusal(hook).as_str(), reason.as_str(), None);
    }
}

fn is_of_all(finding: &Finding) -> bool {
    finding.policy.is_none() && finding.reason != Reason::NoPolicy
}

fn endpoint(hook: Hook) -> Endpoint {
    match hook {
        Hook::Mutate => Endpoint::Mutate,
        Hook::Validate => Endpoint::Validate,
    }
}
