//! What a verified set changes in the record: floors, the first-use pin, what was current when.

use jiff::{SignedDuration, Timestamp};

use super::{RoleVersion, RootPin, TrustRecord};
use crate::tuf::{Floors, RoleName, TrustedRepository};

/// Superseded versions of one role beyond this many are forgotten, the oldest first.
const MAX_SUPERSEDED: usize = 256;

/// Of all roles together no more are remembered, each role having an equal part: the record is one object of the cluster,
/// which may have 1.5 MiB, and no role's owner can crowd out the others' versions.
const MAX_RECENT: usize = 2048;

/// Versions that were superseded longer ago than this are forgotten.
const REMEMBER_SUPERSEDED: SignedDuration = SignedDuration::from_hours(24 * 90);

/// The record after `repository` verified at `now`, beside the floors of other records of the GUN. `pin` says that its root
/// becomes the first-use pin if there is none.
pub(crate) fn next(
    before: &TrustRecord,
    others: &[&Floors],
    repository: &TrustedRepository,
    pin: bool,
    now: Timestamp,
) -> TrustRecord {
    let floors = repository.raise_beside(&before.floors, others);
    let mut recent = before.recent.clone();
    forget_the_future(&mut recent, now);
    for role in current(repository) {
        let floor = floors.get(&role.role).map_or(0, |floor| floor.version);
        note(&mut recent, role, floor, now);
    }
    supersede_removed(&mut recent, repository, now);
    forget_old(&mut recent, now);
    TrustRecord { pin: before.pin.clone().or_else(|| pin.then(|| root_pin(repository))), floors, recent }
}

/// Adds versions that another record remembers. Of two accounts of one version the earlier times count: nothing stays good
/// for longer because it was seen twice.
pub(crate) fn remember(recent: &mut Vec<RoleVersion>, others: Vec<RoleVersion>) {
    for other in others {
        let is_same = |version: &&mut RoleVersion| {
            version.role == other.role && version.version == other.version && version.sha256 == other.sha256
        };
        match recent.iter_mut().find(is_same) {
            Some(known) => {
                known.first_seen = known.first_seen.min(other.first_seen);
                known.superseded = known.superseded.into_iter().chain(other.superseded).min();
            }
            None => recent.push(other),
        }
    }
}

/// The root of `repository` as a first-use pin.
fn root_pin(repository: &TrustedRepository) -> RootPin {
    let root = repository.root();
    RootPin { version: root.version(), sha256: root.sha256(), key_ids: root.key_ids() }
}

/// A role's file as it is now.
struct Current {
    role: RoleName,
    version: u64,
    sha256: crate::digest::Digest,
}

fn current(repository: &TrustedRepository) -> impl Iterator<Item = Current> + '_ {
    let names = repository.floors().into_keys().filter(is_recorded);
    names.filter_map(|name| {
        let role = repository.role(&name)?;
        Some(Current { version: role.version(), sha256: role.sha256(), role: name })
    })
}

/// Only what lists tags is worth remembering.
fn is_recorded(role: &RoleName) -> bool {
    role.is_delegation() || *role == RoleName::targets()
}

/// Notes that `now_current` is the role's current file, unless another replica has seen a newer one (`floor`).
fn note(recent: &mut Vec<RoleVersion>, now_current: Current, floor: u64, now: Timestamp) {
    let Current { role, version, sha256 } = now_current;
    let newer = |other: &RoleVersion| other.version > version && other.version <= floor;
    if recent.iter().any(|other| other.role == role && other.superseded.is_none() && newer(other)) {
        return;
    }
    let mut is_there = false;
    for other in recent.iter_mut().filter(|other| other.role == role) {
        if other.version == version && other.sha256 == sha256 {
            is_there = true;
            other.superseded = None;
        } else {
            other.superseded.get_or_insert(now);
        }
    }
    if !is_there {
        recent.push(RoleVersion { role, version, sha256, first_seen: now, superseded: None });
    }
}

/// Nothing was seen later than now. A clock that was ahead said so: left alone, what was superseded by it would stay good
/// for as much longer, and what was first seen by it would seem never to have been current.
fn forget_the_future(recent: &mut [RoleVersion], now: Timestamp) {
    let a_moment_ago = now.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(now);
    for version in recent {
        if version.first_seen > now {
            let ahead = version.superseded.map(|superseded| superseded.duration_since(now));
            let seen = ahead.and_then(|ahead| version.first_seen.saturating_sub(ahead).ok());
            version.first_seen = seen.unwrap_or(a_moment_ago).min(a_moment_ago);
        }
        version.superseded = version.superseded.map(|superseded| superseded.min(now));
    }
}

/// A role that is no longer delegated has nothing current.
fn supersede_removed(recent: &mut [RoleVersion], repository: &TrustedRepository, now: Timestamp) {
    for version in recent.iter_mut().filter(|version| version.superseded.is_none()) {
        let gone = version.role.is_delegation()
            && repository.role(&version.role).is_none()
            && version.role.parent().is_some_and(|parent| repository.role(&parent).is_some())
            && !repository.delegates(&version.role);
        if gone {
            version.superseded = Some(now);
        }
    }
}

fn forget_old(recent: &mut Vec<RoleVersion>, now: Timestamp) {
    recent.retain(|version| {
        version.superseded.is_none_or(|superseded| now.duration_since(superseded) <= REMEMBER_SUPERSEDED)
    });
    recent.sort_by(|a, b| (&a.role, a.first_seen, a.version).cmp(&(&b.role, b.first_seen, b.version)));
    let mut kept: Vec<RoleVersion> = Vec::with_capacity(recent.len());
    let mut of_role = 0;
    let roles = recent.chunk_by(|a, b| a.role == b.role).count();
    let max = MAX_SUPERSEDED.min(MAX_RECENT / roles.max(1));
    for version in recent.drain(..).rev() {
        of_role = if kept.last().is_some_and(|last| last.role == version.role) { of_role + 1 } else { 0 };
        if of_role <= max || version.superseded.is_none() {
            kept.push(version);
        }
    }
    kept.reverse();
    *recent = kept;
}

#[cfg(test)]
mod tests;
