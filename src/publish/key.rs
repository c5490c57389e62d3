//! [`PrivateKey`]: keys that sign, of every type that Notary v1 knows; and their public halves as metadata lists them.

mod certificate;
mod der;
mod elsewhere;
mod public;
mod secret;
mod signing;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use zeroize::Zeroizing;

pub(super) use self::elsewhere::{fixed_of_der, root_certificate_of};
pub use self::public::PublicForm;
use self::secret::Secret;
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
    secret: Secret,
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
    /// Not the DER of a private key.
    #[error("the private key is malformed: {0}")]
    Malformed(String),
    /// The public key beside the private key belongs to another one.
    #[error("the public key in the file does not belong to the private key")]
    Halves,
    /// An RSA key whose parts do not fit, or of a size that cannot sign.
    #[error("the RSA key cannot sign ({0}): keys of 2048 to 4096 bits in steps of 1024 can")]
    Rsa(String),
    /// Notary lists root keys by certificates, and has none for Ed25519.
    #[error(
        "an Ed25519 key cannot be a root key, because Notary has no certificates for it: take an ECDSA key"
    )]
    NoCertificate,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyFault> {
        Self::new(match algorithm {
            Algorithm::EcdsaP256 => Secret::generate_p256()?,
            Algorithm::Ed25519 => Secret::generate_ed25519()?,
        })
    }

    /// Reads DER PKCS#8, of version 0 or 1, with or without the public key (Notary v1, "Layout").
    ///
    /// # Errors
    /// [`KeyFault`] for what Notary does not sign with.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFault> {
        Self::new(Secret::from_pkcs8(der)?)
    }

    /// Reads the DER of an `EC PRIVATE KEY`.
    pub(super) fn from_sec1(der: &[u8]) -> Result<Self, KeyFault> {
        Self::new(Secret::from_sec1(der, None)?)
    }

    /// Reads the DER of an `RSA PRIVATE KEY`.
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyFault> {
        Self::new(Secret::from_pkcs1(der)?)
    }

    /// Reads the bytes of an `ED25519 PRIVATE KEY`, notary's own.
    pub(super) fn from_notary_ed25519(bytes: &[u8]) -> Result<Self, KeyFault> {
        Self::new(Secret::from_notary_ed25519(bytes)?)
    }

    fn new(secret: Secret) -> Result<Self, KeyFault> {
        let (keytype, public) = secret.public()?;
        Ok(Self { public: PublicForm::from_bytes(keytype, &public)?, secret })
    }

    /// DER PKCS#8, for key files alone.
    pub(super) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.secret.to_pkcs8()
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
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyFault> {
        let (method, bytes) = self.secret.sign(message)?;
        Ok(Signature { method, bytes })
    }

    /// The self-signed certificate by which a root key is listed for `gun`, as notary makes it: CN is the GUN, ten years,
    /// code signing, no CA, no SAN.
    ///
    /// # Errors
    /// [`KeyFault`] for an Ed25519 key, of which Notary knows no certificates.
    pub fn root_certificate(&self, gun: &Gun, now: Timestamp) -> Result<PublicForm, KeyFault> {
        let keytype = match self.public.keytype() {
            "ecdsa" => "ecdsa-x509",
            "rsa" => "rsa-x509",
            _ => return Err(KeyFault::NoCertificate),
        };
        let (algorithm, spki) = (self.secret.certificate_algorithm()?, self.secret.spki()?);
        let sign = |tbs: &[u8]| self.secret.sign_certificate(tbs);
        let pem = certificate::self_signed::<KeyFault>(&algorithm, &spki, gun, now, sign)?;
        Ok(PublicForm::from_bytes(keytype, pem.as_bytes())?)
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey").field("id", &self.id()).finish_non_exhaustive()
    }
}
