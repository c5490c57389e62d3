//! Makes authorities and leaves: ECDSA P-256, accepted by Go (the API server) and by rustls.

use std::time::{Duration, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use super::material::{Authority, Certificate, Leaf, PrivateKey, Unreadable};

/// The most that a leader's clock may be fast for the order of steps to be kept all the same: what a machine that takes local
/// time for UTC is wrong by, and some. One whose clock is slow keeps it however slow that is.
pub(super) const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(24);
/// How far back a certificate's validity begins: API servers accept at once what a leader issued whose clock is fast by
/// [`CLOCKS_DIFFER`], and their own may be late by some besides. How long it is valid is counted from now.
pub(super) const BACKDATED: SignedDuration = SignedDuration::from_hours(CLOCKS_DIFFER.as_hours() + 1);
/// An authority lives this many times as long as a leaf.
const AUTHORITY_LIVES: i32 = 4;

/// How long certificates are valid, and how long API servers take to learn of a new authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    leaf: SignedDuration,
}

impl Lifetimes {
    /// So that leaves are valid for `leaf`, and authorities four times as long.
    pub fn of_leaf(leaf: SignedDuration) -> Self {
        Self { leaf }
    }

    pub(super) fn leaf(self) -> SignedDuration {
        self.leaf
    }

    pub(super) fn authority(self) -> SignedDuration {
        self.leaf.saturating_mul(AUTHORITY_LIVES)
    }

    /// How long a new authority stands in the webhook configurations before it issues: every API server watches them with
    /// a cache of its own. They are a second behind at most times; a watch that died in silence is found out in half a
    /// minute.
    pub(super) fn settle(self) -> SignedDuration {
        SignedDuration::from_secs(30).min(self.leaf / 6)
    }
}

/// A certificate could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum IssueError {
    /// rcgen, or the random numbers below it.
    #[error("a certificate could not be made: {0}")]
    Making(String),
    /// What was made cannot be read.
    #[error("a certificate that was just made cannot be read: {0}")]
    Reading(#[from] Unreadable),
    /// Only an authority of tagseal's own making, and with its key, issues.
    #[error("the authority has no key, or was not made by tagseal")]
    NoIssuer,
    /// What was made would be refused: by the names, say, that it is to be for.
    #[error("a certificate that was just made would not be accepted for the names that it is for")]
    NotAccepted,
}

impl From<rcgen::Error> for IssueError {
    fn from(error: rcgen::Error) -> Self {
        Self::Making(error.to_string())
    }
}

/// A new authority, valid from `now`.
pub(super) fn authority(now: Timestamp, lifetimes: Lifetimes) -> Result<Authority, IssueError> {
    let key = KeyPair::generate()?;
    let mut params = params(common_name(now), Vec::new(), now, until(now, lifetimes.authority()))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let der = params.self_signed(&key)?.der().clone();
    Ok(Authority { certificate: Certificate::read(der)?, key: Some(PrivateKey::new(key.serialize_pem())) })
}

/// A new leaf for `names`, valid from `now` for as long as a leaf is, and no longer than `issuer`: when an authority is
/// over, so is everything that it issued.
pub(super) fn leaf(
    issuer: &Authority,
    names: &[String],
    now: Timestamp,
    lifetimes: Lifetimes,
) -> Result<Leaf, IssueError> {
    let (Some(key), Some(name)) = (&issuer.key, &issuer.certificate.common_name) else {
        return Err(IssueError::NoIssuer);
    };
    let mut authority = CertificateParams::default();
    authority.distinguished_name = distinguished_name(name);
    let authority = Issuer::new(authority, key.pair()?);

    let first = names.first().cloned().unwrap_or_default();
    let mut params = params(first, names.to_vec(), now, leaf_until(issuer, now, lifetimes))?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let der = params.signed_by(&key, &authority)?.der().clone();
    Ok(Leaf { certificate: Certificate::read(der)?, key: PrivateKey::new(key.serialize_pem()) })
}

/// Until when a leaf is valid that `issuer` issues now.
pub(super) fn leaf_until(issuer: &Authority, now: Timestamp, lifetimes: Lifetimes) -> Timestamp {
    until(now, lifetimes.leaf()).min(issuer.certificate.until)
}

fn until(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}

/// Told apart by name, so that nobody tries one authority's key on another's leaf.
fn common_name(now: Timestamp) -> String {
    format!("tagseal webhook authority of {}", seconds(now))
}

fn distinguished_name(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

fn params(
    name: String,
    names: Vec<String>,
    now: Timestamp,
    until: Timestamp,
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::new(names)?;
    // A common name has at most 64 characters (X.520); nobody reads a leaf's.
    params.distinguished_name = distinguished_name(&name.chars().take(64).collect::<String>());
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(seconds)
    };
    params.not_before = at(now.saturating_sub(BACKDATED).unwrap_or(now)).into();
    params.not_after = at(until).into();
    Ok(params)
}

/// To the second, as certificates have times.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
