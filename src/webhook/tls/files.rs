//! [`ServingCertificate`]: read from files, read again when their content changes.
//!
//! Content, not inode or modification time: kubelet swaps the symlink `..data`, under which a watch on the file
//! goes blind.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;

use super::server_config;
use crate::clock::SharedClock;
use crate::telemetry::Metrics;

/// Where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM of the chain, the leaf first.
    pub certificate: PathBuf,
    /// PEM of the leaf's private key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// `tls.crt` and `tls.key`, as the volume of a Secret has them.
    pub fn in_folder(folder: &Path) -> Self {
        Self { certificate: folder.join("tls.crt"), key: folder.join("tls.key") }
    }
}

/// Why a certificate cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {message}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {what} in PEM{}", path.display(), colon(message))]
    Missing {
        /// Which.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What is wrong with it, if it is not just absent.
        message: String,
    },
    /// The certificate or the key is of a form that cannot be used.
    #[error("{} cannot be used: {message}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// They are not a pair.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// The API server would refuse it: it reads no common names.
    #[error("the certificate in {} names no host (subjectAltName): the API server ignores the common name", path.display())]
    NoNames {
        /// The certificate's file.
        path: PathBuf,
    },
    /// It is not valid now.
    #[error("the certificate in {} is valid from {from} to {until}; now is {now}", path.display())]
    OutsideValidity {
        /// The certificate's file.
        path: PathBuf,
        /// Its notBefore.
        from: Timestamp,
        /// Its notAfter.
        until: Timestamp,
        /// The time it was judged at.
        now: Timestamp,
    },
}

fn colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// What came of looking at the files again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// They are as they were.
    Unchanged,
    /// A new pair serves from now on.
    Replaced,
    /// They changed into something that cannot serve; the old pair goes on. Told once for one content.
    Refused(CertificateError),
}

/// The certificate that serves, and how to renew it.
pub struct ServingCertificate {
    files: CertificateFiles,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Pair>,
    seen: Mutex<Seen>,
}

/// What was last read.
struct Seen {
    fingerprint: Fingerprint,
    /// When it is valid, where that is all that is wrong with it.
    refused_outside: Option<(Timestamp, Timestamp)>,
}

/// What serves.
struct Pair {
    key: Arc<CertifiedKey>,
    from: Timestamp,
    until: Timestamp,
}

impl Pair {
    fn is_valid(&self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }
}

/// Identifies what was read, the failure to read included.
pub(super) type Fingerprint = Vec<u8>;

impl fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ServingCertificate {
    /// Reads the pair for the first time.
    ///
    /// # Errors
    /// [`CertificateError`] that says which file is wrong and how. A pair that is not valid yet is none: it serves, and is told.
    pub fn load(
        files: CertificateFiles,
        provider: Arc<CryptoProvider>,
        now: Timestamp,
    ) -> Result<Self, CertificateError> {
        let content = Content::read(&files);
        let seen = Seen { fingerprint: content.fingerprint(), refused_outside: None };
        let pair = content.pair(&files, &provider, now);
        let pair = pair.or_else(|error| content.early(&files, &provider, error))?;
        Ok(Self { files, provider, current: ArcSwap::from_pointee(pair), seen: Mutex::new(seen) })
    }

    /// Looks at the files again. A pair that cannot serve never replaces one that does; one that was not valid yet replaces one that
    /// is not valid either, and else is looked at again when its time has come, or that of the one that serves is over.
    pub fn reload(&self, now: Timestamp) -> Reload {
        let content = Content::read(&self.files);
        let fingerprint = content.fingerprint();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let serves = self.current.load().is_valid(now);
        // Of one that is not valid yet: its time has come, or there is nothing better any more.
        let has_come = seen
            .refused_outside
            .is_some_and(|(from, until)| from <= until && now <= until && (from <= now || !serves));
        if seen.fingerprint == fingerprint && !has_come {
            return Reload::Unchanged;
        }
        *seen = Seen { fingerprint, refused_outside: None };
        let pair = content.pair(&self.files, &self.provider, now).or_else(|error| match serves {
            true => Err(error),
            false => content.early(&self.files, &self.provider, error),
        });
        match pair {
            Ok(pair) => {
                self.current.store(Arc::new(pair));
                Reload::Replaced
            }
            Err(error) => {
                if let CertificateError::OutsideValidity { from, until, .. } = error {
                    seen.refused_outside = Some((from, until));
                }
                Reload::Refused(error)
            }
        }
    }

    /// Looks at the files `every` so often, for ever. Reading two small files is off the async threads.
    pub async fn watch(self: Arc<Self>, metrics: Metrics, clock: SharedClock, every: Duration) {
        loop {
            metrics.serving_certificate_expires(self.current.load().until.as_second());
            tokio::time::sleep(every).await;
            let (this, now) = (Arc::clone(&self), clock.now());
            let certificate = self.files.certificate.display();
            match tokio::task::spawn_blocking(move || this.reload(now)).await {
                Ok(Reload::Unchanged) => {}
                Ok(Reload::Replaced) => tracing::info!(file = %certificate, "serving certificate replaced"),
                Ok(Reload::Refused(error)) => {
                    tracing::error!(file = %certificate, %error, "new serving certificate refused, the old one goes on");
                }
                Err(error) => tracing::error!(%error, "reading the serving certificate failed"),
            }
        }
    }

