//! TLS towards a trust server: whom to believe, and how a failure is told.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use tokio::sync::OnceCell;

use super::client_certificate::ClientCertificate;
use super::fault::Fault;
use super::peer::{self, CertificateFault};
use crate::clock::SharedClock;

/// Which authorities may vouch for a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Roots {
    /// Those of the machine.
    System,
    /// Those of a PEM bundle, and no other.
    Bundle(Arc<str>),
    /// Both: for a token realm that is not on the trust server's host.
    SystemAnd(Arc<str>),
}

impl Roots {
    /// How they are named in messages.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::System => "the system's roots",
            Self::Bundle(_) => "the CA bundle",
            Self::SystemAnd(_) => "the system's roots and the CA bundle",
        }
    }
}

/// Makes TLS configurations; reads the machine's roots once.
#[derive(Debug)]
pub(super) struct Tls {
    clock: SharedClock,
    system: OnceCell<Arc<[CertificateDer<'static>]>>,
}

impl Tls {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, system: OnceCell::new() }
    }

    /// The configuration that believes `roots`, and shows this certificate where one is asked for.
    pub(super) async fn config(
        &self,
        roots: &Roots,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Arc<ClientConfig>, Fault> {
        let mut store = RootCertStore::empty();
        match roots {
            Roots::System => self.add_system(&mut store).await?,
            Roots::Bundle(pem) => add_bundle(&mut store, pem)?,
            Roots::SystemAnd(pem) => {
                // A machine without roots of its own is no reason to refuse what the bundle vouches for.
                let _ = self.add_system(&mut store).await;
                add_bundle(&mut store, pem)?;
            }
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new(store, provider.clone(), roots)?;
        let time = Arc::new(Time(self.clock.clone()));
        let config = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::Setup { cause: error.to_string() })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match certificate {
            Some(certificate) => config.with_client_cert_resolver(certificate.resolver()),
            None => config.with_no_client_auth(),
        };
        // notary-server speaks HTTP/1.1 only.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    async fn add_system(&self, store: &mut RootCertStore) -> Result<(), Fault> {
        let certificates = self
            .system
            .get_or_try_init(|| async {
                let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs)
                    .await
                    .map_err(|error| Fault::Setup { cause: error.to_string() })?;
                match found.errors.first() {
                    _ if !found.certs.is_empty() => Ok(found.certs.into()),
                    Some(error) => Err(Fault::NoSystemRoots { cause: error.to_string() }),
                    None => Err(Fault::NoSystemRoots { cause: "none were found".to_owned() }),
                }
            })
            .await?;
        // As browsers do: an authority of the machine that cannot be read vouches for nobody.
        let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
        match added {
            0 => Err(Fault::NoSystemRoots { cause: "none can be read".to_owned() }),
            _ => Ok(()),
        }
    }
}

fn add_bundle(store: &mut RootCertStore, pem: &str) -> Result<(), Fault> {
    let before = store.len();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| Fault::CaBundle { cause: error.to_string() })?;
        store.add(certificate).map_err(|error| Fault::CaBundle { cause: error.to_string() })?;
    }
    if store.len() == before {
        return Err(Fault::CaBundle { cause: "it has no CERTIFICATE block".to_owned() });
    }
    Ok(())
}

/// The program's clock, as rustls asks for it.
#[derive(Debug)]
struct Time(SharedClock);

impl rustls::time_provider::TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

/// webpki's verdict, unchanged, with its failures told from the certificate that the server showed.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    roots: &'static str,
}

impl Verifier {
    fn new(store: RootCertStore, provider: Arc<CryptoProvider>, roots: &Roots) -> Result<Self, Fault> {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
            .build()
            .map_err(|error| Fault::Setup { cause: error.to_string() })?;
        Ok(Self { inner, roots: roots.describe() })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let told = |fault: CertificateFault| {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
        };
        let verified =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(rustls::Error::InvalidCertificate(error)) => {
                Err(told(peer::explain(end_entity, &error, server_name, self.roots)))
            }
            // The handshake would fail by it, and say nothing of it.
            Ok(verified) => peer::weak_key(end_entity).map_or(Ok(verified), |fault| Err(told(fault))),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// What a server says that does not like the client's certificate, or lacks one (RFC 8446, 6.2). In TLS 1.3 it comes in place
/// of the answer: the client's handshake is over by then.
pub(super) fn client_fault(error: &hyper::Error) -> Option<Fault> {
    let error = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?;
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) if is_about_client(*alert) => {
            Some(Fault::ClientCertificate { alert: format!("{alert:?}") })
        }
        _ => None,
    }
}

fn is_about_client(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

/// What made a handshake fail.
pub(super) fn handshake_fault(error: &std::io::Error) -> Fault {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => Fault::HandshakeClosed,
            _ => Fault::Handshake { cause: error.to_string() },
        };
    };
    match tls {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            match inner.downcast_ref::<CertificateFault>() {
                Some(fault) => Fault::Certificate(fault.clone()),
                None => Fault::Handshake { cause: inner.to_string() },
            }
        }
        rustls::Error::AlertReceived(alert) if is_about_client(*alert) => {
            Fault::ClientCertificate { alert: format!("{alert:?}") }
        }
        // What looks like no TLS record at all is, in practice, "HTTP/1.1 400 Bad Request".
        rustls::Error::InvalidMessage(_) => Fault::NotTls,
        other => Fault::Handshake { cause: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &str = include_str!("../../tests/data/keys/server-ca.crt.pem");
    /// Within the validity of the fixtures.
    const NOW: UnixTime = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_900_000_000));

    /// What is said of a server at `notary.test` with this certificate, where its authority is believed.
    fn told(certificate: &str) -> String {
        let mut store = RootCertStore::empty();
        add_bundle(&mut store, AUTHORITY).unwrap();
        let verifier =
            Verifier::new(store, Arc::new(ring::default_provider()), &Roots::Bundle(AUTHORITY.into()))
                .unwrap();
        let leaf = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let name = ServerName::try_from("notary.test").unwrap();
        let error = verifier.verify_server_cert(&leaf, &[], &name, &[], NOW).unwrap_err();
        match handshake_fault(&std::io::Error::other(error)) {
            Fault::Certificate(fault) => format!("{fault}: {}", fault.advice("--server", "--ca-bundle")),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_certificate_that_is_signed_with_sha_1_is_told_by_that() {
        assert_eq!(
            told(include_str!("../../tests/data/keys/server-sha1.crt.pem")),
            "its certificate is signed with SHA-1, which can be forged and is not believed: whoever runs the server has to \
             have it issued anew, signed with SHA-256"
        );
    }

    #[test]
    fn a_certificate_for_a_short_rsa_key_is_told_by_that() {
        assert_eq!(
            told(include_str!("../../tests/data/keys/server-rsa1024.crt.pem")),
            "its certificate has an RSA key of 1024 bits, and fewer than 2048 are not believed: whoever runs the server has \
             to have it issued anew, for a key of 2048 bits or more, or an ECDSA key"
        );
    }
}
