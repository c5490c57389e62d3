//! [`CertificateFault`]: what is wrong with the certificate that a server showed, told from the certificate itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

use super::fault::clean;
use crate::tuf::{KeyError, PublicKey};

/// Signatures that can be forged, by their OIDs (RFC 3279, RFC 5758).
const WEAK_SIGNATURES: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];

/// Why a server's certificate is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CertificateFault {
    #[error("its certificate is issued by {issuer}, which is not in {roots}")]
    UnknownAuthority { issuer: String, roots: &'static str },
    #[error("its certificate {subject} is self-signed and not in {roots}")]
    SelfSigned { subject: String, roots: &'static str },
    #[error("its certificate expired at {not_after} (it is {now} here)")]
    Expired { not_after: Timestamp, now: Timestamp },
    #[error("an authority in its certificate's chain expired at {not_after} (it is {now} here)")]
    AuthorityExpired { not_after: Timestamp, now: Timestamp },
    #[error("its certificate is not valid before {not_before} (it is {now} here)")]
    NotYetValid { not_before: Timestamp, now: Timestamp },
    #[error("its certificate is for {}, not for {expected}", names.join(", "))]
    WrongName { expected: String, names: Vec<String> },
    #[error("its certificate has only the common name {common_name:?}, which names no server")]
    CommonNameOnly { expected: String, common_name: String },
    #[error("its certificate has no subjectAltName")]
    NoName { expected: String },
    #[error("its certificate {subject} is that of a certificate authority (CA:TRUE), not of a server")]
    AuthorityAsServer { subject: String },
    #[error("its certificate may not be used by a server (extended key usage)")]
    Purpose,
    #[error("its certificate is not signed by the key of {issuer}, whom it names")]
    BadSignature { issuer: String },
    #[error("its certificate is signed with {algorithm}, which can be forged and is not believed")]
    WeakSignature { algorithm: &'static str },
    #[error("its certificate has an RSA key of {bits} bits, and fewer than 2048 are not believed")]
    WeakKey { bits: usize },
    #[error("its certificate cannot be used ({cause})")]
    Other { cause: String },
}

impl CertificateFault {
    /// What to change; `address` is where the server's address stands, `authorities` where the bundle does.
    pub(super) fn advice(&self, address: &str, authorities: &str) -> String {
        match self {
            Self::UnknownAuthority { .. } => format!("put that authority's certificate in {authorities}"),
            Self::SelfSigned { .. } => format!("put it in {authorities}"),
            Self::Expired { .. } => "whoever runs the server has to renew it".to_owned(),
            Self::AuthorityExpired { .. } => format!("renew it, on the server or in {authorities}"),
            Self::NotYetValid { .. } => "check the clocks".to_owned(),
            Self::WrongName { .. } => {
                format!("check the host in {address}, or add the name to the certificate")
            }
            Self::CommonNameOnly { expected, .. } | Self::NoName { expected } => {
                format!("whoever runs the server has to have it issued with the subjectAltName {expected}")
            }
            Self::AuthorityAsServer { .. } => {
                format!("have that authority issue one for the server, and put its own in {authorities}")
            }
            Self::Purpose => "have it issued with serverAuth".to_owned(),
            Self::BadSignature { .. } => format!("check {authorities}"),
            Self::WeakSignature { .. } => {
                "whoever runs the server has to have it issued anew, signed with SHA-256".to_owned()
            }
            Self::WeakKey { .. } => {
                "whoever runs the server has to have it issued anew, for a key of 2048 bits or more, or an ECDSA key"
                    .to_owned()
            }
            Self::Other { .. } => "whoever runs the server has to have it issued anew".to_owned(),
        }
    }
}

/// Tells webpki's `error` about `leaf`, which was shown for `name`.
pub(super) fn explain(
    leaf: &CertificateDer<'_>,
    error: &CertificateError,
    name: &ServerName<'_>,
    roots: &'static str,
) -> CertificateFault {
    let Ok(certificate) = Certificate::from_der(leaf) else {
        return CertificateFault::Other { cause: "it is not a certificate".to_owned() };
    };
    let certificate = Shown(&certificate);
    let expected = name.to_str().into_owned();
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            let (not_after, now) = (timestamp(*not_after), timestamp(*time));
            match certificate.not_after() == not_after {
                true => CertificateFault::Expired { not_after, now },
                false => CertificateFault::AuthorityExpired { not_after, now },
            }
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            CertificateFault::NotYetValid { not_before: timestamp(*not_before), now: timestamp(*time) }
        }
        CertificateError::NotValidForNameContext { .. } | CertificateError::NotValidForName => {
            certificate.wrong_name(expected)
        }
        CertificateError::UnknownIssuer if certificate.is_self_signed() => {
            CertificateFault::SelfSigned { subject: certificate.subject(), roots }
        }
        CertificateError::UnknownIssuer => {
            CertificateFault::UnknownAuthority { issuer: certificate.issuer(), roots }
        }
        CertificateError::BadSignature => {
            let bad = || CertificateFault::BadSignature { issuer: certificate.issuer() };
            certificate.weakness().unwrap_or_else(bad)
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateFault::Purpose
        }
        // webpki's `CaUsedAsEndEntity` has no name of its own in rustls.
        CertificateError::Other(_) if certificate.is_authority() => {
            CertificateFault::AuthorityAsServer { subject: certificate.subject() }
        }
        other => {
            let unknown = || CertificateFault::Other { cause: other.to_string() };
            certificate.weakness().unwrap_or_else(unknown)
        }
    }
}

