//! [`KeyRing`]: the timestamp and snapshot keys that the server makes and holds for one repository.

use std::sync::Arc;

use crate::publish::key::{Algorithm, KeyFault, PrivateKey, PublicForm};
use crate::tuf::KeyId;
use crate::tuf::upload::ServerSignature;

/// So many keys are held for one repository: every request for a key that is not listed yet makes one.
const MAX_KEYS: usize = 64;

/// The keys of one repository. Which of them count is for the root to say.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyRing {
    /// The newest last.
    keys: Vec<Arc<PrivateKey>>,
}

impl KeyRing {
    /// A new key, as the real server's "local" trust service makes it.
    pub(super) fn generate() -> Result<Arc<PrivateKey>, KeyFault> {
        PrivateKey::generate(Algorithm::Ed25519).map(Arc::new)
    }

    /// Adds a key. When there are too many, the oldest that `is_listed` by no root goes, and is returned.
    pub(super) fn add(
        &mut self,
        key: Arc<PrivateKey>,
        is_listed: impl Fn(KeyId) -> bool,
    ) -> Option<Arc<PrivateKey>> {
        self.keys.push(key);
        let oldest = self.keys.iter().position(|key| !is_listed(key.id()))?;
        (self.keys.len() > MAX_KEYS).then(|| self.keys.remove(oldest))
    }

    /// The public half of the first of these keys that is held.
    pub(super) fn first_of(&self, ids: &[KeyId]) -> Option<PublicForm> {
        let held = ids.iter().find_map(|id| self.keys.iter().find(|key| key.id() == *id));
        held.map(|key| key.public().clone())
    }

    /// Signs with the key of this ID, if it is held.
    pub(super) fn sign(&self, id: KeyId, message: &[u8]) -> Option<ServerSignature> {
        let key = self.keys.iter().find(|key| key.id() == id)?;
        let signature = key.sign(message).ok()?;
        Some(ServerSignature { method: signature.method, bytes: signature.bytes })
    }
}
