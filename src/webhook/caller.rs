//! [`Caller`]: who is at the other end of a connection, and what they may ask for.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use rustls::ServerConnection;
use tokio::time::Instant;

use super::tls::Tls;

/// What anybody may ask for: kubelet's probes present no certificate.
const OPEN: &[&str] = &["/healthz", "/readyz"];
/// How often refusals are told: they come as fast as somebody likes.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The client of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nobody is asked for a certificate.
    Unasked,
    /// Presented a certificate of the client authorities.
    Verified,
    /// Was asked for one, and presented none.
    Anonymous,
}

impl Caller {
    pub(super) fn of(tls: &Tls, connection: &ServerConnection) -> Self {
        match (tls.asks_clients(), connection.peer_certificates()) {
            (false, _) => Self::Unasked,
            // rustls shows only what its verifier has passed.
            (true, Some(chain)) if !chain.is_empty() => Self::Verified,
            (true, _) => Self::Anonymous,
        }
    }

    /// The answer to those who may not ask for `path`. Every path but a few is guarded, so that none can be forgotten.
    pub(super) fn refuses(self, path: &str) -> Option<Response> {
        if self != Self::Anonymous || OPEN.contains(&path) {
            return None;
        }
        tell(|| tracing::warn!(path, "refused a caller without a client certificate (--client-ca)"));
        let message = "tagseal answers only callers with a client certificate (--client-ca), and this one presented none; \
                       an API server presents one when its AdmissionConfiguration names a kubeconfig with it\n";
        Some((StatusCode::FORBIDDEN, message).into_response())
    }
}

/// Says that a handshake failed. Scanners and probes do that all day; a client certificate that is not believed is told, because
/// it may well be the API server's.
pub(super) fn handshake_failed(error: &io::Error) {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(cause)) = cause {
        tell(|| {
            tracing::warn!(?cause, "refused a caller whose client certificate is not one of --client-ca")
        });
    } else {
        tracing::debug!(%error, "TLS handshake failed");
    }
}

fn tell(say: impl FnOnce()) {
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let Ok(mut told) = TOLD.lock() else { return };
    if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
        *told = Some(Instant::now());
        say();
    }
}
