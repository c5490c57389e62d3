//! [`CaBundle`]: pinned certificate authorities, and the search for a chain to one of them.
//!
//! No web PKI library fits: they want names and key purposes that root certificates of Notary do not have (design §2
//! "Roots": EKU ignored). What is here is RFC 5280's path validation without policies, and with critical name constraints
//! refused.

use jiff::Timestamp;
use ring::signature::{self as rs, VerificationAlgorithm};
use sha2::{Digest as _, Sha512};
use x509_cert::der::asn1::ObjectIdentifier;

use super::{Certificate, CertificateChain, CertificateError, read_pem};
use crate::digest::Digest;
use crate::limits::{AUTHORITIES, CHAIN_ISSUERS, CHAIN_SIGNATURES};
use crate::tuf::key::{Curve, Material};

const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Pinned certificate authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle(Vec<Certificate>);

impl CaBundle {
    /// Reads PEM certificates.
    ///
    /// # Errors
    /// [`CertificateError`] when there is none, one does not parse, or one may not issue certificates (a leaf is pinned
    /// as a certificate, not as a CA).
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let (_, certificates) = read_pem(pem, AUTHORITIES)?;
        for certificate in &certificates {
            if !certificate.is_authority || !certificate.may_sign {
                return Err(CertificateError::NotAuthority { name: certificate.name() });
            }
            certificate.key()?;
        }
        Ok(Self(certificates))
    }

    /// Whether the chain's leaf leads to one of these authorities at `now`. Extended key usage is ignored.
    ///
    /// # Errors
    /// [`CertificateError`] saying where the chain ends.
    pub fn check_chain(&self, chain: &CertificateChain, now: Timestamp) -> Result<(), CertificateError> {
        self.check_chain_within(chain, now, &mut Searches::default())
    }

    /// As [`Self::check_chain`], as one of several searches that share a budget.
    pub(in crate::tuf) fn check_chain_within(
        &self,
        chain: &CertificateChain,
        now: Timestamp,
        searches: &mut Searches,
    ) -> Result<(), CertificateError> {
        chain.leaf.check_usable(now)?;
        Search { pinned: &self.0, carried: &chain.rest, now, searches }.climb(&chain.leaf, &mut Vec::new())
    }

    /// The sha256 of each certificate, in no particular order.
    pub(in crate::tuf) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.0.iter().map(|certificate| certificate.digest)
    }
}

/// The signatures that searches for a chain have checked, of [`CHAIN_SIGNATURES`].
#[derive(Debug, Default)]
pub(in crate::tuf) struct Searches {
    signatures: usize,
}

struct Search<'a> {
    pinned: &'a [Certificate],
    carried: &'a [Certificate],
    now: Timestamp,
    searches: &'a mut Searches,
}

