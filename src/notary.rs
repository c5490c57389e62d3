//! The HTTP adapter to a Notary v1 trust server: implements `trust::MetadataSource`.
//!
//! A request goes through four hands: [`NotaryClient`] names the file, [`auth`] shows who asks, [`retry`] asks
//! again, [`endpoint`] holds the connections and the budget. What a server sends is bounded in bytes and time
//! before anybody looks at it; redirects are not followed and nothing is unpacked (design §4 "Update").

mod audience;
mod auth;
mod body;
mod challenge;
mod client_certificate;
mod connect;
mod deadline;
mod endpoint;
mod endpoints;
mod fault;
mod named_certificates;
mod peer;
mod proxies;
mod realm;
mod registry;
mod remote;
mod retry;
mod right;
mod tls;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use self::audience::Audience;
use self::auth::{Asker, Auth, Failed, Reader};
pub use self::client_certificate::{ClientCertificate, ClientCertificateError};
use self::deadline::Deadline;
pub use self::endpoint::Limits;
use self::endpoint::{Call, Reply};
pub use self::endpoints::is_loopback;
use self::endpoints::{Endpoints, address};
use self::fault::{Fault, clean};
use self::named_certificates::NamedCertificates;
pub use self::proxies::Proxies;
pub use self::registry::{Manifest, Registry};
pub use self::remote::{Rejection, Remote, RemoteError};
use self::right::Right;
use crate::clock::SharedClock;
use crate::telemetry::Metrics;
use crate::trust::{BoxFuture, ClientCertificates, MetadataSource, SourceError, SourceRequest};
use crate::tuf::{FileName, Gun, Selector};

/// How tagseal names itself to servers.
const USER_AGENT: &str = concat!("tagseal/", env!("CARGO_PKG_VERSION"));

/// Reads Notary v1 trust servers over HTTP. One per process: it holds the connections and the tokens.
pub struct NotaryClient {
    endpoints: Endpoints,
    auth: Auth,
    clock: SharedClock,
    metrics: Metrics,
    /// Who named the servers.
    reads_for: ReadsFor,
}

/// Where the servers are named that trust data is read from.
#[derive(Debug, Clone, Copy)]
enum ReadsFor {
    Policies,
    CommandLine,
}

impl NotaryClient {
    /// A client with the design's limits and the proxies of the environment.
    ///
    /// `clock` judges certificates and tokens of connections: it is the real one, also under `--at`.
    pub fn new(clock: SharedClock) -> Self {
        Self::with(clock, Limits::default(), Proxies::from_env())
    }

    /// A client with these limits and proxies. Loopback hosts are never reached through a proxy.
    pub fn with(clock: SharedClock, limits: Limits, proxies: Proxies) -> Self {
        let endpoints = Endpoints::new(clock.clone(), limits, proxies);
        Self {
            endpoints,
            auth: Auth::new(clock.clone()),
            clock,
            metrics: Metrics::default(),
            reads_for: ReadsFor::Policies,
        }
    }

    /// The same, which counts what it is answered.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The same for a command that names its server itself: its messages advise options, not fields of a policy.
    #[must_use]
    pub fn for_command_line(self) -> Self {
        Self { reads_for: ReadsFor::CommandLine, ..self }
    }

    /// Shows this certificate to the server at `url`, and to no other host, if it asks for one.
    pub fn show_certificate(&self, url: &Url, certificate: ClientCertificate) {
        self.endpoints.show_certificate(url, certificate);
    }

    /// The same, which reads the client certificates that policies name.
    #[must_use]
    pub fn with_client_certificates(mut self, source: Arc<dyn ClientCertificates>) -> Self {
        self.endpoints.named = Some(NamedCertificates::new(source));
        self
    }

