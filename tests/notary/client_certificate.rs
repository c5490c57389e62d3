//! Servers that answer nobody without a client certificate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tagseal::notary::{ClientCertificate, Limits, NotaryClient, Proxies};
use tagseal::trust::{
    BoxFuture, CertificatePem, ClientCertificates, CredentialError, Secret, SecretRef, SourceError,
};

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
            "{url}: it asks for a client certificate, and does not take what it was shown ({alert}): name a secret with one \
             that it takes in spec.notary.clientCertificate"
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

/// Secrets by their names, and how often each was read.
#[derive(Debug, Clone, Default)]
struct Secrets(Arc<Mutex<BTreeMap<String, Kept>>>);

#[derive(Debug, Default)]
struct Kept {
    pem: Option<CertificatePem>,
    times_read: usize,
}

impl Secrets {
    fn put(&self, name: &str, (certificate, key): (String, String)) {
        let pem = CertificatePem { certificate, key: Secret::new(key) };
        self.0.lock().unwrap().entry(name.to_owned()).or_default().pem = Some(pem);
    }

    fn times_read(&self, name: &str) -> usize {
        self.0.lock().unwrap().get(name).map_or(0, |kept| kept.times_read)
    }
}

impl ClientCertificates for Secrets {
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<CertificatePem, CredentialError>> {
        let mut secrets = self.0.lock().unwrap();
        let kept = secrets.entry(secret.to_string()).or_default();
        kept.times_read += 1;
        let found = kept.pem.clone().ok_or(CredentialError { message: "it is not there".to_owned() });
        Box::pin(std::future::ready(found))
    }
}

/// A reader by a policy that names the secret `shop/NAME`.
fn naming(mut reader: Reader, secrets: &Secrets, name: &str) -> Reader {
    let client = NotaryClient::with(Arc::new(reader.clock.clone()), Limits::default(), Proxies::default());
    reader.client = Arc::new(client.with_client_certificates(Arc::new(secrets.clone())));
    let secret = SecretRef { namespace: "shop".to_owned(), name: name.to_owned() };
    Arc::make_mut(&mut reader.server).client_certificate = Some(secret);
    reader
}

#[tokio::test]
async fn the_certificate_that_a_policy_names_is_shown_and_read_once_in_a_while() {
    let authority = Authority::named("Example CA");
    let server = server(&authority).await;
    let url = format!("https://localhost:{}", server.port);
    let secrets = Secrets::default();
    let named = naming(reader(&authority, &url), &secrets, "client");
    let told = |cause: &str| {
        let message = format!(
            "{url}: the client certificate in the secret shop/client cannot be shown: {cause}: \
             spec.notary.clientCertificate names it, and wants a secret of the type kubernetes.io/tls"
        );
        Err(SourceError::Unauthorized { message })
    };
    assert_eq!(named.timestamp().await, told("it is not there"));

    let (certificate, key) = authority.client();
    secrets.put("shop/client", (key.clone(), key.clone()));
    assert_eq!(named.timestamp().await, told("tls.crt: it has no certificate (-----BEGIN CERTIFICATE-----)"));
    secrets.put("shop/client", (certificate.clone(), "no key".to_owned()));
    assert_eq!(named.timestamp().await, told("tls.key: it has no private key (-----BEGIN PRIVATE KEY-----)"));

    // What could not be used is read again at once, what could is not.
    secrets.put("shop/client", (certificate, key));
    assert_eq!(named.timestamp().await, found("{}"));
    assert_eq!(named.timestamp().await, found("{}"));
    assert_eq!((server.accepted(), secrets.times_read("shop/client")), (1, 4));

    // Another policy's reader, and one without a policy's certificate, have connections of their own.
    assert!(naming(reader(&authority, &url), &secrets, "other").timestamp().await.is_err());
    assert!(reader(&authority, &url).timestamp().await.is_err());
}

#[tokio::test]
async fn a_policys_certificate_is_not_read_for_a_server_on_plain_http() {
    let server = Server::http(|_| Answer::ok("{}")).await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let secrets = Secrets::default();
    let reader = Reader::with(&url, None, Limits::default(), Proxies::default());
    assert_eq!(naming(reader, &secrets, "client").timestamp().await, found("{}"));
    assert_eq!(secrets.times_read("shop/client"), 0);
}