    /// The rustls configuration that serves this certificate: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When the provider supports neither version.
    pub fn server_config(self: &Arc<Self>) -> Result<rustls::ServerConfig, rustls::Error> {
        server_config(Arc::<Self>::clone(self), Arc::clone(&self.provider), Arc::new(NoClientAuth))
    }

    /// The leaf that serves now.
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.current.load().key.cert.first().cloned()
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().key))
    }
}

/// What the two files hold.
struct Content {
    certificate: Result<Vec<u8>, CertificateError>,
    key: Result<Vec<u8>, CertificateError>,
}

impl Content {
    /// Reads until the certificate stands still, so that a swap between the two reads yields no mixed pair.
    fn read(files: &CertificateFiles) -> Self {
        const ATTEMPTS: usize = 3;
        let mut certificate = read(&files.certificate);
        for _ in 1..ATTEMPTS {
            let key = read(&files.key);
            let again = read(&files.certificate);
            if again == certificate {
                return Self { certificate, key };
            }
            certificate = again;
        }
        Self { certificate, key: read(&files.key) }
    }

    fn fingerprint(&self) -> Fingerprint {
        fingerprint([&self.certificate, &self.key])
    }

    /// The pair that is refused with `error`, where that says that it is not valid yet and nothing else is wrong with it. For where there
    /// is nothing better: API servers go by their own clocks.
    fn early(
        &self,
        files: &CertificateFiles,
        provider: &CryptoProvider,
        error: CertificateError,
    ) -> Result<Pair, CertificateError> {
        let from = match error {
            CertificateError::OutsideValidity { from, now, .. } if now < from => from,
            error => return Err(error),
        };
        let pair = self.pair(files, provider, from)?;
        let certificate = files.certificate.display();
        tracing::warn!(file = %certificate, %error, "served all the same: there is no other");
        Ok(pair)
    }

    fn pair(
        &self,
        files: &CertificateFiles,
        provider: &CryptoProvider,
        now: Timestamp,
    ) -> Result<Pair, CertificateError> {
        let chain = chain(&files.certificate, self.certificate.as_ref().map_err(Clone::clone)?)?;
        let key = private_key(&files.key, self.key.as_ref().map_err(Clone::clone)?)?;
        let (from, until) = judge_leaf(&files.certificate, &chain, now)?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::KeyMismatch {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
            },
            other => CertificateError::Unusable { path: files.key.clone(), message: other.to_string() },
        })?;
        Ok(Pair { key: Arc::new(key), from, until })
    }
}

/// Hashes, so that a private key is not kept in memory a second time.
pub(super) fn fingerprint<'a>(
    files: impl IntoIterator<Item = &'a Result<Vec<u8>, CertificateError>>,
) -> Fingerprint {
    let parts = files.into_iter().flat_map(|file| match file {
        Ok(bytes) => digest(&SHA256, bytes).as_ref().to_vec(),
        Err(error) => error.to_string().into_bytes(),
    });
    parts.collect()
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|error| CertificateError::Unreadable {
        path: path.to_owned(),
        message: match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            _ => error.to_string(),
        },
    })
}

pub(super) fn chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let missing =
        |message: String| CertificateError::Missing { path: path.to_owned(), what: "certificate", message };
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| missing(error.to_string()))?;
    if chain.is_empty() { Err(missing(String::new())) } else { Ok(chain) }
}

fn private_key(path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    use rustls::pki_types::pem::Error;
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| CertificateError::Missing {
        path: path.to_owned(),
        what: "private key",
        message: match error {
            Error::NoItemsFound => String::new(),
            other => other.to_string(),
        },
    })
}

/// What the API server, a Go program, will look at: names and validity. Answers the latter.
fn judge_leaf(
    path: &Path,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), CertificateError> {
    let unusable = |message: String| CertificateError::Unusable { path: path.to_owned(), message };
    let Some(leaf) = chain.first() else {
        return Err(unusable("the chain is empty".to_owned()));
    };
    let leaf = x509_cert::Certificate::from_der(leaf).map_err(|error| unusable(error.to_string()))?;
    let leaf = leaf.tbs_certificate();
    let named = leaf
        .get_extension::<SubjectAltName>()
        .map_err(|error| unusable(error.to_string()))?
        .is_some_and(|(_, names)| !names.0.is_empty());
    if !named {
        return Err(CertificateError::NoNames { path: path.to_owned() });
    }
    let timestamp = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or_else(|| unusable("its validity is beyond all times".to_owned()))
    };
    let (from, until) = (timestamp(leaf.validity().not_before)?, timestamp(leaf.validity().not_after)?);
    if now < from || now > until {
        return Err(CertificateError::OutsideValidity { path: path.to_owned(), from, until, now });
    }
    Ok((from, until))
}
