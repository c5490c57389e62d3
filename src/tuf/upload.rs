//! What a server checks of an uploaded set of files, and what it makes itself: snapshot and timestamp (Notary v1, Server
//! rules). Without I/O and clock; every file goes through the verifier's own [`verify`](super::verify::verify).

mod document;
mod error;
mod part;
mod renew;
mod roles;
mod root;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

pub use document::listing;
pub use error::{RootFault, SnapshotFault, TargetsFault, UploadError, ValidationFault};
pub use part::{Part, PartError};
pub use renew::{RenewError, renew};

use self::document::{Maker, Making};
use self::roles::Loaded;
use self::root::CheckedRoot;
use super::key::KeyId;
use super::role::{Gun, RoleName};
use crate::digest::Digest;

/// A server judges by its own clock alone.
const NO_SKEW: SignedDuration = SignedDuration::ZERO;

/// What the server has of one repository.
pub trait Holdings {
    /// The current file of a role.
    fn current(&self, role: &RoleName) -> Option<StoredFile>;

    /// Signs `message` with the key of this canonical key ID, if the server holds it.
    fn sign(&self, key: KeyId, message: &[u8]) -> Option<ServerSignature>;
}

/// A file that the server accepted or made earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The file.
    pub bytes: Bytes,
    /// The hash that was recorded when it was accepted.
    pub sha256: Digest,
}

/// A signature by a key that the server holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSignature {
    /// `eddsa`, `ecdsa`, `rsapss`
    pub method: &'static str,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// A file that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Whose file it is.
    pub role: RoleName,
    /// Its version.
    pub version: u64,
    /// The file.
    pub bytes: Bytes,
}

/// Checks an upload in the order of the real server, and completes it: an uploaded timestamp is discarded and a fresh
/// one made; where no snapshot was uploaded, the server makes it. That versions only rise is the store's to check.
///
/// Of two parts for one role the last counts.
///
/// # Errors
/// [`UploadError`] of the first rule that is broken.
pub fn check(
    gun: &Gun,
    parts: Vec<Part>,
    holdings: &dyn Holdings,
    now: Timestamp,
) -> Result<Vec<NewFile>, UploadError> {
    let mut parts: BTreeMap<RoleName, Part> =
        parts.into_iter().map(|part| (part.role.clone(), part)).collect();
    let root = root::check(gun, parts.get(&RoleName::root()), holdings, now)?;
    let roles = roles::check(&root, &parts, holdings, now)?;
    let mut accepted: Vec<NewFile> = Vec::new();
    accepted.extend(root.as_new(parts.contains_key(&RoleName::root())));
    accepted
        .extend(roles.iter().filter(|(role, _)| parts.contains_key(*role)).map(|(role, l)| l.as_new(role)));
    let maker = Maker { root: &root.root, holdings, now };
    let snapshot = match parts.remove(&RoleName::snapshot()) {
        Some(part) => roles::check_snapshot(&root, &roles, part, now)?,
        None => make_snapshot(&maker, &root, &roles)?,
    };
    let timestamp = maker.timestamp(&snapshot.bytes).map_err(|making| match making {
        Making::NoKey { .. } => UploadError::BadRoot(RootFault::NoTimestampKey),
        Making::Stored(error) => UploadError::Stored(error),
    })?;
    accepted.extend([snapshot, timestamp]);
    Ok(accepted)
}

/// The canonical IDs of the keys that the stored root lists for a base role, in its order; none where it cannot be read.
pub fn listed_keys(gun: &Gun, root: &StoredFile, role: &RoleName) -> Vec<KeyId> {
    root::listed_keys(gun, root, role)
}

/// The set without any check but that the files can be read, under the server's own snapshot and timestamp: what a server
/// that is in an attacker's hands can serve.
///
/// # Errors
/// [`UploadError`] where the server cannot sign snapshot and timestamp, or has no root.
pub fn wave_through(
    gun: &Gun,
    parts: Vec<Part>,
    holdings: &dyn Holdings,
    now: Timestamp,
) -> Result<Vec<NewFile>, UploadError> {
    let root = root::check(gun, None, holdings, now)?;
    let maker = Maker { root: &root.root, holdings, now };
    let files: Vec<NewFile> = parts.into_iter().filter_map(Part::unchecked).collect();
    let listed = files.iter().map(|file| (&file.role, &file.bytes)).collect();
    let snapshot = maker.snapshot(&listed).map_err(snapshot_not_made)?;
    let timestamp =
        maker.timestamp(&snapshot.bytes).map_err(|_| UploadError::BadRoot(RootFault::NoTimestampKey))?;
    Ok(files.into_iter().chain([snapshot, timestamp]).collect())
}

/// The previous snapshot with what changed: entries of roles that were not uploaded stay, dead ones included.
fn make_snapshot(
    maker: &Maker<'_>,
    root: &CheckedRoot,
    roles: &BTreeMap<RoleName, Loaded>,
) -> Result<NewFile, UploadError> {
    if maker.holdings.current(&RoleName::snapshot()).is_none() && !roles.contains_key(&RoleName::targets()) {
        return Err(UploadError::Validation(ValidationFault::NoTargets));
    }
    let mut changed: BTreeMap<&RoleName, &Bytes> = roles.iter().map(|(role, l)| (role, &l.bytes)).collect();
    changed.insert(&root.root.name, &root.bytes);
    maker.snapshot(&changed).map_err(snapshot_not_made)
}

fn snapshot_not_made(making: Making) -> UploadError {
    match making {
        Making::NoKey { .. } => UploadError::BadHierarchy,
        Making::Stored(error) => UploadError::Stored(error),
    }
}
