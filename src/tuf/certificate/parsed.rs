//! One certificate, with what the rules look at taken out of its DER.

use std::fmt::Display;

use jiff::Timestamp;
use x509_cert::der::asn1::{BitStringRef, ObjectIdentifier};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierRef;
use x509_cert::time::Time;
use x509_cert::{TbsCertificate, der};

use super::{CertificateError, NOT_BEFORE_LEEWAY};
use crate::digest::Digest;
use crate::tuf::canonical::shortened;
use crate::tuf::key::{KeyError, PublicKey};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Signature algorithms that make a certificate worthless.
const WEAK: [(ObjectIdentifier, &str); 5] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2"), "MD2"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"), "MD5"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"), "SHA-1"),
];

/// Extensions that may be critical: basicConstraints and keyUsage are obeyed; names and extended key usage say nothing
/// about a repository's root key (design §2 "Roots": EKU ignored). Name constraints are not among them.
const UNDERSTOOD: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The sha256 of the whole DER.
    pub(super) digest: Digest,
    /// The part that the issuer signed, as received.
    pub(super) signed: Vec<u8>,
    pub(super) signature_algorithm: ObjectIdentifier,
    pub(super) signature: Vec<u8>,
    /// DER, compared byte for byte.
    pub(super) subject: Vec<u8>,
    /// DER, compared byte for byte.
    pub(super) issuer: Vec<u8>,
    /// The subject's, if it has exactly one that can be read.
    pub(super) common_name: Option<String>,
    /// The issuer as text, for errors.
    pub(super) issuer_name: String,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    spki: Vec<u8>,
    /// basicConstraints says CA.
    pub(super) is_authority: bool,
    /// Intermediates that may follow below an authority.
    pub(super) path_length: Option<u8>,
    /// keyUsage, where there is one, has keyCertSign.
    pub(super) may_sign: bool,
    /// A critical extension that is not understood.
    pub(super) unknown_critical: Option<ObjectIdentifier>,
}

impl Certificate {
    pub(super) fn from_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = SliceReader::new(bytes).map_err(malformed)?;
        let (tbs, algorithm, signature) = reader
            .sequence(|fields| {
                let tbs = fields.tlv_bytes()?;
                Ok((tbs, AlgorithmIdentifierRef::decode(fields)?, BitStringRef::decode(fields)?))
            })
            .map_err(|e: der::Error| malformed(e))?;
        reader.finish().map_err(malformed)?;
        let fields = TbsCertificate::from_der(tbs).map_err(malformed)?;
        if fields.signature().oid != algorithm.oid {
            return Err(malformed("two signature algorithms"));
        }
        let constraints = fields.get_extension::<BasicConstraints>().map_err(malformed)?;
        let constraints = constraints.map(|(_, constraints)| constraints);
        let usage = fields.get_extension::<KeyUsage>().map_err(malformed)?;
        let signature =
            signature.as_bytes().ok_or_else(|| malformed("a signature of broken bytes"))?.to_vec();
        Ok(Self {
            digest: Digest::of(bytes),
            signed: tbs.to_vec(),
            signature_algorithm: algorithm.oid,
            signature,
            subject: fields.subject().to_der().map_err(malformed)?,
            issuer: fields.issuer().to_der().map_err(malformed)?,
            common_name: only_common_name(fields.subject()),
            issuer_name: shortened(&fields.issuer().to_string()),
            not_before: timestamp(fields.validity().not_before),
            not_after: timestamp(fields.validity().not_after),
            spki: fields.subject_public_key_info().to_der().map_err(malformed)?,
            is_authority: constraints.as_ref().is_some_and(|c| c.ca),
            path_length: constraints.and_then(|c| c.path_len_constraint),
            may_sign: usage.is_none_or(|(_, usage)| usage.key_cert_sign()),
            unknown_critical: fields
                .extensions()
                .into_iter()
                .flatten()
                .find(|e| e.critical && !UNDERSTOOD.contains(&e.extn_id))
                .map(|e| e.extn_id),
        })
    }

    /// The certified key, bare.
    pub(super) fn key(&self) -> Result<PublicKey, CertificateError> {
        PublicKey::from_spki(&self.spki)
            .map_err(|error| CertificateError::Key { name: self.name(), error: Box::new(error) })
    }

    /// What to call this certificate in an error.
    pub(super) fn name(&self) -> String {
        shortened(self.common_name.as_deref().unwrap_or("no common name"))
    }

    /// Not signed with SHA-1 or older, and no RSA key below 2048 bits. Other keys that cannot be used are no fault here.
    pub(super) fn check_strength(&self) -> Result<(), CertificateError> {
        if let Some((_, algorithm)) = WEAK.into_iter().find(|(oid, _)| *oid == self.signature_algorithm) {
            return Err(CertificateError::WeakSignature { name: self.name(), algorithm });
        }
        match self.key() {
            Err(CertificateError::Key { name, error }) if matches!(*error, KeyError::RsaSize { .. }) => {
                Err(CertificateError::Key { name, error })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_window(&self) -> Result<(), CertificateError> {
        if self.not_before > self.not_after {
            return Err(CertificateError::Never { name: self.name() });
        }
        Ok(())
    }

    pub(super) fn check_validity(&self, now: Timestamp) -> Result<(), CertificateError> {
        self.check_window()?;
        let (name, not_before, not_after) = (self.name(), self.not_before, self.not_after);
        if now.saturating_add(NOT_BEFORE_LEEWAY).unwrap_or(now) < not_before {
            return Err(CertificateError::NotYetValid { name, not_before, now });
        }
        if now > not_after {
            return Err(CertificateError::Expired { name, not_after, now });
        }
        Ok(())
    }
}

/// Several common names would let two readers see two repositories.
fn only_common_name(name: &Name) -> Option<String> {
    let mut names = name.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let only = names.next()?;
    if names.next().is_some() {
        return None;
    }
    let value = only.value.value();
    match only.value.header().tag() {
        der::Tag::Utf8String => String::from_utf8(value.to_vec()).ok(),
        der::Tag::PrintableString | der::Tag::Ia5String | der::Tag::TeletexString => {
            value.is_ascii().then(|| String::from_utf8_lossy(value).into_owned())
        }
        _ => None,
    }
}

/// The last day of the year 9999, X.509's "never", is past what a [`Timestamp`] holds.
fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

fn malformed(error: impl Display) -> CertificateError {
    CertificateError::Der(error.to_string())
}
