//! Public keys: the five key types, their IDs, and what a signature by them is.

mod error;
mod material;
pub(in crate::tuf) mod pem;
mod signature;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use self::error::KeyError;
pub(in crate::tuf) use self::material::{Curve, Material};
use self::signature::Method;
use super::canonical;
use super::certificate::CertificateChain;
use crate::digest::Digest;
use crate::limits::KEY_BYTES;

/// A key ID: the sha256 of the canonical JSON of the key. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Digest);

impl KeyId {
    /// Wraps the sha256 of a key's canonical JSON.
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The ID of a key as TUF metadata has it, whether or not the key can be used (Notary v1, "Key ID").
    pub fn of(keytype: &str, public: &str) -> Self {
        let mut json = br#"{"keytype":"#.to_vec();
        canonical::encode_string(keytype, &mut json);
        json.extend_from_slice(br#","keyval":{"private":null,"public":"#);
        canonical::encode_string(public, &mut json);
        json.extend_from_slice(b"}}");
        Self(Digest::of(&json))
    }

    /// Reads 64 lower-case hex digits.
    ///
    /// # Errors
    /// [`KeyError::Id`] otherwise.
    pub fn from_hex(hex: &str) -> Result<Self, KeyError> {
        Digest::from_hex(hex).map(Self).map_err(|_| KeyError::Id(canonical::shortened(hex)))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.with_hex(|hex| f.write_str(hex))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What makes two keys the same key, whatever their ID, certificate or encoding: signatures are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyIdentity(pub(super) Digest);

impl KeyIdentity {
    /// The identity that was written down as `digest`.
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// What it is written down as, in trust state.
    pub const fn digest(&self) -> Digest {
        self.0
    }
}

/// How a key is named and encoded in metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyType {
    Ecdsa,
    Rsa,
    EcdsaX509,
    RsaX509,
    Ed25519,
}

impl KeyType {
    const ALL: [Self; 5] = [Self::Ecdsa, Self::Rsa, Self::EcdsaX509, Self::RsaX509, Self::Ed25519];

    const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
            Self::EcdsaX509 => "ecdsa-x509",
            Self::RsaX509 => "rsa-x509",
            Self::Ed25519 => "ed25519",
        }
    }

    const fn bare(material: &Material) -> Self {
        match material {
            Material::Ecdsa { .. } => Self::Ecdsa,
            Material::Rsa { .. } => Self::Rsa,
            Material::Ed25519(_) => Self::Ed25519,
        }
    }

    /// The type of a certificate for this key. Notary knows none for Ed25519.
    const fn certified(material: &Material) -> Option<Self> {
        match material {
            Material::Ecdsa { .. } => Some(Self::EcdsaX509),
            Material::Rsa { .. } => Some(Self::RsaX509),
            Material::Ed25519(_) => None,
        }
    }
}

/// Distinct keys, by what they are counted by. In one allocation that copies share: records of ten thousand repositories
/// hold some for each of their roles, twice (design §10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIdentities(Arc<[KeyIdentity]>);

impl KeyIdentities {
    /// The keys, sorted, each once.
    pub fn iter(&self) -> impl Iterator<Item = &KeyIdentity> {
        self.0.iter()
    }

    /// How many of the keys are among `others`.
    pub(super) fn count_in(&self, others: &BTreeSet<KeyIdentity>) -> usize {
        self.0.iter().filter(|key| others.contains(key)).count()
    }
}

impl FromIterator<KeyIdentity> for KeyIdentities {
    fn from_iter<I: IntoIterator<Item = KeyIdentity>>(keys: I) -> Self {
        // A threshold is counted in these: a key that came twice is one.
        let distinct: BTreeSet<_> = keys.into_iter().collect();
        Self(distinct.into_iter().collect())
    }
}

/// What signatures cover. ring hashes it for each of them anew; where the hash can be given instead, it is made once.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    sha256: OnceCell<Digest>,
}

impl Message {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, sha256: OnceCell::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn sha256(&self) -> &Digest {
        self.sha256.get_or_init(|| Digest::of(&self.bytes))
    }
}

/// A public key that can verify signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    keytype: KeyType,
    id: KeyId,
    canonical_id: KeyId,
    identity: KeyIdentity,
    material: Material,
    certificate: Option<Box<CertificateChain>>,
}

impl PublicKey {
    /// Reads a key as TUF metadata has it: `keytype` and the base64 of `keyval.public`.
    ///
    /// A key that cannot be used does not make its file invalid, its signatures just do not count (Notary v1,
    /// "Threshold"); [`KeyId::of`] still tells its ID.
    ///
    /// # Errors
    /// [`KeyError`] for an unknown type, a bad encoding, or a key too weak to count.
    pub fn from_metadata(keytype: &str, public: &str) -> Result<Self, KeyError> {
        let keytype = KeyType::ALL
            .into_iter()
            .find(|known| known.name() == keytype)
            .ok_or_else(|| KeyError::Type(canonical::shortened(keytype)))?;
        if public.len() > KEY_BYTES.div_ceil(3) * 4 {
            return Err(KeyError::TooLarge);
        }
        let bytes = STANDARD.decode(public).map_err(|_| KeyError::Base64)?;
        let id = KeyId::of(keytype.name(), public);
        let key = match keytype {
            KeyType::Ecdsa | KeyType::Rsa => Self::bare(keytype, id, Material::from_spki(&bytes)?),
            KeyType::Ed25519 => Self::bare(keytype, id, Material::from_ed25519(&bytes)?),
            KeyType::EcdsaX509 | KeyType::RsaX509 => {
                let text =
                    std::str::from_utf8(&bytes).map_err(|_| KeyError::Pem("invalid UTF-8".to_owned()))?;
                Self::certified(keytype, id, CertificateChain::from_pem(text)?)
            }
        }?;
        key.0.material.check_speed()?;
        Ok(key)
    }

