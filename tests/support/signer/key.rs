//! [`TestKey`]: private keys of all the types that Notary v1 knows, and signatures by them.

use std::sync::Arc;

use p384::ecdsa::signature::hazmat::PrehashSigner;
use p384::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rcgen::PublicKeyData;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use super::certificate::CertificateSpec;
use super::{base64, canonical, hex, rsa, sha256};

/// A key pair, and the form in which metadata has its public half. Cheap to clone.
#[derive(Clone)]
pub struct TestKey {
    private: Arc<Private>,
    certificates: Option<String>,
    form: SignatureForm,
}

enum Private {
    P256 { pkcs8: Vec<u8> },
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Rsa { pem: &'static str },
    WeakRsa,
    Ed25519 { seed: [u8; 32] },
}

/// How a key writes its signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureForm {
    /// As notary does: fixed-length r‖s, RSA-PSS with 32 bytes of salt, Ed25519.
    #[default]
    Notary,
    /// ECDSA P-256 in ASN.1 DER, under the method `ecdsa`: does not count.
    Der,
    /// RSA PKCS#1 v1.5, which notary verifies and never makes.
    Pkcs1v15,
    /// RSA-PSS with so many bytes of salt: only 32 count.
    PssSalt(usize),
    /// A good signature under a method that does not suit the key.
    WrongMethod,
    /// A signature of the right length over something else.
    OverSomethingElse,
}

/// One entry of an envelope's `signatures`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Which key.
    pub key_id: String,
    /// `ecdsa`, `rsapss`, `rsapkcs1v15`, `eddsa`
    pub method: &'static str,
    /// The signature.
    pub bytes: Vec<u8>,
}

impl Signature {
    /// As an envelope has it.
    pub fn json(&self) -> Value {
        json!({"keyid": self.key_id, "method": self.method, "sig": base64(&self.bytes)})
    }
}

impl TestKey {
    /// A new ECDSA P-256 key, what notary generates.
    pub fn ecdsa() -> Self {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self::from_private(Private::P256 { pkcs8: document.as_ref().to_vec() })
    }

    /// A new ECDSA P-384 key.
    pub fn p384() -> Self {
        Self::from_private(Private::P384(p384::ecdsa::SigningKey::from_slice(&random::<48>(0x7f)).unwrap()))
    }

    /// A new ECDSA P-521 key.
    pub fn p521() -> Self {
        Self::from_private(Private::P521(p521::ecdsa::SigningKey::from_slice(&random::<66>(0)).unwrap()))
    }

    /// An RSA key of 2048 bits, always the same.
    pub fn rsa() -> Self {
        Self::from_private(Private::Rsa { pem: include_str!("../../data/keys/rsa-a.pem") })
    }

    /// Another RSA key of 2048 bits, always the same.
    pub fn other_rsa() -> Self {
        Self::from_private(Private::Rsa { pem: include_str!("../../data/keys/rsa-b.pem") })
    }

    /// An RSA key of 1024 bits, always the same: too weak to count. It has no certificate.
    pub fn weak_rsa() -> Self {
        Self::from_private(Private::WeakRsa)
    }

    /// A new Ed25519 key, what the server's own signer makes.
    pub fn ed25519() -> Self {
        Self::from_private(Private::Ed25519 { seed: random(0xff) })
    }

    /// A new ECDSA root key with the certificate that notary makes for `gun`, valid from `now`.
    pub fn root(gun: &str, now: jiff::Timestamp) -> Self {
        Self::ecdsa().certified(&CertificateSpec::new(gun, now))
    }

    fn from_private(private: Private) -> Self {
        Self { private: Arc::new(private), certificates: None, form: SignatureForm::default() }
    }

    /// The same private key under a new certificate.
    pub fn certified(&self, spec: &CertificateSpec) -> Self {
        self.with_certificates(spec.issue(self))
    }

    /// The same private key under certificates in PEM, leaf first, whatever they say.
    pub fn with_certificates(&self, pem: String) -> Self {
        Self { certificates: Some(pem), ..self.clone() }
    }

    /// The same private key without its certificate.
    pub fn bare(&self) -> Self {
        Self { certificates: None, ..self.clone() }
    }

    /// The same key, writing its signatures in another form.
    pub fn signing_as(&self, form: SignatureForm) -> Self {
        Self { form, ..self.clone() }
    }

