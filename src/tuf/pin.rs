//! Trust anchors: what a policy pins a repository's root to.

use super::certificate::CaBundle;
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
    /// A stable fingerprint of the set, for keys of caches and of state.
    pub fn fingerprint(&self) -> Digest {
        todo!()
    }
}
