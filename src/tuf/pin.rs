//! Trust anchors: what a policy pins a repository's root to.

use jiff::Timestamp;

use super::certificate::{CaBundle, CertificateError};
use super::key::{KeyId, PublicKey};
use crate::digest::Digest;

/// One pin of the root role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// A canonical root key ID.
    KeyId(KeyId),
    /// A public key, bare or as a certificate; compared by canonical key ID.
    PublicKey(PublicKey),
    /// Certificate authorities that the root's leaf must chain to.
    Ca(CaBundle),
}

/// Why a key does not carry a pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Another key.
    #[error("the key is {found}, the pin {pinned} (canonical key IDs)")]
    OtherKey {
        /// The pinned canonical key ID.
        pinned: KeyId,
        /// The key's canonical key ID.
        found: KeyId,
    },
    /// A CA is pinned, and the key has no certificate.
    #[error("the key has no certificate, and a certificate authority is pinned")]
    NoCertificate,
    /// A CA is pinned, and the certificate does not lead to it.
    #[error(transparent)]
    Chain(#[from] CertificateError),
}

impl Anchor {
    /// Whether `key` carries this pin at `now`. The key's own certificate rules are [`super::CertificateChain::check_leaf`].
    ///
    /// # Errors
    /// [`PinError`] that tells the keys apart, or where the chain ends.
    pub fn check(&self, key: &PublicKey, now: Timestamp) -> Result<(), PinError> {
        let pinned = match self {
            Self::KeyId(id) => *id,
            Self::PublicKey(pinned) => pinned.canonical_id(),
            Self::Ca(bundle) => {
                let chain = key.certificate().ok_or(PinError::NoCertificate)?;
                return Ok(bundle.check_chain(chain, now)?);
            }
        };
        let found = key.canonical_id();
        if found == pinned { Ok(()) } else { Err(PinError::OtherKey { pinned, found }) }
    }

    /// What this pin contributes to the fingerprint. A key and its ID are the same pin.
    fn fingerprint(&self) -> Digest {
        let mut bytes;
        match self {
            Self::KeyId(id) => bytes = key_pin(*id),
            Self::PublicKey(key) => bytes = key_pin(key.canonical_id()),
            Self::Ca(bundle) => {
                let mut digests: Vec<Digest> = bundle.digests().collect();
                digests.sort_unstable();
                digests.dedup();
                bytes = b"ca\0".to_vec();
                for digest in digests {
                    bytes.extend_from_slice(digest.as_bytes());
                }
            }
        }
        Digest::of(&bytes)
    }
}

fn key_pin(id: KeyId) -> Vec<u8> {
    [b"key\0".as_slice(), id.as_bytes()].concat()
}

/// Whether a root that does not carry the pin itself may be reached by rotation (design §2 "Roots").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RootRotation {
    /// A chain of roots, each signed by its predecessor's threshold, from one that carries the pin.
    #[default]
    Follow,
    /// The newest root must itself carry a pin.
    Deny,
}

/// All pins of one repository. Any one of them suffices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors {
    /// The pins. Empty only with `first_use`.
    pub anchors: Vec<Anchor>,
    /// Whether rotation is followed.
    pub rotation: RootRotation,
    /// Whether the first root seen may become the pin.
    pub first_use: bool,
}

impl Anchors {
    /// The first pin that `key` carries at `now`.
    pub fn carried_by(&self, key: &PublicKey, now: Timestamp) -> Option<&Anchor> {
        self.anchors.iter().find(|anchor| anchor.check(key, now).is_ok())
    }

    /// A stable fingerprint of the set, for keys of caches and of state: the order of the pins and repetitions do not
    /// matter, everything else does. It names state that outlives a release, so it must not change.
    pub fn fingerprint(&self) -> Digest {
        let mut pins: Vec<Digest> = self.anchors.iter().map(Anchor::fingerprint).collect();
        pins.sort_unstable();
        pins.dedup();
        let rotation = match self.rotation {
            RootRotation::Follow => b'f',
            RootRotation::Deny => b'd',
        };
        let mut bytes = b"tagseal anchors v1\0".to_vec();
        bytes.extend_from_slice(&[rotation, u8::from(self.first_use)]);
        for pin in pins {
            bytes.extend_from_slice(pin.as_bytes());
        }
        Digest::of(&bytes)
    }
}
