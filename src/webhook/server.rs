//! The TLS listener under the router: bounded in time and number, drained on shutdown.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::health::Readiness;
use super::strangers::Strangers;
use super::tls::Tls;

/// How long and how many.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the head of a request, the idle time before it included, also that before the first. Longer than the API server keeps an
    /// idle connection (90 s), one that it dialled and did not use yet too, so that the side that closes is never the one that a
    /// request is on its way to.
    pub header: Duration,
    /// Where clients have to present a certificate, for who presents none: from its handshake to the one request that it has, and
    /// again to take the answer and go. Probes ask at once, and wait no longer either.
    pub stranger: Duration,
    /// Connections at once, handshakes that are under way included; more wait to be accepted. Where clients have to present a
    /// certificate, those who present none have at most half of them once their handshakes are done (before that nobody knows who
    /// they are): of those who asked nothing the first then makes room for the next.
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
            stranger: Duration::from_secs(2),
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
    let strangers = Strangers::at_most((limits.connections / 2).max(1));
    let (ends, ending) = watch::channel(false);
    let accept = async {
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            let stream = accept(&listener).await;
            let connection = Connection {
                tls: tls.clone(),
                router: router.clone(),
                limits,
                readiness: readiness.clone(),
                ends: ending.clone(),
                strangers: Arc::clone(&strangers),
                _permit: permit,
            };
            tokio::spawn(connection.run(stream));
        }
    };
    let stop = async {
        shutdown.await;
        readiness.drain();
        tracing::info!(linger_s = limits.linger.as_secs_f64(), "shutting down");
        sleep(limits.linger).await;
    };
    tokio::select! {
        () = accept => {}
        () = stop => {}
    }
    drop(listener);
    ends.send_replace(true);
    drop(ending);
    let finished = timeout(limits.drain, ends.closed()).await.is_ok();
    if !finished {
        tracing::warn!(
            drain_s = limits.drain.as_secs_f64(),
            "requests were still in flight at the end of the drain"
        );
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
