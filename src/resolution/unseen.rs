//! Versions of a role that passed unseen: they are fetched by number and verified first, because one of them may have removed
//! the tag (design §2 "Resolution").

use super::older::{Past, PastFile};
use super::{Case, Unresolved};
use crate::digest::Digest;
use crate::tuf::{FileName, HistoricTargets, RoleName};

/// More versions than this between two that were seen are not looked at.
const MAX_UNSEEN: u64 = 512;

/// So many are asked for at once.
const AT_ONCE: usize = 32;

/// What the versions say that nobody saw when they were current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// The tag was listed all the time, or since the digest was signed under it once more.
    Unbroken,
    /// This version does not list the tag.
    Removed(u64),
    /// This version cannot be had, or not as the role's present keys signed it.
    Missing(u64),
    /// There are more of them than are looked at.
    TooMany(u64),
}

impl Gap {
    /// Why the digest does not pass; `None` where nothing stands against it.
    pub(super) fn objection(self, role: &RoleName, tag: &str, digest: Digest) -> Option<String> {
        let once = format!("{digest} was signed as {tag} once");
        Some(match self {
            Self::Unbroken => return None,
            Self::Removed(version) => format!(
                "{once}, and version {version} of {role}, which passed unseen, does not list {tag}: it was revoked"
            ),
            Self::Missing(version) => format!(
                "{once}; version {version} of {role}, which passed unseen and may have removed {tag}, cannot be had from the \
                 trust server as the role's present keys signed it, so it counts as revoked"
            ),
            Self::TooMany(versions) => format!(
                "{once}; {versions} versions of {role} passed unseen since, more than the {MAX_UNSEEN} that are looked at, and \
                 one of them may have removed {tag}, so it counts as revoked"
            ),
        })
    }
}

/// What the unseen versions of `role` between these two, both exclusive, say of a digest that the older one listed as `tag`.
/// The newest is looked at first: where the digest was signed under the tag once more, what was before does not matter.
pub(super) fn gap(
    case: &Case<'_>,
    past: &Past,
    role: &RoleName,
    (older, newer): (u64, u64),
    (tag, digest): (&str, Digest),
) -> Result<Gap, Unresolved> {
    let unseen = Unseen::between(case, role, (older, newer));
    if unseen.count > MAX_UNSEEN {
        return Ok(Gap::TooMany(unseen.count));
    }
    for version in unseen.newest_first() {
        match unseen.read(past, version)? {
            None => return Ok(Gap::Missing(version)),
            Some(file) => match file.digest(tag) {
                None => return Ok(Gap::Removed(version)),
                Some(listed) if listed == digest => return Ok(Gap::Unbroken),
                Some(_) => {}
            },
        }
    }
    Ok(Gap::Unbroken)
}

/// Whether all the unseen versions between these two list `digest` as `tag`.
pub(super) fn all_list(
    case: &Case<'_>,
    past: &Past,
    role: &RoleName,
    (older, newer): (u64, u64),
    (tag, digest): (&str, Digest),
) -> Result<bool, Unresolved> {
    let unseen = Unseen::between(case, role, (older, newer));
    if unseen.count > MAX_UNSEEN {
        return Ok(false);
    }
    for version in unseen.newest_first() {
        if unseen.read(past, version)?.and_then(|file| file.digest(tag)) != Some(digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The next version of `role` after `version` that was seen.
pub(super) fn next_seen(case: &Case<'_>, role: &RoleName, version: u64) -> Option<u64> {
    let of_role = case.record.recent.iter().filter(|seen| seen.role == *role && seen.version > version);
    of_role.map(|seen| seen.version).min()
}

/// The versions between two that the record does not know.
struct Unseen<'a> {
    role: &'a RoleName,
    older: u64,
    newer: u64,
    /// Sorted, each once.
    seen: Vec<u64>,
    count: u64,
}

impl<'a> Unseen<'a> {
    fn between(case: &Case<'_>, role: &'a RoleName, (older, newer): (u64, u64)) -> Self {
        let between = |version: &u64| (older..newer).contains(version) && *version != older;
        let of_role = case.record.recent.iter().filter(|seen| seen.role == *role);
        let mut seen: Vec<u64> = of_role.map(|seen| seen.version).filter(between).collect();
        seen.sort_unstable();
        seen.dedup();
        let all = newer.saturating_sub(older).saturating_sub(1);
        let count = all.saturating_sub(u64::try_from(seen.len()).unwrap_or(u64::MAX));
        Self { role, older, newer, seen, count }
    }

    fn newest_first(&self) -> impl Iterator<Item = u64> + '_ {
        let all = (self.older.saturating_add(1)..self.newer).rev();
        all.filter(|version| self.seen.binary_search(version).is_err())
    }

    /// The file of a version; asks for it, and for the next ones, where it is not at hand.
    fn read<'p>(&self, past: &'p Past, version: u64) -> Result<Option<&'p HistoricTargets>, Unresolved> {
        match past.get(&self.file(version)) {
            Some(PastFile::Read(file)) => Ok(Some(&**file)),
            Some(PastFile::Absent) => Ok(None),
            Some(PastFile::Failed(refusal)) => Err(Unresolved::No(refusal.clone())),
            None => {
                let older =
                    self.newest_first().filter(|other| *other <= version).map(|other| self.file(other));
                let missing = older.filter(|file| !past.contains_key(file));
                Err(Unresolved::Needs(missing.take(AT_ONCE).collect()))
            }
        }
    }

    fn file(&self, version: u64) -> FileName {
        FileName::by_version(self.role.clone(), version)
    }
}
