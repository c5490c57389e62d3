//! The suite's own HTTP servers and client.

use std::sync::{Arc, LazyLock};

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::ca::Serving;
use super::run::RUNTIME;

/// Asks over plain http, past any proxy of the machine.
pub static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    LazyLock::force(&RUNTIME);
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client")
});

/// Asks over TLS whoever answers: kubelet does not look at a pod's certificate either.
pub static CREDULOUS: LazyLock<reqwest::Client> = LazyLock::new(|| {
    LazyLock::force(&RUNTIME);
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    builder.tls_danger_accept_invalid_certs(true).build().expect("a client")
});

/// `Ok` when a GET of `url` answers 200.
pub fn answers(url: &str) -> Result<(), String> {
    answers_with(&CLIENT, url)
}

/// The status that a GET of `url` answers; `Err` when nothing does.
pub fn http_status(url: &str) -> Result<u16, String> {
    let response = RUNTIME.block_on(CLIENT.get(url).send()).map_err(|error| error.to_string())?;
    Ok(response.status().as_u16())
}

/// The same, asked by `client`.
pub fn answers_with(client: &reqwest::Client, url: &str) -> Result<(), String> {
    let response = RUNTIME.block_on(client.get(url).send()).map_err(|error| format!("{url}: {error:?}"))?;
    match response.status() {
        reqwest::StatusCode::OK => Ok(()),
        status => Err(format!("{url}: {status}")),
    }
}

/// A server on loopback. Dropped, it and all its connections are gone, and connecting is refused.
pub struct Server {
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `router` on `port`, over TLS when there is a certificate.
    pub fn start(port: u16, tls: Option<&Serving>, router: Router) -> Self {
        let acceptor = tls.map(acceptor);
        let listener = RUNTIME
            .block_on(TcpListener::bind(("127.0.0.1", port)))
            .unwrap_or_else(|error| panic!("port {port}: {error}"));
        Self { task: RUNTIME.spawn(accept(listener, acceptor, router)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // The listener is closed when the task has ended, not when it was told to.
        let _ = RUNTIME.block_on(&mut self.task);
    }
}

fn acceptor(serving: &Serving) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(serving.key.serialize_der()).into();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![serving.certificate.der().clone()], key)
            .expect("a key that suits its certificate");
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, router: Router) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(handle(stream, acceptor.clone(), router.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn handle(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router) {
    match acceptor {
        None => serve(stream, router).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, router).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = TowerToHyperService::new(router);
    // A connection that breaks is the client's affair.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
