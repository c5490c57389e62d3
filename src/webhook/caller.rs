//! [`Caller`]: who is at the other end of a connection, and what they may ask for.

use std::io;
use std::sync::Mutex;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use rustls::ServerConnection;

use super::tls::Tls;
use crate::backoff::Throttle;
use crate::clock::{Clock as _, SystemClock};
use crate::foreign::plain;

/// What anybody may ask for: kubelet's probes present no certificate.
const OPEN: &[&str] = &["/healthz", "/readyz"];

/// The client of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nobody is asked for a certificate.
    Unasked,
    /// Presented a certificate of the client authorities, with a name that is asked for.
    Verified,
    /// Was asked for one, and presented none.
    Anonymous,
    /// Presented a certificate of the client authorities, of somebody else.
    Misnamed,
}

impl Caller {
    pub(super) fn of(tls: &Tls, connection: &ServerConnection) -> Self {
        let Some(names) = tls.clients() else { return Self::Unasked };
        // rustls shows only what its verifier has passed.
        let Some(certificate) = connection.peer_certificates().and_then(<[_]>::first) else {
            return Self::Anonymous;
        };
        match names.admit(certificate) {
            Ok(()) => Self::Verified,
            Err(borne) => {
                let borne = borne.iter().map(|name| clean(name)).collect::<Vec<_>>().join(", ");
                static TOLD: Told = Told::never();
                TOLD.tell(|| tracing::warn!(borne, "a client certificate bears no name of --client-name"));
                Self::Misnamed
            }
        }
    }

    /// Whether it may ask for what everybody may, and for nothing else.
    pub(super) fn is_stranger(self) -> bool {
        matches!(self, Self::Anonymous | Self::Misnamed)
    }

    /// The answer to those who may not ask for `path`. Every path but a few is guarded, so that none can be forgotten.
    pub(super) fn refuses(self, path: &str) -> Option<Response> {
        static ANONYMOUS: Told = Told::never();
        static MISNAMED: Told = Told::never();
        let (told, message) = match self {
            Self::Unasked | Self::Verified => return None,
            _ if OPEN.contains(&path) => return None,
            Self::Anonymous => (
                &ANONYMOUS,
                "tagseal answers only callers with a client certificate (--client-ca), and this one presented none; \
                 an API server presents one when its AdmissionConfiguration names a kubeconfig with it\n",
            ),
            Self::Misnamed => (
                &MISNAMED,
                "tagseal answers only callers whose client certificate bears a name that it was told (--client-name), as its \
                 common name or a DNS name, and this one's bears none of them\n",
            ),
        };
        told.tell(|| tracing::warn!(path, caller = ?self, "refused a caller (--client-ca, --client-name)"));
        Some((StatusCode::FORBIDDEN, message).into_response())
    }
}

/// A peer's text, fit for a log line.
fn clean(name: &str) -> String {
    plain(name, 100).into_owned()
}

/// Says that a handshake failed. Scanners and probes do that all day; a client certificate that is not believed is told, because
/// it may well be the API server's.
pub(super) fn handshake_failed(error: &io::Error) {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(cause)) = cause {
        static TOLD: Told = Told::never();
        TOLD.tell(|| {
            tracing::warn!(error = ?cause, "refused a caller whose client certificate is not one of --client-ca")
        });
    } else {
        tracing::debug!(%error, "TLS handshake failed");
    }
}

/// When a message was last told. Each has one of its own: what anybody can provoke must not hide what an operator has to read.
struct Told(Mutex<Throttle>);

impl Told {
    const fn never() -> Self {
        Self(Mutex::new(Throttle::new()))
    }

    fn tell(&self, say: impl FnOnce()) {
        let Ok(mut throttle) = self.0.lock() else { return };
        if throttle.tells(SystemClock.now()) {
            say();
        }
    }
}
