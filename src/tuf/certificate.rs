//! Root certificates: the leaf rules of Notary v1, and chains to a pinned CA.

mod authority;
mod error;
mod parsed;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use self::authority::CaBundle;
pub(super) use self::authority::Searches;
pub use self::error::CertificateError;
use self::parsed::Certificate;
use super::canonical::shortened;
use super::key::{PublicKey, pem};
use super::role::Gun;
use crate::limits::CHAIN_CERTIFICATES;

/// A certificate may start being valid this much later than now (Notary v1, "Certificates").
const NOT_BEFORE_LEEWAY: SignedDuration = SignedDuration::from_hours(24);

/// The certificates of an `*-x509` key: one leaf, then intermediates.
///
/// Anything that parses is kept, because delegation keys have fewer rules than root keys; [`Self::check_leaf`] holds
/// the rules for root keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateChain {
    leaf_key: PublicKey,
    leaf: Certificate,
    rest: Vec<Certificate>,
    /// Whether the PEM is byte for byte what Go writes for these certificates.
    is_normal: bool,
}

impl CertificateChain {
    /// Reads PEM certificates, the leaf first.
    ///
    /// # Errors
    /// [`CertificateError`] when there is none or too many, one does not parse, or the leaf is too weak to count: a
    /// SHA-1 signature or an RSA key below 2048 bits, which Notary refuses of delegation keys too.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let (normal, certificates) = read_pem(text, CHAIN_CERTIFICATES)?;
        let mut certificates = certificates.into_iter();
        let leaf =
            certificates.next().ok_or(CertificateError::Count { found: 0, max: CHAIN_CERTIFICATES })?;
        leaf.check_strength()?;
        let leaf_key = leaf.key()?;
        Ok(Self { leaf_key, leaf, rest: certificates.collect(), is_normal: normal == text })
    }

    /// The bare key in the leaf.
    pub fn leaf_key(&self) -> &PublicKey {
        &self.leaf_key
    }

    /// The leaf's common name, if it has exactly one.
    pub fn common_name(&self) -> Option<&str> {
        self.leaf.common_name.as_deref()
    }

    /// When the leaf stops being valid.
    pub const fn not_after(&self) -> Timestamp {
        self.leaf.not_after
    }

    /// Whether the leaf is valid at `now`, with a day of leeway before it begins: what Notary asks of a delegation key's
    /// certificate when it is added, and never again.
    ///
    /// # Errors
    /// [`CertificateError`] that carries the dates.
    pub fn check_validity(&self, now: Timestamp) -> Result<(), CertificateError> {
        self.leaf.check_window()?;
        self.leaf.check_validity(now)
    }

    /// Whether the leaf may stand for `gun` at `now` (Notary v1, client verification, "Certificates"). Tolerance for
    /// clocks is the caller's: it may pass an earlier `now`.
    ///
    /// Notary's clients recompute the key ID from the leaf and those intermediates that are valid now, so a PEM in
    /// another form, or an intermediate that is not valid, keeps the key from counting. Here both are errors of their
    /// own: the ID is always the one of the metadata, whatever the time is.
    ///
    /// # Errors
    /// [`CertificateError`] that carries the names or dates.
    pub fn check_leaf(&self, gun: &Gun, now: Timestamp) -> Result<(), CertificateError> {
        self.check_leaf_at_any_time(gun)?;
        self.leaf.check_validity(now)?;
        self.rest.iter().try_for_each(|intermediate| {
            intermediate.check_strength()?;
            intermediate.check_validity(now)
        })
    }

    /// As [`Self::check_leaf`], but for validity: the waiver for the root that a newer root succeeds (Notary v1,
    /// "Certificates": expiry is ignored for the previous root's leaves).
    ///
    /// # Errors
    /// [`CertificateError`] that carries the names.
    pub fn check_leaf_at_any_time(&self, gun: &Gun) -> Result<(), CertificateError> {
        let leaves = std::iter::once(&self.leaf).chain(&self.rest).filter(|c| !c.is_authority).count();
        if leaves != 1 {
            return Err(CertificateError::Leaves { found: leaves });
        }
        if self.leaf.is_authority {
            return Err(CertificateError::LeafNotFirst);
        }
        if !self.is_normal {
            return Err(CertificateError::Form);
        }
        let name = self.common_name().ok_or(CertificateError::NoName)?;
        if !stands_for(name, gun) {
            return Err(CertificateError::Name { gun: gun.clone(), found: shortened(name) });
        }
        self.leaf.check_window()
    }
}

/// The common name is the GUN, or ends in `*` and the rest is a string prefix of the GUN.
fn stands_for(common_name: &str, gun: &Gun) -> bool {
    match common_name.strip_suffix('*') {
        Some(prefix) => gun.as_str().starts_with(prefix.trim_end_matches('*')),
        None => common_name == gun.as_str(),
    }
}

/// Reads 1 to `max` certificates, and gives the PEM that Go would write for them.
fn read_pem(text: &str, max: usize) -> Result<(String, Vec<Certificate>), CertificateError> {
    let blocks = pem::blocks(text).map_err(CertificateError::Pem)?;
    if blocks.is_empty() || blocks.len() > max {
        return Err(CertificateError::Count { found: blocks.len(), max });
    }
    if let Some(other) = blocks.iter().find(|block| block.label != "CERTIFICATE") {
        return Err(CertificateError::Pem(format!("a block {:?}", shortened(&other.label))));
    }
    let normal = blocks.iter().map(|block| pem::encode(&block.label, &block.der)).collect();
    let certificates =
        blocks.iter().map(|block| Certificate::from_der(&block.der)).collect::<Result<_, _>>()?;
    Ok((normal, certificates))
}
