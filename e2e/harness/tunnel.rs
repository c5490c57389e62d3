//! An http proxy that opens tunnels (CONNECT) to servers on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use super::run::{RUN, RUNTIME};

/// A running proxy.
pub struct Tunnel {
    port: u16,
    listener: JoinHandle<()>,
}

/// Where a tunnel leads.
#[derive(Clone)]
enum Route {
    /// Always to this port.
    Always(u16),
    /// To the port that a `HOST:PORT` is known by.
    ByName(Vec<(String, u16)>),
}

impl Route {
    fn of(&self, asked: &str) -> Option<u16> {
        match self {
            Self::Always(port) => Some(*port),
            Self::ByName(known) => known.iter().find(|(name, _)| name == asked).map(|(_, port)| *port),
        }
    }
}

impl Tunnel {
    /// One proxy to each of `ports` on loopback, whatever it is asked for. None opens its first tunnel before all have been
    /// asked to.
    pub fn race<const N: usize>(ports: [u16; N]) -> [Self; N] {
        let start = Arc::new(Barrier::new(N));
        ports.map(|to| Self::start(Route::Always(to), start.clone()))
    }

    /// A proxy to hosts that nobody else knows, by `HOST:PORT`.
    pub fn to(hosts: &[(&str, u16)]) -> Self {
        let known = hosts.iter().map(|&(name, port)| (name.to_owned(), port)).collect();
        Self::start(Route::ByName(known), Arc::new(Barrier::new(1)))
    }

    fn start(route: Route, start: Arc<Barrier>) -> Self {
        let port = RUN.free_port();
        let bound = RUNTIME.block_on(TcpListener::bind(("127.0.0.1", port)));
        let listener = bound.unwrap_or_else(|error| panic!("port {port}: {error}"));
        Self { port, listener: RUNTIME.spawn(accept(listener, route, start)) }
    }

    /// The variables of a process that goes by it.
    pub fn variables(&self) -> [(String, String); 1] {
        [("HTTPS_PROXY".to_owned(), format!("http://127.0.0.1:{}", self.port))]
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, route: Route, start: Arc<Barrier>) {
    let is_first = Arc::new(AtomicBool::new(true));
    while let Ok((client, _)) = listener.accept().await {
        let (is_first, start, route) = (is_first.clone(), start.clone(), route.clone());
        tokio::spawn(async move {
            if is_first.swap(false, Ordering::AcqRel) {
                start.wait().await;
            }
            // A tunnel that breaks is the client's affair.
            let _ = carry(client, &route).await;
        });
    }
}

async fn carry(mut client: TcpStream, route: &Route) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let Some(to) = head.split(' ').nth(1).and_then(|asked| route.of(asked)) else {
        return client.write_all(b"HTTP/1.1 403 Not Here\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(("127.0.0.1", to)).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
