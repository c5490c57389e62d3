//! Puts the answers of all matching policies together: every Deny policy must pass, and all with one digest;
//! Warn and Audit policies are judged apart (design §2).

use std::sync::Arc;

use super::verdict::{Denial, Finding, ImageVerdict, Outcome, Passed};
use crate::image::ImageReference;
use crate::policy::{Action, Demand, Mutation, PolicyId, Reason};
use crate::trust::{Refusal, Resolved};

/// What is known so far.
#[derive(Default)]
pub(super) struct Tally {
    passes: Vec<Pass>,
    refusals: Vec<Finding>,
}

struct Pass {
    action: Action,
    policy: Arc<PolicyId>,
    mutation: Mutation,
    resolved: Resolved,
}

impl Tally {
    /// Counts the answer to one policy's demand.
    pub(super) fn answer(&mut self, action: Action, demand: &Demand, answer: Result<Resolved, Refusal>) {
        let policy = Arc::clone(&demand.policy);
        match answer {
            Ok(resolved) => self.passes.push(Pass { action, policy, mutation: demand.mutation, resolved }),
            Err(refusal) => self.refuse(action, Denial::of(&policy, refusal)),
        }
    }

    /// Counts what stands against the image.
    pub(super) fn refuse(&mut self, action: Action, denial: Denial) {
        self.refusals.push(Finding { action, denial });
    }

    /// The sum.
    pub(super) fn verdict(mut self, image: &ImageReference) -> ImageVerdict {
        let enforced = self.passes.iter().any(|pass| pass.action == Action::Deny)
            || self.refusals.iter().any(|refusal| refusal.action == Action::Deny);
        if enforced {
            // Beside a Deny policy, the others only report: they neither seal nor conflict.
            self.passes.retain(|pass| pass.action == Action::Deny);
        }
        self.passes.sort_by(|a, b| a.policy.cmp(&b.policy));
        if let Some(conflict) = self.conflict() {
            self.refusals.push(conflict);
            self.passes.iter_mut().for_each(|pass| pass.resolved.signed = None);
        }
        // Design §6: cluster policies before namespaced, then by name.
        self.refusals.sort_by(|a, b| a.denial.policy.cmp(&b.denial.policy));
        let policies = self.policies(enforced);
        let (denials, findings): (Vec<_>, Vec<_>) =
            self.refusals.into_iter().partition(|refusal| refusal.action == Action::Deny);
        let warnings = self.passes.iter().flat_map(|pass| pass.resolved.warnings.iter().cloned()).collect();
        let outcome = if !denials.is_empty() {
            Outcome::Denied(denials.into_iter().map(|refusal| refusal.denial).collect())
        } else if policies.is_empty() {
            Outcome::Unmatched
        } else {
            Outcome::Passed(passed(self.passes, image, enforced))
        };
        ImageVerdict { image: image.original().to_owned(), outcome, policies, findings, warnings }
    }

    /// That the policies which passed name different digests: of Deny policies a denial, of others a finding.
    fn conflict(&self) -> Option<Finding> {
        let digests: Vec<_> = self
            .passes
            .iter()
            .filter_map(|pass| pass.resolved.signed.as_ref().map(|signed| (pass, signed.digest())))
            .collect();
        let (_, first) = digests.first()?;
        if digests.iter().all(|(_, digest)| digest == first) {
            return None;
        }
        let accounts: Vec<_> =
            digests.iter().map(|(pass, digest)| format!("{} says {digest}", pass.policy)).collect();
        let action = digests.iter().map(|(pass, _)| pass.action).min()?;
        let message = format!(
            "the policies find different digests signed: {}; sign the same digest for all of them",
            accounts.join(", ")
        );
        Some(Finding { action, denial: Denial::untrusted(None, Reason::ConflictingDigests, message) })
    }

    fn policies(&self, enforced: bool) -> Vec<Arc<PolicyId>> {
        let refusing = self
            .refusals
            .iter()
            .filter(|refusal| !enforced || refusal.action == Action::Deny)
            .filter_map(|refusal| refusal.denial.policy.as_ref());
        let mut policies: Vec<_> =
            self.passes.iter().map(|pass| &pass.policy).chain(refusing).cloned().collect();
        policies.sort();
        policies.dedup();
        policies
    }
}

fn passed(passes: Vec<Pass>, image: &ImageReference, enforced: bool) -> Passed {
    let mutation = passes.iter().map(|pass| pass.mutation).min().unwrap_or_default();
    let evidence: Vec<_> = passes.into_iter().map(|pass| pass.resolved).collect();
    let signed = evidence.iter().find_map(|resolved| resolved.signed.as_ref());
    let sealed = signed.filter(|_| image.digest().is_none()).map(|signed| signed.seal(image));
    Passed { evidence, sealed, mutation, enforced }
}
