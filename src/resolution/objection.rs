//! [`Objection`]: what stands in the way of one role, and the order in which objections are told.

use std::cmp::Ordering;

use super::error::Refusal;
use super::fault;
use crate::policy::Reason;
use crate::tuf::{RoleName, RoleProblem};

/// What stands in the way, by role where it is one role's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objection {
    pub(super) role: Option<RoleName>,
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// What concerns no single role first, then by role, then as the reasons' table has them (design §6).
impl Ord for Objection {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |objection: &Self| (objection.role.clone(), objection.reason);
        key(self).cmp(&key(other)).then_with(|| self.message.cmp(&other.message))
    }
}

impl PartialOrd for Objection {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Objection {
    pub(super) fn new(role: &RoleName, reason: Reason, message: String) -> Self {
        Self { role: Some(role.clone()), reason, message }
    }

    pub(super) fn of_all(reason: Reason, message: String) -> Self {
        Self { role: None, reason, message }
    }

    /// What stands in the way of `role` being believed. A base role's trouble is everybody's and keeps its own reason; a
    /// delegation's stands inside `DelegationUnusable`.
    pub(super) fn from_problem(role: &RoleName, problem: &RoleProblem) -> Self {
        match problem {
            RoleProblem::Unusable { role: which, error } if !which.is_delegation() => {
                Self::of_all(fault::reason(error), error.to_string())
            }
            RoleProblem::Unusable { role: which, error } => {
                let inner = fault::reason(error);
                Self::new(role, Reason::DelegationUnusable, format!("{which}: {inner}: {error}"))
            }
            RoleProblem::Missing { role: which } => {
                let message = format!(
                    "{which} is delegated but not published: nothing was signed in it yet, or it was taken away"
                );
                Self::new(role, Reason::DelegationMissing, message)
            }
            RoleProblem::NotDelegated { role: which } => {
                let message = format!(
                    "{which} is not delegated by this repository; its publisher would have to add it"
                );
                Self::new(role, Reason::DelegationMissing, message)
            }
            RoleProblem::NotLoaded { role: which } => {
                Self::new(role, Reason::DelegationUnusable, format!("{which}: it was not loaded"))
            }
        }
    }
}

/// The denial: the first objection names its reason, the message has them all.
pub(super) fn refuse(mut objections: Vec<Objection>) -> Refusal {
    objections.sort();
    objections.dedup();
    let reason = objections.first().map_or(Reason::NotSigned, |objection| objection.reason);
    let messages = objections.iter().enumerate().map(|(at, objection)| match at {
        0 => objection.message.clone(),
        _ => format!("{}: {}", objection.reason, objection.message),
    });
    Refusal::untrusted(reason, messages.collect::<Vec<_>>().join("; "))
}
