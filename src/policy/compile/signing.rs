//! Who must have signed, and how old what they signed may be.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use jiff::SignedDuration;

use super::super::{Freshness, RequiredDelegation, RequiredDelegations, duration};
use super::Errors;
use crate::api;
use crate::tuf::{PublicKey, RoleName};

/// Compiles the required delegations; `None` where the policy has none and docker's own rule holds.
pub fn delegations(
    spec: Option<Vec<api::RequiredDelegation>>,
    threshold: Option<i32>,
    errors: &mut Errors,
) -> Option<RequiredDelegations> {
    let Some(spec) = spec else {
        if threshold.is_some() {
            errors.push(
                "spec.threshold",
                "counts requiredDelegations, and there are none: name them or leave it out",
            );
        }
        return None;
    };
    let found = errors.0.len();
    let mut seen = BTreeSet::new();
    let mut roles = Vec::with_capacity(spec.len());
    for (index, delegation) in spec.iter().enumerate() {
        let field = format!("spec.requiredDelegations[{index}]");
        if let Some(required) = delegation_of(delegation, &field, errors) {
            if !seen.insert(required.role.clone()) {
                errors.push(format!("{field}.role"), format_args!("{} is required twice", required.role));
            }
            roles.push(required);
        }
    }
    let threshold = threshold.map(|k| usize::try_from(k).ok().and_then(NonZeroUsize::new));
    if threshold.is_some_and(|k| k.is_none_or(|k| k.get() > spec.len())) {
        let message = format!("must be between 1 and {}, the number of requiredDelegations", spec.len());
        errors.push("spec.threshold", message);
    }
    if errors.0.len() > found {
        return None;
    }
    let compiled = RequiredDelegations::new(roles, threshold.flatten());
    if compiled.is_none() {
        errors.push("spec.requiredDelegations", "name at least one role, or leave the field out");
    }
    compiled
}

fn delegation_of(
    spec: &api::RequiredDelegation,
    field: &str,
    errors: &mut Errors,
) -> Option<RequiredDelegation> {
    let role = RoleName::parse(&spec.role).ok().filter(RoleName::is_delegation);
    if role.is_none() {
        let shown: String = spec.role.chars().take(64).collect();
        let expected = "is targets/NAME, where NAME has lower-case letters, digits, '-', '_' and '/'";
        errors.push(format!("{field}.role"), format_args!("{shown:?} is no delegation role; one {expected}"));
    }
    let keys = spec.public_keys.iter().flatten().enumerate();
    let public_keys = keys
        .filter_map(|(index, pem)| {
            errors.keep(format!("{field}.publicKeys[{index}]"), PublicKey::from_pem(pem))
        })
        .collect();
    Some(RequiredDelegation { role: role?, public_keys })
}

/// Compiles freshness, of which `revalidateAfter` is at least `lowest`, and `acceptFor`, which may not be less than twice `revalidateAfter` (design §11).
pub fn durations(
    freshness: &api::Freshness,
    superseded: &api::SupersededDigests,
    lowest: Duration,
    errors: &mut Errors,
) -> (Freshness, SignedDuration) {
    let mut read = |field: &str, text: &str| {
        errors.keep(format!("spec.{field}"), duration::parse(text)).unwrap_or_default()
    };
    let revalidate_after = read("freshness.revalidateAfter", &freshness.revalidate_after);
    let max_staleness = read("freshness.maxStaleness", &freshness.max_staleness);
    let accept_for = read("supersededDigests.acceptFor", &superseded.accept_for);
    let compiled = (Freshness { revalidate_after, max_staleness }, accept_for);
    if errors
        .0
        .iter()
        .any(|e| e.field.starts_with("spec.freshness.") || e.field.starts_with("spec.superseded"))
    {
        return compiled;
    }
    let show = duration::show;
    if revalidate_after.unsigned_abs() < lowest {
        let message = format!("must be at least {}s", lowest.as_secs());
        errors.push("spec.freshness.revalidateAfter", message);
    }
    if max_staleness < revalidate_after {
        let message = format!("must be at least revalidateAfter, {}", show(revalidate_after));
        errors.push("spec.freshness.maxStaleness", message);
    }
    if accept_for < revalidate_after * 2 {
        let message = format!(
            "{} is less than twice freshness.revalidateAfter; write at least {}, because replicas see a publish at \
             different moments",
            show(accept_for),
            show(revalidate_after * 2)
        );
        errors.push("spec.supersededDigests.acceptFor", message);
    }
    compiled
}
