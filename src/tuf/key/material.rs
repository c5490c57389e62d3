//! The key material itself, and its one encoding as a SubjectPublicKeyInfo.
//!
//! A key has exactly one accepted encoding: what is read is encoded again and compared. So one key cannot have two
//! IDs by way of explicit curve parameters, compressed points or padded integers (attacks T28).

use std::fmt::Display;

use x509_cert::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::KeyError;
use crate::digest::Digest;
use crate::limits::RSA_BITS;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A curve of the NIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tuf) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(in crate::tuf) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    /// Bytes of a coordinate.
    pub(in crate::tuf) const fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// A public key without any wrapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tuf) enum Material {
    /// An uncompressed point, `04 x y`. A point that is not on its curve verifies nothing.
    Ecdsa { curve: Curve, point: Vec<u8> },
    /// Big-endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// The encoded point.
    Ed25519([u8; 32]),
}

impl Material {
    /// Reads a DER SubjectPublicKeyInfo.
    pub(in crate::tuf) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(malformed)?;
        let key = spki
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| KeyError::Der("the key is not whole bytes".to_owned()))?;
        let material = match spki.algorithm.oid {
            EC_PUBLIC_KEY => Self::from_point(spki.algorithm.parameters, key),
            RSA_ENCRYPTION => Self::from_pkcs1(key),
            ED25519 => Self::from_ed25519(key),
            other => Err(KeyError::Algorithm(other.to_string())),
        }?;
        if material.to_spki()? != der {
            return Err(KeyError::Der("not the one encoding that this key has".to_owned()));
        }
        Ok(material)
    }

    fn from_point(parameters: Option<AnyRef<'_>>, point: &[u8]) -> Result<Self, KeyError> {
        let parameters = parameters.ok_or_else(|| KeyError::Der("no curve is named".to_owned()))?;
        if parameters.tag() == Tag::Sequence {
            return Err(KeyError::ExplicitCurve);
        }
        let oid: ObjectIdentifier = parameters.decode_as().map_err(malformed)?;
        let curve = Curve::ALL
            .into_iter()
            .find(|curve| curve.oid() == oid)
            .ok_or_else(|| KeyError::Curve(oid.to_string()))?;
        if point.len() != 1 + 2 * curve.bytes() || point.first() != Some(&4) {
            return Err(KeyError::Point(curve.name()));
        }
        Ok(Self::Ecdsa { curve, point: point.to_vec() })
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let mut reader = SliceReader::new(der).map_err(malformed)?;
        let (modulus, exponent) = reader
            .sequence(|fields| Ok((UintRef::decode(fields)?, UintRef::decode(fields)?)))
            .map_err(|e: x509_cert::der::Error| malformed(e))?;
        reader.finish().map_err(malformed)?;
        let bits = bit_length(modulus.as_bytes());
        if !(2048..=8192).contains(&bits) {
            return Err(KeyError::RsaSize { bits });
        }
        let exponent_fits = match exponent.as_bytes() {
            [.., last] if last % 2 == 1 => exponent.as_bytes() != [1] && exponent.as_bytes().len() <= 4,
            _ => false,
        };
        if !exponent_fits {
            return Err(KeyError::RsaExponent);
        }
        Ok(Self::Rsa { modulus: modulus.as_bytes().to_vec(), exponent: exponent.as_bytes().to_vec() })
    }

    /// Whether signatures on metadata may be verified by it: what takes too long is no key.
    pub(super) fn check_speed(&self) -> Result<(), KeyError> {
        match self {
            Self::Rsa { modulus, .. } if bit_length(modulus) > RSA_BITS => {
                Err(KeyError::RsaSlow { bits: bit_length(modulus) })
            }
            _ => Ok(()),
        }
    }

    /// Reads the 32 bytes of an Ed25519 key.
    pub(in crate::tuf) fn from_ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let point: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Ed25519)?;
        // y is to be less than 2^255 - 19: otherwise the same point has two encodings, and its key two identities.
        let [first, middle @ .., last] = &point;
        if *first >= 0xed && middle.iter().all(|b| *b == 0xff) && last & 0x7f == 0x7f {
            return Err(KeyError::Ed25519);
        }
        Ok(Self::Ed25519(point))
    }

    /// The DER SubjectPublicKeyInfo that Go writes.
    pub(in crate::tuf) fn to_spki(&self) -> Result<Vec<u8>, KeyError> {
        let pkcs1;
        let curve_oid;
        let (oid, parameters, key) = match self {
            Self::Ecdsa { curve, point } => {
                curve_oid = curve.oid();
                (EC_PUBLIC_KEY, Some(AnyRef::from(&curve_oid)), point.as_slice())
            }
            Self::Rsa { modulus, exponent } => {
                pkcs1 = encode_pkcs1(modulus, exponent).map_err(malformed)?;
                (RSA_ENCRYPTION, Some(AnyRef::NULL), pkcs1.as_slice())
            }
            Self::Ed25519(point) => (ED25519, None, point.as_slice()),
        };
        SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef { oid, parameters },
            subject_public_key: BitStringRef::from_bytes(key).map_err(malformed)?,
        }
        .to_der()
        .map_err(malformed)
    }

    /// A digest of what makes this key itself and of nothing else.
    pub(in crate::tuf) fn fingerprint(&self) -> Digest {
        let (kind, parts): (&[u8], [&[u8]; 2]) = match self {
            Self::Ecdsa { curve, point } => (b"ecdsa", [curve.name().as_bytes(), point]),
            Self::Rsa { modulus, exponent } => (b"rsa", [modulus, exponent]),
            Self::Ed25519(point) => (b"ed25519", [point, &[]]),
        };
        let mut bytes = b"tagseal key identity\0".to_vec();
        for part in [kind, parts[0], parts[1]] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Digest::of(&bytes)
    }
}

fn encode_pkcs1(modulus: &[u8], exponent: &[u8]) -> x509_cert::der::Result<Vec<u8>> {
    let mut body = UintRef::new(modulus)?.to_der()?;
    body.extend(UintRef::new(exponent)?.to_der()?);
    AnyRef::new(Tag::Sequence, &body)?.to_der()
}

fn bit_length(big_endian: &[u8]) -> usize {
    let zeros = big_endian.first().map_or(0, |first| first.leading_zeros() as usize);
    big_endian.len() * 8 - zeros
}

fn malformed(error: impl Display) -> KeyError {
    KeyError::Der(error.to_string())
}
