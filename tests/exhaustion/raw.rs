//! [`Raw`]: a TLS connection on which a caller writes what it likes.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::admission::certificate::{Pair, provider};

/// A connection.
pub struct Raw(TlsStream<TcpStream>);

impl Raw {
    /// Speaks HTTP/1.1.
    pub async fn connect(address: SocketAddr, pair: &Pair) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pair.der.clone().into()).unwrap();
        let config =
            rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream);
        Self(connected.await.unwrap())
    }

    /// Announces a body of a review, and sends the beginning of it.
    pub async fn announce(&mut self, path: &str, header: &str, beginning: &[u8]) {
        let head = format!(
            "POST {path}?timeout=30s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{header}\r\n\r\n"
        );
        self.0.write_all(head.as_bytes()).await.unwrap();
        // The server may refuse before all of it is there.
        let _ = self.0.write_all(beginning).await;
        let _ = self.0.flush().await;
    }

    /// The status of the answer, and what comes after it until the connection ends.
    pub async fn answer(mut self) -> (u16, String) {
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = self.0.read(&mut piece).await {
            answer.extend_from_slice(&piece[..read]);
            if String::from_utf8_lossy(&answer).contains("\n\r\n") {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_default(), answer)
    }
}
