//! The listener: TLS, both versions of HTTP, shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, StatusCode, Version};
use tagseal::admission::Admission;
use tagseal::policy::{Labels, LabelsError, LabelsFuture, NamespaceLabels, PolicySet, PolicySnapshot};
use tagseal::webhook::{Limits, Readiness, Reload, ServingCertificate, router, serve};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::certificate::{Pair, Volume, now, pair_valid, provider};
use super::review::{Answer, Review, containers};
use super::world::Nothing;
use crate::support::days;

/// Namespaces whose labels are read when the test says so.
#[derive(Debug)]
struct Slow {
    reading: Semaphore,
    gate: Semaphore,
}

impl NamespaceLabels for Slow {
    fn cached(&self, _: &str) -> Option<Arc<Labels>> {
        None
    }

    fn read<'a>(&'a self, namespace: &'a str) -> LabelsFuture<'a> {
        Box::pin(async {
            self.reading.add_permits(1);
            let _ = self.gate.acquire().await;
            Err(LabelsError { namespace: namespace.to_owned(), message: "it is gone".to_owned() })
        })
    }
}

struct Running {
    address: SocketAddr,
    volume: Volume,
    certificate: Arc<ServingCertificate>,
    namespaces: Arc<Slow>,
    readiness: Readiness,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<bool>,
    _policies: watch::Sender<PolicySnapshot>,
}

async fn start(pair: &Pair, limits: Limits) -> Running {
    let volume = Volume::new(pair);
    let certificate = Arc::new(volume.load().unwrap());
    let namespaces = Arc::new(Slow { reading: Semaphore::new(0), gate: Semaphore::new(0) });
    let snapshot = PolicySnapshot::Synced(Arc::new(PolicySet::default()));
    let (policies, watched) = watch::channel(snapshot);
    let admission = Admission::new(Arc::new(Nothing), watched, Some(Arc::<Slow>::clone(&namespaces)));
    let readiness = Readiness::default();
    readiness.certificate_loaded();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, stop) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(
        listener,
        Arc::new(certificate.server_config().unwrap()),
        router(Arc::new(admission), readiness.clone()),
        readiness.clone(),
        limits,
        async { stop.await.unwrap_or_default() },
    ));
    Running { address, volume, certificate, namespaces, readiness, shutdown, server, _policies: policies }
}

pub fn client(pair: &Pair) -> Client {
    builder(pair).build().unwrap()
}

