//! [`HandedCertificate`]: the certificate that another part of the process makes and renews.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::webhook::Readiness;

/// Serves what the channel holds at the moment of each handshake.
#[derive(Debug, Clone)]
pub struct HandedCertificate {
    channel: watch::Receiver<Option<Arc<CertifiedKey>>>,
    remark: Option<watch::Receiver<Option<String>>>,
}

impl HandedCertificate {
    /// Of `channel`; handshakes fail until there is something in it.
    pub fn new(channel: watch::Receiver<Option<Arc<CertifiedKey>>>) -> Self {
        Self { channel, remark: None }
    }

    /// The same, and what there is to say of it, which readiness repeats.
    pub fn with_remark(self, remark: watch::Receiver<Option<String>>) -> Self {
        Self { remark: Some(remark), ..self }
    }

    /// Turns readiness on with the first certificate; never returns.
    pub async fn await_first(mut self, readiness: Readiness) {
        if let Some(remark) = self.remark.take() {
            readiness.certificate_remark(remark);
        }
        if self.channel.wait_for(Option::is_some).await.is_ok() {
            readiness.certificate_loaded();
        }
        std::future::pending().await
    }
}

impl ResolvesServerCert for HandedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.channel.borrow().clone()
    }
}
