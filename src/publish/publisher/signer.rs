//! [`SigningKey`]: a key of this publish, whose private half is here or elsewhere.

use jiff::Timestamp;

use super::error::PublishError;
use crate::publish::external::{ExternalError, ExternalKey};
use crate::publish::key::{PrivateKey, PublicForm, Signature};
use crate::publish::passphrase::Passphrases;
use crate::tuf::Gun;

/// A key that signs.
pub(super) enum SigningKey<'a> {
    /// Unlocked.
    Here(PrivateKey),
    /// A program signs with it; who is asked for passphrases is told so.
    Elsewhere(ExternalKey, &'a dyn Passphrases),
}

impl SigningKey<'_> {
    pub(super) fn public(&self) -> &PublicForm {
        match self {
            Self::Here(key) => key.public(),
            Self::Elsewhere(key, _) => key.public(),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Signature, PublishError> {
        match self {
            Self::Here(key) => Ok(key.sign(message)?),
            Self::Elsewhere(key, people) => {
                people.is_asked_elsewhere(key);
                key.sign(message).map_err(|error| failed(key, error))
            }
        }
    }

    pub(super) fn root_certificate(&self, gun: &Gun, now: Timestamp) -> Result<PublicForm, PublishError> {
        match self {
            Self::Here(key) => Ok(key.root_certificate(gun, now)?),
            Self::Elsewhere(key, people) => {
                people.is_asked_elsewhere(key);
                key.root_certificate(gun, now).map_err(|error| failed(key, error))
            }
        }
    }
}

fn failed(key: &ExternalKey, error: ExternalError) -> PublishError {
    let role = key.header().role.clone().unwrap_or_else(|| "signing".to_owned());
    PublishError::External { role, id: key.id(), error: Box::new(error) }
}
