//! [`KeyFile`]: a private key at rest, as docker and notary write it, and as their older versions did.

use super::key::{KeyFault, PrivateKey};
use super::passphrase::Passphrase;
use crate::tuf::Gun;

/// A key file: what stands in clear in its headers, and the key, encrypted or not.
#[derive(Clone)]
pub struct KeyFile {
    header: KeyHeader,
    /// The PEM text, as it is on disk.
    pem: String,
}

/// What a key file says of its key in clear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyHeader {
    /// `root`, `targets`, `snapshot`, or the name of a signer.
    pub role: Option<String>,
    /// The repository, of a `targets` or `snapshot` key.
    pub gun: Option<Gun>,
}

/// Why a key file gives no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It is no PEM of a private key, or an encryption that is not known.
    #[error("it is no private key that docker or notary wrote: {0}")]
    Malformed(String),
    /// It is encrypted, and no passphrase was given.
    #[error("it is encrypted, and no passphrase was given")]
    Encrypted,
    /// The passphrase is not the key's.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

impl KeyFile {
    /// Reads a key file: `ENCRYPTED PRIVATE KEY` and `PRIVATE KEY` with headers, and the older `EC`, `RSA` and `ED25519
    /// PRIVATE KEY` with or without `DEK-Info` (Notary v1, "Layout").
    ///
    /// # Errors
    /// [`KeyFileError::Malformed`].
    pub fn parse(_text: &str) -> Result<Self, KeyFileError> {
        todo!()
    }

    /// Writes a key as notary does: PBES2, PBKDF2-HMAC-SHA1 2048 rounds, AES-256-CBC; in clear without a passphrase.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(
        _key: &PrivateKey,
        _header: KeyHeader,
        _passphrase: Option<&Passphrase>,
    ) -> Result<Self, KeyFileError> {
        todo!()
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        todo!()
    }

    /// The key.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn open(&self, _passphrase: Option<&Passphrase>) -> Result<PrivateKey, KeyFileError> {
        todo!()
    }

    /// What its headers say.
    pub fn header(&self) -> &KeyHeader {
        &self.header
    }

    /// The same key under other headers; the key itself stays as encrypted as it is.
    pub fn with_header(&self, _header: KeyHeader) -> Self {
        todo!()
    }

    /// The text of the file.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}
