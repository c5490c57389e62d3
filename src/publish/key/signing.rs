//! Signatures of metadata and of certificates: P-256, RSA and Ed25519 by ring, the other curves by their own crates.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use x509_cert::der::asn1::ObjectIdentifier;

use super::der::{Der, oid, tlv};
use super::secret::{Curve, Secret, malformed};
use super::{KeyFault, der as write};
use crate::digest::Digest;

impl Secret {
    /// Signs metadata (Notary v1, "Signed bytes").
    pub(super) fn sign(&self, message: &[u8]) -> Result<(&'static str, Vec<u8>), KeyFault> {
        match self {
            Self::Ecdsa { curve, scalar, point } => {
                let signature = match curve {
                    Curve::P256 => p256(&ECDSA_P256_SHA256_FIXED_SIGNING, scalar, point, message)?,
                    Curve::P384 => {
                        use p384::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _};
                        let key = SigningKey::from_slice(scalar).map_err(malformed)?;
                        let signature: Signature =
                            key.sign_prehash(&padded::<48>(message)).map_err(malformed)?;
                        signature.to_bytes().to_vec()
                    }
                    Curve::P521 => {
                        use p521::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _};
                        let key = SigningKey::from_slice(scalar).map_err(malformed)?;
                        let signature: Signature =
                            key.sign_prehash(&padded::<66>(message)).map_err(malformed)?;
                        signature.to_bytes().to_vec()
                    }
                };
                Ok(("ecdsa", signature))
            }
            Self::Rsa { pkcs1 } => Ok(("rsapss", rsa(&RSA_PSS_SHA256, pkcs1, message)?)),
            Self::Ed25519 { seed, .. } => {
                let key = Ed25519KeyPair::from_seed_unchecked(&**seed).map_err(malformed)?;
                Ok(("eddsa", key.sign(message).as_ref().to_vec()))
            }
        }
    }

    /// Signs a certificate, with the hash that suits the key.
    pub(super) fn sign_certificate(&self, tbs: &[u8]) -> Result<Vec<u8>, KeyFault> {
        Ok(match self {
            Self::Ecdsa { curve: Curve::P256, scalar, point } => {
                p256(&ECDSA_P256_SHA256_ASN1_SIGNING, scalar, point, tbs)?
            }
            Self::Ecdsa { curve: Curve::P384, scalar, .. } => {
                use p384::ecdsa::{DerSignature, SigningKey, signature::Signer as _};
                let signature: DerSignature =
                    SigningKey::from_slice(scalar).map_err(malformed)?.try_sign(tbs).map_err(malformed)?;
                signature.as_bytes().to_vec()
            }
            Self::Ecdsa { curve: Curve::P521, scalar, .. } => {
                use p521::ecdsa::{DerSignature, SigningKey, signature::Signer as _};
                let signature: DerSignature =
                    SigningKey::from_slice(scalar).map_err(malformed)?.try_sign(tbs).map_err(malformed)?;
                signature.as_bytes().to_vec()
            }
            Self::Rsa { pkcs1 } => rsa(&RSA_PKCS1_SHA256, pkcs1, tbs)?,
            Self::Ed25519 { .. } => return Err(KeyFault::NoCertificate),
        })
    }

    /// The DER AlgorithmIdentifier of [`Self::sign_certificate`].
    pub(super) fn certificate_algorithm(&self) -> Result<Der, KeyFault> {
        const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
        const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
        const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
        const RSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
        Ok(match self {
            Self::Ecdsa { curve: Curve::P256, .. } => tlv(write::SEQUENCE, &[&oid(ECDSA_WITH_SHA256)]),
            Self::Ecdsa { curve: Curve::P384, .. } => tlv(write::SEQUENCE, &[&oid(ECDSA_WITH_SHA384)]),
            Self::Ecdsa { curve: Curve::P521, .. } => tlv(write::SEQUENCE, &[&oid(ECDSA_WITH_SHA512)]),
            Self::Rsa { .. } => tlv(write::SEQUENCE, &[&oid(RSA_WITH_SHA256), &tlv(write::NULL, &[])]),
            Self::Ed25519 { .. } => return Err(KeyFault::NoCertificate),
        })
    }
}

fn p256(
    algorithm: &'static EcdsaSigningAlgorithm,
    scalar: &[u8],
    point: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, KeyFault> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point, &random)
        .map_err(malformed)?;
    let signature = key.sign(&random, message).map_err(|_| KeyFault::Randomness)?;
    Ok(signature.as_ref().to_vec())
}

fn rsa(encoding: &'static dyn RsaEncoding, pkcs1: &[u8], message: &[u8]) -> Result<Vec<u8>, KeyFault> {
    let key = RsaKeyPair::from_der(pkcs1).map_err(|rejected| KeyFault::Rsa(rejected.to_string()))?;
    let mut signature = vec![0; key.public().modulus_len()];
    // Ring looks at some parts when it reads a key, and at what came of the others when it signs.
    key.sign(encoding, &SystemRandom::new(), message, &mut signature)
        .map_err(|_| KeyFault::Rsa("its parts do not fit each other".to_owned()))?;
    Ok(signature)
}

/// The SHA-256 of `message` as a number of `N` bytes: Notary hashes so whatever the curve, and p521 refuses a prehash that is
/// shorter than half its field.
fn padded<const N: usize>(message: &[u8]) -> [u8; N] {
    let mut number = [0; N];
    let hash = Digest::of(message);
    for (to, from) in number.iter_mut().rev().zip(hash.as_bytes().iter().rev()) {
        *to = *from;
    }
    number
}
