//! `targets`, the delegation roles, and the snapshot of an upload.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest as _, Sha512};

use super::root::CheckedRoot;
use super::{Holdings, NO_SKEW, NewFile, Part, SnapshotFault, TargetsFault, UploadError};
use crate::digest::Digest;
use crate::tuf::envelope::Envelope;
use crate::tuf::error::TufError;
use crate::tuf::metadata::{FileMeta, Metadata as _, RoleKeys, Snapshot, Targets};
use crate::tuf::role::RoleName;
use crate::tuf::verify::{Expiry, Verified, verify};
use crate::tuf::work::Work;

/// Versions begin at 1.
const FIRST: u64 = 1;

/// A role that was verified: an uploaded one, or a stored ancestor of one.
pub(super) struct Loaded {
    pub(super) bytes: Bytes,
    file: Verified<Targets>,
}

impl Loaded {
    /// As a file to be stored.
    pub(super) fn as_new(&self, role: &RoleName) -> NewFile {
        NewFile { role: role.clone(), version: self.file.common().version, bytes: self.bytes.clone() }
    }
}

/// Verifies the uploaded roles, the shallow ones first; stored ancestors are loaded where they are needed, and may be
/// expired.
pub(super) fn check(
    root: &CheckedRoot,
    parts: &BTreeMap<RoleName, Part>,
    holdings: &dyn Holdings,
    now: Timestamp,
) -> Result<BTreeMap<RoleName, Loaded>, UploadError> {
    let mut loaded = BTreeMap::new();
    let mut uploaded: Vec<&Part> =
        parts.values().filter(|part| part.role == RoleName::targets() || part.role.is_delegation()).collect();
    uploaded.sort_by_key(|part| part.role.as_str().matches('/').count());
    for part in uploaded {
        for ancestor in ancestors(&part.role) {
            if let Some(stored) = holdings.current(&ancestor).filter(|_| !loaded.contains_key(&ancestor)) {
                load(root, &mut loaded, &ancestor, stored.bytes, Expiry::AtUse).map_err(of_the_store)?;
            }
        }
        let at_now = Expiry::At { now, skew: NO_SKEW };
        load(root, &mut loaded, &part.role, part.bytes.clone(), at_now).map_err(UploadError::BadTargets)?;
    }
    Ok(loaded)
}

/// `targets`, `targets/a` for `targets/a/b`.
fn ancestors(role: &RoleName) -> Vec<RoleName> {
    let mut ancestors: Vec<_> = std::iter::successors(role.parent(), |role| role.parent()).collect();
    ancestors.reverse();
    ancestors
}

fn of_the_store(fault: TargetsFault) -> UploadError {
    UploadError::Stored(match fault {
        TargetsFault::File(error) => error,
        TargetsFault::NotDelegated(role) => {
            TufError::Malformed { role, what: "it is not delegated any more".to_owned() }
        }
        TargetsFault::NoTargets => {
            TufError::Malformed { role: RoleName::targets(), what: "there is none".to_owned() }
        }
    })
}

fn load(
    root: &CheckedRoot,
    loaded: &mut BTreeMap<RoleName, Loaded>,
    role: &RoleName,
    bytes: Bytes,
    expiry: Expiry,
) -> Result<(), TargetsFault> {
    let keys = keys(root, loaded, role)?;
    let work = Work::unstopped();
    let envelope = Envelope::parse(role, &bytes, &work).map_err(TargetsFault::File)?;
    let file = verify(role, &envelope, keys, FIRST, expiry).map_err(TargetsFault::File)?;
    drop(envelope);
    loaded.insert(role.clone(), Loaded { bytes, file });
    Ok(())
}

/// The keys that the role's parent asks for.
fn keys<'a>(
    root: &'a CheckedRoot,
    loaded: &'a BTreeMap<RoleName, Loaded>,
    role: &RoleName,
) -> Result<&'a RoleKeys, TargetsFault> {
    let keys = match role.parent() {
        None => root.root.verified.keys(role),
        Some(_) if !loaded.contains_key(&RoleName::targets()) => return Err(TargetsFault::NoTargets),
        Some(parent) => loaded
            .get(&parent)
            .and_then(|parent| parent.file.delegation(role))
            .map(|delegation| &delegation.keys),
    };
    keys.ok_or_else(|| TargetsFault::NotDelegated(role.clone()))
}

/// Verifies the uploaded snapshot: it must list the root and every role that was loaded. Roles that nobody uploaded are
/// its signer's affair.
pub(super) fn check_snapshot(
    root: &CheckedRoot,
    roles: &BTreeMap<RoleName, Loaded>,
    part: Part,
    now: Timestamp,
) -> Result<NewFile, UploadError> {
    verify_snapshot(root, &part.role, &part.bytes, now)
        .map_err(SnapshotFault::File)
        .and_then(|snapshot| {
            matches(&root.root.name, &snapshot.root, &root.bytes)?;
            for (role, loaded) in roles {
                let listed = snapshot.file(role).and_then(Result::ok);
                let listed = listed.ok_or_else(|| SnapshotFault::Unlisted(role.clone()))?;
                matches(role, listed, &loaded.bytes)?;
            }
            let version = snapshot.common().version;
            Ok(NewFile { role: part.role, version, bytes: part.bytes })
        })
        .map_err(UploadError::BadSnapshot)
}

/// Verifies a snapshot by itself.
pub(super) fn verify_snapshot(
    root: &CheckedRoot,
    role: &RoleName,
    bytes: &[u8],
    now: Timestamp,
) -> Result<Verified<Snapshot>, TufError> {
    let no_keys = || TufError::NoValidSignature { role: role.clone() };
    let keys = root.root.verified.keys(role).ok_or_else(no_keys)?;
    let work = Work::unstopped();
    verify(role, &Envelope::parse(role, bytes, &work)?, keys, FIRST, Expiry::At { now, skew: NO_SKEW })
}

/// All known hashes must match (Notary v1, Metadata).
fn matches(role: &RoleName, listed: &FileMeta, bytes: &[u8]) -> Result<(), SnapshotFault> {
    let mismatch = |algorithm, expected: &[u8]| SnapshotFault::Mismatch {
        role: role.clone(),
        algorithm,
        expected: expected.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    if let Some(sha256) = listed.sha256.filter(|sha256| Digest::of(bytes) != *sha256) {
        return Err(mismatch("sha256", sha256.as_bytes()));
    }
    match &listed.sha512 {
        Some(sha512) if Sha512::digest(bytes)[..] != sha512[..] => Err(mismatch("sha512", &sha512[..])),
        _ => Ok(()),
    }
}
