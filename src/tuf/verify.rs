//! [`Verified`] and the one function that makes it, for every role, delegations included.

use std::ops::Deref;

use jiff::{SignedDuration, Timestamp};

use super::canonical::{Node, shortened};
use super::decode::malformed;
use super::envelope::Envelope;
use super::error::TufError;
use super::metadata::{self, Metadata, RoleKey, RoleKeys, RootRole};
use super::repository::RoleSigner;
use super::role::RoleName;
use super::work::Work;
use crate::digest::Digest;

/// Metadata that its role's keys signed. Only [`verify`] makes one.
#[derive(Debug)]
pub(super) struct Verified<T> {
    value: T,
    signers: Box<[RoleSigner]>,
}

/// The decoded value whose canonical form the signatures cover: metadata is read from it and nothing else.
#[derive(Clone, Copy)]
pub(super) struct SignedValue<'a>(Node<'a>);

/// How a file's expiry is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expiry {
    /// Expired is strictly before `now`, less the tolerance for clocks.
    At { now: Timestamp, skew: SignedDuration },
    /// Whenever the file is used: an expired delegation makes its role unusable, not the update fail (design §4
    /// "Whose fault"), and the version that an expired file proves is a floor all the same.
    AtUse,
}

/// Verifies a file and reads it: threshold of distinct keys, structure, version (`floor` is the lowest that may be
/// believed), expiry. No value is built of what is not signed. That its hash is the one that its parent names was its caller's to check.
///
/// # Errors
/// [`TufError`] of the first of these that fails.
pub(super) fn verify<T: Metadata>(
    role: &RoleName,
    envelope: &Envelope<'_>,
    keys: &RoleKeys,
    floor: u64,
    expiry: Expiry,
) -> Result<Verified<T>, TufError> {
    let signers = threshold_of_signers(role, envelope, keys)?.into();
    let value: T = read(role, envelope)?;
    check_version(role, value.common().version, floor)?;
    if let Expiry::At { now, skew } = expiry {
        check_expiry(role, value.common().expires, now, skew)?;
    }
    Ok(Verified { value, signers })
}

/// As [`verify`], for a file that names its own keys: a root. `keys` says which of those may count.
pub(super) fn verify_self<T: Metadata>(
    role: &RoleName,
    envelope: &Envelope<'_>,
    keys: impl FnOnce(&T) -> Result<RoleKeys, TufError>,
) -> Result<Verified<T>, TufError> {
    let own: T = read(role, envelope)?;
    let signers = threshold_of_signers(role, envelope, &keys(&own)?)?.into();
    Ok(Verified { value: own, signers })
}

/// Reads a file that tagseal verified when it was current: the sha256 that it recorded then is what vouches for it.
/// Its signers are those of the given keys.
///
/// # Errors
/// [`TufError::HashMismatch`] when it is another file, [`TufError::Malformed`].
pub(super) fn verify_recorded<T: Metadata>(
    role: &RoleName,
    recorded: Digest,
    bytes: &[u8],
    keys: &RoleKeys,
    work: &Work,
) -> Result<Verified<T>, TufError> {
    let actual = Digest::of(bytes);
    if actual != recorded {
        return Err(TufError::HashMismatch { role: role.clone(), expected: recorded, actual });
    }
    let envelope = Envelope::parse(role, bytes, work)?;
    let signers = signers(role, &envelope, keys)?.into();
    Ok(Verified { value: read(role, &envelope)?, signers })
}

/// Reads a file that nothing vouches for: which root role it lists, before it is worth verifying.
///
/// # Errors
/// [`TufError::Malformed`].
pub(super) fn unverified(role: &RoleName, envelope: &Envelope<'_>) -> Result<RootRole, TufError> {
    read(role, envelope)
}

fn read<T: Metadata>(role: &RoleName, envelope: &Envelope<'_>) -> Result<T, TufError> {
    metadata::decode(role, SignedValue(envelope.signed())).map_err(|what| malformed(role, what))
}

/// The distinct keys of the role that signed, if they are enough.
///
/// # Errors
/// [`TufError::NoValidSignature`], [`TufError::ThresholdNotMet`], or as [`signers`].
pub(super) fn threshold_of_signers(
    role: &RoleName,
    envelope: &Envelope<'_>,
    keys: &RoleKeys,
) -> Result<Vec<RoleSigner>, TufError> {
    let signers = signers(role, envelope, keys)?;
    let valid = signers.len();
    match u64::try_from(valid) {
        Ok(enough) if enough >= keys.threshold => Ok(signers),
        _ if valid == 0 => Err(TufError::NoValidSignature { role: role.clone() }),
        _ => Err(TufError::ThresholdNotMet { role: role.clone(), valid, threshold: keys.threshold }),
    }
}

/// The distinct keys of the role that signed: counted by public key, not by key ID, certificate or encoding.
/// Unknown key IDs and bad signatures do not count.
///
/// # Errors
/// [`TufError::KeyIdMismatch`] when a signature uses a key ID that is not its key's (design §11 tuf).
pub(super) fn signers(
    role: &RoleName,
    envelope: &Envelope<'_>,
    keys: &RoleKeys,
) -> Result<Vec<RoleSigner>, TufError> {
    let mut signers: Vec<RoleSigner> = Vec::new();
    for signature in &envelope.signatures {
        envelope.work().take(keys.keys.len() as u64)?;
        let is_called = |key: &&RoleKey| key.is_called(&signature.key_id, signature.parsed_id);
        let Some(listed) = keys.keys.iter().find(is_called) else { continue };
        if !listed.is_rightly_called() {
            return Err(TufError::KeyIdMismatch { role: role.clone(), key_id: shortened(&signature.key_id) });
        }
        let Some(key) = &listed.key else { continue };
        let signer = RoleSigner { key_id: key.canonical_id(), identity: key.identity() };
        if signers.iter().all(|counted| counted.identity != signer.identity)
            && envelope.is_by(signature, key)?
        {
            signers.push(signer);
        }
    }
    Ok(signers)
}

/// An equal version passes, a lower one is a rollback (design §4 "Floors").
///
/// # Errors
/// [`TufError::Rollback`].
pub(super) fn check_version(role: &RoleName, version: u64, floor: u64) -> Result<(), TufError> {
    if version < floor { Err(TufError::Rollback { role: role.clone(), version, floor }) } else { Ok(()) }
}

/// Judges an expiry, when a file is verified and again whenever a cached one is used.
///
/// # Errors
/// [`TufError::Expired`].
pub(super) fn check_expiry(
    role: &RoleName,
    expires: Timestamp,
    now: Timestamp,
    skew: SignedDuration,
) -> Result<(), TufError> {
    if has_expired(expires, now, skew) {
        Err(TufError::Expired { role: role.clone(), expires, now })
    } else {
        Ok(())
    }
}

/// Expired is strictly before `now`, less the tolerance for clocks.
pub(super) fn has_expired(expires: Timestamp, now: Timestamp, skew: SignedDuration) -> bool {
    (expires < now || skew.is_negative()) && expires.saturating_add(skew).unwrap_or(expires) < now
}

impl<T> Verified<T> {
    /// The keys whose signatures are valid, each once.
    pub(super) fn signers(&self) -> &[RoleSigner] {
        &self.signers
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'a> SignedValue<'a> {
    pub(super) fn value(self) -> Node<'a> {
        self.0
    }
}
