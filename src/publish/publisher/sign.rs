//! Signing a draft: the files of one upload.

use bytes::Bytes;

use super::apply::Workshop;
use super::draft::{Draft, malformed};
use super::error::{PublishError, Signer};
use super::keys::Keys;
use crate::publish::document::{Document, Keyring, Signed};
use crate::tuf::{KeyId, RoleName};

/// The files of one upload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Upload {
    /// In the order of the server's checks: root, `targets`, delegations, snapshot.
    pub(super) files: Vec<(RoleName, Bytes)>,
    /// Their versions.
    pub(super) versions: Vec<(RoleName, u64)>,
    /// Roles that too few keys signed yet: then there is no snapshot, and the server would take none of it.
    pub(super) lacking: Vec<Lacking>,
}

/// A role that too few keys signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The role.
    pub role: RoleName,
    /// How many keys have to sign it.
    pub threshold: u64,
    /// Those that did.
    pub here: Vec<Signer>,
    /// Those that can besides.
    pub missing: Vec<Signer>,
}

impl Workshop<'_> {
    /// Signs whatever differs from what was read.
    pub(super) fn sign(&mut self, draft: &mut Draft) -> Result<Upload, PublishError> {
        let mut upload = Upload::default();
        let root = RoleName::root();
        if draft.root.0.is_dirty() {
            let given = draft.adopted.get(&root).cloned();
            if given.is_none() {
                draft.root.renew(self.now).map_err(malformed(&root))?;
            }
            let given = given.unwrap_or_default();
            // By the previous keys too (Notary v1, "Root rotation rule").
            let own = draft.root.keyring(&root);
            let rings: Vec<Keyring> = draft.base.root_keys.iter().cloned().chain([own]).collect();
            for ring in &rings {
                upload.lacks(self.lacking(draft, &root, ring, &given)?);
            }
            let bytes = self.file(&root, &draft.root.0, &rings, &given)?;
            upload.add(root, bytes, draft.root.0.version());
        }
        let dirty = draft.targets.iter().filter(|(_, file)| file.0.is_dirty()).map(|(role, _)| role.clone());
        for role in dirty.collect::<Vec<_>>() {
            let Some(keyring) = draft.keyring(&role) else {
                return Err(PublishError::NotDelegated { role });
            };
            let given = draft.adopted.get(&role).cloned();
            upload.lacks(self.lacking(draft, &role, &keyring, given.as_deref().unwrap_or_default())?);
            let floor = draft.floor(&role);
            let Some(file) = draft.targets.get_mut(&role) else { continue };
            if given.is_none() {
                file.renew(floor, self.now).map_err(malformed(&role))?;
            }
            let bytes = self.file(&role, &file.0, &[keyring], &given.unwrap_or_default())?;
            upload.add(role, bytes, file.0.version());
        }
        if upload.lacking.is_empty() {
            self.sign_snapshot(draft, &mut upload)?;
        }
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
        let document = snapshot.0.clone();
        self.check_enough(draft, &role, &keyring)?;
        let bytes = self.file(&role, &document, &[keyring], &[])?;
        upload.add(role, bytes, document.version());
        Ok(())
    }

    /// The file with the signatures that are given, and those by every other key of these rings that is here.
    pub(super) fn file(
        &mut self,
        role: &RoleName,
        document: &Document,
        rings: &[Keyring],
        given: &[Signed],
    ) -> Result<Bytes, PublishError> {
        let message = document.message().map_err(malformed(role))?;
        let signatures = self.keys.signatures(role, rings, given, &message, &mut self.warnings)?;
        document.file(signatures).map_err(malformed(role))
    }

    fn check_enough(&self, draft: &Draft, role: &RoleName, ring: &Keyring) -> Result<(), PublishError> {
        match self.lacking(draft, role, ring, &[])? {
            Some(lacking) => Err(self.insufficient(lacking)),
            None => Ok(()),
        }
    }

    /// What the role lacks where that may be: it goes on to another signer then.
    ///
    /// # Errors
    /// [`PublishError`] where it may not be, or no key is here that could sign.
    fn lacking(
        &self,
        draft: &Draft,
        role: &RoleName,
        ring: &Keyring,
        given: &[Signed],
    ) -> Result<Option<Lacking>, PublishError> {
        let (keys, threshold) = (ring.canonical_ids(), ring.threshold);
        let held = self.keys.held(&keys)?;
        let given: Vec<KeyId> = given.iter().map(|signed| ring.canonical_of(signed.key)).collect();
        let (here, missing): (Vec<KeyId>, Vec<KeyId>) =
            keys.iter().partition(|id| held.contains(id) || given.contains(id));
        if here.len() as u64 >= threshold {
            return Ok(None);
        }
        // Holders of base roles may have all their keys elsewhere; a delegation is begun by whoever has a key of it.
        let may_be_elsewhere = !role.is_delegation() && (self.may_lack || threshold > 1);
        if held.is_empty() && !may_be_elsewhere {
            return Err(self.not_held(role, keys));
        }
        let signers = |ids: Vec<KeyId>| ids.into_iter().map(|id| draft.signer(id)).collect();
        let (role, here, missing) = (role.clone(), signers(here), signers(missing));
        let lacking = Lacking { role, threshold, here, missing };
        if self.may_lack { Ok(Some(lacking)) } else { Err(self.insufficient(lacking)) }
    }

    fn insufficient(&self, lacking: Lacking) -> PublishError {
        let Lacking { role, threshold, here, missing } = lacking;
        let gun = self.remote.gun().clone();
        PublishError::InsufficientSignatures { role, gun, threshold, here, missing }
    }

    fn not_held(&self, role: &RoleName, keys: Vec<KeyId>) -> PublishError {
        let (role, gun) = (role.clone(), self.remote.gun().clone());
        match role.as_str() {
            "root" => PublishError::RootKeyNotHeld { gun, keys },
            "targets" => PublishError::TargetsKeyNotHeld { gun, keys },
            "snapshot" => PublishError::SnapshotKeyNotHeld { gun, keys },
            _ => PublishError::DelegationKeyNotHeld { role, keys },
        }
    }
}

impl Keys<'_> {
    /// The signatures that are given, and those by every other key of these rings that is here.
    pub(super) fn signatures(
        &mut self,
        role: &RoleName,
        rings: &[Keyring],
        given: &[Signed],
        message: &[u8],
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Signed>, PublishError> {
        let mut signatures = given.to_vec();
        let mut signed: Vec<KeyId> = Vec::new();
        let mut refused = None;
        for key in rings.iter().flat_map(|ring| &ring.keys) {
            if signatures.iter().any(|signature| signature.key == key.id) {
                signed.push(key.canonical);
                continue;
            }
            if !self.holds(key.canonical)? {
                continue;
            }
            match self.unlock(key.canonical) {
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
            warnings.push(format!("{role} was signed without one of its keys that is here: {error}"));
        }
        Ok(signatures)
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
    /// A root lacks the same of its keys before and after where neither changes.
    fn lacks(&mut self, lacking: Option<Lacking>) {
        self.lacking.extend(lacking.filter(|lacking| !self.lacking.contains(lacking)));
    }

    pub(super) fn add(&mut self, role: RoleName, bytes: Bytes, version: u64) {
        self.files.push((role.clone(), bytes));
        self.versions.push((role, version));
    }
}
