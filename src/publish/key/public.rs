//! [`PublicForm`]: the public half of a key as metadata, key files and people have it.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_cert::der::Encode as _;

use crate::tuf::canonical::Value;
use crate::tuf::{KeyError, KeyId, PublicKey};

/// A public key as metadata lists it: `{"keytype","keyval":{"private":null,"public"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicForm {
    keytype: &'static str,
    /// Padded standard base64.
    public: String,
    canonical_id: KeyId,
}

impl PublicForm {
    /// Reads a PEM `PUBLIC KEY` or `CERTIFICATE`, as `--key` files have it, with the `role` header of docker's `key generate`
    /// or without.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (key, public) = PublicKey::from_pem_as_listed(&without_headers(text))?;
        Ok(Self { keytype: key.keytype(), public, canonical_id: key.canonical_id() })
    }

    /// Takes a key as metadata or a server's `…key` answer has it.
    ///
    /// # Errors
    /// [`KeyError`] for a key that cannot verify signatures.
    pub fn from_metadata(keytype: &str, public: &str) -> Result<Self, KeyError> {
        let key = PublicKey::from_metadata(keytype, public)?;
        Ok(Self { keytype: key.keytype(), public: public.to_owned(), canonical_id: key.canonical_id() })
    }

    /// As [`Self::from_metadata`], of the bytes that `public` encodes.
    pub(super) fn from_bytes(keytype: &str, bytes: &[u8]) -> Result<Self, KeyError> {
        Self::from_metadata(keytype, &STANDARD.encode(bytes))
    }

    /// The bare key, of a certificate as of itself.
    ///
    /// # Errors
    /// None for a key that was read already.
    pub(in crate::publish) fn bare(&self) -> Result<Self, KeyError> {
        let keytype = match self.keytype {
            "ecdsa-x509" => "ecdsa",
            "rsa-x509" => "rsa",
            _ => return Ok(self.clone()),
        };
        let pem = STANDARD.decode(&self.public).map_err(|_| KeyError::Base64)?;
        let malformed = |error: x509_cert::der::Error| KeyError::Pem(error.to_string());
        let chain = x509_cert::Certificate::load_pem_chain(&pem).map_err(malformed)?;
        let leaf = chain.first().ok_or_else(|| KeyError::Pem("no certificate".to_owned()))?;
        let spki = leaf.tbs_certificate().subject_public_key_info().to_der().map_err(malformed)?;
        Self::from_bytes(keytype, &spki)
    }

    /// `ecdsa`, `rsa`, `ecdsa-x509`, `rsa-x509` or `ed25519`.
    pub fn keytype(&self) -> &'static str {
        self.keytype
    }

    /// Padded standard base64 of the encoded key.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The ID that metadata lists the key by.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.keytype, &self.public)
    }

    /// The ID of the bare key, whatever certificate it is listed by.
    pub fn canonical_id(&self) -> KeyId {
        self.canonical_id
    }

    /// The key that verifies signatures.
    ///
    /// # Errors
    /// None that [`Self::from_metadata`] did not give already.
    pub fn key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_metadata(self.keytype, &self.public)
    }

    /// The object that metadata has in `keys`.
    pub fn to_value(&self) -> Value {
        let keyval =
            Value::object([("private", Value::Null), ("public", Value::String(self.public.clone()))]);
        Value::object([("keytype", Value::String(self.keytype.to_owned())), ("keyval", keyval)])
    }

    /// PEM: `PUBLIC KEY` or `CERTIFICATE`. An Ed25519 key as RFC 8410 has it, which OpenSSL reads and notary does not.
    pub fn to_pem(&self) -> String {
        /// The SubjectPublicKeyInfo of an Ed25519 key, up to the key.
        const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let bytes = STANDARD.decode(&self.public).unwrap_or_default();
        match self.keytype {
            "ed25519" => pem("PUBLIC KEY", &[ED25519.as_slice(), &bytes].concat()),
            "ecdsa" | "rsa" => pem("PUBLIC KEY", &bytes),
            _ => String::from_utf8(bytes).unwrap_or_default(),
        }
    }

    /// [`Self::to_pem`] with a line before it that says whose key it is. Docker puts `role: NAME` into the block, where OpenSSL
    /// takes it for an encryption and refuses; before the block both read on.
    pub fn to_pem_of(&self, signer: &str) -> String {
        format!("role: {signer}\n{}", self.to_pem())
    }
}

/// A block as Go's `encoding/pem` writes it: lines of 64 characters, each with a line feed.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (i, c) in STANDARD.encode(der).chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// The same PEM without the headers of its blocks: the lines up to an empty one. Base64 has neither colons nor empty lines.
fn without_headers(text: &str) -> String {
    let has_no_colon = |line: &&str| line.starts_with("-----") || !line.contains(':');
    text.lines().filter(has_no_colon).flat_map(|line| [line, "\n"]).collect()
}
