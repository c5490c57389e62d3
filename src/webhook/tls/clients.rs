//! [`ClientAuthority`] and [`ClientNames`]: `--client-ca` and `--client-name`: who may call.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use x509_cert::der::Decode as _;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::files::{CertificateError, Reload, chain, fingerprint, read};
use super::{Tls, server_config};

/// The names of which a client's certificate has to bear one: as its subject's common name, or as a DNS name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientNames(Vec<String>);

impl ClientNames {
    /// One of `names`; of none at all, whatever it bears.
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether `certificate`, which is believed, bears one of them; if not, what it bears.
    pub(in crate::webhook) fn admit(&self, certificate: &CertificateDer<'_>) -> Result<(), Vec<String>> {
        let Self(names) = self;
        if names.is_empty() {
            return Ok(());
        }
        let Ok(certificate) = x509_cert::Certificate::from_der(certificate) else { return Err(Vec::new()) };
        let certificate = certificate.tbs_certificate();
        let subject = certificate.subject();
        // A subject with several says nothing that is certain.
        let is_one = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME).count() == 1;
        let common_name = subject.common_name().ok().flatten().filter(|_| is_one);
        let common_name = common_name.map(|name| name.value().into_owned());
        let alternative = match certificate.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names,
            _ => Vec::new(),
        };
        let alternative: Vec<_> = alternative
            .iter()
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
                _ => None,
            })
            .collect();
        let is_named = names.iter().any(|name| {
            common_name.as_ref() == Some(name) || alternative.iter().any(|own| own.eq_ignore_ascii_case(name))
        });
        if is_named { Ok(()) } else { Err(common_name.into_iter().chain(alternative).collect()) }
    }
}

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
    /// Reads the file (PEM) for the first time; `certificate` is what the server itself presents. Of the callers that the
    /// authorities issued certificates to, those whose bear one of `names` may call.
    ///
    /// # Errors
    /// [`CertificateError`] that says how the file is wrong.
    pub fn load(
        file: PathBuf,
        certificate: Arc<dyn ResolvesServerCert>,
        provider: Arc<CryptoProvider>,
        names: ClientNames,
    ) -> Result<Self, CertificateError> {
        let content = read(&file);
        let seen = Mutex::new(fingerprint([&content]));
        let config = config(&file, content, Arc::clone(&certificate), Arc::clone(&provider))?;
        let tls = Tls::asking(config, names);
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
                self.tls.exchange(config);
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
