//! [`ClientCertificate`]: what is shown to a server that asks for a client certificate.

use std::fmt;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys};

use crate::digest::Digest;

/// A certificate, with those of the authorities below the server's, and its private key.
#[derive(Clone)]
pub struct ClientCertificate {
    shown: Arc<dyn ResolvesClientCert>,
    /// Of the certificate: who shows another one has other connections.
    digest: Digest,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientCertificateError {
    /// About the certificate.
    #[error("it has no certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// About the certificate.
    #[error("a certificate in it cannot be read ({cause})")]
    Certificate {
        /// What is wrong with it.
        cause: String,
    },
    /// About the key.
    #[error("it has no private key (-----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// About the key.
    #[error("the private key is encrypted, and is needed without a passphrase")]
    Encrypted,
    /// About the key.
    #[error("the private key cannot be used ({cause})")]
    Key {
        /// What is wrong with it.
        cause: String,
    },
    /// About both.
    #[error("the private key is not that of the certificate")]
    Mismatch,
}

impl ClientCertificateError {
    /// Whether it is about the certificate, and not about the key.
    pub fn is_of_certificate(&self) -> bool {
        matches!(self, Self::NoCertificate | Self::Certificate { .. })
    }
}

impl ClientCertificate {
    /// Reads both in PEM. The certificate comes first of its chain; the key is PKCS#8, PKCS#1 or SEC1, not encrypted.
    ///
    /// # Errors
    /// [`ClientCertificateError`].
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, ClientCertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| ClientCertificateError::Certificate { cause: error.to_string() })?;
        let Some(leaf) = chain.first() else { return Err(ClientCertificateError::NoCertificate) };
        let digest = Digest::of(leaf);
        // PKCS#8, and what OpenSSL wrote before it (RFC 1421, "Proc-Type").
        if key.contains("BEGIN ENCRYPTED PRIVATE KEY") || key.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(ClientCertificateError::Encrypted);
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| ClientCertificateError::NoKey)?;
        let unusable = |error: Error| ClientCertificateError::Key { cause: error.to_string() };
        let certified = CertifiedKey::new(chain, any_supported_type(&key).map_err(unusable)?);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => return Err(ClientCertificateError::Mismatch),
            Err(error) => return Err(ClientCertificateError::Certificate { cause: error.to_string() }),
        }
        Ok(Self { shown: Arc::new(SingleCertAndKey::from(certified)), digest })
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(&self.shown)
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("digest", &self.digest).finish_non_exhaustive()
    }
}
