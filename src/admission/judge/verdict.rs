//! [`ImageVerdict`]: whether one image may run, and everything that there is to say about it.

use std::sync::Arc;

use crate::policy::{Action, Mutation, PolicyId, Reason};
use crate::trust::{Refusal, Resolved, SignedDigest};

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
    pub findings: Vec<Finding>,
    /// What the publisher or the admin should do soon.
    pub warnings: Vec<String>,
}

/// Whether an image may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No policy matches it, and that is allowed.
    Unmatched,
    /// Nothing stands against it.
    Passed(Passed),
    /// Something does. Never empty; in the order of design §6.
    Denied(Vec<Denial>),
}

/// What is known of an image that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// What the policies' answers rest on; all name one digest, or none (`digestReferences: Allow`). Empty where only
    /// Warn and Audit policies match and none could resolve the image, or they disagree.
    pub evidence: Vec<Resolved>,
    /// The reference with the digest, where the image came without one.
    pub sealed: Option<String>,
    /// Where the digest is to be written: the strictest of the policies'.
    pub mutation: Mutation,
    /// Whether a Deny policy stands behind this, so that an image without its digest is refused.
    pub enforced: bool,
}

impl Passed {
    /// The digest and who signed it, by the first policy's account.
    pub fn signed(&self) -> Option<&SignedDigest> {
        self.evidence.iter().find_map(|resolved| resolved.signed.as_ref())
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
    /// The policy; `None` where none is to name (NoPolicy), or several are (their names are in the message).
    pub policy: Option<Arc<PolicyId>>,
    /// The stable word.
    pub reason: Reason,
    /// What was found and what would fix it.
    pub message: String,
    /// Whether that is an answer.
    pub fault: Fault,
}

/// A denial, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What the policy does with it.
    pub action: Action,
    /// What it found.
    pub denial: Denial,
}

impl ImageVerdict {
    /// What decides: the first denial that is an answer, else the first. `None` where the image is not denied.
    pub fn headline(&self) -> Option<&Denial> {
        let denials = self.denials();
        denials.iter().find(|denial| denial.fault == Fault::Untrusted).or_else(|| denials.first())
    }

    /// Everything that stands against the image.
    pub fn denials(&self) -> &[Denial] {
        match &self.outcome {
            Outcome::Denied(denials) => denials,
            Outcome::Unmatched | Outcome::Passed(_) => &[],
        }
    }

    /// What is known where the image passed.
    pub fn passed(&self) -> Option<&Passed> {
        match &self.outcome {
            Outcome::Passed(passed) => Some(passed),
            Outcome::Unmatched | Outcome::Denied(_) => None,
        }
    }
}

impl Denial {
    /// A refusal that is an answer.
    pub fn untrusted(policy: Option<Arc<PolicyId>>, reason: Reason, message: impl Into<String>) -> Self {
        Self { policy, reason, message: message.into(), fault: Fault::Untrusted }
    }

    /// A refusal for lack of an answer.
    pub fn unavailable(policy: Option<Arc<PolicyId>>, reason: Reason, message: impl Into<String>) -> Self {
        Self { policy, reason, message: message.into(), fault: Fault::Unavailable }
    }

    /// What the resolver said to one policy.
    pub(super) fn of(policy: &Arc<PolicyId>, refusal: Refusal) -> Self {
        let policy = Some(Arc::clone(policy));
        match refusal {
            Refusal::Untrusted(no) => Self::untrusted(policy, no.reason, no.message),
            Refusal::Unavailable(none) => Self::unavailable(policy, none.reason, none.message),
        }
    }
}
