//! The HTTP adapter against small servers on loopback that do what they are told, bytes and pauses included.

mod access;
mod budget;
mod client_certificate;
mod connections;
mod credentials;
mod faults;
mod metrics;
mod pki;
mod proxy;
mod publishing;
mod reading;
mod registry;
pub mod server;
mod tls;
mod told;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tagseal::clock::ManualClock;
use tagseal::digest::Digest;
use tagseal::notary::{Limits, NotaryClient, Proxies};
use tagseal::trust::{Access, MetadataSource as _, Secret, SourceError, SourceRequest, TrustServer};
use tagseal::tuf::{Fetch, FileName, Gun, RoleName, Selector};

/// The repository that everybody asks for.
const GUN: &str = "registry.example.com/shop/web";

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// A client under test, its clock, and what it asks for.
struct Reader {
    client: Arc<NotaryClient>,
    clock: ManualClock,
    server: Arc<TrustServer>,
    gun: Gun,
    access: Access,
    known: bool,
    timeout: Duration,
}

impl Reader {
    fn of(url: &str) -> Self {
        Self::with(url, None, Limits::default(), Proxies::default())
    }

    fn with(url: &str, ca_pem: Option<&str>, limits: Limits, proxies: Proxies) -> Self {
        let clock = ManualClock::at(now());
        Self {
            client: Arc::new(NotaryClient::with(Arc::new(clock.clone()), limits, proxies)),
            clock,
            server: Arc::new(TrustServer {
                ca_pem: ca_pem.map(Into::into),
                ..TrustServer::at(url.parse().unwrap())
            }),
            gun: Gun::new(GUN).unwrap(),
            access: Access::Anonymous,
            known: false,
            timeout: Duration::from_secs(10),
        }
    }

    /// The same client and server, asked by somebody else.
    fn again(&self) -> Self {
        Self {
            client: self.client.clone(),
            clock: self.clock.clone(),
            server: self.server.clone(),
            gun: self.gun.clone(),
            access: self.access.clone(),
            known: self.known,
            timeout: self.timeout,
        }
    }

    fn gun(mut self, gun: &str) -> Self {
        self.gun = Gun::new(gun).unwrap();
        self
    }

    fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    fn known(mut self) -> Self {
        self.known = true;
        self
    }

    fn within(mut self, milliseconds: u64) -> Self {
        self.timeout = Duration::from_millis(milliseconds);
        self
    }

    fn token_realm(mut self, realm: &str) -> Self {
        Arc::make_mut(&mut self.server).token_realms.push(realm.to_owned());
        self
    }

    async fn timestamp(&self) -> Result<Option<Bytes>, SourceError> {
        self.fetch("timestamp", Selector::Current).await
    }

    async fn fetch(&self, role: &str, selector: Selector) -> Result<Option<Bytes>, SourceError> {
        self.fetch_up_to(role, selector, 1 << 20).await
    }

    async fn fetch_up_to(
        &self,
        role: &str,
        selector: Selector,
        max_bytes: u64,
    ) -> Result<Option<Bytes>, SourceError> {
        let file = FileName { role: RoleName::parse(role).unwrap(), selector };
        let request = SourceRequest {
            server: &self.server,
            gun: &self.gun,
            fetch: &Fetch { file, max_bytes },
            access: &self.access,
            registry: "registry.example.com",
            known: self.known,
            timeout: self.timeout,
        };
        self.client.fetch(request).await
    }
}

fn alice() -> Access {
    Access::Basic { username: "alice".into(), password: Secret::new("s3cret") }
}

fn elsewhere<T>(message: String) -> Result<T, SourceError> {
    Err(SourceError::Elsewhere { message })
}

fn unreachable<T>(message: String) -> Result<T, SourceError> {
    Err(SourceError::Unreachable { message })
}

fn unauthorized<T>(message: String) -> Result<T, SourceError> {
    Err(SourceError::Unauthorized { message })
}

fn invalid<T>(message: String) -> Result<T, SourceError> {
    Err(SourceError::Invalid { message })
}

fn found(body: &'static str) -> Result<Option<Bytes>, SourceError> {
    Ok(Some(Bytes::from_static(body.as_bytes())))
}

fn sha256() -> Digest {
    Digest::of(b"")
}
