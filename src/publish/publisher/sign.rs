//! Signing a draft: the files of one upload.

use bytes::Bytes;

use super::apply::Workshop;
use super::draft::{Draft, malformed};
use super::error::PublishError;
use crate::publish::document::{Document, Keyring, Signed};
use crate::tuf::{KeyId, RoleName};

/// The files of one upload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Upload {
    /// In the order of the server's checks: root, `targets`, delegations, snapshot.
    pub(super) files: Vec<(RoleName, Bytes)>,
    /// Their versions.
    pub(super) versions: Vec<(RoleName, u64)>,
}

impl Workshop<'_> {
    /// Signs whatever differs from what was read.
    pub(super) fn sign(&mut self, draft: &mut Draft) -> Result<Upload, PublishError> {
        let mut upload = Upload::default();
        let root = RoleName::root();
        if draft.root.0.is_dirty() {
            draft.root.renew(self.now).map_err(malformed(&root))?;
            // By the previous keys too (Notary v1, "Root rotation rule").
            let own = draft.root.keyring(&root);
            let rings: Vec<Keyring> = draft.base.root_keys.iter().cloned().chain([own]).collect();
            let bytes = self.file(&root, &draft.root.0, &rings)?;
            upload.add(root, bytes, draft.root.0.version());
        }
        let dirty = draft.targets.iter().filter(|(_, file)| file.0.is_dirty()).map(|(role, _)| role.clone());
        for role in dirty.collect::<Vec<_>>() {
            let Some(keyring) = draft.keyring(&role) else {
                return Err(PublishError::NotDelegated { role });
            };
            let floor = draft.floor(&role);
            let Some(file) = draft.targets.get_mut(&role) else { continue };
            file.renew(floor, self.now).map_err(malformed(&role))?;
            let bytes = self.file(&role, &file.0, &[keyring])?;
            upload.add(role, bytes, file.0.version());
        }
        self.sign_snapshot(draft, &mut upload)?;
        Ok(upload)
    }

    /// A snapshot whose key is here is signed here; any other is the server's to sign.
    fn sign_snapshot(&mut self, draft: &mut Draft, upload: &mut Upload) -> Result<(), PublishError> {
        let role = RoleName::snapshot();
        let keyring = draft.root.keyring(&role);
        if self.keys.held(&keyring.canonical_ids())?.is_empty() {
            return Ok(());
        }
        let Some(snapshot) = &mut draft.snapshot else { return Ok(()) };
        for (listed, bytes) in &upload.files {
            snapshot.list(listed, bytes).map_err(malformed(&role))?;
        }
        snapshot.renew(self.now).map_err(malformed(&role))?;
        let bytes = self.file(&role, &snapshot.0, &[keyring])?;
        upload.add(role, bytes, snapshot.0.version());
        Ok(())
    }

    fn file(
        &mut self,
        role: &RoleName,
        document: &Document,
        rings: &[Keyring],
    ) -> Result<Bytes, PublishError> {
        let message = document.message().map_err(malformed(role))?;
        let signatures = self.signatures(role, rings, &message)?;
        document.file(signatures).map_err(malformed(role))
    }

    /// Signatures by every key of these rings that is here; each ring's threshold has to be met.
    fn signatures(
        &mut self,
        role: &RoleName,
        rings: &[Keyring],
        message: &[u8],
    ) -> Result<Vec<Signed>, PublishError> {
        for ring in rings {
            let held = self.keys.held(&ring.canonical_ids())?;
            self.check_threshold(role, ring, &held)?;
        }
        let mut signatures: Vec<Signed> = Vec::new();
        let mut signed: Vec<KeyId> = Vec::new();
        let mut refused = None;
        for key in rings.iter().flat_map(|ring| &ring.keys) {
            if signatures.iter().any(|signature| signature.key == key.id)
                || !self.keys.holds(key.canonical)?
            {
                continue;
            }
            match self.keys.unlock(key.canonical) {
                Ok(private) => {
                    let signature = private.sign(message)?;
                    signatures.push(Signed { key: key.id, signature });
                    signed.push(key.canonical);
                }
                // Others may be enough.
                Err(error @ (PublishError::Passphrase { .. } | PublishError::WrongPassphrase { .. })) => {
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = refused {
            let is_enough = |ring: &Keyring| {
                let ids = ring.canonical_ids();
                ids.iter().filter(|id| signed.contains(id)).count() as u64 >= ring.threshold
            };
            if !rings.iter().all(is_enough) {
                return Err(error);
            }
            self.warnings.push(format!("{role} was signed without one of its keys that is here: {error}"));
        }
        Ok(signatures)
    }

    fn check_threshold(&self, role: &RoleName, ring: &Keyring, held: &[KeyId]) -> Result<(), PublishError> {
        let (keys, threshold) = (ring.canonical_ids(), ring.threshold);
        if held.len() as u64 >= threshold {
            return Ok(());
        }
        let (role, gun) = (role.clone(), self.remote.gun().clone());
        if !held.is_empty() {
            let missing = keys.into_iter().filter(|id| !held.contains(id)).collect();
            let held = held.len() as u64;
            return Err(PublishError::InsufficientSignatures { role, threshold, held, missing });
        }
        Err(match role.as_str() {
            "root" => PublishError::RootKeyNotHeld { gun, keys },
            "targets" => PublishError::TargetsKeyNotHeld { gun, keys },
            "snapshot" => PublishError::SnapshotKeyNotHeld { gun, keys },
            _ => PublishError::DelegationKeyNotHeld { role, keys },
        })
    }
}

impl Workshop<'_> {
    /// Says which roles nobody believes any more because of what changed above them. They are not signed anew in passing:
    /// a key may have been taken out because it was stolen, and then what it signed wants looking at first.
    pub(super) fn warn_of_roles_left_unsigned(&mut self, draft: &Draft) {
        for (role, file) in &draft.targets {
            let is_left = !file.0.is_dirty() && draft.keyring(role).is_some() && !draft.is_vouched_for(role);
            if is_left && !draft.base.unsigned.contains(role) {
                self.warnings.push(format!(
                    "{role} is not signed by enough of its present keys any more, so nothing that it lists counts: look at it, \
                     and then sign it anew with `tagseal trust witness`"
                ));
            }
        }
    }
}

impl Upload {
    fn add(&mut self, role: RoleName, bytes: Bytes, version: u64) {
        self.files.push((role.clone(), bytes));
        self.versions.push((role, version));
    }
}
