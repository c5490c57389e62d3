//! [`KeyFile`]: a private key at rest, as docker and notary write it, and as their older versions did.

mod cipher;
mod pem;
#[cfg(test)]
mod tests;

use std::fmt;

use x509_cert::der::{Reader as _, SliceReader};
use zeroize::Zeroizing;

use self::pem::Block;
use super::key::{KeyFault, PrivateKey};
use super::passphrase::Passphrase;
use crate::tuf::{Gun, KeyId};

/// A file of more bytes is no key, nor an export of some.
pub const MAX_KEY_FILE_BYTES: usize = 1 << 20;

/// A key file: what stands in clear in its headers, and the key, encrypted or not.
#[derive(Clone)]
pub struct KeyFile {
    header: KeyHeader,
    block: Block,
    kind: Kind,
    /// The PEM text, as it is on disk.
    pem: Zeroizing<String>,
    /// Whose key it is to be, where the file's name says so.
    expected: Option<KeyId>,
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
    /// A key is not written under an empty passphrase: notary takes that for none.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The file is named after another key.
    #[error("the file is named after key {expected}, but holds key {found}")]
    OtherKey {
        /// What the file's name says.
        expected: KeyId,
        /// What it holds.
        found: KeyId,
    },
    /// The key itself.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// What the body of a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    EncryptedPkcs8,
    Pkcs8,
    Ec,
    Rsa,
    Ed25519,
}

impl Kind {
    fn of(label: &str) -> Option<Self> {
        Some(match label {
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedPkcs8,
            "PRIVATE KEY" => Self::Pkcs8,
            "EC PRIVATE KEY" => Self::Ec,
            "RSA PRIVATE KEY" => Self::Rsa,
            "ED25519 PRIVATE KEY" => Self::Ed25519,
            _ => return None,
        })
    }

    fn read(self, bytes: &[u8]) -> Result<PrivateKey, KeyFault> {
        match self {
            Self::EncryptedPkcs8 | Self::Pkcs8 => PrivateKey::from_pkcs8(bytes),
            Self::Ec => PrivateKey::from_sec1(bytes),
            Self::Rsa => PrivateKey::from_pkcs1(bytes),
            Self::Ed25519 => PrivateKey::from_notary_ed25519(bytes),
        }
    }
}

