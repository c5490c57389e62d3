//! [`Stage`]: what the sandbox starts, all of it on loopback and over TLS: a Notary server, a registry, tagseal's webhook.
//!
//! The webhook is wired as `tagseal serve` wires it. What belongs to no cluster stands in one folder ([`home`]): keys of the
//! people who play, the policy, the certificates.

mod admit;
mod clock;
mod error;
mod home;
mod https;
mod listen;
mod people;
mod pki;
mod policy;
mod pull;
mod webhook;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::task::JoinSet;

pub use self::admit::{Admitted, Refused, pod_name, pod_review};
pub use self::clock::ShiftedClock;
pub use self::error::StageError;
use self::home::Home;
pub use self::home::Ports;
use self::https::Https;
pub use self::listen::Port;
use self::listen::{Listeners, bind};
pub use self::people::{PASSPHRASE, Person};
pub use self::pull::{PullError, Pulled};
use self::webhook::Webhook;
use crate::clock::SharedClock;
use crate::notary::NotaryClient;
use crate::policy::TrustServer;
use crate::sandbox::registry::ImageRegistry;
use crate::sandbox::server::NotaryServer;
use crate::webhook::{CertificateFiles, Limits, Readiness, ServingCertificate};

/// The name by which everything is reached on this machine.
const HOST: &str = "localhost";

/// How a stage is set up.
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// Where everything is kept; `None`: a temporary folder that goes with the stage.
    pub data_dir: Option<PathBuf>,
    /// The trust server's port.
    pub notary: Port,
    /// The registry's port.
    pub registry: Port,
    /// The webhook's port.
    pub webhook: Port,
    /// Under which other name or address a cluster reaches this machine; the webhook then listens on all addresses.
    pub advertised: Option<String>,
    /// What certificates, signatures and expiries count from.
    pub clock: SharedClock,
    /// What stands between the callers and the webhook; tests put a faulty one there.
    pub before_webhook: Option<fn(Router) -> Router>,
}

/// Everything, running. It ends when this is dropped, and what is not to be kept is removed.
#[derive(Debug)]
pub struct Stage {
    // Dropped in this order: first nobody writes any more, then the folder goes.
    servers: JoinSet<()>,
    webhook: Webhook,
    /// The trust server, and its hooks to lie.
    pub server: NotaryServer,
    /// The registry, and its hooks to tamper.
    pub registry: ImageRegistry,
    /// The clock that the webhook judges trust data by.
    pub clock: ShiftedClock,
    notary: Arc<TrustServer>,
    client: Arc<NotaryClient>,
    https: Https,
    addresses: Addresses,
    advertised: Option<String>,
    ca_pem: Arc<str>,
    home: Arc<Home>,
}

/// The folder of a stage. Where it is not to stay, it is removed with the last of these.
#[derive(Debug)]
pub struct Folder {
    _home: Arc<Home>,
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    notary: SocketAddr,
    registry: SocketAddr,
    webhook: SocketAddr,
}

impl Stage {
    /// Starts everything.
    ///
    /// # Errors
    /// [`StageError`], which says what to do; nothing is left behind then.
    pub async fn start(options: StageOptions) -> Result<Self, StageError> {
        let home = Home::open(options.data_dir.as_deref())?;
        let listeners = Listeners::open(&options, home.ports())?;
        let addresses = listeners.addresses()?;
        home.begin(addresses.ports())?;
        let now = options.clock.now();
        let names = [Some(HOST.to_owned()), options.advertised.clone()].into_iter().flatten();
        let ca_pem: Arc<str> = pki::prepare(home.path(), names.collect(), now)?.into();

        let url = format!("https://{HOST}:{}", addresses.notary.port());
        let url = url.parse().map_err(|_| StageError::Address(url))?;
        let notary = Arc::new(TrustServer { ca_pem: Some(Arc::clone(&ca_pem)), ..TrustServer::at(url) });
        let client = Arc::new(NotaryClient::new(Arc::clone(&options.clock)));
        let data = home.is_kept().then(|| home.path().join("server"));
        let server = NotaryServer::new(data, Arc::clone(&options.clock)).map_err(|error| {
            StageError::Folder { path: home.path().to_owned(), message: error.to_string() }
        })?;
        let registry = ImageRegistry::default();
        let clock = ShiftedClock::new(Arc::clone(&options.clock));
        let webhook = Webhook::new(home.path().join("state"), Arc::clone(&client), clock.clone());
        let hook = options.before_webhook.map_or(webhook.router(), |before| before(webhook.router()));

        let tls = tls(home.path(), now)?;
        let mut servers = JoinSet::new();
        let parts = [
            (listeners.notary, server.router()),
            (listeners.registry, registry.router()),
            (listeners.webhook, hook),
        ];
        for (listener, router) in parts {
            serve(&mut servers, listener, router, Arc::clone(&tls))?;
        }
        let https = Https::new(&ca_pem)?;
        let advertised = options.advertised;
        Ok(Self {
            servers,
            webhook,
            server,
            registry,
            clock,
            notary,
            client,
            https,
            addresses,
            advertised,
            ca_pem,
            home: Arc::new(home),
        })
    }

