//! What was current once: only what tagseal itself recorded, in files that are fetched again by hash (design §2).

use std::collections::HashMap;

use jiff::Timestamp;

use super::super::error::Refusal;
use super::super::state::RoleVersion;
use super::{Case, Stop};
use crate::digest::Digest;
use crate::tuf::{HistoricTargets, Lookup, RoleName, RoleSigner};

/// So many older files of a role are looked at, the newest first.
const MAX_LOOKED_AT: usize = 64;

/// So many are asked for at once.
const AT_ONCE: usize = 4;

/// The older files at hand, by hash.
pub(in crate::trust) type Past = HashMap<Digest, PastFile>;

/// An older file of a role.
#[derive(Debug, Clone)]
pub(in crate::trust) enum PastFile {
    /// What it listed, by the role's present paths and keys.
    Read(HistoricTargets),
    /// The server no longer has it.
    Absent,
    /// There was no answer.
    Failed(Refusal),
}

/// What a role's past says of a tag and a digest.
#[derive(Debug)]
pub(super) enum Then {
    /// The role listed it, and was superseded then.
    Superseded { at: Timestamp, signers: Vec<RoleSigner> },
    /// The role listed it, signed by too few of its present keys.
    SignerRemoved,
    /// As far as the record goes, it never did.
    Never,
}

/// Whether `role` listed `digest` as `tag` in a version that was superseded at `oldest` or later.
pub(super) fn once(
    case: &Case<'_>,
    past: &Past,
    role: &RoleName,
    tag: &str,
    digest: Digest,
    oldest: Timestamp,
) -> Result<Then, Stop> {
    let versions = superseded(case, role);
    // One that is just too old is still told from one that never was, where its file is at hand.
    let reaches = |version: &&RoleVersion| {
        version.superseded.is_some_and(|at| at >= oldest)
            || matches!(past.get(&version.sha256), Some(PastFile::Read(_)))
    };
    let versions: Vec<_> = versions.into_iter().filter(reaches).collect();
    for (at, version) in versions.iter().enumerate() {
        let Some(file) = read(past, &versions, at)? else { continue };
        if file.digest(tag) == Some(digest) {
            return Ok(then(case, version, file));
        }
    }
    Ok(Then::Never)
}

/// The tags under which any role that matters once listed the digest.
pub(super) fn tags_once(case: &Case<'_>, past: &Past, digest: Digest) -> Result<Vec<String>, Stop> {
    let mut tags = Vec::new();
    for role in case.listing_roles() {
        let versions = superseded(case, &role);
        for at in 0..versions.len() {
            match read(past, &versions, at) {
                Ok(file) => {
                    tags.extend(file.into_iter().flat_map(|file| file.tags_of(digest)).map(str::to_owned))
                }
                // There was no answer: what is not signed now is not signed.
                Err(Stop::No(_)) => {}
                Err(needs) => return Err(needs),
            }
        }
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// Who of the present keys of `targets` signed `digest` as `tag` in a version that was seen before `before`.
pub(super) fn listed_by_targets_before(
    case: &Case<'_>,
    past: &Past,
    tag: &str,
    digest: Digest,
    before: Timestamp,
) -> Result<Option<Vec<RoleSigner>>, Stop> {
    let name = RoleName::targets();
    let Some(targets) = case.repository.role(&name) else { return Ok(None) };
    let seen_before = |version: &RoleVersion| version.role == name && version.first_seen < before;
    let is_current = |version: &RoleVersion| version.sha256 == targets.sha256();
    if case.record.recent.iter().any(|version| seen_before(version) && is_current(version))
        && let Lookup::Listed(entry) = targets.lookup(tag)
        && entry.digest == digest
    {
        return Ok(Some(targets.signed_by().to_vec()));
    }
    let versions: Vec<_> =
        superseded(case, &name).into_iter().filter(|version| seen_before(version)).collect();
    for at in 0..versions.len() {
        let Some(file) = read(past, &versions, at)? else { continue };
        if file.digest(tag) == Some(digest) {
            let enough = file.signers().len() as u64 >= targets.threshold();
            return Ok(enough.then(|| file.signers().to_vec()));
        }
    }
    Ok(None)
}

/// The superseded versions of a role on record, the newest first.
fn superseded<'a>(case: &Case<'a>, role: &RoleName) -> Vec<&'a RoleVersion> {
    let of_role = |version: &&RoleVersion| version.role == *role && version.superseded.is_some();
    let mut versions: Vec<_> = case.record.recent.iter().filter(of_role).collect();
    versions.sort_by_key(|version| std::cmp::Reverse((version.superseded, version.version)));
    versions.truncate(MAX_LOOKED_AT);
    versions
}

/// The file of the version at `at`; asks for it, and for the next ones, where it is not at hand.
fn read<'p>(
    past: &'p Past,
    versions: &[&RoleVersion],
    at: usize,
) -> Result<Option<&'p HistoricTargets>, Stop> {
    let Some(version) = versions.get(at) else { return Ok(None) };
    match past.get(&version.sha256) {
        Some(PastFile::Read(file)) => Ok(Some(file)),
        Some(PastFile::Absent) => Ok(None),
        Some(PastFile::Failed(refusal)) => Err(Stop::No(refusal.clone())),
        None => {
            let missing = versions.iter().skip(at).filter(|version| !past.contains_key(&version.sha256));
            Err(Stop::Needs(missing.take(AT_ONCE).map(|v| (v.role.clone(), v.sha256)).collect()))
        }
    }
}

fn then(case: &Case<'_>, version: &RoleVersion, file: &HistoricTargets) -> Then {
    let threshold = case.repository.role(&version.role).map_or(u64::MAX, |role| role.threshold());
    let signers = file.signers().to_vec();
    match version.superseded {
        Some(at) if signers.len() as u64 >= threshold => Then::Superseded { at, signers },
        _ => Then::SignerRemoved,
    }
}
