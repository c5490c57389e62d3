//! [`Material`]: what the Secret holds, read leniently: what is damaged is left out, and what is left decides what is done.

mod check;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::der::asn1::Utf8StringRef;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{self, Decode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use zeroize::Zeroizing;

use super::issue::BACKDATED;
pub(super) use check::is_issued_by;

/// The Secret's entries.
pub(super) const AUTHORITIES: &str = "ca.crt";
pub(super) const AUTHORITY_KEYS: &str = "ca.key";
pub(super) const LEAF: &str = "tls.crt";
pub(super) const LEAF_KEY: &str = "tls.key";

/// A certificate, and of it what counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) der: CertificateDer<'static>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// The subject, where it is a common name alone and written as tagseal writes it.
    pub(super) common_name: Option<String>,
    /// The DNS names that it is for.
    pub(super) names: Vec<String>,
    public_key: Vec<u8>,
}

/// A private key in PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PrivateKey(Zeroizing<String>);

/// An authority. Its key is there for as long as it is to issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) certificate: Certificate,
    pub(super) key: Option<PrivateKey>,
}

/// The certificate that replicas serve, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) certificate: Certificate,
    pub(super) key: PrivateKey,
}

/// What the Secret holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Material {
    /// Newest first.
    pub(super) authorities: Vec<Authority>,
    pub(super) leaf: Option<Leaf>,
}

/// A certificate or key cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

impl Certificate {
    pub(super) fn read(der: CertificateDer<'static>) -> Result<Self, Unreadable> {
        let failed = |error: der::Error| Unreadable(error.to_string());
        let certificate = x509_cert::Certificate::from_der(&der).map_err(failed)?;
        let certificate = certificate.tbs_certificate();
        let timestamp = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
            seconds
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .ok_or_else(|| Unreadable("its validity is beyond all times".to_owned()))
        };
        let validity = certificate.validity();
        let (from, until) = (timestamp(validity.not_before)?, timestamp(validity.not_after)?);
        let public_key = certificate.subject_public_key_info().subject_public_key.raw_bytes().to_vec();
        let common_name = common_name(certificate.subject());
        let names = match certificate.get_extension::<SubjectAltName>().map_err(failed)? {
            Some((_, SubjectAltName(names))) => names.iter().filter_map(dns_name).collect(),
            None => Vec::new(),
        };
        Ok(Self { from, until, common_name, names, public_key, der })
    }

    /// Whether it is for all of `names`.
    pub(super) fn is_for(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.names.iter().any(|own| own.eq_ignore_ascii_case(name)))
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }

    /// When it was made. One that would have been over by then was not dated back so far: an earlier tagseal made it, or somebody else.
    pub(super) fn issued(&self) -> Timestamp {
        let issued = self.from.checked_add(BACKDATED).ok();
        issued.filter(|issued| *issued <= self.until).unwrap_or(self.from)
    }

    /// When it is to be replaced: when a third of its time is left.
    pub(super) fn due(&self) -> Timestamp {
        let lifetime = self.until.duration_since(self.issued());
        self.until.saturating_sub(lifetime.max(SignedDuration::ZERO) / 3).unwrap_or(self.until)
    }

    fn pem(&self) -> Result<String, Unreadable> {
        der::pem::encode_string("CERTIFICATE", LineEnding::LF, &self.der)
            .map_err(|error| Unreadable(error.to_string()))
    }
}

fn dns_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        _ => None,
    }
}

/// rcgen can only name an issuer again that it named itself.
fn common_name(name: &x509_cert::name::Name) -> Option<String> {
    let mut attributes = name.iter();
    let attribute = attributes.next().filter(|_| attributes.next().is_none())?;
    (attribute.oid == der::oid::db::rfc4519::CN).then_some(())?;
    let name: Utf8StringRef<'_> = attribute.value.decode_as().ok()?;
    Some(name.as_str().to_owned())
}

impl PrivateKey {
    pub(super) fn new(pem: String) -> Self {
        Self(Zeroizing::new(pem))
    }

    pub(super) fn pem(&self) -> &str {
        &self.0
    }

    pub(super) fn pair(&self) -> Result<KeyPair, rcgen::Error> {
        KeyPair::from_pem(&self.0)
    }

