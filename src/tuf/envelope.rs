//! [`Envelope`]: a metadata file, read but not believed, and the signatures that were tried on it.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;

use super::canonical::{self, Node, Parsed};
use super::decode::{Fields, What, malformed};
use super::error::TufError;
use super::key::{KeyId, KeyIdentity, Message, PublicKey};
use super::role::RoleName;
use super::work::Work;
use crate::limits::{FILE_SIGNATURES, VERIFIED_BYTES};

/// A metadata file: what is signed, and by what signatures. Nothing but the shape of the latter was looked at.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    role: &'a RoleName,
    work: &'a Work,
    parsed: Parsed<'a>,
    pub(super) signatures: Vec<Signature>,
    /// The canonical form of `signed`: what the signatures cover. Made for the first that is tried.
    message: OnceCell<Message>,
    /// What came of trying a signature by its place, by a key.
    tried: RefCell<BTreeMap<(usize, KeyIdentity), bool>>,
    /// Bytes of the message times the signatures that were tried.
    verified: Cell<u64>,
}

/// A signature that nothing is known about yet.
#[derive(Debug)]
pub(super) struct Signature {
    /// Its place in the file.
    at: usize,
    pub(super) key_id: String,
    /// The same, where it is a key ID.
    pub(super) parsed_id: Option<KeyId>,
    /// In any case (Notary v1, Metadata).
    method: String,
    bytes: Vec<u8>,
}

impl<'a> Envelope<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TufError::Malformed`], [`TufError::Unsigned`] where it carries no signatures; the end of the work.
    pub(super) fn parse(role: &'a RoleName, bytes: &'a [u8], work: &'a Work) -> Result<Self, TufError> {
        let (parsed, signatures) = read(bytes, work).map_err(|what| work.blame(malformed(role, what)))?;
        if signatures.is_empty() {
            return Err(TufError::Unsigned { role: role.clone() });
        }
        let (message, tried, verified) = Default::default();
        Ok(Self { role, work, parsed, signatures, message, tried, verified })
    }

    /// What is signed.
    pub(super) fn signed(&self) -> Node<'_> {
        let root = self.parsed.root();
        root.get("signed").unwrap_or(root)
    }

    /// The work that this is part of.
    pub(super) fn work(&self) -> &'a Work {
        self.work
    }

    /// Whether `signature` is `key`'s. Each is tried once with each key, and only where it can be this key's at all.
    ///
    /// # Errors
    /// [`TufError::Malformed`] without a canonical form; [`TufError::TooMany`] where trying it would hash more than
    /// any file may cost; the end of the work.
    pub(super) fn is_by(&self, signature: &Signature, key: &PublicKey) -> Result<bool, TufError> {
        let message = self.message()?;
        let tried = (signature.at, key.identity());
        if let Some(verifies) = self.tried.borrow().get(&tried) {
            return Ok(*verifies);
        }
        if !key.may_verify(&signature.method, &signature.bytes) {
            return Ok(false);
        }
        let length = message.len() as u64;
        self.verified.set(self.verified.get().saturating_add(length));
        if self.verified.get() > VERIFIED_BYTES {
            let limit = usize::try_from(VERIFIED_BYTES).unwrap_or(usize::MAX);
            return Err(TufError::TooMany {
                what: "bytes of signed metadata to verify signatures of",
                limit,
            });
        }
        self.work.take(length / 64 + key.steps())?;
        let verifies = key.verifies_message(&signature.method, message, &signature.bytes);
        self.tried.borrow_mut().insert(tried, verifies);
        Ok(verifies)
    }

    fn message(&self) -> Result<&Message, TufError> {
        if let Some(message) = self.message.get() {
            return Ok(message);
        }
        let bytes = self.signed().canonical(self.work);
        let bytes = bytes.map_err(|error| self.work.blame(malformed(self.role, error.to_string())))?;
        Ok(self.message.get_or_init(|| Message::new(bytes)))
    }
}

fn read<'a>(bytes: &'a [u8], work: &Work) -> Result<(Parsed<'a>, Vec<Signature>), What> {
    let parsed = canonical::read(bytes, work).map_err(|error| error.to_string())?;
    let file = Fields::of(parsed.root(), "the file")?;
    let mut signatures = Vec::new();
    for (at, value) in file.array("signatures")?.enumerate() {
        if at == FILE_SIGNATURES {
            return Err(format!("it carries more than {FILE_SIGNATURES} signatures"));
        }
        signatures.push(signature(at, value)?);
    }
    file.required("signed")?;
    Ok((parsed, signatures))
}

fn signature(at: usize, value: Node<'_>) -> Result<Signature, What> {
    let fields = Fields::of(value, "a signature")?;
    let key_id = fields.string_or_empty("keyid")?.to_owned();
    Ok(Signature {
        at,
        parsed_id: KeyId::from_hex(&key_id).ok(),
        key_id,
        method: fields.string_or_empty("method")?.to_owned(),
        bytes: fields.base64("sig")?,
    })
}
