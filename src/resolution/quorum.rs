//! Required delegations: all of them, or a quorum by as many different keys.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use jiff::Timestamp;

use super::Case;
use super::objection::Objection;
use super::signed::SignedDigest;
use crate::digest::Digest;
use crate::policy::{Reason, RequiredDelegation, RequiredDelegations};
use crate::tuf::{Lookup, Role, RoleName, RoleSigner};

/// What a tag is signed to be, and by which roles.
#[derive(Debug, Clone)]
pub(super) struct Found<'a> {
    pub(super) digest: Digest,
    /// The roles that say so.
    pub(super) roles: Vec<Role<'a>>,
    pub(super) warnings: Vec<String>,
    /// The policy's rule; `None` is docker's own.
    pub(super) required: Option<&'a RequiredDelegations>,
}

/// That a role listed a digest for a time, and who signed that.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) role: RoleName,
    /// The version that did.
    pub(super) version: u64,
    pub(super) from: Timestamp,
    /// When it was superseded.
    pub(super) until: Timestamp,
    pub(super) signers: Vec<RoleSigner>,
}

impl Found<'_> {
    pub(super) fn signed(self, case: &Case<'_>) -> (SignedDigest, Vec<String>) {
        let provenance = case.provenances.of(case.repository, &self.roles);
        (SignedDigest::new(self.digest, provenance), self.warnings)
    }

    /// Whether these signers of a role satisfy the keys that the policy pins for it.
    pub(super) fn accepts(&self, role: &RoleName, signers: &[RoleSigner]) -> bool {
        let required =
            self.required.and_then(|all| all.roles().iter().find(|required| required.role == *role));
        required.is_none_or(|required| is_signed_by_pinned(required, signers))
    }

    /// The last moment until which the rule was met by these listings, all in force at that moment, and which they are: roles
    /// that never said the same at the same time let nothing pass then, and so not now.
    pub(super) fn met_until<'v>(&self, listings: &'v [Listing]) -> Option<(Timestamp, Vec<&'v Listing>)> {
        let mut moments: Vec<_> = listings.iter().map(|listing| listing.until).collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        moments.into_iter().find_map(|moment| {
            let in_force = |listing: &&Listing| listing.from < moment && moment <= listing.until;
            let in_force: Vec<_> = listings.iter().filter(in_force).collect();
            self.suffices(&in_force).then_some((moment, in_force))
        })
    }

    /// Whether older versions of these roles are what the rule asks for.
    pub(super) fn suffices(&self, listings: &[&Listing]) -> bool {
        match self.required {
            None => !listings.is_empty(),
            Some(required) => match required.threshold() {
                None => {
                    required.roles().iter().all(|one| listings.iter().any(|listing| listing.role == one.role))
                }
                Some(threshold) => {
                    let keys = listings.iter().flat_map(|listing| &listing.signers);
                    is_quorum(threshold, listings.len(), keys)
                }
            },
        }
    }
}

/// What the required delegations say of `tag`.
pub(super) fn under_required<'a>(
    case: &Case<'a>,
    required: &'a RequiredDelegations,
    tag: &str,
) -> Result<Found<'a>, Vec<Objection>> {
    let mut roles = Vec::with_capacity(required.roles().len());
    let mut objections = Vec::new();
    let mut listed = None;
    let mut agree = true;
    for one in required.roles() {
        match listing(case, one, tag) {
            Ok((role, digest)) => {
                roles.push(role);
                agree &= *listed.get_or_insert(digest) == digest;
            }
            Err(objection) => objections.push(objection),
        }
    }
    if !agree {
        objections.push(conflict(&roles, tag));
    }
    let is_conflict = |objection: &Objection| objection.reason == Reason::ConflictingDigests;
    let concerns_all = |objection: &Objection| objection.role.is_none();
    let Some(digest) = listed else { return Err(objections) };
    match required.threshold() {
        None if objections.is_empty() => {}
        None => return Err(objections),
        Some(_) if objections.iter().any(|objection| is_conflict(objection) || concerns_all(objection)) => {
            return Err(objections);
        }
        Some(threshold) => {
            let keys = roles.iter().flat_map(Role::signed_by);
            if !is_quorum(threshold, roles.len(), keys) {
                objections.push(too_few(threshold, &roles, tag));
                return Err(objections);
            }
        }
    }
    let warnings = objections.iter().map(|other| format!("{}: {}", other.reason, other.message)).collect();
    Ok(Found { digest, roles, warnings, required: Some(required) })
}