    fn is_of(&self, certificate: &Certificate) -> bool {
        self.pair().is_ok_and(|pair| pair.der_bytes() == certificate.public_key)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl Material {
    /// What can be read of the Secret's entries, and what cannot.
    pub(super) fn read(data: &BTreeMap<String, ByteString>) -> (Self, Vec<String>) {
        let mut damage = Vec::new();
        let entry = |name: &str| data.get(name).map(|ByteString(bytes)| bytes.as_slice()).unwrap_or_default();
        let certificates = certificates(AUTHORITIES, entry(AUTHORITIES), &mut damage);
        let keys = keys(AUTHORITY_KEYS, entry(AUTHORITY_KEYS), &mut damage);
        let authorities: Vec<_> = certificates
            .into_iter()
            .map(|certificate| Authority {
                key: keys.iter().find(|key| key.is_of(&certificate)).cloned(),
                certificate,
            })
            .collect();
        if authorities.first().is_some_and(|newest| newest.key.is_none()) {
            damage.push(format!("{AUTHORITY_KEYS} has no key of the newest authority in {AUTHORITIES}"));
        }
        let leaf = certificates_first(LEAF, entry(LEAF), &mut damage);
        let key = keys_first(LEAF_KEY, entry(LEAF_KEY), &mut damage);
        let leaf = leaf.zip(key).and_then(|(certificate, key)| {
            let matches = key.is_of(&certificate);
            if !matches {
                damage.push(format!("the key in {LEAF_KEY} does not belong to the certificate in {LEAF}"));
            }
            matches.then_some(Leaf { certificate, key })
        });
        (Self { authorities, leaf }, damage)
    }

    /// The Secret's entries.
    pub(super) fn write(&self) -> Result<BTreeMap<String, ByteString>, Unreadable> {
        let keys = self.authorities.iter().filter_map(|authority| authority.key.as_ref());
        let keys: String = keys.map(PrivateKey::pem).collect();
        let (leaf, key) = match &self.leaf {
            Some(leaf) => (leaf.certificate.pem()?, leaf.key.pem().to_owned()),
            None => Default::default(),
        };
        let entries = [(AUTHORITIES, self.bundle()?), (AUTHORITY_KEYS, keys), (LEAF, leaf), (LEAF_KEY, key)];
        let entries = entries.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())));
        Ok(entries.into())
    }

    /// What the webhook configurations are to have as `caBundle`, PEM.
    pub(super) fn bundle(&self) -> Result<String, Unreadable> {
        self.authorities.iter().map(|authority| authority.certificate.pem()).collect()
    }

    /// The authority, by its place, that issued the leaf: the one by which an API server accepts it for `names` now.
    pub(super) fn issuer(&self, names: &[String], now: Timestamp) -> Option<usize> {
        let leaf = &self.leaf.as_ref()?.certificate;
        self.authorities.iter().position(|authority| is_issued_by(leaf, &authority.certificate, names, now))
    }

    /// The authority, by its place, that issued the leaf, whatever the time is and whatever the leaf is for: what a reader whose
    /// clock is wrong knows too.
    pub(super) fn signer(&self, now: Timestamp) -> Option<usize> {
        let leaf = &self.leaf.as_ref()?.certificate;
        self.authorities.iter().position(|Authority { certificate, .. }| {
            let both_are_valid =
                now.max(leaf.from.max(certificate.from)).min(leaf.until.min(certificate.until));
            is_issued_by(leaf, certificate, &leaf.names, both_are_valid)
        })
    }

    /// Whether the leaf is one that some API server accepts, or will: it is issued by an authority that is here, and not over.
    pub(super) fn stands(&self, now: Timestamp) -> bool {
        let leaf = self.leaf.as_ref().filter(|leaf| now <= leaf.certificate.until);
        leaf.is_some() && self.signer(now).is_some()
    }

    /// This, and the authorities of `other` that it lacks, each where it was among those that both have. Those have the keys
    /// of either.
    pub(super) fn with_authorities_of(self, other: &Self) -> Self {
        let mut others = other.authorities.iter().peekable();
        let mut authorities: Vec<Authority> = Vec::new();
        for mut own in self.authorities {
            let same = |it: &&Authority| it.certificate.der == own.certificate.der;
            if let Some(place) = others.clone().position(|it| same(&it)) {
                authorities.extend(others.by_ref().take(place).cloned());
                own.key = own.key.take().or(others.next().and_then(|it| it.key.clone()));
            }
            authorities.push(own);
        }
        authorities.extend(others.cloned());
        Self { authorities, leaf: self.leaf }
    }
}

fn certificates(entry: &str, pem: &[u8], damage: &mut Vec<String>) -> Vec<Certificate> {
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        match der.map_err(|error| error.to_string()) {
            Ok(der) => match Certificate::read(der) {
                Ok(certificate) => found.push(certificate),
                Err(error) => damage.push(format!("a certificate in {entry} cannot be read: {error}")),
            },
            Err(error) => damage.push(format!("{entry} cannot be read: {error}")),
        }
    }
    if found.is_empty() {
        damage.push(format!("{entry} holds no certificate"));
    }
    found
}

fn certificates_first(entry: &str, pem: &[u8], damage: &mut Vec<String>) -> Option<Certificate> {
    certificates(entry, pem, damage).into_iter().next()
}

fn keys(entry: &str, pem: &[u8], damage: &mut Vec<String>) -> Vec<PrivateKey> {
    const END: &str = "-----END PRIVATE KEY-----";
    let text = String::from_utf8_lossy(pem);
    let blocks = text.split_inclusive(END).filter(|block| block.contains(END));
    let keys = blocks.map(|block| PrivateKey::new(format!("{}\n", block.trim())));
    let (readable, broken): (Vec<_>, Vec<_>) = keys.partition(|key| key.pair().is_ok());
    if !broken.is_empty() {
        damage.push(format!("a private key in {entry} cannot be read"));
    } else if readable.is_empty() {
        damage.push(format!("{entry} holds no private key"));
    }
    readable
}

fn keys_first(entry: &str, pem: &[u8], damage: &mut Vec<String>) -> Option<PrivateKey> {
    keys(entry, pem, damage).into_iter().next()
}
