//! [`Report`]: what the log says of policies. Each thing once, when it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::{CompiledPolicy, PolicyError, PolicyId, PolicySet};

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// `None` before the first set.
    told: Option<BTreeMap<Arc<PolicyId>, Told>>,
}

#[derive(Debug)]
struct Told {
    policy: Arc<CompiledPolicy>,
    errors: Vec<PolicyError>,
}

impl Report {
    /// Says how this set differs from the one before.
    pub(super) fn tell(&mut self, set: &PolicySet) {
        let is_first = self.told.is_none();
        let mut is_news = is_first;
        let mut before = self.told.take().unwrap_or_default();
        let mut told = BTreeMap::new();
        for (policy, errors) in set.policies() {
            let last = before.remove(policy.id());
            is_news |= tell_one(policy, &errors, last.as_ref(), is_first);
            told.insert(Arc::clone(policy.id()), Told { policy: Arc::clone(policy), errors });
        }
        for id in before.keys() {
            is_news = true;
            tracing::info!(policy = %id, "policy removed");
        }
        if is_news {
            let invalid = told.values().filter(|told| !told.errors.is_empty()).count();
            tracing::info!(policies = told.len(), invalid, "policies in force");
        }
        self.told = Some(told);
    }
}

/// Says what is new about one policy; returns whether anything is.
fn tell_one(
    policy: &Arc<CompiledPolicy>,
    errors: &[PolicyError],
    last: Option<&Told>,
    is_first: bool,
) -> bool {
    let id = policy.id();
    match last {
        // At start the count says enough.
        None if is_first => {}
        None => tracing::info!(policy = %id, "policy added"),
        // What is wrong with it may depend on the others.
        Some(last) if Arc::ptr_eq(&last.policy, policy) && last.errors == errors => return false,
        Some(last) if Arc::ptr_eq(&last.policy, policy) => {}
        Some(_) => tracing::info!(policy = %id, "policy changed"),
    }
    let before = last.map_or(&[][..], |last| &last.errors);
    if errors != before {
        for error in errors {
            let (field, error) = (&error.field, &error.message);
            tracing::warn!(policy = %id, field, error, "invalid policy: it denies what it could match");
        }
        if errors.is_empty() {
            tracing::info!(policy = %id, "policy is valid again");
        }
    }
    let warned = last.map_or(&[][..], |last| last.policy.warnings());
    if policy.warnings() != warned {
        for warning in policy.warnings() {
            tracing::warn!(policy = %id, warning, "policy has a warning");
        }
    }
    true
}
