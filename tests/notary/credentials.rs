//! Who may see credentials (attack T22), and whose answer a refusal is (attacks T24, T25).

use tagseal::notary::Limits;
use tagseal::trust::Access;

use super::access::challenge;
use super::pki::Authority;
use super::proxy::Proxy;
use super::server::{Answer, Server};
use super::{GUN, Reader, alice, found, unauthorized};

/// `https://notary.test` and `https://auth.test`, reached through a proxy; the first names `realm`.
struct World {
    notary: Server,
    auth: Server,
    reader: Reader,
    _proxy: Proxy,
}

async fn world(realm: &'static str) -> World {
    let authority = Authority::named("Test CA");
    let auth = Server::https(authority.server(&["auth.test"]), |seen| {
        let who = if seen.header("authorization").is_some() { "alice" } else { "nobody" };
        Answer::ok(&format!(r#"{{"token":"{who}"}}"#))
    })
    .await;
    let notary =
        Server::https(authority.server(&["notary.test"]), move |seen| match seen.header("authorization") {
            Some("Bearer alice") => Answer::ok("{}"),
            _ => challenge(realm),
        })
        .await;
    let proxy = Proxy::to(&[("notary.test:443", &notary), ("auth.test:443", &auth)]).await;
    let reader =
        Reader::with("https://notary.test", Some(&authority.pem()), Limits::default(), proxy.matcher());
    World { notary, auth, reader: reader.access(alice()), _proxy: proxy }
}

#[tokio::test]
async fn t22_a_realm_elsewhere_does_not_see_the_credentials() {
    let world = world("https://auth.test/token").await;
    let message = format!(
        "https://notary.test: it answered 401 for {GUN}; the credentials were not sent, because its token realm is on \
         auth.test, which is neither its own host nor the registry's: add auth.test to spec.notary.tokenRealms if it may \
         see them"
    );
    assert_eq!(world.reader.timestamp().await, unauthorized(message));
    let seen = world.auth.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("authorization"), None);
    assert!(!seen[0].line.contains("alice"), "{}", seen[0].line);
    let shown: Vec<_> =
        world.notary.seen().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(shown, [None, Some("Bearer nobody".to_owned())]);
}

#[tokio::test]
async fn t22_a_listed_realm_sees_them() {
    let world = world("https://auth.test/token").await;
    let reader = world.reader.token_realm("auth.test");
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(world.auth.seen()[0].header("authorization"), Some("Basic YWxpY2U6czNjcmV0"));
}

#[tokio::test]
async fn t22_a_realm_on_plain_http_is_sent_nothing() {
    let world = world("http://auth.test/token").await;
    let message = "https://notary.test: its token realm \"http://auth.test/token\" is not https, so nothing was sent \
                   there: check the trust server's auth configuration";
    assert_eq!(world.reader.timestamp().await, unauthorized(message.into()));
    assert_eq!(world.auth.accepted(), 0);
}

#[tokio::test]
async fn t22_a_realm_of_another_scheme_is_sent_nothing() {
    let world = world("ftp://auth.test/token").await;
    let message = "https://notary.test: its token realm \"ftp://auth.test/token\" is not a URL that can be asked: check \
                   the trust server's auth configuration";
    assert_eq!(world.reader.timestamp().await, unauthorized(message.into()));
}

#[tokio::test]
async fn t22_a_realm_that_redirects_is_not_followed() {
    let elsewhere = Server::http(|_| Answer::ok(r#"{"token":"t"}"#)).await;
    let location = elsewhere.url();
    let server = Server::http(move |seen| match seen.line.contains("/token") {
        true => Answer::status(307, &[("Location", &location)], ""),
        false => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
    })
    .await;
    assert!(Reader::of(&server.url()).access(alice()).timestamp().await.is_err());
    assert_eq!(elsewhere.accepted(), 0);
}

/// A private repository: `alice` may read it, to anybody else it answers `status`.
async fn private(status: u16) -> Server {
    Server::http(move |seen| {
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        let authorization = seen.header("authorization");
        if seen.line.contains("/token") {
            let who = if authorization.is_some() { "alice" } else { "nobody" };
            return Answer::ok(&format!(r#"{{"token":"{who}"}}"#));
        }
        match (authorization, status) {
            (Some("Bearer alice"), _) => Answer::ok("{}"),
            (None, _) | (_, 401) => challenge(&realm),
            (_, status) => Answer::status(status, &[], ""),
        }
    })
    .await
}

#[tokio::test]
async fn t25_a_refusal_is_nobody_elses() {
    for status in [401, 403] {
        let server = private(status).await;
        let anonymous = Reader::of(&server.url());
        let message = format!(
            "{}: it answered {status} for {GUN}; no credentials were shown: set spec.notary.credentials if it is private, \
             or check its name",
            server.url()
        );
        assert_eq!(anonymous.timestamp().await, unauthorized(message.clone()));
        assert_eq!(anonymous.again().access(alice()).timestamp().await, found("{}"));
        // And a grant is nobody else's either (attack T24).
        assert_eq!(anonymous.timestamp().await, unauthorized(message));
    }
}

#[tokio::test]
async fn t25_a_right_that_is_given_later_counts_from_the_next_request_on() {
    let rights = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::http(move |seen| {
        if seen.line.contains("/token") {
            let n = rights.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            return Answer::ok(&format!(r#"{{"token":"t{n}","expires_in":3600}}"#));
        }
        match seen.header("authorization") {
            None => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
            Some("Bearer t0") => Answer::status(403, &[], ""),
            Some(_) => Answer::ok("{}"),
        }
    })
    .await;
    let reader = Reader::of(&server.url()).access(alice());
    let message = format!(
        "{}: it answered 403 for {GUN}; the credentials were shown: check that they are right, and that they may pull it",
        server.url()
    );
    assert_eq!(reader.timestamp().await, unauthorized(message));
    assert_eq!(reader.timestamp().await, found("{}"));
}

#[tokio::test]
async fn t25_a_404_for_a_private_repository_is_told_apart_and_not_kept() {
    let server = private(404).await;
    let anonymous = Reader::of(&server.url());
    assert_eq!(anonymous.timestamp().await, Ok(None));
    assert_eq!(anonymous.again().access(alice()).timestamp().await, found("{}"));
    assert_eq!(anonymous.timestamp().await, Ok(None));
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let server = private(401).await;
    let reader = Reader::of(&server.url()).access(alice());
    reader.timestamp().await.unwrap();
    let printed = format!("{:?} {:?}", reader.client, reader.access);
    assert!(!printed.contains("s3cret") && !printed.contains("YWxpY2U6czNjcmV0"), "{printed}");
    assert_eq!(
        format!("{:?}", Access::IdentityToken(tagseal::trust::Secret::new("x"))),
        "IdentityToken(Secret(…))"
    );
}
