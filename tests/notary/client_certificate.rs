//! Servers that answer nobody without a client certificate.

use tagseal::notary::{ClientCertificate, Limits, Proxies};

use super::pki::Authority;
use super::server::{Answer, Server};
use super::{Reader, found, unreachable};

async fn server(authority: &Authority) -> Server {
    let config = authority.server_for_clients(&["localhost", "127.0.0.1"]);
    Server::https(config, |_| Answer::ok("{}")).await
}

fn reader(authority: &Authority, url: &str) -> Reader {
    Reader::with(url, Some(&authority.pem()), Limits::default(), Proxies::default())
}

fn certificate(authority: &Authority) -> ClientCertificate {
    let (certificate, key) = authority.client();
    ClientCertificate::from_pem(&certificate, &key).unwrap()
}

#[tokio::test]
async fn a_certificate_is_shown_to_the_server_that_it_is_for() {
    let authority = Authority::named("Example CA");
    let server = server(&authority).await;
    let url = format!("https://localhost:{}", server.port);
    let reader = reader(&authority, &url);
    reader.client.show_certificate(&url.parse().unwrap(), certificate(&authority));
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_certificate_that_lacks_or_is_not_taken_is_told() {
    let (authority, other) = (Authority::named("Example CA"), Authority::named("Other CA"));
    let server = server(&authority).await;
    let told = |url: &str, alert: &str| {
        unreachable(format!(
            "{url}: it asks for a client certificate, and does not take what it was shown ({alert}): let tagseal in without one: \
             no policy names a client certificate"
        ))
    };
    let url = format!("https://localhost:{}", server.port);
    assert_eq!(reader(&authority, &url).timestamp().await, told(&url, "CertificateRequired"));
    let stranger = reader(&authority, &url);
    stranger.client.show_certificate(&url.parse().unwrap(), certificate(&other));
    assert_eq!(stranger.timestamp().await, told(&url, "UnknownCA"));

    // What is for another host stays here.
    let url = format!("https://127.0.0.1:{}", server.port);
    let elsewhere = reader(&authority, &url);
    elsewhere.client.show_certificate(&"https://localhost".parse().unwrap(), certificate(&authority));
    assert_eq!(elsewhere.timestamp().await, told(&url, "CertificateRequired"));
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn a_certificate_that_comes_later_is_shown_on_new_connections() {
    let authority = Authority::named("Example CA");
    let server = server(&authority).await;
    let url = format!("https://localhost:{}", server.port);
    let reader = reader(&authority, &url);
    assert!(reader.timestamp().await.is_err());
    reader.client.show_certificate(&url.parse().unwrap(), certificate(&authority));
    assert_eq!(reader.timestamp().await, found("{}"));
}
