//! [`HandedCertificate`]: the certificate that another part of the process makes and renews.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::webhook::Readiness;

/// Serves what the channel holds at the moment of each handshake.
#[derive(Debug, Clone)]
pub struct HandedCertificate(watch::Receiver<Option<Arc<CertifiedKey>>>);

impl HandedCertificate {
    /// Of `channel`; handshakes fail until there is something in it.
    pub fn new(channel: watch::Receiver<Option<Arc<CertifiedKey>>>) -> Self {
        Self(channel)
    }

    /// Turns readiness on with the first certificate; never returns.
    pub async fn await_first(mut self, readiness: Readiness) {
        if self.0.wait_for(Option::is_some).await.is_ok() {
            readiness.certificate_loaded();
        }
        std::future::pending().await
    }
}

impl ResolvesServerCert for HandedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().clone()
    }
}
