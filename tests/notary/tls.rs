//! What an admin reads when TLS fails. The clock stands at 2026-06-01.

use std::time::Duration;

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use tagseal::notary::{Limits, Proxies};
use tokio::net::TcpListener;

use super::pki::{Authority, params, self_signed};
use super::server::{Answer, Server};
use super::{Reader, found, unreachable};

async fn server(config: ServerConfig) -> (Server, String) {
    let server = Server::https(config, |_| Answer::ok("{}")).await;
    let url = format!("https://localhost:{}", server.port);
    (server, url)
}

fn reader(url: &str, ca_pem: Option<&str>) -> Reader {
    Reader::with(url, ca_pem, Limits::default(), Proxies::default())
}

/// What is said of a server with this certificate where `authority` is believed.
async fn told(config: ServerConfig, authority: &Authority) -> String {
    let (_server, url) = server(config).await;
    let error = reader(&url, Some(&authority.pem())).timestamp().await.unwrap_err();
    assert_eq!(Err::<(), _>(error.clone()), unreachable(error.to_string()));
    error.to_string().strip_prefix(&format!("{url}: ")).unwrap().to_owned()
}

#[tokio::test]
async fn an_authority_of_the_bundle_vouches_for_the_server() {
    let authority = Authority::named("Example CA");
    let (server, url) = server(authority.server(&["localhost"])).await;
    let other = Authority::named("Other CA");
    let bundle = format!("# ours\n{}\n# and theirs\n{}", other.pem(), authority.pem());
    assert_eq!(reader(&url, Some(&bundle)).timestamp().await, found("{}"));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_address_may_be_in_the_certificate() {
    let authority = Authority::named("Example CA");
    let (server, _) = server(authority.server(&["127.0.0.1"])).await;
    let url = format!("https://127.0.0.1:{}", server.port);
    assert_eq!(reader(&url, Some(&authority.pem())).timestamp().await, found("{}"));
}

#[tokio::test]
async fn an_unknown_authority_is_named() {
    let evil = Authority::named("Evil CA");
    let expected = "its certificate is issued by O=Example,CN=Evil CA, which is not in the CA bundle: put that \
                    authority's certificate in spec.notary.caBundle";
    assert_eq!(told(evil.server(&["localhost"]), &Authority::named("Example CA")).await, expected);
}

#[tokio::test]
async fn an_unknown_authority_is_named_where_the_system_is_believed() {
    let (_server, url) = server(Authority::named("Example CA").server(&["localhost"])).await;
    let outcome = reader(&url, None).timestamp().await.unwrap_err().to_string();
    // A machine without roots says so.
    let expected = "its certificate is issued by O=Example,CN=Example CA, which is not in the system's roots: put that \
                    authority's certificate in spec.notary.caBundle";
    assert!(
        outcome.ends_with(expected) || outcome.contains("the system has no roots to believe"),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_self_signed_certificate_is_named() {
    let expected = "its certificate O=Example,CN=lonely is self-signed and not in the CA bundle: put it in \
                    spec.notary.caBundle";
    assert_eq!(told(self_signed(&["localhost"]), &Authority::named("Example CA")).await, expected);
}

#[tokio::test]
async fn an_expired_certificate_says_when() {
    let authority = Authority::named("Example CA");
    let mut expired = params("server", &["localhost"]);
    expired.not_after = date_time_ymd(2026, 5, 1);
    let expected = "its certificate expired at 2026-05-01T00:00:00Z (it is 2026-06-01T12:00:00Z here): whoever runs the server has to \
         renew it";
    assert_eq!(told(authority.issue(expired), &authority).await, expected);
}

#[tokio::test]
async fn a_certificate_of_tomorrow_says_when() {
    let authority = Authority::named("Example CA");
    let mut early = params("server", &["localhost"]);
    early.not_before = date_time_ymd(2026, 6, 2);
    let expected = "its certificate is not valid before 2026-06-02T00:00:00Z (it is 2026-06-01T12:00:00Z here): check the clocks";
    assert_eq!(told(authority.issue(early), &authority).await, expected);
}

#[tokio::test]
async fn a_certificate_for_another_name_says_for_which() {
    let authority = Authority::named("Example CA");
    let config = authority.server(&["notary.example.com", "*.trust.example.com", "10.0.0.7"]);
    let expected = "its certificate is for notary.example.com, *.trust.example.com, 10.0.0.7, not for localhost: check \
                    the host in spec.notary.server, or add the name to the certificate";
    assert_eq!(told(config, &authority).await, expected);
}

#[tokio::test]
async fn a_certificate_with_a_common_name_alone_is_told_what_it_lacks() {
    let authority = Authority::named("Example CA");
    let expected = "its certificate has only the common name \"localhost\", which names no server: whoever runs the server has to have it issued with \
                    the subjectAltName localhost";
    assert_eq!(told(authority.issue(params("localhost", &[])), &authority).await, expected);
}

#[tokio::test]
async fn an_authority_in_a_servers_place_is_told() {
    let authority = Authority::named("Example CA");
    let expected = "its certificate O=Example,CN=Example CA is that of a certificate authority (CA:TRUE), not of a \
                    server: have that authority issue one for the server, and put its own in spec.notary.caBundle";
    assert_eq!(told(authority.itself(), &authority).await, expected);
}

#[tokio::test]
async fn a_certificate_for_clients_is_told() {
    let authority = Authority::named("Example CA");
    let mut client = params("server", &["localhost"]);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let expected =
        "its certificate may not be used by a server (extended key usage): have it issued with serverAuth";
    assert_eq!(told(authority.issue(client), &authority).await, expected);
}

#[tokio::test]
async fn another_key_under_the_authoritys_name_is_told() {
    let forged = Authority::named("Example CA");
    let expected = "its certificate is not signed by the key of O=Example,CN=Example CA, whom it names: check \
                    spec.notary.caBundle";
    assert_eq!(told(forged.server(&["localhost"]), &Authority::named("Example CA")).await, expected);
}

#[tokio::test]
async fn plain_http_on_a_port_that_is_spoken_to_in_tls_is_told() {
    // What Go's servers and nginx send to a TLS client.
    let server = Server::http(|_| Answer::ok("{}")).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let url = format!("https://localhost:{port}");
    let authority = Authority::named("Example CA");
    let message = format!(
        "{url}: it does not answer in TLS: it may speak plain http; check the port in spec.notary.server"
    );
    assert_eq!(reader(&url, Some(&authority.pem())).timestamp().await, unreachable(message));
    drop(server);
}

#[tokio::test]
async fn tls_on_a_port_that_is_spoken_to_in_plain_http_is_told() {
    let (server, _) = server(Authority::named("Example CA").server(&["localhost"])).await;
    let url = format!("http://localhost:{}", server.port);
    let message = format!("{url}: its answer is not plain http: it may want https; check spec.notary.server");
    assert_eq!(reader(&url, None).timestamp().await, unreachable(message));
    // Go's servers say it in plain http.
    let text = "Client sent an HTTP request to an HTTPS server.\n";
    let server = Server::http(move |_| Answer::status(400, &[], text)).await;
    let url = server.url();
    let message = format!("{url}: its answer is not plain http: it may want https; check spec.notary.server");
    assert_eq!(reader(&url, None).timestamp().await, unreachable(message));
}

#[tokio::test]
async fn a_port_that_says_nothing_to_tls_is_told() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let limits = Limits { connect: Duration::from_millis(200), ..Limits::default() };
    let authority = Authority::named("Example CA");
    let reader = Reader::with(&url, Some(&authority.pem()), limits, Proxies::default());
    let message = format!(
        "{url}: the TLS handshake did not finish within 200 ms: check that the port in spec.notary.server is one for https"
    );
    assert_eq!(reader.timestamp().await, unreachable(message));
}

#[tokio::test]
async fn a_bundle_that_holds_no_certificate_is_told() {
    let told = |cause: &str| {
        unreachable(format!(
            "https://notary.test: the CA bundle cannot be read ({cause}): write certificates in PEM in spec.notary.caBundle"
        ))
    };
    let outcome = async |pem| reader("https://notary.test", Some(pem)).timestamp().await;
    assert_eq!(outcome("").await, told("it has no CERTIFICATE block"));
    assert_eq!(outcome("ca.crt").await, told("it has no CERTIFICATE block"));
    let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    assert!(outcome(torn).await.unwrap_err().to_string().contains("the CA bundle cannot be read ("));
}
