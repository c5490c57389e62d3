//! Tokens and passwords: what is sent, in which order, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use jiff::SignedDuration;
use tagseal::trust::{Access, Secret};

use super::server::{Answer, Seen, Server};
use super::{GUN, Reader, alice, found, unauthorized, unreachable};

/// A 401 that names `realm`.
pub fn challenge(realm: &str) -> Answer {
    let header = format!(r#"Bearer realm="{realm}",service="notary",scope="repository:{GUN}:pull,push""#);
    Answer::status(401, &[("WWW-Authenticate", &header)], r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#)
}

/// A notary server with its token server at `/token` of the same address. Tokens are `t0`, `t1`, …; the last is good.
async fn notary(lifetime: u32) -> Server {
    let issued = AtomicUsize::new(0);
    Server::http(move |seen| {
        if seen.line.contains(" /token") {
            let n = issued.fetch_add(1, Ordering::SeqCst);
            return Answer::ok(&format!(r#"{{"token":"t{n}","expires_in":{lifetime}}}"#));
        }
        let good = format!("Bearer t{}", issued.load(Ordering::SeqCst).wrapping_sub(1));
        match seen.header("authorization") {
            Some(shown) if shown == good => Answer::ok("{}"),
            _ => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
        }
    })
    .await
}

fn timestamp() -> String {
    format!("GET /v2/{GUN}/_trust/tuf/timestamp.json")
}

const TOKEN: &str = "GET /token?service=notary&scope=repository%3Aregistry.example.com%2Fshop%2Fweb%3Apull";

#[tokio::test]
async fn cold_it_is_401_token_and_answer_warm_the_answer_alone() {
    let server = notary(300).await;
    let reader = Reader::of(&server.url());
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(server.lines(), [timestamp(), TOKEN.to_owned(), timestamp()]);
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(server.lines().len(), 4);
    assert_eq!(server.seen()[3].header("authorization"), Some("Bearer t0"));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_token_that_expires_is_renewed_without_a_401() {
    let server = notary(300).await;
    let reader = Reader::of(&server.url());
    reader.timestamp().await.unwrap();
    reader.clock.advance(SignedDuration::from_secs(289));
    reader.timestamp().await.unwrap();
    assert_eq!(server.lines().len(), 4);
    reader.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(server.lines()[4..], [TOKEN.to_owned(), timestamp()]);
}

#[tokio::test]
async fn a_token_that_the_server_does_not_take_any_more_is_renewed_once() {
    let server = notary(300).await;
    let reader = Reader::of(&server.url());
    reader.timestamp().await.unwrap();
    // Another repository's token makes `t0` a bad one.
    reader.again().gun("registry.example.com/other").timestamp().await.unwrap();
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(server.lines()[6..], [timestamp(), TOKEN.to_owned(), timestamp()]);
}

#[tokio::test]
async fn however_many_need_a_token_one_asks_for_it() {
    let server = notary(300).await;
    let reader = Reader::of(&server.url());
    let outcomes = join_all((0..20).map(|_| reader.timestamp())).await;
    assert!(outcomes.iter().all(|outcome| *outcome == found("{}")), "{outcomes:?}");
    assert_eq!(server.lines().iter().filter(|line| line.contains("/token")).count(), 1);
}

#[tokio::test]
async fn a_password_goes_to_the_token_server_and_not_to_the_trust_server() {
    let server = notary(300).await;
    assert_eq!(Reader::of(&server.url()).access(alice()).timestamp().await, found("{}"));
    let seen = server.seen();
    assert_eq!(seen[1].line, format!("{TOKEN}&account=alice"));
    let shown: Vec<_> = seen.iter().map(|seen| seen.header("authorization")).collect();
    assert_eq!(shown, [None, Some("Basic YWxpY2U6czNjcmV0"), Some("Bearer t0")]);
}

#[tokio::test]
async fn an_identity_token_is_exchanged_as_azure_wants_it() {
    let server = Server::http(|seen| match (seen.line.as_str(), seen.header("authorization")) {
        ("POST /oauth2/token", _) => Answer::ok(r#"{"access_token":"exchanged"}"#),
        (_, Some("Bearer exchanged")) => Answer::ok("{}"),
        _ => challenge(&format!("http://{}/oauth2/token", seen.header("host").unwrap())),
    })
    .await;
    let access = Access::IdentityToken(Secret::new("re/fresh"));
    assert_eq!(Reader::of(&server.url()).access(access).timestamp().await, found("{}"));
    let seen = &server.seen()[1];
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.header("authorization"), None);
    let expected = "grant_type=refresh_token&service=notary&scope=repository%3Aregistry.example.com%2Fshop%2Fweb%3Apull\
                    &client_id=tagseal&refresh_token=re%2Ffresh";
    assert_eq!(seen.body, expected);
}

/// A server without tokens.
fn basic_only(seen: &Seen) -> Answer {
    match seen.header("authorization") {
        Some("Basic YWxpY2U6czNjcmV0") => Answer::ok("{}"),
        _ => Answer::status(401, &[("WWW-Authenticate", r#"Basic realm="notary""#)], ""),
    }
}

#[tokio::test]
async fn a_server_that_wants_a_password_gets_it_and_then_at_once() {
    let server = Server::http(basic_only).await;
    let reader = Reader::of(&server.url()).access(alice());
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_server_that_wants_a_password_where_there_is_none_is_told_so() {
    let server = Server::http(basic_only).await;
    let reader = Reader::of(&server.url());
    let message = |configured: &str| {
        format!(
            "{}: it asks for a user name and a password, {configured}: set spec.notary.credentials",
            server.url()
        )
    };
    assert_eq!(reader.timestamp().await, unauthorized(message("and none is configured")));
    let token = Access::IdentityToken(Secret::new("s3cret"));
    let outcome = reader.again().access(token).timestamp().await;
    assert_eq!(outcome, unauthorized(message("and an identity token is configured")));
    let wrong = Access::Basic { username: "alice".into(), password: Secret::new("wrong") };
    let message = format!(
        "{}: it answered 401 for {GUN}; the credentials were shown: check that they are right, and that they may pull it",
        server.url()
    );
    assert_eq!(reader.again().access(wrong).timestamp().await, unauthorized(message));
}

#[tokio::test]
async fn a_password_that_the_token_server_refuses_is_tried_once() {
    let server = Server::http(|seen| match seen.line.contains("/token") {
        true => Answer::status(401, &[], ""),
        false => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
    })
    .await;
    let reader = Reader::of(&server.url()).access(alice());
    let outcomes = join_all((0..10).map(|_| reader.timestamp())).await;
    let message = format!(
        "{0}: its token realm {0}/token: it answered 401 for {GUN}; the credentials were shown: check that they are \
         right, and that they may pull it",
        server.url()
    );
    assert!(outcomes.iter().all(|outcome| *outcome == unauthorized(message.clone())), "{outcomes:?}");
    // Accounts get locked: those who wait for an answer take it.
    let tried = server.lines().iter().filter(|line| line.contains("/token")).count();
    assert!(tried <= 3, "{tried}");
}

#[tokio::test]
async fn a_token_server_that_fails_is_not_the_trust_servers_word() {
    let server = Server::http(|seen| match seen.line.contains("/token") {
        true => Answer::status(404, &[], ""),
        false => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
    })
    .await;
    let message = format!(
        "{0}: its token realm {0}/token: its answer is not a token (status 404): check the token server",
        server.url()
    );
    assert_eq!(Reader::of(&server.url()).timestamp().await, unreachable(message));
}

#[tokio::test]
async fn a_401_that_names_no_way_is_told() {
    let server = Server::http(|_| Answer::status(401, &[("WWW-Authenticate", "Negotiate")], "")).await;
    let message = format!(
        "{}: it answered 401 without a challenge that can be met: check the trust server's auth configuration",
        server.url()
    );
    assert_eq!(Reader::of(&server.url()).timestamp().await, unauthorized(message));
}
