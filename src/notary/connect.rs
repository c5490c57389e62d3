//! [`Connector`]: from a host to an HTTP/1.1 connection, by way of DNS, a proxy and TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::body::Outgoing;
use super::deadline::Limit;
use super::fault::{Fault, clean};
use super::proxies::Proxy;
use super::tls;

/// Response heads larger than this are refused.
const MAX_HEAD: usize = 64 << 10;
/// How long one address is tried before the next is tried beside it (RFC 8305 "Connection Attempt Delay").
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// The largest head of a proxy's answer to CONNECT.
const MAX_CONNECT_HEAD: usize = 8 << 10;

/// Where to connect to, and how.
#[derive(Debug)]
pub(super) struct Connector {
    /// DNS name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) proxy: Option<Proxy>,
}

impl Connector {
    /// Opens a connection. `limit` covers all of it.
    pub(super) async fn connect(&self, limit: Limit) -> Result<SendRequest<Outgoing>, Fault> {
        let stream = timeout_at(limit.at, self.reach())
            .await
            .map_err(|_| Fault::ConnectTimeout { within: limit.span })??;
        // Requests are small and wait for nothing.
        let _ = stream.set_nodelay(true);
        let Some(config) = &self.tls else { return speak(stream).await };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| Fault::Address)?;
        let handshake = tokio_rustls::TlsConnector::from(config.clone()).connect(name, stream);
        match timeout_at(limit.at, handshake).await {
            Err(_) => Err(Fault::HandshakeTimeout { within: limit.span }),
            Ok(Err(error)) => Err(tls::handshake_fault(&error)),
            Ok(Ok(stream)) => speak(stream).await,
        }
    }

    async fn reach(&self) -> Result<TcpStream, Fault> {
        match &self.proxy {
            None => open(&self.host, self.port).await,
            Some(proxy) => self.tunnel(proxy).await,
        }
    }

    /// Asks an http proxy for a tunnel to the host (RFC 9110, 9.3.6 CONNECT).
    async fn tunnel(&self, proxy: &Proxy) -> Result<TcpStream, Fault> {
        let variable = proxy.variable;
        let lost = |cause: String| Fault::Proxy { variable, proxy: proxy.name(), cause };
        let mut stream = open(&proxy.host, proxy.port).await.map_err(|fault| lost(brief(&fault)))?;
        let broken = |error: io::Error| lost(error.to_string());
        let authority = match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        };
        let mut head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(credentials) = &proxy.authorization {
            head.push_str(&format!("Proxy-Authorization: {}\r\n", credentials.expose()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.map_err(broken)?;
        let status = connect_status(&mut stream).await.map_err(broken)?;
        match status.split(' ').nth(1) {
            Some(code) if code.len() == 3 && code.starts_with('2') => Ok(stream),
            _ => {
                let said = status.split_once(' ').map_or(status.as_str(), |(_, rest)| rest);
                Err(Fault::ProxyRefused { variable, proxy: proxy.name(), status: clean(said) })
            }
        }
    }
}

/// Reads the head of the answer to CONNECT, a byte at a time: what follows belongs to the tunnel.
async fn connect_status(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_CONNECT_HEAD {
            return Err(io::Error::other("its answer to CONNECT has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// What a fault on the way to a proxy is, without the advice that is about the trust server.
fn brief(fault: &Fault) -> String {
    match fault {
        Fault::Dns { cause, .. } | Fault::Connect { cause } => cause.clone(),
        Fault::Refused => "connection refused".to_owned(),
        other => other.to_string(),
    }
}

async fn open(host: &str, port: u16) -> Result<TcpStream, Fault> {
    let no_address = |cause: String| Fault::Dns { host: host.to_owned(), cause };
    let addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(|error| no_address(error.to_string()))?.collect();
    if addresses.is_empty() {
        return Err(no_address("the name has no address".to_owned()));
    }
    first_of(addresses).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Refused,
        _ => Fault::Connect { cause: error.to_string() },
    })
}

/// Tries the addresses in order, the next one as soon as one fails or is slow; the first to connect wins.
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut remaining = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::other("no address");
    loop {
        match remaining.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => {}
            },
            () = tokio::time::sleep(NEXT_ADDRESS), if remaining.len() > 0 => {}
        }
    }
}

async fn speak<S>(stream: S) -> Result<SendRequest<Outgoing>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(100)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Fault::Malformed { cause: error.to_string() })?;
    // Ends with its sender; what goes wrong on it is told to the request that is under way.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%error, "connection to a trust server ended");
        }
    });
    Ok(sender)
}
