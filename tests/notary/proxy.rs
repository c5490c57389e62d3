//! A proxy that understands CONNECT, and servers that are reached through one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tagseal::notary::{Limits, Proxies};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::pki::Authority;
use super::server::{Answer, Server};
use super::{Reader, found, unreachable};

/// A proxy to the servers that it was told, by `HOST:PORT`; it refuses others with 403.
pub struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub async fn to(servers: &[(&str, &Server)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let servers: Vec<_> =
            servers.iter().map(|(name, server)| ((*name).to_owned(), server.port)).collect();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(forward(stream, servers.clone(), seen.clone()));
            }
        });
        Self { port, heads }
    }

    pub fn matcher(&self) -> Proxies {
        Proxies::of("HTTPS_PROXY", &format!("http://user:pw@127.0.0.1:{}", self.port), "direct.test")
    }
}

async fn forward(
    mut stream: TcpStream,
    servers: Vec<(String, u16)>,
    seen: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let wanted = head.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push(head);
    let Some((_, port)) = servers.iter().find(|(name, _)| *name == wanted) else {
        stream.write_all(b"HTTP/1.1 403 Not Here\r\nContent-Length: 0\r\n\r\n").await.ok()?;
        return None;
    };
    let mut server = TcpStream::connect(("127.0.0.1", *port)).await.ok()?;
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await.ok()?;
    tokio::io::copy_bidirectional(&mut stream, &mut server).await.ok().map(drop)
}

#[tokio::test]
async fn a_server_is_reached_through_the_proxy_of_the_environment() {
    let authority = Authority::named("Test CA");
    let server = Server::https(authority.server(&["notary.test"]), |_| Answer::ok("{}")).await;
    let proxy = Proxy::to(&[("notary.test:8443", &server)]).await;
    let url = "https://notary.test:8443";
    let reader = Reader::with(url, Some(&authority.pem()), Limits::default(), proxy.matcher());
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(reader.timestamp().await, found("{}"));
    let heads = proxy.heads.lock().unwrap().clone();
    let expected = "CONNECT notary.test:8443 HTTP/1.1\r\nHost: notary.test:8443\r\nProxy-Authorization: Basic dXNlcjpwdw==\r\n\r\n";
    assert_eq!(heads, [expected]);
    assert_eq!(server.seen()[0].header("host"), Some("notary.test:8443"));
}

#[tokio::test]
async fn loopback_hosts_and_those_of_no_proxy_are_reached_directly() {
    let server = Server::http(|_| Answer::ok("{}")).await;
    let proxy = Proxy::to(&[]).await;
    let proxies = Proxies::of("ALL_PROXY", &format!("http://127.0.0.1:{}", proxy.port), "direct.invalid");
    let reader = Reader::with(&server.url(), None, Limits::default(), proxies);
    assert_eq!(reader.timestamp().await, found("{}"));
    let mut direct = reader.again();
    Arc::make_mut(&mut direct.server).url = "https://direct.invalid".parse().unwrap();
    let outcome = direct.timestamp().await.unwrap_err().to_string();
    assert!(outcome.contains("no address for direct.invalid"), "{outcome}");
    assert!(proxy.heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_proxy_refuses_is_told_without_its_password() {
    let proxy = Proxy::to(&[]).await;
    let reader = Reader::with("https://notary.test", None, Limits::default(), proxy.matcher());
    let message = format!(
        "https://notary.test: the proxy http://127.0.0.1:{} answered CONNECT with \"403 Not Here\": check HTTPS_PROXY and \
         NO_PROXY",
        proxy.port
    );
    assert_eq!(reader.timestamp().await, unreachable(message));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_of_another_kind_is_told() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let through = |proxy: String| {
        let proxies = Proxies::of("HTTPS_PROXY", &proxy, "");
        Reader::with("https://notary.test", None, Limits::default(), proxies)
    };
    let message = format!(
        "https://notary.test: the proxy http://{address} is not to be reached (connection refused): check HTTPS_PROXY and \
         NO_PROXY"
    );
    assert_eq!(through(format!("http://user:pw@{address}")).timestamp().await, unreachable(message));
    let message = "https://notary.test: HTTPS_PROXY names a proxy of the kind socks5://, and only http:// ones can be used: \
                   write http://HOST:PORT in HTTPS_PROXY, or name the server's host in NO_PROXY"
        .to_owned();
    assert_eq!(through(format!("socks5://{address}")).timestamp().await, unreachable(message));
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_told_apart_from_an_answer_that_does_not() {
    // A proxy that accepts and says nothing is the only lost packet that loopback has.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxies = Proxies::of("HTTPS_PROXY", &format!("http://{}", listener.local_addr().unwrap()), "");
    let limits = Limits { connect: Duration::from_millis(200), ..Limits::default() };
    let reader = Reader::with("https://notary.test", None, limits, proxies);
    let message = "https://notary.test: no connection within 200 ms: check the host and port in spec.notary.server, and \
                   whether a firewall or NetworkPolicy drops the packets";
    assert_eq!(reader.timestamp().await, unreachable(message.into()));
}
