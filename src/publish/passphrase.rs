//! [`Passphrase`], and whom to ask for one.

use std::fmt;

use zeroize::Zeroizing;

use super::external::ExternalKey;
use crate::tuf::{Gun, KeyId};

/// A passphrase: zeroised when dropped, never shown.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase.
    pub fn new(passphrase: String) -> Self {
        Self(Zeroizing::new(passphrase))
    }

    /// Its bytes; for the key derivation alone.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Which passphrase is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// `root`, `targets`, `snapshot`, or the name of a signer.
    pub role: &'a str,
    /// Whose key.
    pub key_id: KeyId,
    /// The repository, of a `targets` or `snapshot` key.
    pub gun: Option<&'a Gun>,
    /// Whether the key is new: the passphrase is asked for twice, and has to be good.
    pub is_new: bool,
    /// 1 for the first try; a key is tried three times.
    pub attempt: u32,
}

/// Why there is no passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PassphraseError {
    /// What was tried, and what to do.
    pub message: String,
    /// Whether asking once more could help.
    pub is_final: bool,
}

/// Somebody who knows passphrases: a terminal, the environment, a file descriptor.
pub trait Passphrases: Send + Sync {
    /// The passphrase asked for.
    ///
    /// # Errors
    /// [`PassphraseError`] where there is nobody to ask.
    fn passphrase(&self, ask: &Ask<'_>) -> Result<Passphrase, PassphraseError>;

    /// Hears that a program is asked to sign with this key now: a token may wait for a touch.
    fn is_asked_elsewhere(&self, key: &ExternalKey) {
        let _ = key;
    }
}