fn builder(pair: &Pair) -> ClientBuilder {
    // A process has one default provider; every test may be the first to need it.
    let _ = rustls::crypto::CryptoProvider::install_default((*provider()).clone());
    let certificate = Certificate::from_pem(pair.certificate.as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([certificate])
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("https://localhost:{}{path}", address.port())
}

const QUICK: Limits = Limits {
    handshake: Duration::from_secs(10),
    header: Duration::from_secs(120),
    stranger: Duration::from_secs(10),
    connections: 8,
    linger: Duration::ZERO,
    drain: Duration::from_secs(30),
};

/// Certificates are judged by the client's own clock.
fn localhost() -> Pair {
    pair_valid(&["localhost"], now() - days(9000), now() + days(9000))
}

#[tokio::test]
async fn http_1_and_2_are_served_over_tls() {
    let pair = localhost();
    let running = start(&pair, QUICK).await;
    let health = url(running.address, "/healthz");
    let http2 = client(&pair).get(&health).send().await.unwrap();
    assert_eq!((http2.status(), http2.version()), (StatusCode::OK, Version::HTTP_2));
    let http1 = builder(&pair).http1_only().build().unwrap().get(&health).send().await.unwrap();
    assert_eq!((http1.status(), http1.version()), (StatusCode::OK, Version::HTTP_11));
}

#[tokio::test]
async fn a_renewed_certificate_serves_new_connections_while_old_ones_go_on() {
    let (old, new) = (localhost(), localhost());
    let mut running = start(&old, QUICK).await;
    let health = url(running.address, "/healthz");
    let (before, after) = (client(&old), client(&new));
    before.get(&health).send().await.unwrap();
    assert!(after.get(&health).send().await.is_err());

    running.volume.swap(&new);
    assert_eq!(running.certificate.reload(now()), Reload::Replaced);

    assert_eq!(after.get(&health).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(before.get(&health).send().await.unwrap().status(), StatusCode::OK);
    assert!(client(&old).get(&health).send().await.is_err(), "a new connection got the old certificate");
}

#[tokio::test]
async fn shutdown_turns_readiness_off_stops_accepting_and_finishes_what_is_in_flight() {
    let pair = localhost();
    let running = start(&pair, QUICK).await;
    let ready = url(running.address, "/readyz");
    assert_eq!(client(&pair).get(&ready).send().await.unwrap().status(), StatusCode::OK);
    let in_flight = tokio::spawn(validate(client(&pair), running.address));
    running.namespaces.reading.acquire().await.unwrap().forget();

    running.shutdown.send(()).unwrap();
    while TcpStream::connect(running.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.readiness.missing(true), ["shutting down"]);
    assert!(!running.server.is_finished());
    running.namespaces.gate.add_permits(1);

    let answer = in_flight.await.unwrap();
    assert_eq!(
        answer.denial(),
        "container \"web\": image \"registry.example.com/shop/web:1.4\": NotSynced: which policies hold is not known: \
         labels of namespace shop could not be read: it is gone; try again"
    );
    assert!(running.server.await.unwrap(), "something was cut off");
}

#[tokio::test]
async fn while_it_lingers_an_http_1_client_is_told_that_its_connection_closes() {
    let pair = localhost();
    let running = start(&pair, Limits { linger: Duration::from_secs(3600), ..QUICK }).await;
    let (http1, http2) = (builder(&pair).http1_only().build().unwrap(), client(&pair));
    let asks = async |client: &Client| {
        let answer = client.get(url(running.address, "/healthz")).send().await.unwrap();
        (answer.status(), answer.headers().get("connection").map(|value| value.to_str().unwrap().to_owned()))
    };
    assert_eq!(asks(&http1).await, (StatusCode::OK, None));
    assert_eq!(asks(&http2).await, (StatusCode::OK, None));

    running.shutdown.send(()).unwrap();
    while running.readiness.missing(true).is_empty() {
        tokio::task::yield_now().await;
    }
    // The answer comes first, and the listener still takes those who have not heard of it.
    for _ in 0..2 {
        assert_eq!(asks(&http1).await, (StatusCode::OK, Some("close".to_owned())));
        assert_eq!(asks(&http2).await, (StatusCode::OK, None));
    }
}

#[tokio::test]
async fn a_drain_ends_when_its_time_is_up() {
    let pair = localhost();
    let running = start(&pair, Limits { drain: Duration::from_millis(20), ..QUICK }).await;
    let in_flight = tokio::spawn(validate(client(&pair), running.address));
    running.namespaces.reading.acquire().await.unwrap().forget();
    running.shutdown.send(()).unwrap();
    assert!(!running.server.await.unwrap(), "a request that waits for ever was finished");
    in_flight.abort();
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_and_makes_room() {
    let pair = localhost();
    let limits =
        Limits { handshake: Duration::from_secs(2), header: Duration::from_secs(3), connections: 1, ..QUICK };
    let running = start(&pair, limits).await;
    let mut before_tls = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(before_tls.read(&mut [0; 1]).await.unwrap_or(0), 0, "expected the end of the connection");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(pair.der.clone().into()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let connector =
        TlsConnector::from(Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(running.address).await.unwrap();
    let mut after_tls = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(after_tls.read(&mut [0; 1]).await.unwrap_or(0), 0, "expected the end of the connection");

    let health = url(running.address, "/healthz");
    assert_eq!(client(&pair).get(&health).send().await.unwrap().status(), StatusCode::OK);
}

async fn validate(client: Client, address: SocketAddr) -> Answer {
    let review = Review::pod(containers(&[("web", "registry.example.com/shop/web:1.4")]));
    let request = client.post(url(address, "/validate")).header("content-type", "application/json");
    let response = request.body(review.bytes()).send().await.unwrap();
    Answer::read(&response.bytes().await.unwrap())
}