/// What keeps the rule from being met, whatever the tag.
pub(super) fn standing(case: &Case<'_>, required: &RequiredDelegations) -> Vec<Objection> {
    let objections: Vec<_> = required.roles().iter().filter_map(|one| believable(case, one).err()).collect();
    let usable = required.roles().len().saturating_sub(objections.len());
    match required.threshold() {
        Some(threshold) if usable >= threshold.get() => Vec::new(),
        _ => objections,
    }
}

/// The role, if it may be believed and one of the pinned keys itself signed it.
fn believable<'a>(case: &Case<'a>, one: &RequiredDelegation) -> Result<Role<'a>, Objection> {
    let role = case
        .repository
        .usable(&one.role, case.now, case.skew)
        .map_err(|problem| Objection::from_problem(&one.role, &problem))?;
    if !is_signed_by_pinned(one, role.signed_by()) {
        let signers: Vec<_> = role.signed_by().iter().map(|signer| signer.key_id.to_string()).collect();
        let message = format!(
            "{}: none of the policy's publicKeys signed version {}; it is signed by {}",
            one.role,
            role.version(),
            signers.join(", ")
        );
        return Err(Objection::new(&one.role, Reason::DelegationUnusable, message));
    }
    Ok(role)
}

fn listing<'a>(
    case: &Case<'a>,
    one: &RequiredDelegation,
    tag: &str,
) -> Result<(Role<'a>, Digest), Objection> {
    let role = believable(case, one)?;
    match role.lookup(tag) {
        Lookup::Listed(entry) => Ok((role, entry.digest)),
        other => Err(not_signed(&one.role, tag, &other)),
    }
}

/// The objection that a role does not list a tag so that it counts.
pub(super) fn not_signed(role: &RoleName, tag: &str, lookup: &Lookup<'_>) -> Objection {
    let message = match lookup {
        Lookup::NotCovered(paths) => format!(
            "{role} lists {tag}, but may not: its paths are [{}]",
            paths.iter().map(|path| format!("{path:?}")).collect::<Vec<_>>().join(", ")
        ),
        Lookup::BadHash => format!("{role} lists {tag} without a sha256 of 32 bytes"),
        Lookup::Listed(_) | Lookup::NotListed => format!("{role} does not list {tag}"),
    };
    Objection::new(role, Reason::NotSigned, message)
}

/// That not all which list the tag list the same digest.
fn conflict(roles: &[Role<'_>], tag: &str) -> Objection {
    let account = |role: &Role<'_>| match role.lookup(tag) {
        Lookup::Listed(entry) => Some(format!("{} {}", role.name(), entry.digest)),
        _ => None,
    };
    let accounts: Vec<_> = roles.iter().filter_map(account).collect();
    Objection::of_all(Reason::ConflictingDigests, format!("{tag} is {}", accounts.join(", ")))
}

fn too_few(threshold: NonZeroUsize, roles: &[Role<'_>], tag: &str) -> Objection {
    let keys: BTreeSet<_> = roles.iter().flat_map(Role::signed_by).map(|signer| signer.key_id).collect();
    let names: Vec<_> = roles.iter().map(|role| role.name().as_str()).collect();
    let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
    let message = format!(
        "{tag} needs {threshold} roles signed by {threshold} different keys; it is listed by {} ({}), signed by {} ({})",
        names.len(),
        names.join(", "),
        keys.len(),
        keys.join(", ")
    );
    Objection::of_all(Reason::ThresholdNotMet, message)
}

fn is_signed_by_pinned(one: &RequiredDelegation, signers: &[RoleSigner]) -> bool {
    one.public_keys.is_empty()
        || one.public_keys.iter().any(|key| signers.iter().any(|signer| signer.identity == key.identity()))
}

/// As many roles as the threshold, and as many different keys among their signatures: docker puts every signer's key
/// into `targets/releases`, so roles alone are no quorum.
fn is_quorum<'s>(
    threshold: NonZeroUsize,
    roles: usize,
    signers: impl Iterator<Item = &'s RoleSigner>,
) -> bool {
    let keys: BTreeSet<_> = signers.map(|signer| signer.identity).collect();
    roles >= threshold.get() && keys.len() >= threshold.get()
}
