//! What a registry is asked for an image, and what of its answer counts.

use std::sync::Arc;
use std::time::Duration;

use tagseal::clock::ManualClock;
use tagseal::digest::Digest;
use tagseal::image::ImageReference;
use tagseal::notary::{Limits, Manifest, NotaryClient, Proxies, Registry, Rejection, RemoteError};
use tagseal::trust::{Access, SourceError, TrustServer};

use super::access::challenge;
use super::pki::Authority;
use super::proxy::Proxy;
use super::server::{Answer, Piece, Seen, Server};
use super::{alice, now};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BODY: &str = r#"{"schemaVersion":2}"#;

fn image(reference: &str) -> ImageReference {
    ImageReference::parse(reference).unwrap()
}

/// What the registry at `url` says of `reference` to `access`.
async fn ask(url: &str, reference: &str, access: Access) -> Result<Option<Manifest>, RemoteError> {
    ask_through(url, reference, access, None, Proxies::default()).await
}

async fn ask_through(
    url: &str,
    reference: &str,
    access: Access,
    ca_pem: Option<&str>,
    proxies: Proxies,
) -> Result<Option<Manifest>, RemoteError> {
    let client = NotaryClient::with(Arc::new(ManualClock::at(now())), Limits::default(), proxies);
    let server = TrustServer { ca_pem: ca_pem.map(Into::into), ..TrustServer::at(url.parse().unwrap()) };
    let registry = Registry::new(Arc::new(client), Arc::new(server), access, Duration::from_secs(10));
    registry.manifest(&image(reference)).await
}

/// A manifest, with the digest that the registry says it has.
fn manifest(body: &str, said: &str) -> Answer {
    Answer::status(200, &[("Content-Type", INDEX), ("Docker-Content-Digest", said)], body)
}

fn honest(_: &Seen) -> Answer {
    manifest(BODY, &Digest::of(BODY.as_bytes()).to_string())
}

fn expected() -> Manifest {
    Manifest { digest: Digest::of(BODY.as_bytes()), length: BODY.len() as u64 }
}

fn invalid<T>(message: String) -> Result<T, RemoteError> {
    Err(RemoteError::Source(SourceError::Invalid { message }))
}

#[tokio::test]
async fn a_tag_is_asked_for_as_runtimes_do() {
    let server = Server::http(honest).await;
    let outcome = ask(&server.url(), "registry.example.com/shop/web:1.4", Access::Anonymous).await;
    assert_eq!(outcome, Ok(Some(expected())));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "GET /v2/shop/web/manifests/1.4");
    let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                  application/vnd.docker.distribution.manifest.list.v2+json, \
                  application/vnd.docker.distribution.manifest.v2+json";
    assert_eq!(seen[0].header("accept"), Some(accept));
    assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_reference_without_a_tag_is_asked_for_by_its_digest() {
    let server = Server::http(honest).await;
    let digest = expected().digest;
    let name = |digest: Digest| format!("registry.example.com/shop/web@{digest}");
    assert_eq!(ask(&server.url(), &name(digest), Access::Anonymous).await, Ok(Some(expected())));
    assert_eq!(server.lines(), [format!("GET /v2/shop/web/manifests/{digest}")]);
    let other = Digest::of(b"other");
    let message = format!(
        "{}: the manifest that came has the digest {digest}, not \"{other}\": check the registry, and what stands before it",
        server.url()
    );
    assert_eq!(ask(&server.url(), &name(other), Access::Anonymous).await, invalid(message));
}

#[tokio::test]
async fn the_digest_is_that_of_the_bytes_whatever_the_header_says() {
    let other = Digest::of(b"other").to_string();
    for said in [other.as_str(), "sha256:", "sha256:AB"] {
        let header = said.to_owned();
        let server = Server::http(move |_| manifest(BODY, &header)).await;
        let message = format!(
            "{}: the manifest that came has the digest {}, not {said:?}: check the registry, and what stands before it",
            server.url(),
            expected().digest
        );
        assert_eq!(ask(&server.url(), "r.example.com/a:1", Access::Anonymous).await, invalid(message));
    }
    // Nothing said, or in another algorithm: there is nothing to compare with.
    for said in ["", "sha512:00"] {
        let server = Server::http(move |_| manifest(BODY, said)).await;
        let outcome = ask(&server.url(), "r.example.com/a:1", Access::Anonymous).await;
        assert_eq!(outcome, Ok(Some(expected())), "{said}");
    }
}

