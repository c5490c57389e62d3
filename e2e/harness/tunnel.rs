//! An http proxy that opens tunnels (CONNECT): to wherever it was told, whatever it is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use super::run::{RUN, RUNTIME};

/// The proxies of one race.
pub struct Tunnel {
    port: u16,
    listener: JoinHandle<()>,
}

impl Tunnel {
    /// One proxy to each of `ports` on loopback. None opens its first tunnel before all have been asked to.
    pub fn race<const N: usize>(ports: [u16; N]) -> [Self; N] {
        let start = Arc::new(Barrier::new(N));
        ports.map(|to| {
            let port = RUN.free_port();
            let bound = RUNTIME.block_on(TcpListener::bind(("127.0.0.1", port)));
            let listener = bound.unwrap_or_else(|error| panic!("port {port}: {error}"));
            Self { port, listener: RUNTIME.spawn(accept(listener, to, start.clone())) }
        })
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

async fn accept(listener: TcpListener, to: u16, start: Arc<Barrier>) {
    let is_first = Arc::new(AtomicBool::new(true));
    while let Ok((client, _)) = listener.accept().await {
        let (is_first, start) = (is_first.clone(), start.clone());
        tokio::spawn(async move {
            if is_first.swap(false, Ordering::AcqRel) {
                start.wait().await;
            }
            // A tunnel that breaks is the client's affair.
            let _ = carry(client, to).await;
        });
    }
}

async fn carry(mut client: TcpStream, to: u16) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let mut server = TcpStream::connect(("127.0.0.1", to)).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
