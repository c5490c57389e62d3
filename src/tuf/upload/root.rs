//! The root of an upload: the new one against the current one, or the current one.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Holdings, NO_SKEW, NewFile, Part, RootFault, StoredFile, UploadError, ValidationFault};
use crate::tuf::error::TufError;
use crate::tuf::key::KeyId;
use crate::tuf::role::{Gun, RoleName};
use crate::tuf::root::{RootCandidate, TrustedRoot, is_signed_by};
use crate::tuf::work::Work;

/// The root that the rest of the upload is judged by.
pub(super) struct CheckedRoot {
    pub(super) root: Arc<TrustedRoot>,
    pub(super) bytes: Bytes,
}

impl CheckedRoot {
    /// As a file to be stored, if it is new.
    pub(super) fn as_new(&self, is_new: bool) -> Option<NewFile> {
        let (role, version) = (self.root.name.clone(), self.root.version());
        is_new.then(|| NewFile { role, version, bytes: self.bytes.clone() })
    }
}

/// The uploaded root, if it may succeed the current one; else the current one.
pub(super) fn check(
    gun: &Gun,
    uploaded: Option<&Part>,
    holdings: &dyn Holdings,
    now: Timestamp,
) -> Result<CheckedRoot, UploadError> {
    let current = holdings.current(&RoleName::root()).map(|stored| load(gun, stored, now)).transpose();
    let current = current.map_err(UploadError::Stored)?;
    match (uploaded, current) {
        (Some(part), current) => {
            let root = succeed(gun, part, current.map(|current| current.root).as_deref(), now);
            Ok(CheckedRoot { root: root.map_err(UploadError::BadRoot)?, bytes: part.bytes.clone() })
        }
        (None, Some(current)) => Ok(current),
        (None, None) => Err(UploadError::Validation(ValidationFault::NoRoot)),
    }
}

/// The stored root. It may be expired, since nothing else could ever replace it, but its certificates may not: so the
/// real server has it.
fn load(gun: &Gun, stored: StoredFile, now: Timestamp) -> Result<CheckedRoot, TufError> {
    let root = RootCandidate::read(&stored.bytes, gun, &Work::unstopped())?.trust();
    root.check_leaves(gun, now)?;
    Ok(CheckedRoot { root, bytes: stored.bytes })
}

/// The stored root, unexpired: what a snapshot or timestamp is renewed by.
pub(super) fn load_unexpired(gun: &Gun, stored: StoredFile, now: Timestamp) -> Result<CheckedRoot, TufError> {
    let root = load(gun, stored, now)?;
    root.root.check_newest(gun, now, NO_SKEW)?;
    Ok(root)
}

/// The canonical IDs of the keys that a stored root lists for a base role, in its order.
pub(super) fn listed_keys(gun: &Gun, root: &StoredFile, role: &RoleName) -> Vec<KeyId> {
    let Ok(root) = RootCandidate::read(&root.bytes, gun, &Work::unstopped()) else { return Vec::new() };
    let root = root.trust();
    let keys = root.verified.keys(role).into_iter().flat_map(|keys| keys.public_keys());
    keys.map(|key| key.canonical_id()).collect()
}

/// A root of the current version or the next, signed by the current root's keys and its own, and valid now. The first
/// one is believed as it comes.
fn succeed(
    gun: &Gun,
    part: &Part,
    current: Option<&TrustedRoot>,
    now: Timestamp,
) -> Result<Arc<TrustedRoot>, RootFault> {
    let version = current.map_or(1, TrustedRoot::version);
    if u64::try_from(part.version).map_or(true, |new| new != version && Some(new) != version.checked_add(1)) {
        return Err(RootFault::Version { current: version, new: part.version });
    }
    let work = Work::unstopped();
    let is_signed_by = |current| is_signed_by(&part.bytes, current, &work);
    let candidate = match RootCandidate::read(&part.bytes, gun, &work) {
        Ok(candidate) => candidate,
        Err(error) => {
            // The real server asks the current root's keys before the new one's.
            let by_current = current.map_or(Ok(true), is_signed_by).map_err(RootFault::File)?;
            return Err(match error {
                TufError::NoValidSignature { .. }
                | TufError::ThresholdNotMet { .. }
                | TufError::Unsigned { .. }
                    if !by_current =>
                {
                    RootFault::NotSignedByPredecessor
                }
                error => RootFault::File(error),
            });
        }
    };
    let root = candidate.trust();
    root.check_leaves(gun, now).map_err(RootFault::File)?;
    if !current.map_or(Ok(true), is_signed_by).map_err(RootFault::File)? {
        return Err(RootFault::NotSignedByPredecessor);
    }
    root.check_newest(gun, now, NO_SKEW).map_err(RootFault::File)?;
    Ok(root)
}
