//! A server that answers what a function says, byte by byte if need be, and writes down what it saw.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What a TLS client begins with.
const TLS_HANDSHAKE: u8 = 22;

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// `GET /v2/…`
    pub line: String,
    /// Name in lower case, value.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A piece of an answer.
#[derive(Debug, Clone)]
pub enum Piece {
    Send(Vec<u8>),
    /// These bytes, over and over.
    Endless(Vec<u8>),
    /// A byte, over and over, with a pause before each.
    Trickle(u8, Duration),
    /// Waits for a permit, and keeps it.
    Gate(Arc<Semaphore>),
    /// Never goes on.
    Hold,
    /// Closes the connection.
    Close,
}

/// What is sent for a request.
#[derive(Debug, Clone, Default)]
pub struct Answer(pub Vec<Piece>);

impl Answer {
    pub fn ok(body: &str) -> Self {
        Self::status(200, &[], body)
    }

    pub fn status(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let length = body.len().to_string();
        let headers = [headers, &[("Content-Length", length.as_str())]].concat();
        Self::head(status, &headers).then(Piece::Send(body.into()))
    }

    /// A head, and nothing after it yet.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let mut head = format!("HTTP/1.1 {status} Some Reason\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Self(vec![Piece::Send((head + "\r\n").into())])
    }

    pub fn then(mut self, piece: Piece) -> Self {
        self.0.push(piece);
        self
    }

    pub fn after(mut self, piece: Piece) -> Self {
        self.0.insert(0, piece);
        self
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// A running server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Plain http.
    pub async fn http(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(handler), None).await
    }

    /// TLS.
    pub async fn https(
        config: rustls::ServerConfig,
        handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(Arc::new(handler), Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(handler: Handler, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
            accepted: Arc::default(),
        };
        let running = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let connection = running.accepted.fetch_add(1, Ordering::SeqCst);
                let (server, handler, tls) = (running.clone(), handler.clone(), tls.clone());
                tokio::spawn(async move {
                    let _ = match tls {
                        None => server.serve(stream, connection, handler).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => server.serve(stream, connection, handler).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        server
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        connection: usize,
        handler: Handler,
    ) -> io::Result<()> {
        loop {
            let seen = match read_request(&mut stream, connection).await {
                // As Go's servers do, and nginx.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    play(&mut stream, Piece::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await?;
                    return play(&mut stream, Piece::Close).await;
                }
                outcome => outcome?,
            };
            let answer = handler(&seen);
            self.seen.lock().unwrap().push(seen);
            for piece in answer.0 {
                play(&mut stream, piece).await?;
            }
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// How many connections were made in all.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come.
    pub async fn saw(&self, requests: usize) {
        while self.seen.lock().unwrap().len() < requests {
            tokio::task::yield_now().await;
        }
    }
}

async fn play<S: AsyncWrite + Unpin>(stream: &mut S, piece: Piece) -> io::Result<()> {
    match piece {
        Piece::Send(bytes) => stream.write_all(&bytes).await?,
        Piece::Endless(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Piece::Trickle(byte, pause) => loop {
            tokio::time::sleep(pause).await;
            stream.write_all(&[byte]).await?;
            stream.flush().await?;
        },
        Piece::Gate(gate) => gate.acquire().await.unwrap().forget(),
        Piece::Hold => {
            stream.flush().await?;
            std::future::pending::<()>().await;
        }
        Piece::Close => {
            stream.shutdown().await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    stream.flush().await
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, connection: usize) -> io::Result<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if head == [TLS_HANDSHAKE] {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let mut seen =
        Seen { connection, line, headers: lines.filter_map(header).collect(), body: String::new() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    seen.body = String::from_utf8(body).unwrap();
    Ok(seen)
}
