//! Who may call: `--client-ca`. And certificates that another part of the process hands over.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;
use tagseal::admission::Admission;
use tagseal::policy::{PolicySet, PolicySnapshot};
use tagseal::webhook::{
    CertificateError, ClientAuthority, ClientNames, HandedCertificate, Limits, Readiness, Reload, Tls,
    router, serve,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{Pair, now, pair_valid, provider};
use super::review::{Answer, Review, containers};
use super::world::Nothing;
use crate::support::days;

/// An authority of client certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A client with a certificate of this authority, and no connections to keep: each request is a handshake.
    fn client(&self, usage: ExtendedKeyUsagePurpose, server: &[&Pair]) -> Client {
        let identity = self.identity(usage, "kube-apiserver", &[]);
        builder(server).identity(identity).pool_max_idle_per_host(0).build().unwrap()
    }

    fn identity(&self, usage: ExtendedKeyUsagePurpose, common_name: &str, names: &[&str]) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity::from_pem(format!("{certificate}{}", key.serialize_pem()).as_bytes()).unwrap()
    }

    /// A client with these names and connections that it keeps.
    fn kept(&self, common_name: &str, names: &[&str], server: &Pair) -> ClientBuilder {
        builder(&[server]).identity(self.identity(ExtendedKeyUsagePurpose::ClientAuth, common_name, names))
    }
}

/// Trusts `servers`.
fn builder(servers: &[&Pair]) -> ClientBuilder {
    let _ = rustls::crypto::CryptoProvider::install_default((*provider()).clone());
    let trusted = servers.iter().map(|pair| Certificate::from_pem(pair.certificate.as_bytes()).unwrap());
    Client::builder().no_proxy().tls_certs_only(trusted)
}

fn localhost() -> Pair {
    pair_valid(&["localhost"], now() - days(9000), now() + days(9000))
}

fn certified(pair: &Pair) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    Arc::new(CertifiedKey::from_der(vec![pair.der.clone().into()], key, &default_provider()).unwrap())
}

/// A webhook without policies, which admits everything.
async fn start(tls: Tls, readiness: Readiness) -> (SocketAddr, watch::Sender<PolicySnapshot>) {
    start_within(Limits::default(), tls, readiness).await
}

async fn start_within(
    limits: Limits,
    tls: Tls,
    readiness: Readiness,
) -> (SocketAddr, watch::Sender<PolicySnapshot>) {
    let (policies, watched) = watch::channel(PolicySnapshot::Synced(Arc::new(PolicySet::default())));
    let admission = Arc::new(Admission::new(Arc::new(Nothing), watched, None));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(admission, readiness.clone());
    tokio::spawn(serve(listener, tls, app, readiness, limits, std::future::pending()));
    (address, policies)
}

struct Guarded {
    server: Pair,
    address: SocketAddr,
    file: PathBuf,
    clients: ClientAuthority,
    _folder: TempDir,
    _policies: watch::Sender<PolicySnapshot>,
}

async fn guarded(authority: &Authority) -> Guarded {
    guarded_within(Limits::default(), authority, &[]).await
}

async fn guarded_within(limits: Limits, authority: &Authority, names: &[&str]) -> Guarded {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("client-ca.crt");
    fs::write(&file, &authority.pem).unwrap();
    let server = localhost();
    let handed = HandedCertificate::new(watch::channel(Some(certified(&server))).1);
    let names = ClientNames::new(names.iter().map(|name| (*name).to_owned()).collect());
    let clients = ClientAuthority::load(file.clone(), Arc::new(handed), provider(), names).unwrap();
    let readiness = Readiness::default();
    readiness.certificate_loaded();
    let (address, policies) = start_within(limits, clients.tls(), readiness).await;
    Guarded { server, address, file, clients, _folder: folder, _policies: policies }
}

impl Guarded {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    async fn validates(&self, client: &Client) -> Result<StatusCode, reqwest::Error> {
        Ok(validate(client, &self.url("/validate")).await?.status())
    }
}