#[tokio::test]
async fn what_is_no_manifest_is_not_taken_for_one() {
    for media_type in
        ["text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json", ""]
    {
        let server =
            Server::http(move |_| Answer::status(200, &[("Content-Type", media_type)], "<html>")).await;
        let message = format!(
            "{}: the answer is no manifest ({media_type:?}): check that it is an image, not of docker's schema 1, and what \
             stands before the registry",
            server.url()
        );
        assert_eq!(ask(&server.url(), "r.example.com/a:1", Access::Anonymous).await, invalid(message));
    }
    let server = Server::http(|_| {
        let media_type = "Application/vnd.docker.distribution.manifest.v2+json; charset=utf-8";
        Answer::status(200, &[("Content-Type", media_type)], BODY)
    })
    .await;
    assert_eq!(ask(&server.url(), "r.example.com/a:1", Access::Anonymous).await, Ok(Some(expected())));
}

#[tokio::test]
async fn a_tag_that_is_not_there_is_an_answer_and_other_refusals_are_told() {
    let server = Server::http(|seen| match seen.line.ends_with("/missing") {
        true => Answer::status(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        false => Answer::status(
            400,
            &[],
            r#"{"errors":[{"code":"NAME_INVALID","message":"bad\u0007","detail":{"a":1}}]}"#,
        ),
    })
    .await;
    assert_eq!(ask(&server.url(), "r.example.com/a:missing", Access::Anonymous).await, Ok(None));
    let rejection = Rejection {
        status: 400,
        code: "NAME_INVALID".into(),
        message: r"bad\u{7}".into(),
        detail: None,
        server_time: None,
    };
    let outcome = ask(&server.url(), "r.example.com/a:1", Access::Anonymous).await;
    assert_eq!(outcome, Err(RemoteError::Rejected(rejection)));
}

#[tokio::test]
async fn a_token_is_asked_for_by_the_repository_alone() {
    let server = Server::http(|seen| {
        if seen.line.contains("/token") {
            return Answer::ok(r#"{"token":"t"}"#);
        }
        match seen.header("authorization") {
            Some("Bearer t") => honest(seen),
            _ => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
        }
    })
    .await;
    let outcome = ask(&server.url(), "registry.example.com/shop/web:1.4", alice()).await;
    assert_eq!(outcome, Ok(Some(expected())));
    let seen = server.seen();
    let token = "GET /token?service=notary&scope=repository%3Ashop%2Fweb%3Apull&account=alice";
    assert_eq!(seen[1].line, token);
    assert_eq!(seen[1].header("authorization"), Some("Basic YWxpY2U6czNjcmV0"));
    assert_eq!(seen[2].header("authorization"), Some("Bearer t"));
}

#[tokio::test]
async fn who_may_not_pull_is_told_what_to_do() {
    let server = Server::http(|seen| match seen.line.contains("/token") {
        true => Answer::ok(r#"{"token":"t"}"#),
        false => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
    })
    .await;
    let told = |repository: &str, login: &str| {
        let message = format!(
            "{}: it answered 401 for {repository}; no credentials were shown: run `{login}` if it is private, or check its \
             name",
            server.url()
        );
        Err(RemoteError::Source(SourceError::Unauthorized { message }))
    };
    let outcome = ask(&server.url(), "registry.example.com/shop/web:1", Access::Anonymous).await;
    assert_eq!(outcome, told("shop/web", "docker login registry.example.com"));
    let outcome = ask(&server.url(), "nginx:1", Access::Anonymous).await;
    assert_eq!(outcome, told("library/nginx", "docker login"));
}

#[tokio::test]
async fn docker_hub_is_reached_where_docker_reaches_it() {
    let authority = Authority::named("Test CA");
    let auth = Server::https(authority.server(&["auth.docker.io"]), |_| Answer::ok(r#"{"token":"t"}"#)).await;
    let hub = Server::https(authority.server(&["registry-1.docker.io"]), |seen| {
        match seen.header("authorization") {
            Some("Bearer t") => honest(seen),
            _ => challenge("https://auth.docker.io/token"),
        }
    })
    .await;
    let proxy = Proxy::to(&[("registry-1.docker.io:443", &hub), ("auth.docker.io:443", &auth)]).await;
    let url = Registry::address(&image("nginx:1.27")).unwrap();
    let outcome =
        ask_through(url.as_str(), "nginx:1.27", alice(), Some(&authority.pem()), proxy.matcher()).await;
    assert_eq!(outcome, Ok(Some(expected())));
    assert_eq!(hub.lines(), vec!["GET /v2/library/nginx/manifests/1.27"; 2]);
    // Hub's own token server is one of the registry's hosts.
    assert_eq!(auth.seen()[0].header("authorization"), Some("Basic YWxpY2U6czNjcmV0"));
}

#[test]
fn a_registry_is_at_the_host_of_its_images() {
    let address = |reference: &str| Registry::address(&image(reference)).map(|url| url.to_string());
    let at = |url: &str| Some(url.to_owned());
    assert_eq!(address("nginx"), at("https://registry-1.docker.io/"));
    assert_eq!(address("index.docker.io/a/b"), at("https://registry-1.docker.io/"));
    assert_eq!(address("Registry.Example.com:443/a"), at("https://registry.example.com/"));
    assert_eq!(address("registry.example.com:5000/a"), at("https://registry.example.com:5000/"));
    assert_eq!(address("localhost:5000/a"), at("https://localhost:5000/"));
    assert_eq!(address("[::1]:5000/a"), at("https://[::1]:5000/"));
    // Numbers that are no address have no host.
    assert_eq!(address("1.2.3.4.5/a"), None);
}

#[tokio::test]
async fn a_registry_on_this_machine_may_speak_plain_http() {
    let server = Server::http(honest).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}", server.port);
        let name = format!("{host}:{}/shop/web:1", server.port);
        assert_eq!(ask(&url, &name, Access::Anonymous).await, Ok(Some(expected())), "{host}");
    }
    assert_eq!(server.lines(), vec!["GET /v2/shop/web/manifests/1"; 2]);
}

#[tokio::test]
async fn a_registry_on_this_machine_with_a_bad_certificate_is_not_asked_over_http() {
    let server = Server::https(Authority::named("Evil CA").server(&["localhost"]), honest).await;
    let url = format!("https://localhost:{}", server.port);
    let authority = Authority::named("Test CA").pem();
    let none = Proxies::default();
    let outcome = ask_through(&url, "localhost/a:1", Access::Anonymous, Some(&authority), none).await;
    let message = format!(
        "{url}: its certificate is issued by O=Example,CN=Evil CA, which is not in the CA bundle: put that authority's \
         certificate in --ca-bundle"
    );
    assert_eq!(outcome, Err(RemoteError::Source(SourceError::Unreachable { message })));
    assert_eq!((server.accepted(), server.lines().len()), (1, 0));
}

#[tokio::test]
async fn a_registry_elsewhere_is_not_asked_over_http() {
    // What a man in the middle would answer.
    let plain = Server::http(honest).await;
    let proxy = Proxy::to(&[("registry.test:443", &plain), ("registry.test:80", &plain)]).await;
    let outcome =
        ask_through("https://registry.test", "registry.test/a:1", alice(), None, proxy.matcher()).await;
    let outcome = outcome.unwrap_err().to_string();
    assert!(
        outcome.starts_with("https://registry.test: it does not answer in TLS")
            || outcome.contains("the system has no roots to believe"),
        "{outcome}"
    );
    assert_eq!(plain.lines(), Vec::<String>::new());
    let outcome = ask("http://registry.example.com", "registry.example.com/a:1", Access::Anonymous).await;
    let message = "http://registry.example.com: plain http is for loopback hosts only: write https:// in the image's name";
    let message = message.to_owned();
    assert_eq!(outcome, Err(RemoteError::Source(SourceError::Unreachable { message })));
}

#[tokio::test]
async fn t17_a_manifest_is_at_most_four_megabytes() {
    let most = 4 << 20;
    for (bytes, fits) in [(most, true), (most + 1, false)] {
        let body = " ".repeat(bytes);
        let server = Server::http(move |_| manifest(&body, "")).await;
        let outcome = ask(&server.url(), "r.example.com/a:1", Access::Anonymous).await;
        if fits {
            assert_eq!(outcome.unwrap().unwrap().length, most as u64);
            continue;
        }
        let message = format!(
            "{}: the answer is larger than the 4194304 bytes that it may have: check that the image's name is a registry",
            server.url()
        );
        assert_eq!(outcome, invalid(message));
    }
}

#[tokio::test]
async fn t17_a_manifest_that_redirects_is_not_followed() {
    let elsewhere = Server::http(honest).await;
    let location = format!("{}/a", elsewhere.url());
    let to = location.clone();
    let server = Server::http(move |_| Answer::status(307, &[("Location", &to)], "")).await;
    let message = format!(
        "{}: it answered 307 and redirects to {location:?}, and redirects are not followed: write the final address in the \
         image's name",
        server.url()
    );
    let outcome = ask(&server.url(), "r.example.com/a:1", alice()).await;
    assert_eq!(outcome, Err(RemoteError::Source(SourceError::Elsewhere { message })));
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn a_torn_manifest_is_none() {
    let server = Server::http(|_| {
        Answer::head(200, &[("Content-Type", INDEX), ("Content-Length", "9")])
            .then(Piece::Send(b"{".to_vec()))
            .then(Piece::Close)
    })
    .await;
    let message = format!(
        "{}: it closed the connection in the middle of the answer, after 1 B: check its log",
        server.url()
    );
    let outcome = ask(&server.url(), "r.example.com/a:1", Access::Anonymous).await;
    assert_eq!(outcome, Err(RemoteError::Source(SourceError::Unreachable { message })));
}
