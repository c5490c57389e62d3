//! Public keys: the five key types, their IDs, and what a signature by them is.

use std::fmt;
use std::sync::Arc;

use super::certificate::CertificateChain;
use crate::digest::Digest;

/// A key ID: the sha256 of the canonical JSON of the key. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Digest);

impl KeyId {
    /// Wraps the sha256 of a key's canonical JSON.
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// Reads 64 lower-case hex digits.
    ///
    /// # Errors
    /// [`KeyError::Id`] otherwise.
    pub fn from_hex(hex: &str) -> Result<Self, KeyError> {
        Digest::from_hex(hex).map(Self).map_err(|_| KeyError::Id(hex.to_owned()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
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

/// A public key that can verify signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Arc<()>);

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 64 hex digits.
    #[error("{0:?} is not a key ID: 64 lower-case hexadecimal digits are")]
    Id(String),
}

impl PublicKey {
    /// Reads a key as TUF metadata has it: `keytype` and the base64 of `keyval.public`.
    ///
    /// # Errors
    /// [`KeyError`] for an unknown type, a bad encoding, or a key too weak to count.
    pub fn from_metadata(keytype: &str, public: &str) -> Result<Self, KeyError> {
        let _ = (keytype, public);
        todo!()
    }

    /// Reads a PEM `PUBLIC KEY` or `CERTIFICATE`, as a policy has it.
    ///
    /// # Errors
    /// As [`Self::from_metadata`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let _ = pem;
        todo!()
    }

    /// The ID that metadata uses for this key.
    pub fn id(&self) -> KeyId {
        todo!()
    }

    /// The ID of the bare key, without its certificate: the same for every GUN.
    pub fn canonical_id(&self) -> KeyId {
        todo!()
    }

    /// What distinguishes this key from others when signatures are counted.
    pub fn identity(&self) -> KeyIdentity {
        todo!()
    }

    /// The certificate chain of an `*-x509` key.
    pub fn certificate(&self) -> Option<&CertificateChain> {
        todo!()
    }

    /// Whether `signature` is this key's over `message`, by a `method` that suits the key.
    pub fn verifies(&self, method: &str, message: &[u8], signature: &[u8]) -> bool {
        let _ = (method, message, signature);
        todo!()
    }
}
