//! Puts the answers of all matching policies together: every Deny policy must pass, and all with one digest;
//! Warn and Audit policies are judged apart (design §2).

use std::sync::Arc;

use super::verdict::{Denial, ImageVerdict, Outcome, Passed, Remark};
use crate::image::ImageReference;
use crate::policy::{Actions, Demand, Mutation, Objection, Observed, PolicyId, Reason};
use crate::trust::{Refusal, Resolved};

/// A demand and the resolver's answer to it.
type Answer<'d> = (&'d Demand, Result<Resolved, Refusal>);
/// A Warn or Audit policy and the answer to it, or why it cannot ask.
type Observation<'d> = (&'d Observed, Result<Result<Resolved, Refusal>, Objection>);

/// The verdict where a Deny policy cannot judge: nothing else matters.
pub(super) fn invalid(image: &ImageReference, objections: Vec<Objection>) -> ImageVerdict {
    let policies = objections.iter().map(|objection| Arc::clone(&objection.policy)).collect();
    let denials = in_order(objections.into_iter().map(denial_of).collect());
    ImageVerdict { policies, ..ImageVerdict::of(image.original(), Outcome::Denied(denials)) }
}

/// The verdict where policies asked. `mutation` is the strictest of those that decide.
pub(super) fn tally(
    image: &ImageReference,
    mutation: Mutation,
    answers: Vec<Answer<'_>>,
    observations: Vec<Observation<'_>>,
) -> ImageVerdict {
    if answers.is_empty() {
        return observed(image, mutation, observations);
    }
    // Beside a Deny policy, the others only report: they neither seal nor conflict.
    let remarks = observations.into_iter().filter_map(|observation| split(observation).err()).collect();
    let policies = answers.iter().map(|(demand, _)| Arc::clone(&demand.policy)).collect();
    let (mut denials, mut passing, mut passes) = (Vec::new(), Vec::new(), Vec::new());
    for (demand, answer) in answers {
        match answer {
            Ok(resolved) => {
                passing.push(&demand.policy);
                passes.push(resolved);
            }
            Err(refusal) => denials.push(Denial::of(&demand.policy, refusal)),
        }
    }
    denials.extend(conflict(passing.into_iter().zip(&passes)));
    let warnings = warnings(&passes);
    let outcome = if denials.is_empty() {
        Outcome::Passed(passed(image, mutation, passes))
    } else {
        Outcome::Denied(in_order(denials))
    };
    ImageVerdict { policies, remarks, warnings, ..ImageVerdict::of(image.original(), outcome) }
}

/// Where only Warn and Audit policies match: they report. Those that say where digests are written seal what they can
/// resolve, if all agree.
fn observed(image: &ImageReference, mutation: Mutation, observations: Vec<Observation<'_>>) -> ImageVerdict {
    let none = Actions { deny: false, warn: false, audit: false };
    let actions = observations.iter().map(|(observed, _)| observed.actions).fold(none, |all, one| Actions {
        deny: false,
        warn: all.warn || one.warn,
        audit: all.audit || one.audit,
    });
    let policies = observations.iter().map(|(observed, _)| Arc::clone(policy_of(observed))).collect();
    let (mut passing, mut passes, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sealed, mut sealed_by) = (None, None);
    for observation in observations {
        let (policy, writes) = (policy_of(observation.0), observation.0.mutation.is_some());
        match split(observation) {
            Ok(resolved) => {
                if writes && sealed.is_none() {
                    sealed = seal(image, std::slice::from_ref(&resolved));
                    sealed_by = sealed.as_ref().map(|_| Arc::clone(policy));
                }
                passing.push(policy);
                passes.push(resolved);
            }
            Err(remark) => remarks.push(remark),
        }
    }
    let warnings = warnings(&passes);
    if let Some(denial) = conflict(passing.into_iter().zip(&passes)) {
        remarks.push(Remark { actions, denial });
        passes.clear();
        (sealed, sealed_by) = (None, None);
    }
    let outcome = Outcome::Passed(Passed { answers: passes, sealed, sealed_by, mutation, actions });
    ImageVerdict { policies, remarks, warnings, ..ImageVerdict::of(image.original(), outcome) }
}

fn split((observed, answer): Observation<'_>) -> Result<Resolved, Remark> {
    let policy = policy_of(observed);
    let remark = |denial| Remark { actions: observed.actions, denial };
    match answer {
        Ok(Ok(resolved)) => Ok(resolved),
        Ok(Err(refusal)) => Err(remark(Denial::of(policy, refusal))),
        Err(objection) => Err(remark(denial_of(objection))),
    }
}

fn policy_of(observed: &Observed) -> &Arc<PolicyId> {
    match &observed.demand {
        Ok(demand) => &demand.policy,
        Err(objection) => &objection.policy,
    }
}

fn denial_of(objection: Objection) -> Denial {
    Denial::untrusted(Some(&objection.policy), objection.reason, objection.message)
}

/// That the policies which passed name different digests.
fn conflict<'p, 'r>(
    passes: impl Iterator<Item = (&'p Arc<PolicyId>, &'r Resolved)> + Clone,
) -> Option<Denial> {
    let signed = passes.filter_map(|(policy, resolved)| Some((policy, resolved.signed.as_ref()?.digest())));
    let (_, first) = signed.clone().next()?;
    if signed.clone().all(|(_, digest)| digest == first) {
        return None;
    }
    let accounts: Vec<_> = signed.map(|(policy, digest)| format!("{policy} finds {digest}")).collect();
    let message = format!(
        "the policies find different digests: {}; sign one digest for all of them",
        accounts.join(", ")
    );
    Some(Denial::untrusted(None, Reason::ConflictingDigests, message))
}

fn warnings(answers: &[Resolved]) -> Vec<String> {
    answers.iter().flat_map(|resolved| &resolved.warnings).cloned().collect()
}

/// What Deny policies let pass.
fn passed(image: &ImageReference, mutation: Mutation, answers: Vec<Resolved>) -> Passed {
    let sealed = seal(image, &answers);
    Passed { answers, sealed, sealed_by: None, mutation, actions: Actions::DENY }
}

/// An image that has its digest stays as it is: the resolver let it pass because that very digest is good.
fn seal(image: &ImageReference, answers: &[Resolved]) -> Option<String> {
    let signed = answers.iter().find_map(|resolved| resolved.signed.as_ref());
    signed.filter(|_| image.digest().is_none()).map(|signed| signed.seal(image))
}

/// Design §6: the one table.
fn in_order(mut denials: Vec<Denial>) -> Vec<Denial> {
    denials.sort_by(|a, b| a.finding.cmp(&b.finding));
    denials
}
