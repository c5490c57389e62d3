//! [`PrivateKey`]: keys that sign, of every type that Notary v1 knows; and their public halves as metadata lists them.

use jiff::Timestamp;

use crate::tuf::{Gun, KeyError, KeyId};

/// A kind of key that tagseal generates. Others are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256: what notary and docker generate.
    EcdsaP256,
    /// Ed25519: what a server's "local" trust service generates.
    Ed25519,
}

/// A private key. Its material is zeroised when dropped and never shown.
pub struct PrivateKey {
    public: PublicForm,
}

/// A public key as metadata lists it: `{"keytype","keyval":{"private":null,"public"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicForm {
    keytype: &'static str,
    /// Padded standard base64.
    public: String,
}

/// One entry of an envelope's `signatures`, but for the ID that metadata knows the key by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `ecdsa`, `rsapss` or `eddsa`.
    pub method: &'static str,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Why a key cannot be made, read or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The public half is none that Notary takes.
    #[error(transparent)]
    Public(#[from] KeyError),
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(_algorithm: Algorithm) -> Result<Self, KeyFault> {
        todo!()
    }

    /// Reads DER PKCS#8, of version 0 or 1, with or without the public key (Notary v1, "Layout").
    ///
    /// # Errors
    /// [`KeyFault`] for what Notary does not sign with.
    pub fn from_pkcs8(_der: &[u8]) -> Result<Self, KeyFault> {
        todo!()
    }

    /// The bare public half.
    pub fn public(&self) -> &PublicForm {
        &self.public
    }

    /// The canonical key ID: what key files are named by.
    pub fn id(&self) -> KeyId {
        self.public.id()
    }

    /// Signs as notary does: fixed-length r‖s over SHA-256, RSA-PSS with 32 bytes of salt, Ed25519.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn sign(&self, _message: &[u8]) -> Result<Signature, KeyFault> {
        todo!()
    }

    /// The self-signed certificate by which a root key is listed for `gun`, as notary makes it: CN is the GUN, ten years,
    /// code signing, no CA, no SAN.
    ///
    /// # Errors
    /// [`KeyFault`] for an Ed25519 key, of which Notary knows no certificates.
    pub fn root_certificate(&self, _gun: &Gun, _now: Timestamp) -> Result<PublicForm, KeyFault> {
        todo!()
    }
}

impl PublicForm {
    /// Reads a PEM `PUBLIC KEY` or `CERTIFICATE`, as `--key` files have it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(_text: &str) -> Result<Self, KeyError> {
        todo!()
    }

    /// Takes a key as metadata or a server's `…key` answer has it.
    ///
    /// # Errors
    /// [`KeyError`] for a key that cannot verify signatures.
    pub fn from_metadata(_keytype: &str, _public: &str) -> Result<Self, KeyError> {
        todo!()
    }

    /// `ecdsa`, `rsa`, `ecdsa-x509`, `rsa-x509` or `ed25519`.
    pub fn keytype(&self) -> &'static str {
        self.keytype
    }

    /// Padded standard base64 of the encoded key.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The ID that metadata lists the key by.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.keytype, &self.public)
    }

    /// The ID of the bare key, whatever certificate it is listed by.
    pub fn canonical_id(&self) -> KeyId {
        todo!()
    }

    /// PEM: `PUBLIC KEY` or `CERTIFICATE`.
    pub fn to_pem(&self) -> String {
        todo!()
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").field("id", &self.id()).finish_non_exhaustive()
    }
}
