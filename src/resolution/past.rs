//! What was current once: only what tagseal itself recorded, in files that are fetched again by hash (design §2).

use jiff::Timestamp;

use super::older::{Past, PastFile};
use super::quorum::Listing;
use super::unseen::{self, Gap};
use super::{Case, Unresolved};
use crate::digest::Digest;
use crate::records::RoleVersion;
use crate::tuf::{FileName, HistoricTargets, Lookup, RoleName, RoleSigner};

/// So many older files of a role are looked at, the newest first.
const MAX_LOOKED_AT: usize = 64;

/// So many are asked for at once.
const AT_ONCE: usize = 4;

/// What a role's past says of a tag and a digest.
#[derive(Debug)]
pub(super) enum Then {
    /// The role listed it, and lists another digest under the tag since.
    Superseded(Listing),
    /// The role listed it, signed by too few of its present keys.
    SignerRemoved,
    /// The role listed it, and then did not list the tag at all for a while.
    TagRemoved,
    /// As far as the record goes, it never did.
    Never,
}

/// How far back it is looked when a role began to list what it listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Began {
    /// In the newest version that did: enough mostly, and read already.
    WithThatVersion,
    /// In the first of the versions that did so without a break.
    AtFirst,
}

/// Whether `role` listed `digest` as `tag` in a version that was superseded at `oldest` or later.
///
/// A version whose file is gone ends the search: it might be the one that removed the tag, and who withholds it must
/// not bring back what was revoked.
pub(super) fn once(
    case: &Case<'_>,
    past: &Past,
    role: &RoleName,
    (tag, digest): (&str, Digest),
    oldest: Timestamp,
    began: Began,
) -> Result<Then, Unresolved> {
    let versions = superseded(case, role);
    // One that is just too old is still told from one that never was, where its file is at hand.
    let reaches = |version: &&RoleVersion| {
        version.superseded.is_some_and(|at| at >= oldest)
            || matches!(past.get(&file_of(version)), Some(PastFile::Read(_)))
    };
    let versions: Vec<_> = versions.into_iter().filter(reaches).collect();
    let mut tag_was_there = true;
    for (at, version) in versions.iter().enumerate() {
        let Some(file) = read(past, &versions, at)? else { return Ok(Then::Never) };
        let listed = file.digest(tag);
        if listed == Some(digest) && !tag_was_there {
            return Ok(Then::TagRemoved);
        }
        if listed == Some(digest) {
            let mut then = then(case, version, file);
            if let Then::Superseded(listing) = &mut then
                && began == Began::AtFirst
            {
                listing.from = first_of_run(case, past, &versions, at, (tag, digest))?;
            }
            return Ok(then);
        }
        tag_was_there &= listed.is_some();
    }
    Ok(Then::Never)
}

/// When the first of the versions was seen that listed the same as the one at `at`, without a break.
fn first_of_run(
    case: &Case<'_>,
    past: &Past,
    versions: &[&RoleVersion],
    at: usize,
    (tag, digest): (&str, Digest),
) -> Result<Timestamp, Unresolved> {
    let mut from = Timestamp::MAX;
    let mut newer: Option<&RoleVersion> = None;
    for (at, version) in versions.iter().enumerate().skip(at) {
        match read(past, versions, at)? {
            Some(file) if file.digest(tag) == Some(digest) => {}
            _ => break,
        }
        if let Some(newer) = newer
            && !unseen::all_list(case, past, &version.role, (version.version, newer.version), (tag, digest))?
        {
            break;
        }
        newer = Some(version);
        from = from.min(version.first_seen);
    }
    Ok(from)
}

