//! [`Observer`]: who else is told of a decision, beside the caller and the log.

use super::review::Request;
use super::verdict::{Decision, Hook, Verdict};
use crate::policy::Reason;

/// One decision, as soon as it is made.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// Which webhook decided.
    pub hook: Hook,
    /// On which request. Its uid is the decision's ID.
    pub request: &'a Request<'a>,
    /// What.
    pub decision: Decision,
    /// Why, image by image.
    pub verdict: &'a Verdict<'a>,
}

/// Told of every decision, on the admission's own path: it must neither wait nor do much.
pub trait Observer: Send + Sync {
    /// One more decision.
    fn decided(&self, decided: Decided<'_>);

    /// One more object that was refused without a verdict on its images: it cannot be read, or has too many.
    fn unjudged(&self, _hook: Hook, _reason: Reason) {}
}
