//! [`ClientAuthority`]: `--client-ca`: who may call.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::files::{CertificateError, Reload, chain, fingerprint, read};
use super::{Tls, server_config};

/// The authorities that issue callers' certificates, read from a file, and again when it changes.
///
/// A certificate is asked for and not insisted on: kubelet's probes have none. What is insisted on is the server's to say, by the
/// path that is called. One that is presented and not believed ends the handshake.
pub struct ClientAuthority {
    file: PathBuf,
    certificate: Arc<dyn ResolvesServerCert>,
    provider: Arc<CryptoProvider>,
    tls: Tls,
    seen: Mutex<Vec<u8>>,
}

impl std::fmt::Debug for ClientAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientAuthority").field("file", &self.file).finish_non_exhaustive()
    }
}

impl ClientAuthority {
    /// Reads the file (PEM) for the first time; `certificate` is what the server itself presents.
    ///
    /// # Errors
    /// [`CertificateError`] that says how the file is wrong.
    pub fn load(
        file: PathBuf,
        certificate: Arc<dyn ResolvesServerCert>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let content = read(&file);
        let seen = Mutex::new(fingerprint([&content]));
        let config = config(&file, content, Arc::clone(&certificate), Arc::clone(&provider))?;
        let tls = Tls { config: Arc::new(ArcSwap::from_pointee(config)), asks_clients: true };
        Ok(Self { file, certificate, provider, tls, seen })
    }

    /// What connections are offered.
    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Looks at the file again. Authorities that cannot be read never replace those that can.
    pub fn reload(&self) -> Reload {
        let content = read(&self.file);
        let fingerprint = fingerprint([&content]);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == fingerprint {
                return Reload::Unchanged;
            }
            *seen = fingerprint;
        }
        match config(&self.file, content, Arc::clone(&self.certificate), Arc::clone(&self.provider)) {
            Ok(config) => {
                // The whole of it: a session that began under the old authorities is not resumed under the new.
                self.tls.config.store(Arc::new(config));
                Reload::Replaced
            }
            Err(error) => Reload::Refused(error),
        }
    }

    /// Looks at the file `every` so often, for ever.
    pub async fn watch(self, every: Duration) {
        let this = Arc::new(self);
        loop {
            tokio::time::sleep(every).await;
            let (file, looking) = (this.file.display(), Arc::clone(&this));
            match tokio::task::spawn_blocking(move || looking.reload()).await {
                Ok(Reload::Unchanged) => {}
                Ok(Reload::Replaced) => tracing::info!(%file, "client authorities replaced"),
                Ok(Reload::Refused(error)) => {
                    tracing::error!(%file, %error, "new client authorities refused, the old ones go on");
                }
                Err(error) => tracing::error!(%error, "reading the client authorities failed"),
            }
        }
    }
}

fn config(
    file: &std::path::Path,
    content: Result<Vec<u8>, CertificateError>,
    certificate: Arc<dyn ResolvesServerCert>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, CertificateError> {
    let unusable = |message: String| CertificateError::Unusable { path: file.to_owned(), message };
    let mut roots = RootCertStore::empty();
    for authority in chain(file, &content?)? {
        roots.add(authority).map_err(|error| unusable(error.to_string()))?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    server_config(certificate, provider, clients).map_err(|error| unusable(error.to_string()))
}
