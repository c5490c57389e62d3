//! Root certificates: the leaf rules of Notary v1, and chains to a pinned CA.

use jiff::Timestamp;

use super::key::PublicKey;
use super::role::Gun;

/// The certificates of an `*-x509` key: one leaf, then intermediates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateChain(Vec<Vec<u8>>);

/// Pinned certificate authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle(Vec<Vec<u8>>);

/// Why a certificate does not make a root key count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Placeholder.
    #[error("certificate is not valid")]
    Invalid,
}

impl CertificateChain {
    /// The bare key in the leaf.
    pub fn leaf_key(&self) -> &PublicKey {
        todo!()
    }

    /// Whether the leaf may stand for `gun` at `now` (Notary v1, client verification, "Certificates").
    ///
    /// # Errors
    /// [`CertificateError`] that carries the names or dates.
    pub fn check_leaf(&self, gun: &Gun, now: Timestamp) -> Result<(), CertificateError> {
        let _ = (gun, now);
        todo!()
    }
}

impl CaBundle {
    /// Reads PEM certificates.
    ///
    /// # Errors
    /// [`CertificateError`] when there is none, or one does not parse.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let _ = pem;
        todo!()
    }

    /// Whether the chain's leaf leads to one of these authorities at `now`. Extended key usage is ignored.
    ///
    /// # Errors
    /// [`CertificateError`] saying where the chain ends.
    pub fn check_chain(&self, chain: &CertificateChain, now: Timestamp) -> Result<(), CertificateError> {
        let _ = (chain, now);
        todo!()
    }
}
