//! [`Endpoints`]: one [`Endpoint`] per (scheme, host, port, authorities), kept while it is in use.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::header::HeaderValue;
use url::{Host, Url};

use super::client_certificate::ClientCertificate;
use super::connect::Connector;
use super::endpoint::{Endpoint, Limits};
use super::fault::Fault;
use super::named_certificates::NamedCertificates;
use super::proxies::Proxies;
use super::tls::{Roots, Tls};
use crate::clock::SharedClock;
use crate::digest::Digest;
use crate::trust::{SecretRef, TrustServer};

/// Connections to a server that nobody asks any more are closed after this.
const UNUSED: Duration = Duration::from_secs(600);
/// More servers than any installation has.
const MAX_ENDPOINTS: u64 = 1024;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    secure: bool,
    host: String,
    port: u16,
    roots: Roots,
    /// The client certificate that is shown there.
    shown: Option<Digest>,
}

/// The servers that are talked to.
pub(super) struct Endpoints {
    kept: moka::future::Cache<Origin, Arc<Endpoint>>,
    tls: Tls,
    limits: Limits,
    proxies: Proxies,
    /// Those that policies name; `None` where nobody reads them.
    pub(super) named: Option<NamedCertificates>,
    /// Those of a command line, by the host and port that they are for.
    certificates: RwLock<HashMap<(String, u16), ClientCertificate>>,
}

impl Endpoints {
    pub(super) fn new(clock: SharedClock, limits: Limits, proxies: Proxies) -> Self {
        let kept = moka::future::Cache::builder().max_capacity(MAX_ENDPOINTS).time_to_idle(UNUSED).build();
        Self { kept, tls: Tls::new(clock), limits, proxies, named: None, certificates: RwLock::default() }
    }

    /// The endpoint of a trust server.
    pub(super) async fn server(&self, server: &TrustServer) -> Result<Arc<Endpoint>, Fault> {
        self.at(&server.url, roots(server), server.client_certificate.as_ref()).await
    }

    /// The endpoint of the token realm that a trust server names: the server's own when it is on the same port, so
    /// that they share connections.
    pub(super) async fn realm(&self, realm: &Url, server: &TrustServer) -> Result<Arc<Endpoint>, Fault> {
        let roots = match &server.ca_pem {
            // The admin's bundle is about the trust server; a token realm elsewhere may well have a public certificate.
            Some(pem) if realm.host() != server.url.host() => Roots::SystemAnd(pem.clone()),
            _ => roots(server),
        };
        // What a policy has shown to its trust server is no business of another host.
        let secret = server.client_certificate.as_ref().filter(|_| realm.host() == server.url.host());
        self.at(realm, roots, secret).await
    }

    /// Shows a certificate to a server that asks for one.
    pub(super) fn show_certificate(&self, url: &Url, certificate: ClientCertificate) {
        if let (Some(host), Some(port)) = (host(url), url.port_or_known_default()) {
            let mut certificates = self.certificates.write().unwrap_or_else(PoisonError::into_inner);
            certificates.insert((host, port), certificate);
        }
    }

    /// What is for this port, else for another one of the host, where its token service may be.
    fn certificate(&self, host: &str, port: u16) -> Option<ClientCertificate> {
        let certificates = self.certificates.read().unwrap_or_else(PoisonError::into_inner);
        let exact = certificates.get(&(host.to_owned(), port));
        let of_host = || certificates.iter().find(|((known, _), _)| known == host).map(|(_, found)| found);
        exact.or_else(of_host).cloned()
    }

    async fn at(&self, url: &Url, roots: Roots, secret: Option<&SecretRef>) -> Result<Arc<Endpoint>, Fault> {
        let secure = match url.scheme() {
            "https" => true,
            "http" if is_loopback(url) => false,
            "http" => return Err(Fault::PlainHttp),
            _ => return Err(Fault::Address),
        };
        let host = host(url).ok_or(Fault::Address)?;
        let port = url.port_or_known_default().ok_or(Fault::Address)?;
        // Authorities mean nothing without TLS, and must not make a second set of connections.
        let roots = if secure { roots } else { Roots::System };
        let certificate = match (&self.named, secret) {
            (Some(named), Some(secret)) if secure => Some(named.find(secret).await?),
            _ => self.certificate(&host, port).filter(|_| secure),
        };
        let shown = certificate.as_ref().map(ClientCertificate::digest);
        let origin = Origin { secure, host, port, roots, shown };
        let made = self.kept.try_get_with_by_ref(&origin, self.make(url, &origin, certificate)).await;
        made.map_err(Arc::unwrap_or_clone)
    }

    async fn make(
        &self,
        url: &Url,
        origin: &Origin,
        certificate: Option<ClientCertificate>,
    ) -> Result<Arc<Endpoint>, Fault> {
        let tls = match origin.secure {
            true => Some(self.tls.config(&origin.roots, certificate.as_ref()).await?),
            false => None,
        };
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let proxy = self.proxies.to(url)?;
        let host = HeaderValue::try_from(authority).map_err(|_| Fault::Address)?;
        let connector = Connector { host: origin.host.clone(), port: origin.port, tls, proxy };
        Ok(Arc::new(Endpoint::new(connector, host, self.limits)))
    }
}

fn roots(server: &TrustServer) -> Roots {
    server.ca_pem.clone().map_or(Roots::System, Roots::Bundle)
}

/// The host as DNS and TLS want it: IPv6 without brackets.
pub(super) fn host(url: &Url) -> Option<String> {
    url.host().map(|host| match host {
        Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    })
}

/// The address, where the host is one.
pub(super) fn ip(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.to_canonical()),
    }
}

/// Whether the host is this machine, by its name alone: `localhost` or a loopback address. Not `*.localhost`: some
/// resolvers ask the network for those.
pub fn is_loopback(url: &Url) -> bool {
    match ip(url) {
        Some(address) => address.is_loopback(),
        None => host(url).as_deref() == Some("localhost"),
    }
}

/// A URL as messages show it: without user, password, query and fragment.
pub(super) fn address(url: &Url) -> String {
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    format!("{}://{authority}{}", url.scheme(), url.path().trim_end_matches('/'))
}
