//! Keys in a token: P-256, each with a certificate beside it, as notary puts them into YubiKeys.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, CertificateType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use p256::SecretKey;
use sha2::{Digest as _, Sha256};

use crate::certificate::{self, Remote, SUBJECT};
use crate::slots;
use crate::token::Open;
use crate::uri::Uri;

/// The DER of the object identifier of P-256.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// The SubjectPublicKeyInfo of a P-256 key, up to the point.
const SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of an uncompressed point.
const POINT: usize = 65;

/// That the token has no such key.
#[derive(Debug)]
pub struct NotFound(String);

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFound {}

/// A key.
pub struct Key {
    id: Vec<u8>,
    label: String,
    /// Uncompressed.
    point: Vec<u8>,
}

impl Key {
    /// ID and label, with the slot that a YubiKey has it in.
    pub fn shown(&self) -> String {
        let id: String = self.id.iter().map(|byte| format!("%{byte:02x}")).collect();
        let slot =
            slots::name(&self.id).map(|name| format!(" (slot {name} of a YubiKey)")).unwrap_or_default();
        format!("id={id} {:?} EC-256{slot}", self.label)
    }

    /// The public half.
    pub fn public_pem(&self) -> String {
        let text = STANDARD.encode([SPKI, &self.point].concat());
        let (first, second) = text.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }
}

impl Open {
    /// All P-256 keys. Public keys and certificates are open to everybody; some modules show one of the two alone.
    pub fn list(&self) -> anyhow::Result<Vec<Key>> {
        let wanted = [
            Attribute::Token(true),
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(KeyType::EC),
        ];
        let mut keys = Vec::new();
        for object in self.session.find_objects(&wanted)? {
            let kinds =
                [AttributeType::Id, AttributeType::Label, AttributeType::EcPoint, AttributeType::EcParams];
            let mut key = Key { id: Vec::new(), label: String::new(), point: Vec::new() };
            let mut is_p256 = false;
            for attribute in self.session.get_attributes(object, &kinds)? {
                match attribute {
                    Attribute::Id(id) => key.id = id,
                    Attribute::Label(label) => key.label = String::from_utf8_lossy(&label).into_owned(),
                    // An octet string around the point, or, in some modules, the point alone.
                    Attribute::EcPoint(point) => {
                        key.point = point
                            .strip_prefix(&[0x04, 0x41])
                            .filter(|p| p.len() == POINT)
                            .unwrap_or(&point)
                            .to_vec();
                    }
                    Attribute::EcParams(params) => is_p256 = params == P256,
                    _ => {}
                }
            }
            if is_p256 && key.point.len() == POINT {
                keys.push(key);
            }
        }
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(keys)
    }

    /// The one key that the URI means.
    pub fn find(&self, uri: &Uri) -> anyhow::Result<Key> {
        let fits = |key: &Key| {
            uri.id.as_ref().is_none_or(|id| *id == key.id)
                && uri.object.as_ref().is_none_or(|label| *label == key.label)
        };
        let mut found: Vec<Key> = self.list()?.into_iter().filter(fits).collect();
        match (found.pop(), found.is_empty()) {
            (Some(key), true) => Ok(key),
            (None, _) => Err(NotFound(format!(
                "the token {} has no such P-256 key: `tagseal-pkcs11 list` shows those that it has",
                self.token().shown()
            ))
            .into()),
            (Some(last), false) => {
                let all: Vec<String> = found.iter().chain([&last]).map(Key::shown).collect();
                bail!("several keys fit, say which with id= or object= in the URI: {}", all.join(", "))
            }
        }
    }

    /// Signs as Notary does: r and s over SHA-256.
    pub fn sign(&self, key: &Key, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let private = self.private(key)?;
        let hash = Sha256::digest(message);
        let kinds = [AttributeType::AlwaysAuthenticate];
        let asks_again = self.session.get_attributes(private, &kinds).unwrap_or_default();
        if !asks_again.contains(&Attribute::AlwaysAuthenticate(true)) {
            return Ok(self.session.sign(&Mechanism::Ecdsa, private, &hash)?);
        }
        // The PIN once more, for this one signature: it was right a moment ago.
        self.session.sign_init(&Mechanism::Ecdsa, private)?;
        self.session.login(UserType::ContextSpecific, self.pin.as_ref())?;
        self.session.sign_update(&hash)?;
        Ok(self.session.sign_final()?)
    }

    fn private(&self, key: &Key) -> anyhow::Result<ObjectHandle> {
        let wanted = [
            Attribute::Token(true),
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Id(key.id.clone()),
        ];
        let found = self.session.find_objects(&wanted)?;
        found
            .first()
            .copied()
            .with_context(|| format!("the private half of {} is not in the token", key.shown()))
    }

    /// Makes a key, and its certificate.
    pub fn generate(&self, uri: &Uri) -> anyhow::Result<Key> {
        let (id, label) = self.place(uri)?;
        let public = [
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::EcParams(P256.to_vec()),
            Attribute::Verify(true),
            Attribute::Id(id.clone()),
            Attribute::Label(label.clone().into_bytes()),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Id(id.clone()),
            Attribute::Label(label.into_bytes()),
        ];
        self.session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
        self.certify(id)
    }

    /// Puts a key into the token, and its certificate.
    pub fn import(&self, uri: &Uri, secret: &SecretKey) -> anyhow::Result<Key> {
        let (id, label) = self.place(uri)?;
        let label = label.into_bytes();
        let point = secret.public_key().to_sec1_bytes();
        let both = [
            Attribute::Token(true),
            Attribute::KeyType(KeyType::EC),
            Attribute::EcParams(P256.to_vec()),
            Attribute::Id(id.clone()),
            Attribute::Label(label),
        ];
        let private = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Value(secret.to_bytes().to_vec()),
        ];
        let public = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcPoint([&[0x04, 0x41], &*point].concat()),
        ];
        self.session.create_object(&[&both[..], &private].concat())?;
        self.session.create_object(&[&both[..], &public].concat())?;
        self.certify(id)
    }

    fn certify(&self, id: Vec<u8>) -> anyhow::Result<Key> {
        let key = self.find(&Uri { id: Some(id.clone()), ..Uri::default() })?;
        let sign = |message: &[u8]| self.sign(&key, message);
        let certificate = certificate::of(&Remote { point: &key.point, sign: &sign })?;
        self.session.create_object(&[
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Id(id),
            Attribute::Label(key.label.clone().into_bytes()),
            Attribute::Subject(SUBJECT.to_vec()),
            Attribute::Value(certificate),
        ])?;
        Ok(key)
    }

    /// The ID and label of a new key: the URI's, or the first of notary's that is free. Nothing is overwritten.
    fn place(&self, uri: &Uri) -> anyhow::Result<(Vec<u8>, String)> {
        let taken: Vec<Vec<u8>> = self.list()?.into_iter().map(|key| key.id).collect();
        let label = uri.object.clone().unwrap_or_else(|| "root".to_owned());
        let id = match &uri.id {
            Some(id) => id.clone(),
            None => {
                let free = slots::ORDER.iter().map(|(id, _)| vec![*id]).find(|id| !taken.contains(id));
                free.context(
                    "all of notary's places (IDs 2, 1, 3, 0) are taken: name another with id= in the URI",
                )?
            }
        };
        if taken.contains(&id) {
            bail!(
                "the token has a key of this ID already, and nothing is overwritten: name another with id= in the URI"
            );
        }
        Ok((id, label))
    }
}