    /// `ecdsa`, `ecdsa-x509`, `rsa`, `rsa-x509` or `ed25519`.
    pub fn key_type(&self) -> &'static str {
        match (&*self.private, &self.certificates) {
            (Private::Ed25519 { .. }, _) => "ed25519",
            (Private::Rsa { .. } | Private::WeakRsa, None) => "rsa",
            (Private::Rsa { .. } | Private::WeakRsa, Some(_)) => "rsa-x509",
            (_, None) => "ecdsa",
            (_, Some(_)) => "ecdsa-x509",
        }
    }

    /// The bytes of `keyval.public`, before base64.
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.certificates {
            Some(pem) => pem.clone().into_bytes(),
            None => self.bare_public_bytes(),
        }
    }

    fn bare_public_bytes(&self) -> Vec<u8> {
        match &*self.private {
            Private::P384(key) => key.verifying_key().to_public_key_der().unwrap().into_vec(),
            Private::P521(key) => key.verifying_key().to_public_key_der().unwrap().into_vec(),
            Private::Ed25519 { seed } => {
                Ed25519KeyPair::from_seed_unchecked(seed).unwrap().public_key().as_ref().to_vec()
            }
            Private::WeakRsa => pem_contents(include_str!("../../data/keys/rsa-1024.pub.pem")),
            Private::P256 { .. } | Private::Rsa { .. } => self.rcgen().subject_public_key_info(),
        }
    }

    /// The bare public key in PEM, as a policy has it. Not for Ed25519 keys, which have no such form in Notary.
    pub fn public_pem(&self) -> String {
        assert!(!matches!(*self.private, Private::Ed25519 { .. }), "Ed25519 keys have no SPKI form here");
        pem("PUBLIC KEY", &self.bare_public_bytes())
    }

    /// The certificates in PEM, where the key has them.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificates.as_deref()
    }

    /// The key as metadata has it.
    pub fn json(&self) -> Value {
        key_json(self.key_type(), &self.public_bytes())
    }

    /// The ID that metadata uses.
    pub fn id(&self) -> String {
        hex(&sha256(&canonical(&self.json())))
    }

    /// The ID of the bare key.
    pub fn canonical_id(&self) -> String {
        self.bare().id()
    }

    /// Signs what an envelope's signatures cover.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let (method, bytes) = match self.form {
            SignatureForm::Notary => self.sign_as_notary(message),
            SignatureForm::Der => ("ecdsa", self.sign_der(message)),
            SignatureForm::Pkcs1v15 => ("rsapkcs1v15", self.sign_rsa(&RSA_PKCS1_SHA256, message)),
            SignatureForm::PssSalt(len) => ("rsapss", rsa::sign_pss(&self.rsa_pkcs8(), message, len)),
            SignatureForm::WrongMethod => {
                let (method, bytes) = self.sign_as_notary(message);
                (if method == "eddsa" { "ecdsa" } else { "eddsa" }, bytes)
            }
            SignatureForm::OverSomethingElse => self.sign_as_notary(b"something else"),
        };
        Signature { key_id: self.id(), method, bytes }
    }

    fn sign_as_notary(&self, message: &[u8]) -> (&'static str, Vec<u8>) {
        match &*self.private {
            Private::P256 { pkcs8 } => {
                let random = SystemRandom::new();
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).unwrap();
                ("ecdsa", key.sign(&random, message).unwrap().as_ref().to_vec())
            }
            Private::P384(key) => {
                let signature: p384::ecdsa::Signature =
                    key.sign_prehash(&left_padded::<48>(message)).unwrap();
                ("ecdsa", signature.to_bytes().to_vec())
            }
            Private::P521(key) => {
                let signature: p521::ecdsa::Signature =
                    key.sign_prehash(&left_padded::<66>(message)).unwrap();
                ("ecdsa", signature.to_bytes().to_vec())
            }
            Private::Rsa { .. } => ("rsapss", self.sign_rsa(&RSA_PSS_SHA256, message)),
            Private::WeakRsa => ("rsapss", rsa::sign_pss(&self.rsa_pkcs8(), message, 32)),
            Private::Ed25519 { seed } => {
                let key = Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
                ("eddsa", key.sign(message).as_ref().to_vec())
            }
        }
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let Private::P256 { pkcs8 } = &*self.private else { panic!("DER is for P-256 keys") };
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &random).unwrap();
        key.sign(&random, message).unwrap().as_ref().to_vec()
    }

    fn sign_rsa(&self, encoding: &'static dyn ring::signature::RsaEncoding, message: &[u8]) -> Vec<u8> {
        let key = RsaKeyPair::from_pkcs8(&self.rsa_pkcs8()).unwrap();
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    fn rsa_pkcs8(&self) -> Vec<u8> {
        match &*self.private {
            Private::Rsa { pem } => pem_contents(pem),
            Private::WeakRsa => pem_contents(include_str!("../../data/keys/rsa-1024.pem")),
            _ => panic!("this form is for RSA keys"),
        }
    }

    /// The key for making certificates.
    pub(crate) fn rcgen(&self) -> rcgen::KeyPair {
        let (pkcs8, algorithm) = match &*self.private {
            Private::P256 { pkcs8 } => (pkcs8.clone(), &rcgen::PKCS_ECDSA_P256_SHA256),
            Private::P384(key) => {
                let key = p384::SecretKey::from(key.as_nonzero_scalar());
                (key.to_pkcs8_der().unwrap().as_bytes().to_vec(), &rcgen::PKCS_ECDSA_P384_SHA384)
            }
            Private::Rsa { pem } => (pem_contents(pem), &rcgen::PKCS_RSA_SHA256),
            Private::P521(_) | Private::WeakRsa | Private::Ed25519 { .. } => {
                panic!("no certificates for {}", self.key_type())
            }
        };
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), algorithm).unwrap()
    }
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestKey({} {})", self.key_type(), self.id())
    }
}

/// A public key as metadata has it, from any bytes.
pub fn key_json(key_type: &str, public: &[u8]) -> Value {
    json!({"keytype": key_type, "keyval": {"private": null, "public": base64(public)}})
}

/// Notary hashes with SHA-256 whatever the curve; the hash is an integer, so shorter than the field it is padded on the left.
fn left_padded<const N: usize>(message: &[u8]) -> [u8; N] {
    let mut prehash = [0; N];
    prehash[N - 32..].copy_from_slice(&sha256(message));
    prehash
}

/// Random bytes that begin with so many bits as `first_byte_mask` leaves.
fn random<const N: usize>(first_byte_mask: u8) -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes[0] &= first_byte_mask;
    bytes
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn pem_contents(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}
