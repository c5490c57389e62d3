//! The TLS listener under the router: HTTP/1.1 and HTTP/2, bounded in time and number, drained on shutdown.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Version, header};
use axum::response::Response;
use futures::future::Either;
use hyper::body::Incoming;
use hyper::service::{Service as HyperService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::caller::Caller;
use super::health::Readiness;
use super::tls::Tls;

/// How long and how many.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the TLS handshake, and again for the first request after it.
    pub handshake: Duration,
    /// For the head of a request, the idle time before it included. Longer than the API server keeps an idle
    /// connection (90 s), so that the side that closes is never the one that a request is on its way to.
    pub header: Duration,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// After readiness is gone, how long requests are still accepted: the time in which whoever sends them learns of it.
    /// Longer than the shipped readiness probe takes to notice (three failures, two seconds apart, a second each at most).
    pub linger: Duration,
    /// For the requests in flight to finish, after that.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(120),
            connections: 4096,
            linger: Duration::from_secs(8),
            drain: Duration::from_secs(12),
        }
    }
}

/// Serves until `shutdown` resolves, then: readiness off, linger, stop accepting, finish what is in flight, at most
/// [`Limits::drain`]. Returns whether everything in flight was finished.
pub async fn serve(
    listener: TcpListener,
    tls: impl Into<Tls>,
    router: Router,
    readiness: Readiness,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> bool {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let tls = tls.into();
    let graceful = GracefulShutdown::new();
    let accept = async {
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            let stream = accept(&listener).await;
            let connection = Connection {
                tls: tls.clone(),
                router: router.clone(),
                limits,
                readiness: readiness.clone(),
                watcher: graceful.watcher(),
                _permit: permit,
            };
            tokio::spawn(connection.run(stream));
        }
    };
    let stop = async {
        shutdown.await;
        readiness.drain();
        tracing::info!(linger = ?limits.linger, "shutting down");
        sleep(limits.linger).await;
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    let finished = timeout(limits.drain, graceful.shutdown()).await.is_ok();
    if !finished {
        tracing::warn!(drain = ?limits.drain, "requests were still in flight at the end of the drain");
    }
    finished
}

/// The next connection. Errors are those of one connection, or of a table that is full: wait, go on.
pub(super) async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

struct Connection {
    tls: Tls,
    router: Router,
    limits: Limits,
    readiness: Readiness,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let acceptor = TlsAcceptor::from(self.tls.current());
        let stream = match timeout(self.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return super::caller::handshake_failed(&error),
            Err(_) => return tracing::debug!("TLS handshake timed out"),
        };
        let used = Arc::new(AtomicBool::new(false));
        let caller = Caller::of(&self.tls, stream.get_ref().1);
        let service = answering(self.router, caller, self.readiness, Arc::clone(&used));
        let builder = builder(self.limits);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let mut connection = std::pin::pin!(self.watcher.watch(connection));
        let unused = async {
            sleep(self.limits.handshake).await;
            if used.load(Ordering::Acquire) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection failed");
                }
            }
            () = unused => tracing::debug!("no request came in time"),
        }
    }
}

fn builder(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .keep_alive_interval(limits.header)
        .keep_alive_timeout(limits.handshake);
    builder
}

/// Answers by `router`, whom it may. It notes that the connection was used: one that says nothing after its handshake is
/// closed. While the server drains, HTTP/1.1 clients are told that the connection closes after the answer: theirs is then
/// never the request that meets a closing connection, and the next one goes to another replica. (HTTP/2 has GOAWAY for that.)
fn answering(
    router: Router,
    caller: Caller,
    readiness: Readiness,
    used: Arc<AtomicBool>,
) -> impl HyperService<
    Request<Incoming>,
    Response = Response,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send,
> + Clone {
    service_fn(move |request: Request<Incoming>| {
        used.store(true, Ordering::Release);
        let (closes, readiness) = (request.version() <= Version::HTTP_11, readiness.clone());
        let answer = match caller.refuses(request.uri().path()) {
            Some(refusal) => Either::Left(ready(Ok(refusal))),
            None => {
                Either::Right(Service::<Request<Body>>::call(&mut router.clone(), request.map(Body::new)))
            }
        };
        async move {
            let mut answer = answer.await?;
            if closes && readiness.is_draining() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        }
    })
}
