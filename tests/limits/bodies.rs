//! A body from outside is bounded in size, depth and time before it is parsed.
//!
//! Here: what becomes of it at the far end, an admission. The bounds themselves are held where they are:
//! `notary::faults` (size and time of a trust server's body and head), `notary::access` (a token server's),
//! `tuf::canonical` (depth, number of values), `admission::router` (size and time of a review).

use std::time::Duration;

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;

use super::admissions::{pod, policy, webhook};
use super::server::{Manner, TrustServer};
use super::{WEB, repository};
use crate::admission::world::cluster_policy;
use crate::notary::server::{Answer, Piece, Server};

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

/// What an admission says that meets `timestamp` at the trust server.
async fn meeting(timestamp: String) -> (String, String) {
    let web = repository(WEB);
    let server = TrustServer::of(&[&web], Manner::default()).await;
    server.serve_file(WEB, "timestamp.json", timestamp);
    let (world, _) = webhook();
    world.apply(&[policy(&[&web], &server)], UnmatchedImages::Deny);
    let answer = world.refuses(&pod(&[WEB])).await;
    (answer.annotation("reason").to_owned(), answer.denial().to_owned())
}

#[tokio::test]
async fn t17_trust_data_too_large_or_too_deep_is_invalid_metadata() {
    let expected = [
        (nested(65), "nested deeper than 64"),
        (nested(500_000), "nested deeper than 64"),
        (" ".repeat((1 << 20) + 1), "larger than"),
    ];
    for (timestamp, why) in expected {
        let (reason, message) = meeting(timestamp).await;
        assert_eq!(reason, "InvalidMetadata", "{message}");
        assert!(message.contains(why), "{message}");
        assert!(message.len() < 2000, "{message}");
    }
}

/// What an admission says that meets a trust server with this answer to everything, within `timeout` of the API server's.
async fn meeting_a_server(timeout: &str, answer: fn() -> Answer) -> (String, String) {
    let web = repository(WEB);
    let server = Server::http(move |_| answer()).await;
    let (world, _) = webhook();
    let spec = json!({
        "images": {"include": ["registry.example.com/shop/**"]},
        "notary": {"server": server.url()},
        "roots": [{"keyID": web.root_key().canonical_id()}],
    });
    world.apply(&[cluster_policy("production", spec)], UnmatchedImages::Deny);
    let answer = world.review(&format!("/validate?timeout={timeout}"), &pod(&[WEB])).await;
    (answer.annotation("reason").to_owned(), answer.denial().to_owned())
}

#[tokio::test]
async fn t17_what_a_hostile_server_does_has_its_reason_in_the_denial() {
    type Case = (&'static str, &'static str, &'static str, fn() -> Answer);
    let cases: [Case; 5] = [
        ("10s", "InvalidMetadata", "larger than", || {
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            Answer::head(200, &[("Transfer-Encoding", "chunked")]).then(Piece::Endless(chunk))
        }),
        ("10s", "InvalidMetadata", "encoded as \"gzip\"", || {
            Answer::status(200, &[("Content-Encoding", "gzip")], "x")
        }),
        ("10s", "InvalidMetadata", "invalid UTF-8", || {
            let head = Answer::head(200, &[("Content-Length", "2")]);
            head.then(Piece::Send(b"\"\xff".to_vec()))
        }),
        ("10s", "TrustServerUnreachable", "redirects are not followed", || {
            Answer::status(307, &[("Location", "https://elsewhere.example.com/")], "")
        }),
        ("2s", "DeadlineExceeded", "the fetch goes on", || {
            let head = Answer::head(200, &[("Content-Length", "1000")]);
            head.then(Piece::Trickle(b' ', Duration::from_secs(1)))
        }),
    ];
    for (timeout, expected, why, answer) in cases {
        let (reason, message) = meeting_a_server(timeout, answer).await;
        assert_eq!(reason, expected, "{message}");
        assert!(message.contains(why), "{message}");
    }
}

/// A review whose pod has `value` as `field`, whatever it is.
fn review(field: &str, value: &str) -> String {
    let bytes = pod(&[WEB]).with_object("/spec/containers", Value::from("PLACEHOLDER")).bytes();
    let body = String::from_utf8(bytes).unwrap();
    body.replace(r#""containers":"PLACEHOLDER""#, &format!("{field:?}:{value}"))
}

#[tokio::test]
async fn a14_a_deep_object_is_a_denial_or_ignored_and_never_a_stack_overflow() {
    let (world, _) = webhook();
    world.apply(&[], UnmatchedImages::Allow);
    let spec_in_spec = |depth: usize| r#"{"spec":"#.repeat(depth) + "{}" + &"}".repeat(depth);
    for (field, value, decision) in [
        ("spec", spec_in_spec(500_000), "Denied"),
        ("containers", nested(1_000_000), "Denied"),
        ("affinity", nested(1_000_000), "Unchanged"),
    ] {
        for path in ["/mutate", "/validate"] {
            let (status, body) = world.post(path, review(field, &value)).await;
            assert_eq!(status, 200, "{field}");
            let answer = crate::admission::review::Answer::read(&body);
            let decision =
                if path == "/mutate" { decision.replace("Denied", "Deferred") } else { decision.to_owned() };
            assert_eq!(answer.annotation("decision"), decision, "{field} at {path}");
        }
    }
}