    async fn get(&self, request: SourceRequest<'_>) -> Result<Option<Bytes>, Failure> {
        let SourceRequest { server, access, registry, known, .. } = request;
        let call = Call {
            method: Method::GET,
            target: target(server.url.path(), request.gun, &request.fetch.file),
            headers: freshness(&request.fetch.file),
            body: Bytes::new(),
            max_bytes: request.fetch.max_bytes,
            known,
            repeatable: true,
        };
        let repository = request.gun.as_str();
        let right = Right::Pull;
        let audience = match self.reads_for {
            ReadsFor::Policies => Audience::Policy,
            ReadsFor::CommandLine => Audience::CommandLine { registry },
        };
        let asker = Asker { server, repository, access, registry, known, right, audience };
        let told =
            |fault: Fault| Failure { word: fault.word(), error: fault.told(&address(&server.url), audience) };
        let reply = self.ask(&asker, call, request.timeout).await.map_err(|failed| match failed {
            Failed::Access(error @ SourceError::Unauthorized { .. }) => {
                Failure { word: "unauthorized", error }
            }
            Failed::Access(error) => Failure { word: "token", error },
            Failed::Request(fault) => told(fault),
        })?;
        match reply.status {
            StatusCode::OK => Ok(Some(reply.body)),
            // Whoever says it: a static server and an ingress say it in other words than notary-server does. It
            // can only lead to a denial, or to older data serving (attack T13).
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(told(beside(&reply, &server.url))),
        }
    }

    /// Asks a server on somebody's behalf. The answer is neither 401 nor 403.
    async fn ask(&self, asker: &Asker<'_>, call: Call, timeout: Duration) -> Result<Reply, Failed> {
        let deadline = Deadline::after(timeout);
        let endpoint = self.endpoints.server(asker.server).await.map_err(Failed::Request)?;
        let at = address(&asker.server.url);
        let reader = Reader { asker: *asker, at: &at, endpoint: &endpoint, endpoints: &self.endpoints };
        self.auth.call(&reader, call, deadline).await
    }
}

/// What caches on the way are told of a file: what its name does not fix comes from the server itself. notary-server lets
/// them keep it for five minutes (`s-maxage=300`), in which an older timestamp would look like a rollback, and a tag that was
/// just signed like one that nobody signed.
fn freshness(file: &FileName) -> HeaderMap {
    match file.selector {
        Selector::Current => from_the_server(),
        Selector::Hash(_) | Selector::Version(_) => HeaderMap::new(),
    }
}

/// Says that no stored answer will do (RFC 9111, 5.2.1.4).
fn from_the_server() -> HeaderMap {
    HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-cache"))])
}

/// What is wrong with an answer whose status says nothing about what was asked for.
fn beside(reply: &Reply, url: &Url) -> Fault {
    match reply.status {
        status if status.is_redirection() => {
            let location = reply.headers.get(hyper::header::LOCATION);
            let location = location.map_or(&b""[..], |location| location.as_bytes());
            let location = String::from_utf8_lossy(location);
            // A query may hold a signature that somebody could use.
            let location = clean(location.split('?').next().unwrap_or_default());
            Fault::Redirect { status: status.as_u16(), location }
        }
        // What Go's servers say to plain http on their https port.
        StatusCode::BAD_REQUEST if url.scheme() == "http" => Fault::NotHttp,
        status => Fault::Status { status: status.as_u16() },
    }
}

/// Why a file did not come.
struct Failure {
    /// The same in a word, for metrics.
    word: &'static str,
    error: SourceError,
}

impl MetadataSource for NotaryClient {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let (server, gun, file) = (request.server, request.gun, &request.fetch.file);
            let sent = Instant::now();
            let outcome = self.get(request.clone()).await;
            let result = match &outcome {
                Ok(Some(_)) => "ok",
                Ok(None) => "not_found",
                Err(failure) => failure.word,
            };
            self.metrics.server(&address(&server.url)).request(result, sent.elapsed());
            let outcome = outcome.map_err(|failure| failure.error);
            let found = outcome.as_ref().map(|body| body.as_ref().map(Bytes::len));
            tracing::debug!(server = %address(&server.url), %gun, role = %file.role, ?found, "asked for trust data");
            outcome
        })
    }
}

impl fmt::Debug for NotaryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotaryClient").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// The path of a file (Notary v1, HTTP API). The GUN stands in it unescaped.
fn target(base: &str, gun: &Gun, file: &FileName) -> String {
    let folder = folder(base, gun);
    let role = &file.role;
    match file.selector {
        Selector::Current => format!("{folder}{role}.json"),
        Selector::Hash(sha256) => format!("{folder}{role}.{}.json", sha256.hex()),
        Selector::Version(version) => format!("{folder}{version}.{role}.json"),
    }
}

/// The path that a repository's files are under; it ends in a slash.
fn folder(base: &str, gun: &Gun) -> String {
    format!("{}/v2/{gun}/_trust/tuf/", base.trim_end_matches('/'))
}
