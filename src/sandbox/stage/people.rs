//! [`Person`]: somebody who publishes, with keys of their own; the same code as behind `tagseal trust …`.

use std::sync::Arc;
use std::time::Duration;

use super::home::write;
use super::{Stage, StageError};
use crate::image::ImageReference;
use crate::notary::{Manifest, Registry, Remote};
use crate::publish::key::{Algorithm, PrivateKey};
use crate::publish::key_file::{KeyFile, KeyHeader};
use crate::publish::operation::{Operation, SigningRoles};
use crate::publish::passphrase::{Ask, Passphrase, PassphraseError, Passphrases};
use crate::publish::publisher::{PublishError, Published, Publisher};
use crate::publish::trust_dir::TrustDir;
use crate::trust::Access;
use crate::tuf::{Gun, KeyId, RoleName};

/// The passphrase of every key in the sandbox. It protects nothing: it is printed.
pub const PASSPHRASE: &str = "sandbox-passphrase";

/// How long one request may take, and others who publish are waited for.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Somebody with a trust directory.
#[derive(Debug, Clone)]
pub struct Person {
    /// The name, and that of the trust directory.
    pub name: &'static str,
    dir: TrustDir,
}

impl Person {
    /// The keys that are in the trust directory, of this role.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn keys_of(&self, role: &str) -> Result<Vec<KeyId>, StageError> {
        let keys = self.dir.keys()?.into_iter().filter(|key| key.header.role.as_deref() == Some(role));
        Ok(keys.map(|key| key.id).collect())
    }

    /// Copies a key, as a thief does: the passphrase was on a note beside it.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn steal(&self, id: KeyId, from: &Self) -> Result<(), StageError> {
        let file =
            from.dir.key(&id)?.ok_or_else(|| StageError::Story(format!("{} has no key {id}", from.name)))?;
        self.dir.add_key(&id, &file)?;
        Ok(())
    }
}

impl Stage {
    /// Somebody, with the trust directory of that name in the sandbox's folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn person(&self, name: &'static str) -> Result<Person, StageError> {
        Ok(Person { name, dir: TrustDir::open(&self.path().join(name))? })
    }

    /// `tagseal trust key generate NAME`
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn generate_key(&self, person: &Person, name: &str) -> Result<PrivateKey, StageError> {
        let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
        let header = KeyHeader { role: Some(name.to_owned()), gun: None };
        let file = KeyFile::seal(&key, header, Some(&passphrase()))
            .map_err(|error| StageError::Story(error.to_string()))?;
        person.dir.add_key(&key.id(), &file)?;
        let public = self.path().join(format!("{name}.pub"));
        write(&public, key.public().to_pem().as_bytes())?;
        Ok(key)
    }

    /// Publishes.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(
        &self,
        person: &Person,
        gun: &Gun,
        operations: &[Operation],
    ) -> Result<Published, PublishError> {
        let remote = Remote::new(
            Arc::clone(&self.client),
            Arc::clone(&self.notary),
            gun.clone(),
            self.registry_host(),
            Access::Anonymous,
            TIMEOUT,
        );
        let publisher = Publisher {
            dir: &person.dir,
            remote: &remote,
            passphrases: &Printed,
            clock: self.clock.true_one(),
            patience: TIMEOUT,
        };
        publisher.publish(operations).await
    }

    /// Signs roles anew by somebody who looked at all that they list (`--yes`).
    pub async fn witness(
        &self,
        person: &Person,
        gun: &Gun,
        roles: Vec<RoleName>,
    ) -> Result<Published, PublishError> {
        let mut looked_at = Vec::new();
        loop {
            let operation = Operation::Witness { roles: roles.clone(), looked_at: looked_at.clone() };
            match self.publish(person, gun, &[operation]).await {
                Err(PublishError::NotLookedAt { sha256, .. }) => looked_at.push(sha256),
                outcome => return outcome,
            }
        }
    }

    /// `tagseal trust sign IMAGE`: what the tag names in the registry now, by docker's rule.
    ///
    /// # Errors
    /// When there is no such image, or it cannot be published.
    pub async fn sign(&self, person: &Person, image: &str) -> Result<(Manifest, Published), StageError> {
        let reference = ImageReference::parse(image).map_err(|error| StageError::Story(error.to_string()))?;
        let address = Registry::address(&reference).ok_or_else(|| StageError::Address(image.to_owned()))?;
        let server = crate::policy::TrustServer { url: address, ..(*self.notary).clone() };
        let registry = Registry::new(Arc::clone(&self.client), Arc::new(server), Access::Anonymous, TIMEOUT);
        let manifest = registry.manifest(&reference).await?;
        let manifest = manifest.ok_or_else(|| StageError::NoImage(image.to_owned()))?;
        let tag = reference.tag().ok_or_else(|| StageError::Story(format!("{image} has no tag")))?;
        let gun = Gun::new(reference.name()).map_err(|error| StageError::Story(error.to_string()))?;
        let add = Operation::AddTarget {
            roles: SigningRoles::Docker,
            name: tag.as_str().to_owned(),
            digest: manifest.digest,
            length: manifest.length,
        };
        Ok((manifest, self.publish(person, &gun, &[add]).await?))
    }
}

fn passphrase() -> Passphrase {
    Passphrase::new(PASSPHRASE.to_owned())
}

/// Everybody has the same passphrase.
struct Printed;

impl Passphrases for Printed {
    fn passphrase(&self, _: &Ask<'_>) -> Result<Passphrase, PassphraseError> {
        Ok(passphrase())
    }
}