/// What is too weak in a certificate that webpki believes: it verifies with the issuer's key, and never looks at this one.
pub(super) fn weak_key(leaf: &CertificateDer<'_>) -> Option<CertificateFault> {
    Shown(&Certificate::from_der(leaf).ok()?).weak_key()
}

struct Shown<'a>(&'a Certificate);

impl Shown<'_> {
    fn weakness(&self) -> Option<CertificateFault> {
        self.weak_signature().or_else(|| self.weak_key())
    }

    fn weak_signature(&self) -> Option<CertificateFault> {
        let oid = self.0.signature_algorithm().oid.to_string();
        let (_, algorithm) = WEAK_SIGNATURES.iter().find(|(weak, _)| *weak == oid)?;
        Some(CertificateFault::WeakSignature { algorithm })
    }

    fn weak_key(&self) -> Option<CertificateFault> {
        let key = self.0.tbs_certificate().subject_public_key_info().to_der().ok()?;
        match PublicKey::from_metadata("rsa", &STANDARD.encode(key)) {
            Err(KeyError::RsaSize { bits }) if bits < 2048 => Some(CertificateFault::WeakKey { bits }),
            _ => None,
        }
    }

    fn subject(&self) -> String {
        clean(&self.0.tbs_certificate().subject().to_string())
    }

    fn issuer(&self) -> String {
        clean(&self.0.tbs_certificate().issuer().to_string())
    }

    fn is_self_signed(&self) -> bool {
        self.0.tbs_certificate().issuer() == self.0.tbs_certificate().subject()
    }

    fn is_authority(&self) -> bool {
        let constraints = self.0.tbs_certificate().get_extension::<BasicConstraints>();
        matches!(constraints, Ok(Some((_, BasicConstraints { ca: true, .. }))))
    }

    fn not_after(&self) -> Timestamp {
        let not_after = self.0.tbs_certificate().validity().not_after.to_unix_duration();
        timestamp(UnixTime::since_unix_epoch(not_after))
    }

    fn wrong_name(&self, expected: String) -> CertificateFault {
        let names = self.names();
        if !names.is_empty() {
            return CertificateFault::WrongName { expected, names };
        }
        match self.0.tbs_certificate().subject().common_name() {
            Ok(Some(name)) => {
                CertificateFault::CommonNameOnly { expected, common_name: clean(&name.value()) }
            }
            _ => CertificateFault::NoName { expected },
        }
    }

    /// The DNS names and addresses that it is for; the first ten.
    fn names(&self) -> Vec<String> {
        use x509_cert::ext::pkix::name::GeneralName;
        let Ok(Some((_, SubjectAltName(names)))) = self.0.tbs_certificate().get_extension::<SubjectAltName>()
        else {
            return Vec::new();
        };
        let name = |name: &GeneralName| match name {
            GeneralName::DnsName(name) => Some(clean(name.as_str())),
            GeneralName::IpAddress(bytes) => address(bytes.as_bytes()),
            _ => None,
        };
        names.iter().filter_map(name).take(10).collect()
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).ok().map(std::net::IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(std::net::IpAddr::from);
    v4.or_else(v6).map(|address| address.to_string())
}

fn timestamp(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