async fn validate(client: &Client, url: &str) -> Result<reqwest::Response, reqwest::Error> {
    let review = Review::pod(containers(&[("web", "registry.example.com/shop/web:1.4")]));
    client.post(url).header("content-type", "application/json").body(review.bytes()).send().await
}

/// Each of them asks again as soon as it is answered.
struct Callers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Callers {
    fn start(clients: impl IntoIterator<Item = Client>, url: &str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let start = |client: Client| {
            let (url, stop, answered) = (url.to_owned(), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut last = None;
                while !stop.load(Ordering::Relaxed) {
                    let response = validate(&client, &url).await;
                    let response = response.unwrap_or_else(|error| panic!("{error:?} after {last:?}"));
                    last = Some((response.version(), response.headers().get("connection").cloned()));
                    assert!(Answer::read(&response.bytes().await.unwrap()).is_allowed());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks = clients.into_iter().map(start).collect();
        Self { stop, answered, tasks }
    }

    /// Waits until so many more were answered.
    async fn go_on(&self, more: usize) {
        let enough = self.answered.load(Ordering::Relaxed) + more;
        let served = async {
            while self.answered.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), served).await.expect("requests go on");
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no request failed");
        }
    }
}

#[tokio::test]
async fn without_a_client_certificate_only_probes_are_answered() {
    let guarded = guarded(&Authority::new("clients")).await;
    let client = builder(&[&guarded.server]).build().unwrap();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(client.get(guarded.url(path)).send().await.unwrap().status(), StatusCode::OK);
    }
    for path in ["/mutate", "/validate", "/policies", "/", "/healthz/", "/readyz?x", "//healthz"] {
        let response = validate(&client, &guarded.url(path)).await.unwrap();
        let expected =
            if path == "/readyz?x" { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::FORBIDDEN };
        assert_eq!(response.status(), expected, "{path}");
        if expected == StatusCode::FORBIDDEN {
            let message = response.text().await.unwrap();
            assert!(
                message.starts_with("tagseal answers only callers with a client certificate"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn a_client_certificate_of_the_authority_and_for_clients_is_let_in_and_no_other() {
    let (ours, theirs) = (Authority::new("clients"), Authority::new("clients"));
    let guarded = guarded(&ours).await;
    let server = [&guarded.server];
    let right = ours.client(ExtendedKeyUsagePurpose::ClientAuth, &server);
    let response = validate(&right, &guarded.url("/validate")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(Answer::read(&response.bytes().await.unwrap()).is_allowed());
    let foreign = theirs.client(ExtendedKeyUsagePurpose::ClientAuth, &server);
    assert!(guarded.validates(&foreign).await.is_err(), "of another authority");
    let for_servers = ours.client(ExtendedKeyUsagePurpose::ServerAuth, &server);
    assert!(guarded.validates(&for_servers).await.is_err(), "for servers");
}

#[tokio::test]
async fn a_client_certificate_has_to_bear_a_name_that_was_told() {
    let authority = Authority::new("clients");
    let names = ["kube-apiserver", "api.example.com"];
    let guarded = guarded_within(Limits::default(), &authority, &names).await;
    let answers = async |common_name: &str, names: &[&str]| {
        let client = authority.kept(common_name, names, &guarded.server).build().unwrap();
        let response = validate(&client, &guarded.url("/validate")).await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    for (common_name, names) in [
        ("kube-apiserver", &[][..]),
        ("kube-apiserver", &["elsewhere.example.com"]),
        ("anybody", &["elsewhere.example.com", "api.example.com"]),
        ("anybody", &["API.example.com"]),
    ] {
        assert_eq!(answers(common_name, names).await.0, StatusCode::OK, "{common_name} {names:?}");
    }
    for (common_name, names) in [
        ("anybody", &[][..]),
        ("Kube-APIServer", &[]),
        ("kube-apiserver.example.com", &["example.com"]),
        ("anybody", &["*.example.com"]),
        ("", &[]),
    ] {
        let (status, message) = answers(common_name, names).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{common_name} {names:?}");
        let expected = "tagseal answers only callers whose client certificate bears a name that it was told (--client-name)";
        assert!(message.starts_with(expected), "{message}");
    }
    let anybody = authority.kept("anybody", &[], &guarded.server).build().unwrap();
    assert_eq!(anybody.get(guarded.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}

/// A connection without a client certificate, with TLS, that speaks `protocol`.
async fn connects(guarded: &Guarded, protocol: &str) -> TlsStream<TcpStream> {
    dials(guarded.address, &guarded.server, protocol).await
}

async fn dials(address: SocketAddr, server: &Pair, protocol: &str) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.der.clone().into()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

/// What comes until the connection ends, which it does soon.
async fn until_closed(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut read = Vec::new();
    let end = stream.read_to_end(&mut read);
    let end = tokio::time::timeout(Duration::from_secs(30), end).await;
    // Whether it is closed politely is not the question.
    let _ = end.expect("the connection is closed");
    read
}

const HTTP_1: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
const HTTP_1_LAST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// The preface, SETTINGS, and `GET https://localhost/healthz` on stream 1.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
    \0\0\x17\x01\x05\0\0\0\x01\x82\x87\x44\x08/healthz\x41\x09localhost";
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

/// The kind and the content of each frame of HTTP/2.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (content, after) = rest.split_at(length.min(rest.len()));
        frames.push((*kind, content.to_vec()));
        bytes = after;
    }
    frames
}

#[tokio::test]
async fn a_caller_without_a_certificate_has_one_answer_of_a_connection() {
    let guarded = guarded(&Authority::new("clients")).await;
    let mut stream = connects(&guarded, "http/1.1").await;
    stream.write_all(HTTP_1).await.unwrap();
    let answer = String::from_utf8(until_closed(&mut stream).await).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_caller_without_a_certificate_that_does_not_go_is_cut_off() {
    let limits = Limits { stranger: Duration::from_secs(2), ..Limits::default() };
    let guarded = guarded_within(limits, &Authority::new("clients"), &[]).await;
    let mut stream = connects(&guarded, "h2").await;
    // It never answers the ping that GOAWAY comes with.
    stream.write_all(HTTP_2).await.unwrap();
    let frames = frames(&until_closed(&mut stream).await);
    let kinds: Vec<_> = frames.iter().map(|(kind, _)| *kind).collect();
    assert!(kinds.contains(&GOAWAY) && kinds.contains(&HEADERS), "an answer, and GOAWAY: {kinds:?}");
}

#[tokio::test]
async fn a_caller_without_a_certificate_that_asks_on_in_http_2_is_refused() {
    let guarded = guarded(&Authority::new("clients")).await;
    let mut stream = connects(&guarded, "h2").await;
    let mut asks = HTTP_2.to_vec();
    asks.extend(b"\0\0\x17\x01\x05\0\0\0\x03\x82\x87\x44\x08/healthz\x41\x09localhost");
    stream.write_all(&asks).await.unwrap();
    let frames = frames(&until_closed(&mut stream).await);
    let answers = frames.iter().filter(|(kind, _)| *kind == HEADERS);
    // `:status: 200` is one byte (RFC 7541, appendix A); that of another is longer.
    let mut well: Vec<_> = answers.map(|(_, headers)| headers.first() == Some(&0x88)).collect();
    well.sort_unstable();
    assert_eq!(well, [false, true], "one answer, and one refusal");
}

#[tokio::test]
async fn a_connection_that_was_dialled_ahead_is_kept_for_callers_that_are_known() {
    let limits =
        Limits { handshake: Duration::from_secs(2), stranger: Duration::from_millis(1), ..Limits::default() };
    let server = localhost();
    let handed = HandedCertificate::new(watch::channel(Some(certified(&server))).1);
    let tls = Tls::open(Arc::new(handed), provider()).unwrap();
    let (address, _policies) = start_within(limits, tls, Readiness::default()).await;
    let mut stream = dials(address, &server, "http/1.1").await;
    // Longer than a handshake may take, and than a stranger may be silent.
    let closed = tokio::time::timeout(Duration::from_secs(4), stream.read(&mut [0; 1])).await;
    assert!(closed.is_err(), "it is not closed");
    stream.write_all(HTTP_1_LAST).await.unwrap();
    assert!(until_closed(&mut stream).await.starts_with(b"HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn callers_without_a_certificate_leave_room_for_those_who_have_one_and_for_those_who_come_later() {
    let authority = Authority::new("clients");
    let limits = Limits { connections: 4, stranger: Duration::from_secs(3600), ..Limits::default() };
    let guarded = guarded_within(limits, &authority, &[]).await;
    let mut strangers = VecDeque::new();
    for _ in 0..2 {
        strangers.push_back(connects(&guarded, "http/1.1").await);
    }
    for _ in 0..3 {
        strangers.push_back(connects(&guarded, "http/1.1").await);
        let mut first = strangers.pop_front().unwrap();
        assert_eq!(until_closed(&mut first).await, b"", "who said nothing for longest makes room");
    }
    let ours = authority.client(ExtendedKeyUsagePurpose::ClientAuth, &[&guarded.server]);
    let answer = tokio::time::timeout(Duration::from_secs(30), guarded.validates(&ours)).await;
    assert_eq!(answer.expect("there is room").unwrap(), StatusCode::OK);
    // And those who are there are answered.
    for mut stream in strangers {
        stream.write_all(HTTP_1).await.unwrap();
        assert!(until_closed(&mut stream).await.starts_with(b"HTTP/1.1 200 OK"));
    }
}

#[tokio::test]
async fn a_connection_that_began_under_other_client_authorities_ends_with_its_next_answer() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let guarded = guarded(&old).await;
    let url = guarded.url("/validate");
    let http1 = old.kept("kube-apiserver", &[], &guarded.server).http1_only().build().unwrap();
    let http2 = old.kept("kube-apiserver", &[], &guarded.server).build().unwrap();
    for client in [&http1, &http2, &http1, &http2] {
        let answer = validate(client, &url).await.unwrap();
        assert_eq!((answer.status(), answer.headers().get("connection")), (StatusCode::OK, None));
        answer.bytes().await.unwrap();
    }
    fs::write(&guarded.file, &new.pem).unwrap();
    assert_eq!(guarded.clients.reload(), Reload::Replaced);

    let last = validate(&http1, &url).await.unwrap();
    let says = last.headers().get("connection").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((last.status(), says), (StatusCode::OK, Some("close".to_owned())));
    last.bytes().await.unwrap();
    assert!(validate(&http1, &url).await.is_err(), "another connection is refused");
    // In HTTP/2 it need not ask first.
    let gone = async {
        while validate(&http2, &url).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the old connection goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_authorities_are_exchanged_under_load_without_a_failed_request() {
    let (authority, other) = (Authority::new("clients"), Authority::new("others"));
    let guarded = guarded(&authority).await;
    let url = guarded.url("/validate");
    let kept = || authority.kept("kube-apiserver", &[], &guarded.server);
    let clients = [kept().build(), kept().build(), kept().http1_only().build(), kept().http1_only().build()];
    let callers = Callers::start(clients.map(Result::unwrap), &url);
    for turn in 0..20 {
        let more = if turn % 2 == 0 { other.pem.as_str() } else { "" };
        fs::write(&guarded.file, format!("{}{more}", authority.pem)).unwrap();
        assert_eq!(guarded.clients.reload(), Reload::Replaced);
        callers.go_on(12).await;
    }
    callers.end().await;
}

#[tokio::test]
async fn new_client_authorities_hold_for_new_connections_and_broken_ones_are_refused() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let guarded = guarded(&old).await;
    let server = [&guarded.server];
    let before = old.client(ExtendedKeyUsagePurpose::ClientAuth, &server);
    let after = new.client(ExtendedKeyUsagePurpose::ClientAuth, &server);
    assert_eq!(guarded.validates(&before).await.unwrap(), StatusCode::OK);
    assert!(guarded.validates(&after).await.is_err());
    assert_eq!(guarded.clients.reload(), Reload::Unchanged);

    fs::write(&guarded.file, "nothing").unwrap();
    let path = guarded.file.clone();
    let missing = CertificateError::Missing { path, what: "certificate", message: String::new() };
    assert_eq!(guarded.clients.reload(), Reload::Refused(missing));
    assert_eq!(guarded.clients.reload(), Reload::Unchanged, "told once");
    assert_eq!(guarded.validates(&before).await.unwrap(), StatusCode::OK);

    fs::write(&guarded.file, &new.pem).unwrap();
    assert_eq!(guarded.clients.reload(), Reload::Replaced);
    assert_eq!(guarded.validates(&after).await.unwrap(), StatusCode::OK);
    // The very client whose sessions could be resumed.
    assert!(guarded.validates(&before).await.is_err());
}

#[tokio::test]
async fn a_file_without_authorities_is_refused_at_start() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("client-ca.crt");
    let load = || {
        let handed = HandedCertificate::new(watch::channel(None).1);
        ClientAuthority::load(file.clone(), Arc::new(handed), provider(), ClientNames::default()).unwrap_err()
    };
    assert_eq!(load().to_string(), format!("cannot read {}: no such file", file.display()));
    fs::write(&file, "").unwrap();
    assert_eq!(load().to_string(), format!("{} holds no certificate in PEM", file.display()));
}

#[tokio::test]
async fn a_replica_is_ready_with_the_first_certificate_that_is_handed_over() {
    let (sender, receiver) = watch::channel(None);
    let (remarks, remark) = watch::channel(Some("its clock is slow".to_owned()));
    let handed = HandedCertificate::new(receiver).with_remark(remark);
    let readiness = Readiness::default();
    tokio::spawn(handed.clone().await_first(readiness.clone()));
    let tls = Tls::open(Arc::new(handed), provider()).unwrap();
    let (address, _policies) = start(tls, readiness.clone()).await;
    let pair = localhost();
    let client = builder(&[&pair]).build().unwrap();
    let ready = format!("https://localhost:{}/readyz", address.port());
    assert!(client.get(&ready).send().await.is_err(), "a handshake without a certificate");
    assert_eq!(readiness.missing(true), ["no serving certificate is loaded"]);
    sender.send_replace(Some(certified(&pair)));
    while !readiness.missing(true).is_empty() {
        tokio::task::yield_now().await;
    }
    let says = async || {
        let response = client.get(&ready).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    assert_eq!(says().await, (StatusCode::OK, "ok\nits clock is slow".to_owned()));
    remarks.send_replace(None);
    assert_eq!(says().await, (StatusCode::OK, "ok".to_owned()));
    remarks.send_replace(Some("its clock is slow".to_owned()));
    readiness.drain();
    let expected = "shutting down\nits clock is slow\n".to_owned();
    assert_eq!(says().await, (StatusCode::SERVICE_UNAVAILABLE, expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_exchanged_under_load_without_a_failed_request() {
    let pairs: Vec<_> = (0..20).map(|_| localhost()).collect();
    let (sender, receiver) = watch::channel(Some(certified(&pairs[0])));
    let tls = Tls::open(Arc::new(HandedCertificate::new(receiver)), provider()).unwrap();
    let readiness = Readiness::default();
    let (address, _policies) = start(tls, readiness).await;
    let trusted: Vec<_> = pairs.iter().collect();
    let url = format!("https://localhost:{}/validate", address.port());
    let kept = || builder(&trusted).build().unwrap();
    let fresh = || builder(&trusted).pool_max_idle_per_host(0).http1_only().build().unwrap();
    let clients = [kept(), builder(&trusted).http1_only().build().unwrap(), fresh(), fresh()];
    let callers = Callers::start(clients, &url);
    for pair in &pairs {
        sender.send_replace(Some(certified(pair)));
        callers.go_on(8).await;
    }
    callers.end().await;
    // And the last one is what a new connection gets.
    let last = builder(&[&pairs[19]]).build().unwrap();
    assert_eq!(validate(&last, &url).await.unwrap().status(), StatusCode::OK);
}
