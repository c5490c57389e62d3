//! [`TrustedRoot`]: when a root is trusted (design §2 "Roots").

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::certificate::{CertificateChain, CertificateError, Searches};
use super::envelope::Envelope;
use super::error::{RootMismatch, TufError};
use super::key::{KeyIdentity, PublicKey};
use super::metadata::{Metadata, RoleKey, RoleKeys, Root, RootRole, listed_key};
use super::pin::{Anchor, Anchors, PinError};
use super::role::{Gun, RoleName};
use super::verify::{Verified, check_expiry, signers, threshold_of_signers, unverified, verify_self};
use super::work::Work;
use crate::digest::Digest;

/// A root that verifies by itself under this GUN: its own threshold of keys whose certificates name the GUN signed
/// it. Whether it is *the* root is another question, and so is whether it and its certificates are valid now.
#[derive(Debug)]
pub(super) struct RootCandidate {
    bytes: Bytes,
    root: Arc<TrustedRoot>,
}

/// A root that a pin, first use or a trusted predecessor vouches for.
#[derive(Debug)]
pub(super) struct TrustedRoot {
    pub(super) name: RoleName,
    pub(super) verified: Verified<Root>,
    pub(super) sha256: Digest,
    pub(super) length: u64,
    /// Keys that the file lists for no role any more, as a rotation leaves those of the predecessor, and that signed it.
    pub(super) retired: Box<[KeyIdentity]>,
}

impl RootRole {
    /// Whether one of the anchors may be about one of its keys.
    pub(super) fn lists(&self, anchors: &Anchors) -> bool {
        let mut keys = self.keys().public_keys();
        keys.any(|key| anchors.anchors().iter().any(|anchor| anchor.may_be_about(key)))
    }
}

/// Whether a root carries a pin: a pinned key is in the root role, itself signed, and its certificate is valid now.
pub(super) type Carries = Result<(), RootMismatch>;

impl RootCandidate {
    /// Reads a root that verifies by itself. Its expiry, and its certificates', are judged when it turns out to be
    /// the newest ([`TrustedRoot::check_newest`]): an intermediate root may be expired.
    ///
    /// # Errors
    /// [`TufError`]; [`TufError::RootMismatch`] where certificates stand in the way.
    pub(super) fn read(bytes: &Bytes, gun: &Gun, work: &Work) -> Result<Self, TufError> {
        let name = RoleName::root();
        let envelope = Envelope::parse(&name, bytes, work)?;
        let keys =
            |root: &Root| keys_that_count(&name, &envelope, root, |leaf| leaf.check_leaf_at_any_time(gun));
        let verified = verify_self(&name, &envelope, keys)?;
        let (sha256, length) = (Digest::of(bytes), bytes.len() as u64);
        let retired = retired_signers(&envelope, verified.root_keys())?;
        drop(envelope);
        let root = Arc::new(TrustedRoot { name, verified, sha256, length, retired });
        Ok(Self { root, bytes: bytes.clone() })
    }

    /// The version that a file says it is. Nothing vouches for it.
    ///
    /// # Errors
    /// [`TufError::Malformed`]; the end of the work.
    pub(super) fn version_of(bytes: &[u8], work: &Work) -> Result<u64, TufError> {
        Ok(Self::role_of(bytes, work)?.common().version)
    }

    /// The root role that a file lists. Nothing vouches for it, and nothing else of the file is read.
    ///
    /// # Errors
    /// [`TufError::Malformed`]; the end of the work.
    pub(super) fn role_of(bytes: &[u8], work: &Work) -> Result<RootRole, TufError> {
        let name = RoleName::root();
        unverified(&name, &Envelope::parse(&name, bytes, work)?)
    }

    pub(super) fn version(&self) -> u64 {
        self.root.version()
    }

    pub(super) fn sha256(&self) -> Digest {
        self.root.sha256
    }

    /// Whether the predecessor's threshold of its root keys signed this root. Their certificates' expiry is ignored.
    ///
    /// # Errors
    /// The end of the work. What else is wrong with it was found when it was read.
    pub(super) fn is_signed_by(&self, predecessor: &TrustedRoot, work: &Work) -> Result<bool, TufError> {
        is_signed_by(&self.bytes, predecessor, work)
    }

    /// Whether it carries one of the pins.
    pub(super) fn carries(&self, anchors: &Anchors, gun: &Gun, now: Timestamp) -> Carries {
        self.root.carries(anchors, gun, now)
    }

    /// Takes it as trusted: the caller found a pin, first use or a trusted predecessor that vouches for it.
    pub(super) fn trust(&self) -> Arc<TrustedRoot> {
        Arc::clone(&self.root)
    }
}

impl TrustedRoot {
    pub(super) fn version(&self) -> u64 {
        self.verified.common().version
    }