    /// Reads a PEM `PUBLIC KEY` or `CERTIFICATE`, as a policy has it.
    ///
    /// # Errors
    /// As [`Self::from_metadata`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_pem_as_listed(text).map(|(key, _)| key)
    }

    /// As [`Self::from_pem`], with the base64 that `keyval.public` has when metadata lists the key.
    ///
    /// # Errors
    /// As [`Self::from_metadata`].
    pub fn from_pem_as_listed(text: &str) -> Result<(Self, String), KeyError> {
        let (key, public) = Self::from_any_pem(text)?;
        key.0.material.check_speed()?;
        Ok((key, public))
    }

    fn from_any_pem(text: &str) -> Result<(Self, String), KeyError> {
        if text.len() > KEY_BYTES {
            return Err(KeyError::TooLarge);
        }
        let blocks = pem::blocks(text).map_err(KeyError::Pem)?;
        match blocks.as_slice() {
            [] => Err(KeyError::Pem("no PEM block was found".to_owned())),
            [key] if key.label == "PUBLIC KEY" => Self::from_spki_as_listed(&key.der),
            [first, ..] if first.label == "CERTIFICATE" => {
                // Go's own form, so that the ID is the one that Notary would give it.
                let text: String = blocks.iter().map(|block| pem::encode(&block.label, &block.der)).collect();
                let chain = CertificateChain::from_pem(&text)?;
                let material = &chain.leaf_key().0.material;
                let keytype = KeyType::certified(material)
                    .ok_or_else(|| KeyError::Algorithm(KeyType::bare(material).name().to_owned()))?;
                let public = STANDARD.encode(&text);
                Ok((Self::certified(keytype, KeyId::of(keytype.name(), &public), chain)?, public))
            }
            [first, ..] => Err(KeyError::Pem(format!(
                "one PUBLIC KEY or a CERTIFICATE was expected, not {} blocks beginning with {:?}",
                blocks.len(),
                canonical::shortened(&first.label)
            ))),
        }
    }

    /// The bare key in a DER SubjectPublicKeyInfo.
    pub(super) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_spki_as_listed(der).map(|(key, _)| key)
    }

    fn from_spki_as_listed(der: &[u8]) -> Result<(Self, String), KeyError> {
        let material = Material::from_spki(der)?;
        let keytype = KeyType::bare(&material);
        let public = match &material {
            Material::Ed25519(point) => STANDARD.encode(point),
            Material::Ecdsa { .. } | Material::Rsa { .. } => STANDARD.encode(der),
        };
        Ok((Self::bare(keytype, KeyId::of(keytype.name(), &public), material)?, public))
    }

    fn bare(keytype: KeyType, id: KeyId, material: Material) -> Result<Self, KeyError> {
        let actual = KeyType::bare(&material);
        if actual != keytype {
            return Err(KeyError::Mismatch { keytype: keytype.name(), actual: actual.name() });
        }
        let identity = KeyIdentity(material.fingerprint());
        Ok(Self(Arc::new(Inner { keytype, id, canonical_id: id, identity, material, certificate: None })))
    }

    fn certified(keytype: KeyType, id: KeyId, chain: CertificateChain) -> Result<Self, KeyError> {
        let leaf = &chain.leaf_key().0;
        if KeyType::certified(&leaf.material) != Some(keytype) {
            let actual = KeyType::bare(&leaf.material).name();
            return Err(KeyError::Mismatch { keytype: keytype.name(), actual });
        }
        let (canonical_id, identity, material) = (leaf.id, leaf.identity, leaf.material.clone());
        let certificate = Some(Box::new(chain));
        Ok(Self(Arc::new(Inner { keytype, id, canonical_id, identity, material, certificate })))
    }

    /// The key type: `ecdsa`, `rsa`, `ecdsa-x509`, `rsa-x509` or `ed25519`.
    pub fn keytype(&self) -> &'static str {
        self.0.keytype.name()
    }

    /// The ID that metadata uses for this key.
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// The ID of the bare key, without its certificate: the same for every GUN.
    pub fn canonical_id(&self) -> KeyId {
        self.0.canonical_id
    }

    /// What distinguishes this key from others when signatures are counted.
    pub fn identity(&self) -> KeyIdentity {
        self.0.identity
    }

    /// The certificate chain of an `*-x509` key.
    pub fn certificate(&self) -> Option<&CertificateChain> {
        self.0.certificate.as_deref()
    }

    /// Whether `signature` is this key's over `message`, by a `method` that suits the key (Notary v1, "Signed bytes").
    pub fn verifies(&self, method: &str, message: &[u8], signature: &[u8]) -> bool {
        self.may_verify(method, signature)
            && self.verifies_message(method, &Message::new(message.to_vec()), signature)
    }

    /// Whether a signature by `method` can be this key's at all, as far as its length tells.
    pub(super) fn may_verify(&self, method: &str, signature: &[u8]) -> bool {
        Method::parse(method).is_some_and(|method| self.0.material.suits(method, signature))
    }

    /// As [`Self::verifies`].
    pub(super) fn verifies_message(&self, method: &str, message: &Message, signature: &[u8]) -> bool {
        Method::parse(method).is_some_and(|method| self.0.material.verifies(method, message, signature))
    }

    /// What it takes to verify a signature beside hashing the message, in steps of [`super::work::Work`].
    pub(super) fn steps(&self) -> u64 {
        self.0.material.steps()
    }

    pub(super) fn material(&self) -> &Material {
        &self.0.material
    }
}