impl<'a> Search<'a> {
    /// Whether `child` leads to a pinned authority. `above_leaf` are the intermediates between the leaf and `child`'s
    /// issuer, `child` included unless it is the leaf.
    fn climb(
        &mut self,
        child: &Certificate,
        above_leaf: &mut Vec<&'a Certificate>,
    ) -> Result<(), CertificateError> {
        let mut failure =
            CertificateError::NoIssuer { name: child.name(), issuer: child.issuer_name.clone() };
        for pinned in self.pinned.iter().filter(|candidate| candidate.subject == child.issuer) {
            match self.check_issuer(child, pinned, above_leaf.len()) {
                Ok(()) => return Ok(()),
                Err(CertificateError::TooMuchWork) => return Err(CertificateError::TooMuchWork),
                Err(error) => failure = error,
            }
        }
        for carried in self.carried.iter().filter(|candidate| candidate.subject == child.issuer) {
            if above_leaf.contains(&carried) {
                continue;
            }
            let step = self.check_issuer(child, carried, above_leaf.len()).and_then(|()| {
                above_leaf.push(carried);
                let above = self.climb(carried, above_leaf);
                above_leaf.pop();
                above
            });
            match step {
                Ok(()) => return Ok(()),
                Err(CertificateError::TooMuchWork) => return Err(CertificateError::TooMuchWork),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Whether `issuer` may and did issue `child`, with `below` intermediates between it and the leaf.
    fn check_issuer(
        &mut self,
        child: &Certificate,
        issuer: &Certificate,
        below: usize,
    ) -> Result<(), CertificateError> {
        if !issuer.is_authority || !issuer.may_sign {
            return Err(CertificateError::NotAuthority { name: issuer.name() });
        }
        let allowed = issuer.path_length.map_or(CHAIN_ISSUERS, usize::from);
        if below > allowed || below >= CHAIN_ISSUERS {
            return Err(CertificateError::PathTooLong { name: issuer.name() });
        }
        issuer.check_usable(self.now)?;
        self.searches.signatures += 1;
        if self.searches.signatures > CHAIN_SIGNATURES {
            return Err(CertificateError::TooMuchWork);
        }
        check_signature(child, issuer)
    }
}

impl Certificate {
    /// What holds for every certificate of a chain but the signature.
    fn check_usable(&self, now: Timestamp) -> Result<(), CertificateError> {
        if let Some(oid) = self.unknown_critical {
            return Err(CertificateError::CriticalExtension { name: self.name(), oid: oid.to_string() });
        }
        self.check_validity(now)
    }
}

fn check_signature(child: &Certificate, issuer: &Certificate) -> Result<(), CertificateError> {
    let key = issuer.key()?;
    let (message, signature) = (child.signed.as_slice(), child.signature.as_slice());
    let is_signed = match (key.material(), child.signature_algorithm) {
        (Material::Ecdsa { curve, point }, oid) => ecdsa(*curve, oid, point, message, signature),
        (Material::Rsa { modulus: n, exponent: e }, oid) => {
            let parameters = match oid {
                RSA_SHA256 => Some(&rs::RSA_PKCS1_2048_8192_SHA256),
                RSA_SHA384 => Some(&rs::RSA_PKCS1_2048_8192_SHA384),
                RSA_SHA512 => Some(&rs::RSA_PKCS1_2048_8192_SHA512),
                _ => None,
            };
            parameters.map(|parameters| {
                rs::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            })
        }
        (Material::Ed25519(point), ED25519) => Some(by_ring(&rs::ED25519, point, message, signature)),
        (Material::Ed25519(_), _) => None,
    };
    match is_signed {
        Some(true) => Ok(()),
        Some(false) => {
            Err(CertificateError::BadSignature { name: child.name(), issuer: child.issuer_name.clone() })
        }
        None => Err(CertificateError::SignatureAlgorithm {
            name: child.name(),
            algorithm: child.signature_algorithm.to_string(),
        }),
    }
}

/// ECDSA as certificates have it, in DER. `None` for a pair of curve and hash that is not supported.
fn ecdsa(
    curve: Curve,
    oid: ObjectIdentifier,
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let algorithm: &dyn VerificationAlgorithm = match (curve, oid) {
        (Curve::P256, ECDSA_SHA256) => &rs::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, ECDSA_SHA384) => &rs::ECDSA_P256_SHA384_ASN1,
        (Curve::P384, ECDSA_SHA256) => &rs::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, ECDSA_SHA384) => &rs::ECDSA_P384_SHA384_ASN1,
        (Curve::P521, ECDSA_SHA512) => return Some(p521_sha512(point, message, signature)),
        _ => return None,
    };
    Some(by_ring(algorithm, point, message, signature))
}

fn by_ring(algorithm: &dyn VerificationAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    algorithm.verify(key.into(), message.into(), signature.into()).is_ok()
}

fn p521_sha512(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use p521::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(point), Signature::from_der(signature))
    else {
        return false;
    };
    let mut prehash = [0; 66];
    let (_, low) = prehash.split_at_mut(2);
    low.copy_from_slice(&Sha512::digest(message));
    key.verify_prehash(&prehash, &signature).is_ok()
}
