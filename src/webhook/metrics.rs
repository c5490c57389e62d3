//! The metrics port: plain HTTP, one path, bounded in time and number. It shares nothing with the webhook's own port, so that
//! nobody who reaches it can keep an admission waiting.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::server::accept;
use crate::telemetry::Metrics;

/// As OpenMetrics 1.0 wants it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 32;
/// How long one connection may take, with its one request. A scrape takes milliseconds.
const LONGEST: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
struct Scraped {
    metrics: Metrics,
    /// One page is made at a time.
    turn: Arc<Semaphore>,
}

/// `/metrics`, and nothing else. Exposed, so that tests call it without a socket.
pub fn metrics_router(metrics: Metrics) -> Router {
    let turn = Arc::new(Semaphore::new(1));
    Router::new().route("/metrics", get(scrape)).with_state(Scraped { metrics, turn })
}

/// Serves it, for ever.
pub async fn serve_metrics(listener: Arc<TcpListener>, router: Router) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let stream = accept(&listener).await;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let mut http = http1::Builder::new();
            // A connection that is kept open between scrapes would be one that somebody else cannot have.
            http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(LONGEST);
            let served = timeout(LONGEST, http.serve_connection(TokioIo::new(stream), service)).await;
            if let Ok(Err(error)) = served {
                tracing::debug!(%error, "a scrape's connection failed");
            }
        });
    }
}

async fn scrape(State(Scraped { metrics, turn }): State<Scraped>) -> Response {
    // Held until the page is made, though its caller may be gone by then.
    let Ok(turn) = turn.acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let page = tokio::task::spawn_blocking(move || {
        let page = metrics.render();
        drop(turn);
        page
    });
    match page.await {
        Ok(page) => ([(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
