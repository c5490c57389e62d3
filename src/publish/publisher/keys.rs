//! [`Keys`]: the private keys of one publish: each is unlocked once, and stored before anything is signed with it.

use std::collections::BTreeMap;

use super::error::PublishError;
use super::signer::SigningKey;
use crate::publish::key::{Algorithm, PrivateKey};
use crate::publish::key_file::{KeyFile, KeyFileError, KeyHeader};
use crate::publish::passphrase::{Ask, Passphrase, Passphrases};
use crate::publish::trust_dir::TrustDir;
use crate::tuf::{Gun, KeyId, RoleName};

/// How often a passphrase is asked for.
const ATTEMPTS: u32 = 3;

/// The keys of a trust directory, and those of them that are unlocked.
pub(super) struct Keys<'a> {
    dir: &'a TrustDir,
    passphrases: &'a dyn Passphrases,
    gun: &'a Gun,
    unlocked: BTreeMap<KeyId, SigningKey<'a>>,
    /// Keys that could not be unlocked: nobody is asked again.
    refused: BTreeMap<KeyId, PublishError>,
    /// Keys that were made, by the operation and the role that they were made for: applied once more, an operation takes
    /// the same one.
    made: BTreeMap<(usize, RoleName), KeyId>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(dir: &'a TrustDir, passphrases: &'a dyn Passphrases, gun: &'a Gun) -> Self {
        Self {
            dir,
            passphrases,
            gun,
            unlocked: BTreeMap::new(),
            refused: BTreeMap::new(),
            made: BTreeMap::new(),
        }
    }

    /// Whether the key is here, unlocked or not.
    pub(super) fn holds(&self, id: KeyId) -> Result<bool, PublishError> {
        Ok(self.unlocked.contains_key(&id)
            || self.dir.key(&id)?.is_some()
            || self.dir.external(&id)?.is_some())
    }

    /// Those of `ids` that are here.
    pub(super) fn held(&self, ids: &[KeyId]) -> Result<Vec<KeyId>, PublishError> {
        let mut held = Vec::new();
        for id in ids {
            if self.holds(*id)? {
                held.push(*id);
            }
        }
        Ok(held)
    }

    /// The one root key that is here; `None` without any.
    pub(super) fn only_root(&self) -> Result<Option<KeyId>, PublishError> {
        let roots = self.dir.keys()?.into_iter().filter(|key| key.header.role.as_deref() == Some("root"));
        match roots.map(|key| key.id).collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [id] => Ok(Some(*id)),
            several => Err(PublishError::SeveralRootKeys { keys: several.to_vec() }),
        }
    }

    /// The key, its passphrase asked for where it has not been yet. Of an external key nothing is asked: its program does.
    pub(super) fn unlock(&mut self, id: KeyId) -> Result<&SigningKey<'a>, PublishError> {
        if !self.unlocked.contains_key(&id) {
            if let Some(error) = self.refused.get(&id) {
                return Err(error.clone());
            }
            let key = match self.dir.key(&id)? {
                Some(file) => SigningKey::Here(self.open(id, &file).inspect_err(|error| {
                    self.refused.insert(id, error.clone());
                })?),
                None => {
                    let key = self.dir.external(&id)?.ok_or(PublishError::NoSuchKey { id })?;
                    SigningKey::Elsewhere(key, self.passphrases)
                }
            };
            self.unlocked.insert(id, key);
        }
        self.unlocked.get(&id).ok_or(PublishError::NoSuchKey { id })
    }

    fn open(&self, id: KeyId, file: &KeyFile) -> Result<PrivateKey, PublishError> {
        let broken = |error| PublishError::KeyFile { id, error };
        if !file.is_encrypted() {
            return file.open(None).map_err(broken);
        }
        let role = file.header().role.as_deref().unwrap_or("signing");
        let ask = Ask { role, key_id: id, gun: file.header().gun.as_ref(), is_new: false, attempt: 1 };
        for attempt in 1..=ATTEMPTS {
            let passphrase = self.ask(Ask { attempt, ..ask })?;
            match file.open(Some(&passphrase)) {
                Err(KeyFileError::WrongPassphrase) => {}
                opened => return opened.map_err(broken),
            }
        }
        Err(PublishError::WrongPassphrase { role: role.to_owned(), id, attempts: ATTEMPTS })
    }

    /// A new key for `role`, stored under a new passphrase before anything is done with it.
    pub(super) fn make(
        &mut self,
        operation: usize,
        role: &RoleName,
    ) -> Result<&SigningKey<'a>, PublishError> {
        let id = match self.made.get(&(operation, role.clone())) {
            Some(id) => *id,
            None => {
                let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
                let id = key.id();
                // A root key serves any number of repositories (Notary v1, "Layout").
                let gun = (*role != RoleName::root()).then(|| self.gun.clone());
                let passphrase = self.new_passphrase(id, role, gun.as_ref())?;
                let header = KeyHeader { role: Some(role.to_string()), gun };
                let file = KeyFile::seal(&key, header, Some(&passphrase))
                    .map_err(|error| PublishError::KeyFile { id, error })?;
                self.dir.add_key(&id, &file)?;
                self.unlocked.insert(id, SigningKey::Here(key));
                self.made.insert((operation, role.clone()), id);
                id
            }
        };
        self.unlock(id)
    }

    /// What was made, for the report.
    pub(super) fn made(&self) -> Vec<(String, KeyId)> {
        self.made.iter().map(|((_, role), id)| (role.to_string(), *id)).collect()
    }

    fn new_passphrase(
        &self,
        key_id: KeyId,
        role: &RoleName,
        gun: Option<&Gun>,
    ) -> Result<Passphrase, PublishError> {
        let ask = Ask { role: role.as_str(), key_id, gun, is_new: true, attempt: 1 };
        let mut attempt = 1;
        loop {
            match self.ask(Ask { attempt, ..ask }) {
                Err(PublishError::Passphrase { error, .. }) if !error.is_final && attempt < ATTEMPTS => {
                    attempt += 1
                }
                asked => return asked,
            }
        }
    }

    fn ask(&self, ask: Ask<'_>) -> Result<Passphrase, PublishError> {
        self.passphrases.passphrase(&ask).map_err(|error| PublishError::Passphrase {
            role: ask.role.to_owned(),
            id: ask.key_id,
            error,
        })
    }
}