/// The tags under which any role that matters once listed the digest.
pub(super) fn tags_once(case: &Case<'_>, past: &Past, digest: Digest) -> Result<Vec<String>, Unresolved> {
    // Beside what was removed, what `targets` still lists where `targets/releases` has the last word.
    let mut tags: Vec<String> = case.tags_of(digest).into_iter().map(str::to_owned).collect();
    for role in case.listing_roles() {
        let versions = superseded(case, &role);
        for at in 0..versions.len() {
            match read(past, &versions, at) {
                Ok(file) => {
                    tags.extend(file.into_iter().flat_map(|file| file.tags_of(digest)).map(str::to_owned))
                }
                // There was no answer: what is not signed now is not signed.
                Err(Unresolved::No(_)) => {}
                Err(needs) => return Err(needs),
            }
        }
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// Until when `role`, which lists `tag` now, did not list it. `None`: that is not known, or was never so.
///
/// That the record does not go further back says nothing: only a first version has nothing before it.
pub(super) fn lacked_until(
    case: &Case<'_>,
    past: &Past,
    role: &RoleName,
    tag: &str,
) -> Result<Option<Timestamp>, Unresolved> {
    let versions = superseded(case, role);
    for (at, version) in versions.iter().enumerate() {
        match read(past, &versions, at)? {
            Some(file) if file.digest(tag).is_some() => {}
            Some(_) => return Ok(version.superseded),
            None => return Ok(None),
        }
    }
    let first = case.record.recent.iter().find(|version| version.role == *role && version.version == 1);
    Ok(first.map(|version| version.first_seen))
}

/// That `targets` listed `digest` as `tag` in a version that was seen before `before` and was not superseded before
/// `oldest`, signed by enough of its present keys, and that the tag stayed listed until the next version that was seen.
pub(super) fn listed_by_targets_before(
    case: &Case<'_>,
    past: &Past,
    (tag, digest): (&str, Digest),
    before: Timestamp,
    oldest: Timestamp,
) -> Result<Option<Listing>, Unresolved> {
    let role = RoleName::targets();
    let Some(targets) = case.repository.role(&role) else { return Ok(None) };
    let listing = |version: &RoleVersion, signers: &[RoleSigner]| {
        let until = version.superseded.map_or(before, |at| at.min(before));
        let enough = signers.len() as u64 >= targets.threshold() && until >= oldest;
        let (role, from, signers) = (role.clone(), version.first_seen, signers.to_vec());
        enough.then_some(Listing { role, version: version.version, from, until, signers })
    };
    let seen_before = |version: &&RoleVersion| version.role == role && version.first_seen < before;
    let is_current = |version: &&RoleVersion| version.sha256 == targets.sha256();
    if let Some(current) = case.record.recent.iter().filter(seen_before).find(is_current) {
        match targets.lookup(tag) {
            Lookup::Listed(entry) if entry.digest == digest => {
                return Ok(listing(current, targets.signed_by()));
            }
            Lookup::Listed(_) => {}
            _ => return Ok(None),
        }
    }
    let versions: Vec<_> = superseded(case, &role).into_iter().filter(seen_before).collect();
    for (at, version) in versions.iter().enumerate() {
        match read(past, &versions, at)? {
            Some(file) if file.digest(tag) == Some(digest) => {
                let Some(listing) = listing(version, file.signers()) else { return Ok(None) };
                let next = unseen::next_seen(case, &role, version.version).unwrap_or(targets.version());
                let gap = unseen::gap(case, past, &role, (version.version, next), (tag, digest))?;
                return Ok((gap == Gap::Unbroken).then_some(listing));
            }
            Some(file) if file.digest(tag).is_some() => {}
            // The tag was removed in between, or nobody can tell.
            _ => return Ok(None),
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
) -> Result<Option<&'p HistoricTargets>, Unresolved> {
    let Some(version) = versions.get(at) else { return Ok(None) };
    match past.get(&file_of(version)) {
        Some(PastFile::Read(file)) => Ok(Some(&**file)),
        Some(PastFile::Absent) => Ok(None),
        Some(PastFile::Failed(refusal)) => Err(Unresolved::No(refusal.clone())),
        None => {
            let files = versions.iter().skip(at).map(|version| file_of(version));
            let missing = files.filter(|file| !past.contains_key(file));
            Err(Unresolved::Needs(missing.take(AT_ONCE).collect()))
        }
    }
}

fn file_of(version: &RoleVersion) -> FileName {
    FileName::by_hash(version.role.clone(), version.sha256)
}

fn then(case: &Case<'_>, version: &RoleVersion, file: &HistoricTargets) -> Then {
    let threshold = case.repository.role(&version.role).map_or(u64::MAX, |role| role.threshold());
    let signers = file.signers().to_vec();
    match version.superseded {
        Some(until) if signers.len() as u64 >= threshold => {
            let (role, from) = (version.role.clone(), version.first_seen);
            Then::Superseded(Listing { role, version: version.version, from, until, signers })
        }
        _ => Then::SignerRemoved,
    }
}
