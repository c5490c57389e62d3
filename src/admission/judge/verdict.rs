//! [`ImageVerdict`]: whether one image may run, and everything that there is to say about it.

use std::sync::Arc;

use crate::policy::{Actions, Exemptions, Finding, Mutation, PolicyId, Reason, UnmatchedImages};
use crate::trust::{Provenance, Refusal, Resolved, SignedDigest};

/// What the policies say of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageVerdict {
    /// The image as it was written.
    pub image: String,
    /// Whether it may run.
    pub outcome: Outcome,
    /// The policies that decided, in order: the Deny ones that match, or, without any, the Warn and Audit ones.
    pub policies: Vec<Arc<PolicyId>>,
    /// What Warn and Audit policies found, and what `--unmatched-images=Warn` says.
    pub remarks: Vec<Remark>,
    /// What the publisher or the admin should do soon.
    pub warnings: Vec<String>,
    /// The exemptions in force for it, by name. The policies that they name did not judge it.
    pub exemptions: Exemptions,
}

/// Whether an image may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No policy matches it, and that is allowed.
    Unmatched,
    /// Exemptions are in force for it, and no policy is left that judges it.
    Exempt,
    /// Nothing stands against it.
    Passed(Passed),
    /// Something does. Never empty; in the order of design §6.
    Denied(Vec<Denial>),
}

/// What is known of an image that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The policies' answers; all name one digest, or none (`digestReferences: Allow`). Empty where only
    /// Warn and Audit policies match and none could resolve the image, or they disagree.
    pub answers: Vec<Resolved>,
    /// The reference with the digest, where the image came without one and a policy says where it is written.
    pub sealed: Option<String>,
    /// The first policy that says so, where that is not simply the first that decided.
    pub sealed_by: Option<Arc<PolicyId>>,
    /// Where the digest is to be written: the strictest of the policies'.
    pub mutation: Mutation,
    /// What the policies behind this do, together: what follows where the digest is missing.
    pub actions: Actions,
}

impl Passed {
    /// The digest and who signed it, by the first policy's account.
    pub fn signed(&self) -> Option<&SignedDigest> {
        self.answers.iter().find_map(|resolved| resolved.signed.as_ref())
    }

    /// What all of it rests on.
    pub fn provenance(&self) -> impl Iterator<Item = &Arc<Provenance>> {
        self.answers.iter().filter_map(|resolved| Some(resolved.signed.as_ref()?.provenance()))
    }
}

/// Whether the image is known to be bad, or not known to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The trust data, or a policy, says no.
    Untrusted,
    /// There is no answer.
    Unavailable,
}

/// Why an image is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Which policy, which reason, what would fix it.
    pub finding: Finding,
    /// Whether that is an answer.
    pub fault: Fault,
}

/// What a policy that does not deny has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Whom it tells.
    pub actions: Actions,
    /// What it found: the same as a Deny policy would.
    pub denial: Denial,
}

impl ImageVerdict {
    /// A verdict about which there is nothing else to say.
    pub(super) fn of(image: &str, outcome: Outcome) -> Self {
        Self {
            image: image.to_owned(),
            outcome,
            policies: Vec::new(),
            remarks: Vec::new(),
            warnings: Vec::new(),
            exemptions: Vec::new(),
        }
    }

    /// What decides. In the order of design §6, but an answer comes before the lack of one: what is known to be
    /// unsigned is not "could not decide". `None` where the image is not denied.
    pub fn headline(&self) -> Option<&Denial> {
        let denials = self.denials();
        denials.iter().find(|denial| denial.fault == Fault::Untrusted).or_else(|| denials.first())
    }

    /// Everything that stands against the image.
    pub fn denials(&self) -> &[Denial] {
        match &self.outcome {
            Outcome::Denied(denials) => denials,
            Outcome::Unmatched | Outcome::Exempt | Outcome::Passed(_) => &[],
        }
    }

    /// Follows `--unmatched-images`. `denial` says what is unmatched, and is told whether that refuses the image.
    pub(super) fn follow(&mut self, rule: UnmatchedImages, denial: impl FnOnce(bool) -> Denial) {
        match rule {
            UnmatchedImages::Allow => {}
            UnmatchedImages::Warn => self.remarks.push(Remark::warning(denial(false))),
            UnmatchedImages::Deny => self.deny(denial(true)),
        }
    }

    /// Refuses the image, beside what stands against it already.
    fn deny(&mut self, denial: Denial) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Unmatched);
        let mut denials = match outcome {
            Outcome::Denied(denials) => denials,
            Outcome::Unmatched | Outcome::Exempt | Outcome::Passed(_) => Vec::new(),
        };
        denials.push(denial);
        denials.sort_by(|a, b| a.finding.cmp(&b.finding));
        self.outcome = Outcome::Denied(denials);
    }

    /// NotSealed: the image resolved, but it is to be stored without its digest.
    pub fn require_seal(&mut self) {
        let Outcome::Passed(Passed { sealed: Some(sealed), sealed_by, mutation, actions, .. }) =
            &self.outcome
        else {
            return;
        };
        let message = match mutation {
            Mutation::None => {
                format!(
                    "the policy has mutation None, so images must arrive with their digest: write {sealed}"
                )
            }
            Mutation::Pods | Mutation::Workloads => format!(
                "signed, but without its digest: the webhook mutate.tagseal.dev did not run, or a later one undid it; \
                 try again, or write {sealed}"
            ),
        };
        let policy = sealed_by.as_ref().or(self.policies.first());
        let denial = Denial::untrusted(policy.map(|id| &**id), Reason::NotSealed, message);
        let actions = *actions;
        if actions.deny {
            self.outcome = Outcome::Denied(vec![denial]);
        } else {
            self.remarks.push(Remark { actions, denial });
        }
    }

    /// What is known where the image passed.
    pub fn passed(&self) -> Option<&Passed> {
        match &self.outcome {
            Outcome::Passed(passed) => Some(passed),
            Outcome::Unmatched | Outcome::Exempt | Outcome::Denied(_) => None,
        }
    }
}

impl Denial {
    /// A refusal that is an answer.
    pub fn untrusted(policy: Option<&PolicyId>, reason: Reason, message: impl Into<String>) -> Self {
        let finding = Finding { policy: policy.cloned(), role: None, reason, message: message.into() };
        Self { finding, fault: Fault::Untrusted }
    }

    /// A refusal for lack of an answer.
    pub fn unavailable(policy: Option<&PolicyId>, reason: Reason, message: impl Into<String>) -> Self {
        Self { fault: Fault::Unavailable, ..Self::untrusted(policy, reason, message) }
    }

    /// What the resolver said to one policy.
    pub(super) fn of(policy: &PolicyId, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Untrusted(no) => Self::untrusted(Some(policy), no.reason, no.message),
            Refusal::Unavailable(none) => Self::unavailable(Some(policy), none.reason, none.message),
        }
    }

    /// The stable word.
    pub fn reason(&self) -> Reason {
        self.finding.reason
    }
}

impl Remark {
    /// A remark for the caller's terminal.
    pub(super) fn warning(denial: Denial) -> Self {
        Self { actions: Actions { deny: false, warn: true, audit: false }, denial }
    }
}