impl KeyFile {
    /// Reads a key file: `ENCRYPTED PRIVATE KEY` and `PRIVATE KEY` with headers, and the older `EC`, `RSA` and `ED25519
    /// PRIVATE KEY` with or without `DEK-Info` (Notary v1, "Layout").
    ///
    /// # Errors
    /// [`KeyFileError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut files = Self::parse_all(text)?;
        match (files.pop(), files.is_empty()) {
            (Some(file), true) => Ok(file),
            (_, _) => Err(malformed("it holds several private keys, and one was expected")),
        }
    }

    /// Reads all key files of an export, which are one after the other; at least one.
    ///
    /// # Errors
    /// [`KeyFileError::Malformed`].
    pub fn parse_all(text: &str) -> Result<Vec<Self>, KeyFileError> {
        if text.len() > MAX_KEY_FILE_BYTES {
            return Err(malformed("it is too large"));
        }
        let blocks = Block::all(text).map_err(KeyFileError::Malformed)?;
        if blocks.is_empty() {
            return Err(malformed("it has no PEM block"));
        }
        // OpenSSL writes the curve's name before an EC key; and a certificate, or a public key, may stand beside a private one.
        let beside = |block: &Block| matches!(&*block.label, "EC PARAMETERS" | "CERTIFICATE" | "PUBLIC KEY");
        let (beside, blocks): (Vec<_>, Vec<_>) = blocks.into_iter().partition(beside);
        if let (true, Some(other)) = (blocks.is_empty(), beside.first()) {
            return Err(KeyFileError::Malformed(format!("its PEM block is a {:?}", other.label)));
        }
        blocks.into_iter().map(Self::from_block).collect()
    }

    /// Writes a key as notary does: PBES2, PBKDF2-HMAC-SHA1 2048 rounds, AES-256-CBC; in clear without a passphrase.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(
        key: &PrivateKey,
        header: KeyHeader,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, KeyFileError> {
        let pkcs8 = key.to_pkcs8();
        let (label, body) = match passphrase.map(Passphrase::expose) {
            None => ("PRIVATE KEY", pkcs8),
            Some([]) => return Err(KeyFileError::EmptyPassphrase),
            Some(passphrase) => {
                ("ENCRYPTED PRIVATE KEY", Zeroizing::new(cipher::seal_pbes2(&pkcs8, passphrase)?))
            }
        };
        let file = Self::from_block(Block { label: label.to_owned(), headers: Vec::new(), body })?;
        Ok(Self { expected: Some(key.id()), ..file.with_header(header) })
    }

    fn from_block(block: Block) -> Result<Self, KeyFileError> {
        let kind = Kind::of(&block.label).ok_or_else(|| {
            KeyFileError::Malformed(format!("its PEM block is a {:?}", shortened(&block.label)))
        })?;
        let gun = block.header("gun").map(Gun::new).transpose();
        let gun = gun.map_err(|error| KeyFileError::Malformed(format!("its header \"gun\": {error}")))?;
        let header = KeyHeader { role: block.header("role").map(str::to_owned), gun };
        let pem = block.encode();
        Ok(Self { header, block, kind, pem, expected: None })
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        self.kind == Kind::EncryptedPkcs8 || self.block.header("DEK-Info").is_some()
    }

    /// The key.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn open(&self, passphrase: Option<&Passphrase>) -> Result<PrivateKey, KeyFileError> {
        let key = if self.is_encrypted() {
            self.decrypt(passphrase.ok_or(KeyFileError::Encrypted)?.expose())?
        } else {
            self.kind.read(&self.block.body)?
        };
        match self.expected {
            Some(expected) if expected != key.id() => {
                Err(KeyFileError::OtherKey { expected, found: key.id() })
            }
            _ => Ok(key),
        }
    }

    fn decrypt(&self, passphrase: &[u8]) -> Result<PrivateKey, KeyFileError> {
        let body = &self.block.body;
        let clear = match self.block.header("DEK-Info") {
            Some(info) => cipher::open_legacy(info, body, passphrase)?,
            None => cipher::open_pbes2(body, passphrase)?,
        };
        self.kind.read(&clear).map_err(|fault| {
            // The padding of CBC fits one wrong passphrase in 256. What comes out then is no DER.
            let is_key = match self.kind {
                Kind::Ed25519 => clear.len() == 96 && fault != KeyFault::Halves,
                _ => is_one_sequence(&clear),
            };
            if is_key { KeyFileError::Key(fault) } else { KeyFileError::WrongPassphrase }
        })
    }

    /// What its headers say.
    pub fn header(&self) -> &KeyHeader {
        &self.header
    }

    /// The same key under other headers; the key itself stays as encrypted as it is.
    pub fn with_header(&self, header: KeyHeader) -> Self {
        let mut block = self.block.clone();
        // A line feed would make a header of its own, or an end of the headers.
        let role = header.role.as_deref().map(|role| role.replace(char::is_control, " "));
        block.set_header("role", role.as_deref());
        block.set_header("gun", header.gun.as_ref().map(Gun::as_str));
        Self { header, pem: block.encode(), block, kind: self.kind, expected: self.expected }
    }

    /// The `path` header that exports have: the file's name below `private`, without `.key`.
    pub fn path(&self) -> Option<&str> {
        self.block.header("path")
    }

    /// The same with a `path` header, or without.
    pub fn with_path(&self, path: Option<&str>) -> Self {
        let mut block = self.block.clone();
        block.set_header("path", path.map(|path| path.replace(char::is_control, " ")).as_deref());
        Self { pem: block.encode(), block, ..self.clone() }
    }

    /// The same, which opens only if it holds the key of this ID.
    pub fn expecting(self, id: KeyId) -> Self {
        Self { expected: Some(id), ..self }
    }

    /// The text of the file.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encrypted = self.is_encrypted();
        f.debug_struct("KeyFile")
            .field("header", &self.header)
            .field("is_encrypted", &encrypted)
            .finish_non_exhaustive()
    }
}

/// Whether these bytes are a DER sequence, whole and alone.
fn is_one_sequence(bytes: &[u8]) -> bool {
    let Ok(mut reader) = SliceReader::new(bytes) else { return false };
    bytes.first() == Some(&0x30) && reader.tlv_bytes().is_ok() && reader.is_finished()
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

fn malformed(what: &str) -> KeyFileError {
    KeyFileError::Malformed(what.to_owned())
}