    /// Keeps the folder until this is dropped as well: after the runtime, on whose threads a last file may be being written.
    pub fn folder(&self) -> Folder {
        Folder { _home: Arc::clone(&self.home) }
    }

    /// The folder with everything in it.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Whether a sandbox was played to its end in this folder before.
    pub fn is_resumed(&self) -> bool {
        self.home.is_resumed()
    }

    /// Whether the folder stays when this is dropped.
    pub fn is_kept(&self) -> bool {
        self.home.is_kept()
    }

    /// Says that the folder is whole: it stays, where it is not a temporary one.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn finish(&self) -> Result<(), StageError> {
        self.home.finish(self.addresses.ports())
    }

    /// Writes a file into the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StageError> {
        home::write(&self.path().join(name), text.as_bytes())
    }

    /// The trust server's address.
    pub fn notary_url(&self) -> String {
        self.notary.url.as_str().trim_end_matches('/').to_owned()
    }

    /// The registry's host and port: what image names begin with.
    pub fn registry_host(&self) -> String {
        format!("{HOST}:{}", self.addresses.registry.port())
    }

    /// The webhook's address, for this machine.
    pub fn webhook_url(&self) -> String {
        format!("https://{HOST}:{}", self.addresses.webhook.port())
    }

    /// The webhook's address, for a cluster.
    pub fn advertised_webhook_url(&self) -> String {
        let host = self.advertised.as_deref().unwrap_or(HOST);
        // An IPv6 address has its brackets in a URL.
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("https://[{address}]:{}", self.addresses.webhook.port()),
            _ => format!("https://{host}:{}", self.addresses.webhook.port()),
        }
    }

    /// The authority that vouches for all three, PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The full name of a repository: `localhost:5443/shop/web`.
    pub fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.registry_host())
    }

    /// Waits for one of the servers to end, which none does by itself.
    pub async fn ended(&mut self) {
        self.servers.join_next().await;
    }
}

impl Addresses {
    fn ports(self) -> Ports {
        Ports { notary: self.notary.port(), registry: self.registry.port(), webhook: self.webhook.port() }
    }
}

/// The address to listen on.
fn interface(is_advertised: bool) -> IpAddr {
    if is_advertised { Ipv4Addr::UNSPECIFIED.into() } else { Ipv4Addr::LOCALHOST.into() }
}

fn tls(home: &Path, now: jiff::Timestamp) -> Result<Arc<rustls::ServerConfig>, StageError> {
    let (certificate, key) = pki::server_files(home);
    let files = CertificateFiles { certificate, key };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = Arc::new(ServingCertificate::load(files, provider, now)?);
    Ok(Arc::new(certificate.server_config().map_err(|error| StageError::Tls(error.to_string()))?))
}

fn serve(
    servers: &mut JoinSet<()>,
    listener: std::net::TcpListener,
    router: Router,
    tls: Arc<rustls::ServerConfig>,
) -> Result<(), StageError> {
    let listener = bind(listener)?;
    // Nothing is drained: whoever asks is on this machine.
    let limits = Limits { linger: Duration::ZERO, drain: Duration::ZERO, ..Limits::default() };
    servers.spawn(async move {
        let forever = std::future::pending();
        crate::webhook::serve(listener, tls, router, Readiness::default(), limits, forever).await;
    });
    Ok(())
}
