//! The one order of reasons where several hold (design §6): what leads a denial's message and names its reason.

use std::cmp::Ordering;
use std::fmt;

use super::{PolicyId, Reason};
use crate::tuf::RoleName;

/// One reason why an image is not admitted, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The policy; `None` where no policy is to blame (`NotSynced`, `NoPolicy`, `InvalidReference`, …).
    pub policy: Option<PolicyId>,
    /// The role it is about, if it is about one.
    pub role: Option<RoleName>,
    /// The stable word.
    pub reason: Reason,
    /// What was found and what would fix it.
    pub message: String,
}

/// `ClusterTrustPolicy production: NotSigned: …`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(policy) = &self.policy {
            write!(f, "{policy}: ")?;
        }
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// Findings of no policy first, then cluster policies before namespaced, then by name, then by role (findings about the
/// policy as a whole before those about one role), and within one role as [`Reason::ALL`] has them.
impl Ord for Finding {
    fn cmp(&self, other: &Self) -> Ordering {
        let subject = self.policy.cmp(&other.policy).then_with(|| self.role.cmp(&other.role));
        subject.then(self.reason.cmp(&other.reason)).then_with(|| self.message.cmp(&other.message))
    }
}

impl PartialOrd for Finding {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Puts findings into the order of the table.
pub fn sort_findings(findings: &mut [Finding]) {
    findings.sort();
}

/// The finding whose reason is the denial's; `None` where there is none.
pub fn first_finding(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().min()
}
