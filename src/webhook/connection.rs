//! [`Connection`]: one client's connection, from the handshake until it is closed: by whom, and when.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use futures::future::Either;
use hyper::body::Incoming;
use hyper::service::{Service as HyperService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service;

use super::caller::Caller;
use super::health::Readiness;
use super::server::Limits;
use super::strangers::{Share, Strangers};
use super::tls::{Generation, Tls};

/// How long a connection that was told to close has for what it asked before: the longest that an API server waits for an answer.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// Bytes of a request that HTTP/1.1 reads ahead: the largest head.
const BUFFER: usize = 64 << 10;
/// The same for each request of HTTP/2: so much of a body is here before anybody asked for it.
const STREAM_WINDOW: u32 = 64 << 10;
/// The same for all requests of an HTTP/2 connection. More than a few streams' windows: requests whose bodies wait must not
/// stop others on their connection.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) tls: Tls,
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) readiness: Readiness,
    /// Turns true when the server ends; it waits until nobody listens any more.
    pub(super) ends: watch::Receiver<bool>,
    /// Whoever is not verified has a place here too.
    pub(super) strangers: Arc<Strangers>,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) async fn run(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let (config, generation) = self.tls.current();
        let stream = match timeout(self.limits.handshake, TlsAcceptor::from(config).accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return super::caller::handshake_failed(&error),
            Err(_) => return tracing::debug!("TLS handshake timed out"),
        };
        let caller = Caller::of(&self.tls, stream.get_ref().1);
        let stranger = match caller.is_stranger().then(|| self.strangers.enter()) {
            Some(None) => return tracing::debug!("too many connections of callers without a name"),
            share => share.flatten(),
        };
        self.serve(stream, caller, stranger, generation).await;
    }

    /// Serves until one of many things ends it. Who is told to close is told by the protocol: in HTTP/2 by GOAWAY, after which a
    /// client asks on another connection, also for what crossed it; in HTTP/1.1 by a header of the answer. So nobody's
    /// request meets a closed connection.
    async fn serve(
        mut self,
        stream: TlsStream<TcpStream>,
        caller: Caller,
        stranger: Option<Share>,
        generation: Generation,
    ) {
        let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let handling = Arc::new(Handling {
            router: self.router,
            caller,
            stranger,
            readiness: self.readiness,
            generation: generation.clone(),
            used: AtomicBool::new(false),
            last: Notify::new(),
        });
        let builder = builder(self.limits);
        let service = answering(Arc::clone(&handling));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        // Clients dial ahead and ask later: what is not used yet is kept for as long as what is idle. Nobody waits for strangers.
        let (first, patience) = match caller.is_stranger() {
            true => (self.limits.stranger, self.limits.stranger),
            false => (self.limits.header, LAST_ANSWERS),
        };
        let mut unused = pin!(async {
            sleep(first).await;
            if handling.used.load(Ordering::Acquire) {
                std::future::pending::<()>().await;
            }
        });
        let mut old = pin!(async {
            generation.over().await;
            // An idle connection of HTTP/1.1 cannot be told anything: it is closed in time by `Limits::header`. Nor can one whose first
            // request may be on its way: that is its last.
            if !speaks_http2 || !handling.used.load(Ordering::Acquire) {
                std::future::pending::<()>().await;
            }
        });
        // The connection first: a request that is there already wins against everything that would close it.
        let closes_within = tokio::select! {
            biased;
            result = &mut connection => return told(result),
            () = handling.is_displaced() => return tracing::debug!("a caller without a name had to make room"),
            () = &mut unused => return tracing::debug!("no request came in time"),
            _ = self.ends.wait_for(|ends| *ends) => None,
            () = handling.last.notified() => Some(patience),
            () = &mut old => Some(patience),
        };
        connection.as_mut().graceful_shutdown();
        match closes_within {
            // The server's own end has its own limit.
            None => told(connection.await),
            Some(within) => match timeout(within, connection).await {
                Ok(result) => told(result),
                Err(_) => tracing::debug!("a connection that was to be closed was cut off"),
            },
        }
    }
}

fn told(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(%error, "connection failed");
    }
}

fn builder(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(limits.header)
        .keep_alive_timeout(limits.handshake);
    builder
}

/// What the requests of one connection share.
struct Handling {
    router: Router,
    caller: Caller,
    /// The place that it has, if it is a stranger.
    stranger: Option<Share>,
    readiness: Readiness,
    generation: Generation,
    /// One that says nothing after its handshake is closed.
    used: AtomicBool,
    /// The connection closes after what was asked on it.
    last: Notify,
}

impl Handling {
    /// Why a request is not answered as asked.
    fn refuses(&self, request: &Request<Incoming>) -> Option<Response> {
        // In HTTP/2 it may ask on until it takes notice of GOAWAY.
        if self.stranger.as_ref().is_some_and(|share| !share.asks()) {
            let message = "tagseal answers callers that it does not know once on a connection\n";
            return Some((StatusCode::TOO_MANY_REQUESTS, message).into_response());
        }
        self.caller.refuses(request.uri().path())
    }

    async fn is_displaced(&self) {
        match &self.stranger {
            Some(share) => share.is_lost().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the connection closes after this request: a stranger has one, and who was verified under authorities that were exchanged
    /// since has to present a certificate of the new ones. That request itself is answered: were it refused, an admission would
    /// fail that another connection may have the right to.
    fn is_last(&self) -> bool {
        self.caller.is_stranger() || self.generation.is_over()
    }
}

/// Answers by the router, whom it may. While the server drains, HTTP/1.1 clients are told that the connection closes after the
/// answer: theirs is then never the request that meets a closing connection, and the next one goes to another replica. (HTTP/2 has
/// GOAWAY for that.)
fn answering(
    handling: Arc<Handling>,
) -> impl HyperService<
    Request<Incoming>,
    Response = Response,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send,
> + Clone {
    service_fn(move |request: Request<Incoming>| {
        let handling = Arc::clone(&handling);
        handling.used.store(true, Ordering::Release);
        let (is_last, is_http1) = (handling.is_last(), request.version() <= Version::HTTP_11);
        if is_last {
            handling.last.notify_one();
        }
        let answer = match handling.refuses(&request) {
            Some(refusal) => Either::Left(ready(Ok(refusal))),
            None => {
                let mut router = handling.router.clone();
                Either::Right(Service::<Request<Body>>::call(&mut router, request.map(Body::new)))
            }
        };
        async move {
            let mut answer = answer.await?;
            if is_http1 && (is_last || handling.readiness.is_draining()) {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        }
    })
}
