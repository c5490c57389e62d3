//! Trust anchors: what a policy pins a repository's root to.

use jiff::Timestamp;

use super::certificate::{CaBundle, CertificateError, Searches};
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
        self.check_within(key, now, &mut Searches::default())
    }

    /// As [`Self::check`], as one of several that share a budget for chains of certificates.
    pub(super) fn check_within(
        &self,
        key: &PublicKey,
        now: Timestamp,
        searches: &mut Searches,
    ) -> Result<(), PinError> {
        let pinned = match self {
            Self::KeyId(id) => *id,
            Self::PublicKey(pinned) => pinned.canonical_id(),
            Self::Ca(bundle) => {
                let chain = key.certificate().ok_or(PinError::NoCertificate)?;
                return Ok(bundle.check_chain_within(chain, now, searches)?);
            }
        };
        let found = key.canonical_id();
        if found == pinned { Ok(()) } else { Err(PinError::OtherKey { pinned, found }) }
    }

    /// Whether `key` may carry this pin, as far as its ID tells: an authority's may be any.
    pub(super) fn may_be_about(&self, key: &PublicKey) -> bool {
        match self {
            Self::KeyId(id) => *id == key.canonical_id(),
            Self::PublicKey(pinned) => pinned.canonical_id() == key.canonical_id(),
            Self::Ca(_) => true,
        }
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
    anchors: Vec<Anchor>,
    rotation: RootRotation,
    first_use: bool,
    /// Of the rest: admissions look repositories up by it.
    fingerprint: Digest,
}

impl Anchors {
    /// A set of pins; an empty one trusts nothing but with `first_use`, by which the first root seen may become the pin.
    pub fn new(anchors: Vec<Anchor>, rotation: RootRotation, first_use: bool) -> Self {
        let fingerprint = fingerprint(&anchors, rotation, first_use);
        Self { anchors, rotation, first_use, fingerprint }
    }

    /// The pins. Empty only with first use.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// Whether rotation is followed.
    pub fn rotation(&self) -> RootRotation {
        self.rotation
    }

    /// Whether the first root seen may become the pin.
    pub fn first_use(&self) -> bool {
        self.first_use
    }

    /// The first pin that `key` carries at `now`.
    pub fn carried_by(&self, key: &PublicKey, now: Timestamp) -> Option<&Anchor> {
        self.anchors.iter().find(|anchor| anchor.check(key, now).is_ok())
    }

    /// A stable fingerprint of the set, for keys of caches and of state: the order of the pins and repetitions do not
    /// matter, everything else does. It names state that outlives a release, so it must not change.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }
}

