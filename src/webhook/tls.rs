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
use tokio::sync::watch;

pub use self::clients::{ClientAuthority, ClientNames};
pub use self::files::{CertificateError, CertificateFiles, Reload, ServingCertificate};
pub use self::handed::HandedCertificate;

/// What new connections are offered. Clones share it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ArcSwap<ServerConfig>>,
    /// Changes with the client authorities.
    generation: Arc<watch::Sender<()>>,
    /// `None`: callers are asked for no certificate.
    clients: Option<Arc<ClientNames>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("clients", &self.clients).finish_non_exhaustive()
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

    /// Offers `config`, and to callers whose certificates bear one of `clients`.
    fn asking(config: ServerConfig, clients: ClientNames) -> Self {
        Self { clients: Some(Arc::new(clients)), ..Arc::new(config).into() }
    }

    /// What is offered now, and what changes when that does not hold any more.
    pub(super) fn current(&self) -> (Arc<ServerConfig>, Generation) {
        // In this order: one that is exchanged in between is taken for older than it is, and not for newer.
        let generation = Generation(self.generation.subscribe());
        (self.config.load_full(), generation)
    }

    /// Offers another from now on; connections that began under the one before learn that they are old.
    fn exchange(&self, config: ServerConfig) {
        self.config.store(Arc::new(config));
        self.generation.send_replace(());
    }

    /// Which clients may call; `None`: they are not asked who they are.
    pub(super) fn clients(&self) -> Option<&ClientNames> {
        self.clients.as_deref()
    }
}

/// Under which client authorities a connection began.
#[derive(Debug, Clone)]
pub(super) struct Generation(watch::Receiver<()>);

impl Generation {
    /// Whether they have been exchanged since: one comparison.
    pub(super) fn is_over(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits until they are.
    pub(super) async fn over(mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl From<Arc<ServerConfig>> for Tls {
    /// For everybody who asks, whatever the configuration asks of clients.
    fn from(config: Arc<ServerConfig>) -> Self {
        let config = Arc::new(ArcSwap::new(config));
        Self { config, generation: Arc::new(watch::Sender::new(())), clients: None }
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
