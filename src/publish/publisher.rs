//! [`Publisher`]: reads a repository, applies operations, signs, uploads, commits.

mod error;

use super::operation::Operation;
use super::passphrase::Passphrases;
use super::trust_dir::TrustDir;
use crate::clock::SharedClock;
use crate::notary::Remote;
use crate::tuf::{KeyId, RoleName};

pub use self::error::PublishError;

/// One repository, with all that publishing to it takes.
pub struct Publisher<'a> {
    /// Keys and the last known metadata.
    pub dir: &'a TrustDir,
    /// The trust server.
    pub remote: &'a Remote,
    /// Whom to ask for passphrases.
    pub passphrases: &'a dyn Passphrases,
    /// What expiries count from.
    pub clock: SharedClock,
}

/// What a publish did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// Uploaded roles and their new versions; empty when nothing was to be changed.
    pub roles: Vec<(RoleName, u64)>,
    /// Keys that were made, with their roles.
    pub new_keys: Vec<(String, KeyId)>,
    /// Whether the repository was made.
    pub is_new: bool,
    /// The canonical IDs of the root keys, where this trust directory had never seen the repository and believed the server's
    /// root for that reason; empty otherwise.
    pub trusted_on_first_use: Vec<KeyId>,
    /// What the publisher should know or do: each a sentence without a full stop.
    pub warnings: Vec<String>,
}

impl Publisher<'_> {
    /// Applies the operations, in order, and publishes what changed in one upload. When somebody else published meanwhile,
    /// the repository is read again and the operations applied once more.
    ///
    /// # Errors
    /// [`PublishError`]; neither the server nor the trust directory changed then, but that keys that were made stay.
    pub async fn publish(&self, _operations: &[Operation]) -> Result<Published, PublishError> {
        todo!()
    }

    /// Deletes the repository's trust data at the server and in the trust directory; keys stay.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn delete(&self) -> Result<(), PublishError> {
        todo!()
    }
}

impl std::fmt::Debug for Publisher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("gun", self.remote.gun()).finish_non_exhaustive()
    }
}
