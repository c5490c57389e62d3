//! [`Https`]: the client of whoever plays the API server or a container runtime. One request, one connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::error::StageError;

/// Everything is on this machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest answer.
const MAX_BODY: usize = 32 << 20;

/// An HTTPS client that knows one authority.
#[derive(Clone)]
pub(super) struct Https(TlsConnector);

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Https {
    pub(super) fn new(ca_pem: &str) -> Result<Self, StageError> {
        let failed = |error: &dyn std::fmt::Display| StageError::Tls(error.to_string());
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|error| failed(&error))?;
        roots.add(authority).map_err(|error| failed(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn get(&self, url: &str) -> Result<Reply, StageError> {
        self.call(Method::GET, url, None).await
    }

    pub(super) async fn post_json(&self, url: &str, body: Bytes) -> Result<Reply, StageError> {
        self.call(Method::POST, url, Some(body)).await
    }

    async fn call(&self, method: Method, url: &str, body: Option<Bytes>) -> Result<Reply, StageError> {
        let failed = |message: String| StageError::Request { url: url.to_owned(), message };
        match timeout(PATIENCE, self.exchange(method, url, body)).await {
            Ok(exchanged) => exchanged.map_err(failed),
            Err(_) => Err(failed(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn exchange(&self, method: Method, url: &str, body: Option<Bytes>) -> Result<Reply, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let url: url::Url = url.parse().map_err(|error| text(&error))?;
        let (host, port) = (url.host_str().unwrap_or_default(), url.port().unwrap_or(443));
        // Not by name: something else may listen on the other addresses of `localhost`.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect(address).await.map_err(|error| text(&error))?;
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
        let stream = self.0.connect(name, stream).await.map_err(|error| text(&error))?;
        let (mut sender, connection) =
            http1::handshake::<_, Body>(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
        let target = url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let mut request =
            Request::builder().method(method).uri(target).header(HOST, format!("{host}:{port}"));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or(Body::empty(), Body::from);
        let request = request.body(body).map_err(|error| text(&error))?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(|error| text(&error))?;
            let status = response.status();
            let body = axum::body::to_bytes(Body::new(response.into_body()), MAX_BODY).await;
            Ok(Reply { status, body: body.map_err(|error| text(&error))? })
        };
        tokio::pin!(answered);
        tokio::select! {
            reply = &mut answered => reply,
            ended = connection => match ended {
                // Everything came, and then the connection was closed.
                Ok(()) => answered.await,
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

impl std::fmt::Debug for Https {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Https").finish_non_exhaustive()
    }
}
