//! What TLS is offered: the certificate that serves, and which clients are believed. Both are exchanged while connections go on.

mod clients;
mod files;
mod handed;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, ResolvesServerCert};

pub use self::clients::ClientAuthority;
pub use self::files::{CertificateError, CertificateFiles, Reload, ServingCertificate};
pub use self::handed::HandedCertificate;

/// What new connections are offered. Clones share it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ArcSwap<ServerConfig>>,
    asks_clients: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("asks_clients", &self.asks_clients).finish_non_exhaustive()
    }
}

impl Tls {
    /// `certificate` for everybody who asks.
    ///
    /// # Errors
    /// When the provider supports neither TLS 1.2 nor 1.3.
    pub fn open(
        certificate: Arc<dyn ResolvesServerCert>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::Error> {
        Ok(Arc::new(server_config(certificate, provider, Arc::new(NoClientAuth))?).into())
    }

    /// What is offered now.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Whether callers have to present a certificate.
    pub(super) fn asks_clients(&self) -> bool {
        self.asks_clients
    }
}

impl From<Arc<ServerConfig>> for Tls {
    /// For everybody who asks, whatever the configuration asks of clients.
    fn from(config: Arc<ServerConfig>) -> Self {
        Self { config: Arc::new(ArcSwap::new(config)), asks_clients: false }
    }
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
fn server_config(
    certificate: Arc<dyn ResolvesServerCert>,
    provider: Arc<CryptoProvider>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
