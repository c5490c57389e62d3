//! Signature methods: which suit a key, and how each is encoded (Notary v1, "Signed bytes").
//!
//! To add a method: a variant, its name in [`Method::parse`], its arm in [`Material::verifies`].

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::{Curve, Material, Message};

/// How a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `ecdsa`: r and s, each as long as a coordinate, over SHA-256 whatever the curve.
    Ecdsa,
    /// `rsapss`: SHA-256, MGF1 with SHA-256, a salt of exactly 32 bytes.
    RsaPss,
    /// `rsapkcs1v15`: SHA-256.
    RsaPkcs1,
    /// `eddsa`: Ed25519 over the message itself.
    Eddsa,
}

impl Method {
    /// Reads a method's name in any case. `pycrypto-pkcs#1 pss`, a legacy of Notary's first client, is not read.
    pub(super) fn parse(name: &str) -> Option<Self> {
        [
            ("ecdsa", Self::Ecdsa),
            ("rsapss", Self::RsaPss),
            ("rsapkcs1v15", Self::RsaPkcs1),
            ("eddsa", Self::Eddsa),
        ]
        .into_iter()
        .find_map(|(known, method)| name.eq_ignore_ascii_case(known).then_some(method))
    }
}

impl Material {
    /// Whether a signature by `method` of so many bytes can be this key's at all.
    pub(super) fn suits(&self, method: Method, signature: &[u8]) -> bool {
        match (self, method) {
            (Self::Ecdsa { curve, .. }, Method::Ecdsa) => signature.len() == 2 * curve.bytes(),
            (Self::Rsa { modulus, .. }, Method::RsaPss | Method::RsaPkcs1) => {
                signature.len() == modulus.len()
            }
            (Self::Ed25519(_), Method::Eddsa) => signature.len() == 64,
            (Self::Ecdsa { .. } | Self::Rsa { .. } | Self::Ed25519(_), _) => false,
        }
    }

    /// What it takes to verify a signature, beside hashing the message, in the steps of [`crate::limits::WORK_STEPS`]:
    /// as measured, rounded up.
    pub(super) fn steps(&self) -> u64 {
        match self {
            Self::Ecdsa { curve: Curve::P256, .. } | Self::Ed25519(_) => 4_000,
            Self::Rsa { .. } => 8_000,
            Self::Ecdsa { curve: Curve::P384, .. } => 50_000,
            Self::Ecdsa { curve: Curve::P521, .. } => 100_000,
        }
    }

    /// Whether `signature` is this key's over `message`. A method that does not suit the key never is.
    pub(super) fn verifies(&self, method: Method, message: &Message, signature: &[u8]) -> bool {
        match (self, method) {
            (Self::Ecdsa { curve, point }, Method::Ecdsa) => ecdsa(*curve, point, message, signature),
            (Self::Rsa { modulus, exponent }, Method::RsaPss) => {
                rsa(&RSA_PSS_2048_8192_SHA256, modulus, exponent, message.bytes(), signature)
            }
            (Self::Rsa { modulus, exponent }, Method::RsaPkcs1) => {
                rsa(&RSA_PKCS1_2048_8192_SHA256, modulus, exponent, message.bytes(), signature)
            }
            (Self::Ed25519(point), Method::Eddsa) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message.bytes(), signature).is_ok()
            }
            (Self::Ecdsa { .. } | Self::Rsa { .. } | Self::Ed25519(_), _) => false,
        }
    }
}

fn rsa(parameters: &RsaParameters, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
    RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
}

/// ring has P-256 only in this encoding with SHA-256; the other curves are RustCrypto's. All of them want the exact
/// length, so DER is refused.
fn ecdsa(curve: Curve, point: &[u8], message: &Message, signature: &[u8]) -> bool {
    match curve {
        Curve::P256 => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message.bytes(), signature).is_ok()
        }
        Curve::P384 => {
            use p384::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
            let (Ok(key), Ok(signature)) =
                (VerifyingKey::from_sec1_bytes(point), Signature::from_slice(signature))
            else {
                return false;
            };
            key.verify_prehash(&padded::<48>(message), &signature).is_ok()
        }
        Curve::P521 => {
            use p521::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
            let (Ok(key), Ok(signature)) =
                (VerifyingKey::from_sec1_bytes(point), Signature::from_slice(signature))
            else {
                return false;
            };
            key.verify_prehash(&padded::<66>(message), &signature).is_ok()
        }
    }
}

/// The SHA-256 of `message` as a number of `N` bytes: p521 refuses a shorter prehash than half its field.
fn padded<const N: usize>(message: &Message) -> [u8; N] {
    let mut number = [0; N];
    let hash = message.sha256();
    for (to, from) in number.iter_mut().rev().zip(hash.as_bytes().iter().rev()) {
        *to = *from;
    }
    number
}
