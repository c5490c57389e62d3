//! Docker's own rule, where a policy requires no delegations: `targets/releases`, else `targets`.

use jiff::Timestamp;

use super::objection::Objection;
use super::older::Past;
use super::quorum::{Found, Listing, not_signed};
use super::{Case, RELEASES, Unresolved, past};
use crate::digest::Digest;
use crate::tuf::{Lookup, Role, RoleName, RoleProblem};

/// What the tag is signed to be: by `targets/releases` if that is delegated, by `targets` only if it lacks the tag.
pub(super) fn under<'a>(case: &Case<'a>, tag: &str) -> Result<Found<'a>, Vec<Objection>> {
    let found =
        |role: Role<'a>, digest| Found { digest, roles: vec![role], warnings: Vec::new(), required: None };
    let mut objections = Vec::new();
    if let Some(releases) = releases(case).map_err(|objection| vec![objection])? {
        match releases.lookup(tag) {
            Lookup::Listed(entry) => return Ok(found(releases, entry.digest)),
            // An entry outside the role's paths does not count: it lacks the tag.
            Lookup::NotListed => {}
            lookup @ Lookup::NotCovered(_) => objections.push(not_signed(releases.name(), tag, &lookup)),
            lookup @ Lookup::BadHash => return Err(vec![not_signed(releases.name(), tag, &lookup)]),
        }
    }
    let targets = targets(case).map_err(|objection| vec![objection])?;
    match targets.lookup(tag) {
        Lookup::Listed(entry) => Ok(found(targets, entry.digest)),
        lookup => {
            objections.push(not_signed(targets.name(), tag, &lookup));
            Err(objections)
        }
    }
}

/// What keeps the rule from being met, whatever the tag.
pub(super) fn standing(case: &Case<'_>) -> Vec<Objection> {
    releases(case).err().into_iter().chain(targets(case).err()).collect()
}

/// `targets/releases` where it is delegated: it must be usable then, or never have been published (not in the snapshot
/// and no floor known; design §11 "tuf").
fn releases<'a>(case: &Case<'a>) -> Result<Option<Role<'a>>, Objection> {
    let Some(name) = &*RELEASES else { return Ok(None) };
    match case.repository.usable(name, case.now, case.skew) {
        Ok(role) => Ok(Some(role)),
        Err(RoleProblem::NotDelegated { .. }) => Ok(None),
        Err(RoleProblem::Missing { .. }) if !case.record.floors.contains_key(name) => Ok(None),
        Err(problem) => Err(Objection::from_problem(name, &problem)),
    }
}

fn targets<'a>(case: &Case<'a>) -> Result<Role<'a>, Objection> {
    let name = RoleName::targets();
    let usable = case.repository.usable(&name, case.now, case.skew);
    usable.map_err(|problem| Objection::from_problem(&name, &problem))
}

/// A publisher who adds the first signer moves the tags from `targets` to `targets/releases`, at once or one by one: what
/// `targets` listed was superseded when `targets/releases` began to list the tag, and not before.
pub(super) fn before_releases(
    case: &Case<'_>,
    past: &Past,
    found: &Found<'_>,
    (tag, digest): (&str, Digest),
    oldest: Timestamp,
) -> Result<Option<Listing>, Unresolved> {
    let Some(name) = RELEASES.as_ref().filter(|name| found.roles.iter().any(|role| role.name() == *name))
    else {
        return Ok(None);
    };
    match past::lacked_until(case, past, name, tag)?.filter(|at| *at >= oldest) {
        Some(at) => past::listed_by_targets_before(case, past, (tag, digest), at, oldest),
        None => Ok(None),
    }
}
