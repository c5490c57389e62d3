//! What a publisher sends to a trust server, byte by byte, how often, and what comes of the answers.

mod answers;
mod repeating;
mod requests;
mod rights;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tagseal::clock::ManualClock;
use tagseal::notary::{Limits, NotaryClient, Proxies, Rejection, Remote, RemoteError};
use tagseal::trust::{Access, Secret, SourceError, TrustServer};
use tagseal::tuf::{Fetch, FileName, Gun, RoleName, Selector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::access::challenge;
use super::pki::Authority;
use super::proxy::Proxy;
use super::server::{Answer, Piece, Seen, Server};
use super::{GUN, alice, now};

const FOLDER: &str = "/v2/registry.example.com/shop/web/_trust/tuf/";

/// A publisher of [`GUN`].
struct Publisher {
    url: String,
    ca_pem: Option<String>,
    access: Access,
    timeout: Duration,
    limits: Limits,
    proxies: Proxies,
}

impl Publisher {
    fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ca_pem: None,
            access: Access::Anonymous,
            timeout: Duration::from_secs(10),
            limits: Limits::default(),
            proxies: Proxies::default(),
        }
    }

    fn showing(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    fn within(mut self, milliseconds: u64) -> Self {
        self.timeout = Duration::from_millis(milliseconds);
        self
    }

    fn remote(self) -> Remote {
        let clock = Arc::new(ManualClock::at(now()));
        let client = Arc::new(NotaryClient::with(clock, self.limits, self.proxies));
        let ca_pem = self.ca_pem.map(Into::into);
        let server = Arc::new(TrustServer { ca_pem, ..TrustServer::at(self.url.parse().unwrap()) });
        let gun = Gun::new(GUN).unwrap();
        Remote::new(client, server, gun, "registry.example.com".into(), self.access, self.timeout)
    }
}

fn remote(server: &Server) -> Remote {
    Publisher::at(&server.url()).remote()
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

fn files() -> Vec<(RoleName, Bytes)> {
    vec![
        (role("root"), Bytes::from_static(b"{\"r\":1}")),
        (role("targets/releases"), Bytes::from_static(b"{\"t\":\"\xc3\xa9\"}")),
    ]
}

fn root() -> Fetch {
    Fetch { file: FileName { role: role("root"), selector: Selector::Current }, max_bytes: 1 << 20 }
}

fn unreachable(message: String) -> RemoteError {
    RemoteError::Source(SourceError::Unreachable { message })
}

fn unauthorized(message: String) -> RemoteError {
    RemoteError::Source(SourceError::Unauthorized { message })
}

fn undecided(message: String) -> RemoteError {
    RemoteError::Undecided(SourceError::Unreachable { message })
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