fn fingerprint(anchors: &[Anchor], rotation: RootRotation, first_use: bool) -> Digest {
    let mut pins: Vec<Digest> = anchors.iter().map(Anchor::fingerprint).collect();
    pins.sort_unstable();
    pins.dedup();
    let rotation = match rotation {
        RootRotation::Follow => b'f',
        RootRotation::Deny => b'd',
    };
    let mut bytes = b"tagseal anchors v1\0".to_vec();
    bytes.extend_from_slice(&[rotation, u8::from(first_use)]);
    for pin in pins {
        bytes.extend_from_slice(pin.as_bytes());
    }
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/keys/");
        std::fs::read_to_string([folder, name].concat()).unwrap()
    }

    fn key(name: &str) -> PublicKey {
        PublicKey::from_pem(&fixture(name)).unwrap()
    }

    fn ca(names: &[&str]) -> Anchor {
        let pem: String = names.iter().map(|name| fixture(name)).collect();
        Anchor::Ca(CaBundle::from_pem(&pem).unwrap())
    }

    fn anchors(anchors: Vec<Anchor>) -> Anchors {
        Anchors::new(anchors, RootRotation::Follow, false)
    }

    fn now() -> Timestamp {
        "2030-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_pin_holds_for_the_key_under_any_certificate() {
        let (bare, other) = (key("p256.pub.pem"), key("rsa2048.pub.pem"));
        let pins = [
            Anchor::KeyId(bare.canonical_id()),
            Anchor::PublicKey(bare.clone()),
            Anchor::PublicKey(key("rsa-leaf.crt.pem")),
        ];
        for pin in pins {
            for same in [&bare, &key("rsa-leaf.crt.pem"), &key("p521-leaf.crt.pem")] {
                assert_eq!(pin.check(same, now()), Ok(()));
            }
            let (pinned, found) = (bare.id(), other.id());
            assert_eq!(pin.check(&other, now()), Err(PinError::OtherKey { pinned, found }));
        }
    }

    #[test]
    fn the_id_of_a_certificate_is_no_pin_of_its_key() {
        let certificate = key("rsa-leaf.crt.pem");
        let (pinned, found) = (certificate.id(), certificate.canonical_id());
        let error = Err(PinError::OtherKey { pinned, found });
        assert_eq!(Anchor::KeyId(pinned).check(&certificate, now()), error);
    }

    #[test]
    fn a_ca_pin_holds_for_what_leads_to_it() {
        let pin = ca(&["rsa-ca.crt.pem"]);
        assert_eq!(pin.check(&key("rsa-leaf.crt.pem"), now()), Ok(()));
        assert_eq!(pin.check(&key("p256.pub.pem"), now()), Err(PinError::NoCertificate));
        let (name, issuer) = ("registry.test/keys".to_owned(), "CN=P-521 CA".to_owned());
        assert_eq!(
            pin.check(&key("p521-leaf.crt.pem"), now()),
            Err(PinError::Chain(CertificateError::NoIssuer { name, issuer }))
        );
    }

    #[test]
    fn any_pin_suffices() {
        let pins = anchors(vec![Anchor::KeyId(key("rsa2048.pub.pem").id()), ca(&["rsa-ca.crt.pem"])]);
        assert_eq!(pins.carried_by(&key("rsa-leaf.crt.pem"), now()), pins.anchors.last());
        assert_eq!(pins.carried_by(&key("rsa2048.pub.pem"), now()), pins.anchors.first());
        assert_eq!(pins.carried_by(&key("p521-leaf.crt.pem"), now()), None);
        assert_eq!(anchors(vec![]).carried_by(&key("rsa-leaf.crt.pem"), now()), None);
    }

    #[test]
    fn a_fingerprint_tells_sets_apart_but_not_their_order_or_spelling() {
        let (id, other) = (key("p256.pub.pem").id(), key("rsa2048.pub.pem").id());
        let of = |pins: &[Anchor]| anchors(pins.to_vec()).fingerprint();
        let both = of(&[Anchor::KeyId(id), Anchor::KeyId(other)]);
        assert_eq!(of(&[Anchor::KeyId(other), Anchor::KeyId(id)]), both);
        assert_eq!(of(&[Anchor::KeyId(other), Anchor::KeyId(id), Anchor::KeyId(other)]), both);
        let spelled = [Anchor::PublicKey(key("rsa-leaf.crt.pem")), Anchor::PublicKey(key("rsa2048.pub.pem"))];
        assert_eq!(of(&spelled), both);
        let two = [ca(&["rsa-ca.crt.pem", "p521-ca.crt.pem"]), ca(&["p521-ca.crt.pem", "rsa-ca.crt.pem"])];
        assert_eq!(of(&two[..1]), of(&two[1..]));

        let deny = Anchors::new(vec![Anchor::KeyId(id)], RootRotation::Deny, false);
        let first_use = Anchors::new(vec![Anchor::KeyId(id)], RootRotation::Follow, true);
        let apart = [
            both,
            of(&[]),
            of(&[Anchor::KeyId(id)]),
            of(&[Anchor::KeyId(other)]),
            of(&[ca(&["rsa-ca.crt.pem"])]),
            of(&[ca(&["rsa-ca.crt.pem"]), ca(&["p521-ca.crt.pem"])]),
            of(&two[..1]),
            deny.fingerprint(),
            first_use.fingerprint(),
        ];
        let distinct: std::collections::BTreeSet<Digest> = apart.into_iter().collect();
        assert_eq!(distinct.len(), apart.len());
    }

    #[test]
    fn a_fingerprint_never_changes_because_state_is_named_by_it() {
        let id = KeyId::from_hex(&"5f".repeat(32)).unwrap();
        assert_eq!(
            anchors(vec![Anchor::KeyId(id)]).fingerprint().hex(),
            "e0972cd5f5b5c293293c2270a235f6405694148156d93a576d1f9694e52d5057"
        );
    }
}