    /// Whether it carries one of the pins.
    pub(super) fn carries(&self, anchors: &Anchors, gun: &Gun, now: Timestamp) -> Carries {
        let version = self.version();
        let mut why_not = RootMismatch::NoPinnedKey { version };
        let mut searches = Searches::default();
        for key in self.verified.root_keys().public_keys() {
            let signed = self.verified.signers().iter().any(|signer| signer.identity == key.identity());
            for anchor in anchors.anchors() {
                match matches(anchor, key, gun, now, &mut searches) {
                    Some(Ok(())) if signed => return Ok(()),
                    Some(Err(error)) if signed => why_not = RootMismatch::Certificate(error),
                    Some(Ok(())) if why_not == (RootMismatch::NoPinnedKey { version }) => {
                        why_not = RootMismatch::PinnedKeyDidNotSign { version };
                    }
                    _ => {}
                }
            }
        }
        Err(why_not)
    }

    /// Judges what is judged of the newest root alone: it and enough of its signers' certificates are valid now.
    ///
    /// # Errors
    /// [`TufError::Expired`]; [`TufError::RootMismatch`] with a certificate's dates.
    pub(super) fn check_newest(
        &self,
        gun: &Gun,
        now: Timestamp,
        skew: SignedDuration,
    ) -> Result<(), TufError> {
        self.check_leaves(gun, now)?;
        check_expiry(&self.name, self.verified.common().expires, now, skew)
    }

    /// Whether enough of its signers' certificates are valid now.
    ///
    /// # Errors
    /// [`TufError::RootMismatch`] with a certificate's dates.
    pub(super) fn check_leaves(&self, gun: &Gun, now: Timestamp) -> Result<(), TufError> {
        let mut valid = 0_u64;
        let mut bad = None;
        let mut counted = std::collections::BTreeSet::new();
        for key in self.verified.root_keys().public_keys() {
            let signed = self.verified.signers().iter().any(|signer| signer.identity == key.identity());
            if !signed || counted.contains(&key.identity()) {
                continue;
            }
            match key.certificate().map(|leaf| leaf.check_leaf(gun, now)) {
                Some(Ok(())) => {
                    counted.insert(key.identity());
                    valid += 1;
                }
                Some(Err(error)) => bad = bad.or(Some(error)),
                None => {}
            }
        }
        match bad {
            Some(error) if valid < self.verified.root_keys().threshold => {
                Err(TufError::RootMismatch(RootMismatch::Certificate(error)))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the threshold of a root's keys signed the bytes, whatever else they are.
///
/// # Errors
/// The end of the work.
pub(super) fn is_signed_by(bytes: &[u8], root: &TrustedRoot, work: &Work) -> Result<bool, TufError> {
    let signed = Envelope::parse(&root.name, bytes, work)
        .and_then(|envelope| threshold_of_signers(&root.name, &envelope, root.verified.root_keys()));
    Ok(work.unless_ended(signed)?.is_some())
}

/// The keys that a root lists beside those of its root role, and that signed it. They count towards nothing but telling
/// which roots lead to each other.
fn retired_signers(envelope: &Envelope<'_>, present: &RoleKeys) -> Result<Box<[KeyIdentity]>, TufError> {
    let mut signers = Vec::new();
    // Each is read once, however many signatures refer to it.
    let mut listed = BTreeMap::new();
    for signature in &envelope.signatures {
        let is_called = |key: &RoleKey| key.is_called(&signature.key_id, signature.parsed_id);
        if present.keys.iter().any(is_called) {
            continue;
        }
        let id = signature.key_id.as_str();
        let key = listed.entry(id).or_insert_with(|| listed_key(envelope.signed(), id));
        if let Some(key) = key
            && envelope.is_by(signature, key)?
        {
            signers.push(key.identity());
        }
    }
    Ok(signers.into())
}

/// Whether `anchor` is about `key`; if so, whether the certificate behind it holds now.
fn matches(
    anchor: &Anchor,
    key: &PublicKey,
    gun: &Gun,
    now: Timestamp,
    searches: &mut Searches,
) -> Option<Result<(), CertificateError>> {
    let leaf = key.certificate()?;
    match anchor.check_within(key, now, searches) {
        Ok(()) => Some(leaf.check_leaf(gun, now)),
        Err(PinError::Chain(error)) => Some(Err(error)),
        Err(PinError::OtherKey { .. } | PinError::NoCertificate) => None,
    }
}

/// The keys of the root role that may count: those with a certificate for which `check` holds. Where their
/// signatures are too few but would be enough with the others, the certificates are what is wrong.
fn keys_that_count(
    name: &RoleName,
    envelope: &Envelope<'_>,
    root: &Root,
    check: impl Fn(&CertificateChain) -> Result<(), CertificateError>,
) -> Result<RoleKeys, TufError> {
    let all = root.root_keys();
    let counting = all.retain(|key| key.certificate().is_some_and(|leaf| check(leaf).is_ok()));
    let enough =
        |keys: &RoleKeys| signers(name, envelope, keys).map(|signers| signers.len() as u64 >= keys.threshold);
    if !enough(&counting)? && enough(all)? {
        let bad = all.public_keys().filter_map(PublicKey::certificate).find_map(|leaf| check(leaf).err());
        return Err(TufError::RootMismatch(match bad {
            Some(error) => RootMismatch::Certificate(error),
            None => RootMismatch::NoCertificate { version: root.common().version },
        }));
    }
    Ok(counting)
}
