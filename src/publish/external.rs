//! [`ExternalKey`]: a key that a program signs with, because the private half is in a token or a key service.
//!
//! The program has the commands of a signature plugin of the Notary Project that signs raw (specifications,
//! `specs/plugin-extensibility.md`, `SIGNATURE_GENERATOR.RAW`): `describe-key` and `generate-signature`, JSON in and out. Two fields of
//! `describe-key`'s answer are tagseal's own, and optional: `publicKey` (PEM), and `hashAlgorithms`, with which the key signs.

mod error;
mod file;
mod program;
mod protocol;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

pub use self::error::{ExternalError, ExternalFault};
pub use self::program::Program;
use self::protocol::{Description, HASH};
use super::key::{PublicForm, Signature, fixed_of_der, root_certificate_of};
use super::key_file::KeyHeader;
use crate::tuf::{Gun, KeyId};

/// A key whose private half is elsewhere: what the trust directory keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalKey {
    header: KeyHeader,
    public: PublicForm,
    program: Program,
    /// What the program knows the key by.
    plugin_id: String,
    /// What the program is told besides.
    plugin_config: BTreeMap<String, String>,
    /// As the program describes the key: `EC-256`, `RSA-2048`.
    key_spec: String,
}

impl ExternalKey {
    /// Asks the program for the key. Where no public key is given, it is the one that the program describes the key with, or that of
    /// the certificate beside a signature. The program signs something random, so that a wrong key is found now.
    ///
    /// # Errors
    /// [`ExternalError`] when the program fails, or the key cannot sign for Notary.
    pub fn describe(
        program: Program,
        plugin_id: String,
        plugin_config: BTreeMap<String, String>,
        header: KeyHeader,
        given: Option<PublicForm>,
    ) -> Result<Self, ExternalError> {
        let Description { key_spec, public_key } = protocol::describe(&program, &plugin_id, &plugin_config)?;
        let challenge = challenge().map_err(|fault| program.fails(fault))?;
        let answer =
            protocol::generate_signature(&program, &plugin_id, &plugin_config, &key_spec, &challenge)?;
        let public = match (given, public_key, answer.certificate) {
            (Some(key), _, _) | (None, Some(key), _) | (None, None, Some(key)) => key,
            (None, None, None) => return Err(program.fails(ExternalFault::NoPublicKey)),
        };
        let public = public.bare().map_err(|error| program.fails(ExternalFault::Key(error.to_string())))?;
        let key = Self { header, public, program, plugin_id, plugin_config, key_spec };
        key.checked(&challenge, answer.signature)?;
        Ok(key)
    }

    /// The canonical key ID.
    pub fn id(&self) -> KeyId {
        self.public.id()
    }

    /// What the key is for.
    pub fn header(&self) -> &KeyHeader {
        &self.header
    }

    /// The bare public half.
    pub fn public(&self) -> &PublicForm {
        &self.public
    }

    /// The program that signs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What the program knows the key by.
    pub fn plugin_id(&self) -> &str {
        &self.plugin_id
    }

    /// Has the program sign, and verifies what it gives. Blocks, for as long as the program may take.
    ///
    /// # Errors
    /// [`ExternalError`] when the program fails, or the signature is not this key's.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, ExternalError> {
        let answer = protocol::generate_signature(
            &self.program,
            &self.plugin_id,
            &self.plugin_config,
            &self.key_spec,
            message,
        )?;
        self.checked(message, answer.signature)
    }

    /// The self-signed certificate by which a root key is listed for `gun`.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn root_certificate(&self, gun: &Gun, now: Timestamp) -> Result<PublicForm, ExternalError> {
        let sign = |tbs: &[u8]| self.sign(tbs).map(|signature| signature.bytes).map_err(Either::External);
        root_certificate_of(&self.public, gun, now, sign).map_err(|error| match error {
            Either::External(error) => error,
            Either::Key(fault) => self.program.fails(ExternalFault::Key(fault.to_string())),
        })
    }

    /// The signature in Notary's form, if it is this key's over `message`.
    fn checked(&self, message: &[u8], signature: Vec<u8>) -> Result<Signature, ExternalError> {
        let key = self.public.key();
        let key = key.map_err(|error| self.program.fails(ExternalFault::Key(error.to_string())))?;
        let method = match self.public.keytype() {
            "ecdsa" => "ecdsa",
            "rsa" => "rsapss",
            other => return Err(self.program.fails(ExternalFault::KeyType(other))),
        };
        let is_ours = |bytes: &[u8]| key.verifies(method, message, bytes);
        let fixed = match is_ours(&signature) {
            true => Some(signature),
            false if method == "ecdsa" => {
                // Bytes of a coordinate on P-256, P-384 and P-521.
                let fixed = [32, 48, 66].map(|bytes| fixed_of_der(&signature, bytes));
                fixed.into_iter().flatten().find(|bytes| is_ours(bytes))
            }
            false => None,
        };
        let wrong = || self.program.fails(ExternalFault::WrongSignature { id: self.id() });
        fixed.map(|bytes| Signature { method, bytes }).ok_or_else(wrong)
    }

    /// How the file is read and written.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(in crate::publish) fn parse(text: &str) -> Result<Self, String> {
        file::parse(text)
    }

    /// The text of the file.
    pub(in crate::publish) fn to_text(&self) -> String {
        file::text(self)
    }
}

/// What making a certificate fails with.
enum Either {
    External(ExternalError),
    Key(super::key::KeyFault),
}

impl From<super::key::KeyFault> for Either {
    fn from(fault: super::key::KeyFault) -> Self {
        Self::Key(fault)
    }
}

/// Something that no earlier signature covers.
fn challenge() -> Result<Vec<u8>, ExternalFault> {
    use ring::rand::SecureRandom as _;
    let mut random = [0; 32];
    let filled = ring::rand::SystemRandom::new().fill(&mut random);
    filled.map_err(|_| ExternalFault::Key(super::key::KeyFault::Randomness.to_string()))?;
    Ok([b"tagseal asks whether this key signs with ".as_slice(), HASH.as_bytes(), &random].concat())
}

/// How long a program may take that is asked to sign, where nothing else is said: time to type a PIN and touch a key.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The end of the name of the file that an external key is kept in, after its ID. Docker and notary take `.key` alone.
pub(in crate::publish) const SUFFIX: &str = ".external.json";

/// The ID in such a name.
pub(in crate::publish) fn id_of(path: &Path) -> Option<KeyId> {
    KeyId::from_hex(path.file_name()?.to_str()?.strip_suffix(SUFFIX)?).ok()
}
