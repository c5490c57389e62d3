//! The secret itself: read from what key files hold, and written as they hold it.

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use x509_cert::der::asn1::{
    AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef,
};
use x509_cert::der::{self, Decode, Reader, SliceReader, Tag, TagMode, TagNumber, Tagged};
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::der::{Der, bit_string, explicit, oid, tlv, uint};
use super::{KeyFault, PublicForm, der as write};
use crate::tuf::KeyError;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// What notary writes: its PKCS#8 predates RFC 8410. The content differs too: public key, seed, public key once more.
const NOTARY_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");

/// A curve of the NIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    /// Bytes of a scalar.
    const fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn from_oid(oid: ObjectIdentifier) -> Result<Self, KeyFault> {
        let curve = Self::ALL.into_iter().find(|curve| curve.oid() == oid);
        curve.ok_or_else(|| KeyError::Curve(oid.to_string()).into())
    }

    /// The uncompressed point that belongs to a scalar; `None` for a scalar that is zero or not below the order.
    fn point(self, scalar: &[u8]) -> Option<Vec<u8>> {
        let point = match self {
            Self::P256 => p256::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_bytes(),
            Self::P384 => p384::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_bytes(),
            Self::P521 => p521::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_bytes(),
        };
        Some(point.into_vec())
    }

    /// The uncompressed form of a point that may be compressed.
    fn uncompressed(self, point: &[u8]) -> Option<Vec<u8>> {
        let point = match self {
            Self::P256 => p256::PublicKey::from_sec1_bytes(point).ok()?.to_sec1_bytes(),
            Self::P384 => p384::PublicKey::from_sec1_bytes(point).ok()?.to_sec1_bytes(),
            Self::P521 => p521::PublicKey::from_sec1_bytes(point).ok()?.to_sec1_bytes(),
        };
        Some(point.into_vec())
    }
}

/// Key material, zeroised when dropped. What ring makes of it lives for one signature only, because ring frees its
/// copies without overwriting them.
pub(super) enum Secret {
    Ecdsa {
        curve: Curve,
        /// As long as the curve's order.
        scalar: Zeroizing<Vec<u8>>,
        /// Uncompressed.
        point: Vec<u8>,
    },
    Rsa {
        pkcs1: Zeroizing<Vec<u8>>,
    },
    Ed25519 {
        seed: Zeroizing<[u8; 32]>,
        point: [u8; 32],
    },
}

impl Secret {
    pub(super) fn generate_p256() -> Result<Self, KeyFault> {
        // Of 2^32 scalars one is not below the order of the curve; four of them in a row are no randomness.
        for _ in 0..4 {
            let scalar = Zeroizing::new(random::<32>()?);
            if let Ok(key) = Self::ecdsa(Curve::P256, &*scalar, None) {
                return Ok(key);
            }
        }
        Err(KeyFault::Randomness)
    }

    pub(super) fn generate_ed25519() -> Result<Self, KeyFault> {
        Self::ed25519(Zeroizing::new(random()?))
    }

    /// Reads DER PKCS#8. The version is not looked at: Go writes 1 where no public key follows, others 0 where one does.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFault> {
        let (algorithm, key) = read(der, |fields| {
            let _version = u8::decode(fields)?;
            let algorithm = AlgorithmIdentifierRef::decode(fields)?;
            let key = <&OctetStringRef>::decode(fields)?;
            while !fields.is_finished() {
                fields.tlv_bytes()?;
            }
            Ok((algorithm, key.as_bytes()))
        })?;
        match algorithm.oid {
            EC_PUBLIC_KEY => Self::from_sec1(key, Some(named_curve(algorithm.parameters)?)),
            RSA_ENCRYPTION => Self::from_pkcs1(key),
            NOTARY_ED25519 => Self::from_notary_ed25519(key),
            ED25519 => {
                let mut reader = SliceReader::new(key).map_err(malformed)?;
                let seed = <&OctetStringRef>::decode(&mut reader).map_err(malformed)?.as_bytes();
                let seed = <[u8; 32]>::try_from(seed).map_err(|_| malformed("a seed of another length"))?;
                Self::ed25519(Zeroizing::new(seed))
            }
            other => Err(KeyError::Algorithm(other.to_string()).into()),
        }
    }

    /// Reads a DER ECPrivateKey (RFC 5915), whose curve may be named outside of it.
    pub(super) fn from_sec1(der: &[u8], curve: Option<Curve>) -> Result<Self, KeyFault> {
        let (scalar, parameters, point) = read(der, |fields| {
            let _version = u8::decode(fields)?;
            let scalar = <&OctetStringRef>::decode(fields)?.as_bytes();
            let parameters = ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber(0))?;
            let point = fields.context_specific::<BitStringRef<'_>>(TagNumber(1), TagMode::Explicit)?;
            Ok((scalar, parameters.map(|parameters| parameters.value), point))
        })?;
        let curve = match (curve, parameters) {
            (Some(curve), None) => curve,
            (outer, parameters) => {
                let inner = named_curve(parameters)?;
                if outer.is_some_and(|outer| outer != inner) {
                    return Err(malformed("two curves are named"));
                }
                inner
            }
        };
        Self::ecdsa(curve, scalar, point.and_then(|point| point.as_bytes()))
    }

    /// Reads a DER RSAPrivateKey (PKCS#1).
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyFault> {
        let key = Self::Rsa { pkcs1: Zeroizing::new(der.to_vec()) };
        // The public half first, because ring says nothing but "too small" of a size.
        let (keytype, public) = key.public()?;
        PublicForm::from_bytes(keytype, &public)?;
        RsaKeyPair::from_der(der).map_err(|rejected| KeyFault::Rsa(rejected.to_string()))?;
        Ok(key)
    }

    /// Reads what notary writes of an Ed25519 key: the public key, the seed, the public key.
    pub(super) fn from_notary_ed25519(bytes: &[u8]) -> Result<Self, KeyFault> {
        let (public, private) = bytes.split_at_checked(32).ok_or_else(|| malformed("too short"))?;
        let (seed, again) = private.split_at_checked(32).ok_or_else(|| malformed("too short"))?;
        let seed = <[u8; 32]>::try_from(seed).map_err(malformed)?;
        let key = Self::ed25519(Zeroizing::new(seed))?;
        match &key {
            Self::Ed25519 { point, .. } if public == point && again == point => Ok(key),
            _ => Err(KeyFault::Halves),
        }
    }

    fn ecdsa(curve: Curve, scalar: &[u8], stated: Option<&[u8]>) -> Result<Self, KeyFault> {
        // Some writers drop leading zeros, some add one.
        let zeros = scalar.len().saturating_sub(curve.bytes());
        let (extra, digits) = scalar.split_at_checked(zeros).unwrap_or_default();
        if extra.iter().any(|digit| *digit != 0) {
            return Err(malformed("the scalar is longer than the curve's"));
        }
        let mut scalar = Zeroizing::new(vec![0; curve.bytes()]);
        for (to, from) in scalar.iter_mut().rev().zip(digits.iter().rev()) {
            *to = *from;
        }
        let point = curve.point(&scalar).ok_or_else(|| malformed("the scalar is none of the curve"))?;
        if stated.is_some_and(|stated| curve.uncompressed(stated).as_ref() != Some(&point)) {
            return Err(KeyFault::Halves);
        }
        Ok(Self::Ecdsa { curve, scalar, point })
    }

    fn ed25519(seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyFault> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(malformed)?;
        let point = pair.public_key().as_ref().try_into().map_err(malformed)?;
        Ok(Self::Ed25519 { seed, point })
    }

    /// The key type of the public half, and its encoding in metadata: SubjectPublicKeyInfo, or the bare 32 bytes.
    pub(super) fn public(&self) -> Result<(&'static str, Vec<u8>), KeyFault> {
        match self {
            Self::Ecdsa { .. } | Self::Rsa { .. } => {
                let keytype = if matches!(self, Self::Rsa { .. }) { "rsa" } else { "ecdsa" };
                Ok((keytype, self.spki()?.to_vec()))
            }
            Self::Ed25519 { point, .. } => Ok(("ed25519", point.to_vec())),
        }
    }

    /// The DER SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> Result<Der, KeyFault> {
        let key = match self {
            Self::Ecdsa { point, .. } => bit_string(point),
            Self::Ed25519 { point, .. } => bit_string(point),
            Self::Rsa { pkcs1 } => {
                let (modulus, exponent) = read(pkcs1, |fields| {
                    let _version = u8::decode(fields)?;
                    let public = (UintRef::decode(fields)?, UintRef::decode(fields)?);
                    while !fields.is_finished() {
                        fields.tlv_bytes()?;
                    }
                    Ok(public)
                })?;
                let key = tlv(write::SEQUENCE, &[&uint(modulus.as_bytes()), &uint(exponent.as_bytes())]);
                bit_string(&key)
            }
        };
        Ok(tlv(write::SEQUENCE, &[&self.algorithm(ED25519), &key]))
    }

    /// The DER PKCS#8 that Go, OpenSSL and notary all read. Version 0 and RSA's NULL are what the RFCs say; notary itself is
    /// laxer when it writes, and takes both.
    pub(super) fn to_pkcs8(&self) -> Der {
        let key = match self {
            Self::Ecdsa { curve, scalar, point } => {
                let curve = tlv(explicit(0), &[&oid(curve.oid())]);
                let point = tlv(explicit(1), &[&bit_string(point)]);
                let scalar = tlv(write::OCTET_STRING, &[scalar.as_slice()]);
                tlv(write::SEQUENCE, &[&uint(&[1]), &scalar, &curve, &point])
            }
            Self::Rsa { pkcs1 } => pkcs1.clone(),
            Self::Ed25519 { seed, point } => {
                let mut key = Zeroizing::new(Vec::with_capacity(96));
                key.extend_from_slice(point);
                key.extend_from_slice(&**seed);
                key.extend_from_slice(point);
                key
            }
        };
        let key = tlv(write::OCTET_STRING, &[&key]);
        tlv(write::SEQUENCE, &[&uint(&[0]), &self.algorithm(NOTARY_ED25519), &key])
    }

    fn algorithm(&self, ed25519: ObjectIdentifier) -> Der {
        match self {
            Self::Ecdsa { curve, .. } => tlv(write::SEQUENCE, &[&oid(EC_PUBLIC_KEY), &oid(curve.oid())]),
            Self::Rsa { .. } => tlv(write::SEQUENCE, &[&oid(RSA_ENCRYPTION), &tlv(write::NULL, &[])]),
            Self::Ed25519 { .. } => tlv(write::SEQUENCE, &[&oid(ed25519)]),
        }
    }
}

fn named_curve(parameters: Option<AnyRef<'_>>) -> Result<Curve, KeyFault> {
    let parameters = parameters.ok_or_else(|| malformed("no curve is named"))?;
    if parameters.tag() == Tag::Sequence {
        return Err(KeyError::ExplicitCurve.into());
    }
    Curve::from_oid(parameters.decode_as().map_err(malformed)?)
}

/// Reads one DER sequence and nothing after it.
fn read<'a, T>(
    der: &'a [u8],
    fields: impl FnOnce(&mut SliceReader<'a>) -> der::Result<T>,
) -> Result<T, KeyFault> {
    let mut reader = SliceReader::new(der).map_err(malformed)?;
    let value = reader.sequence(fields).map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    Ok(value)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyFault> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyFault::Randomness)?;
    Ok(bytes)
}

pub(super) fn malformed(error: impl std::fmt::Display) -> KeyFault {
    KeyFault::Malformed(error.to_string())
}
