//! Trust servers that misbehave below the metadata: slow, endless, untruthful.

use std::cell::Cell;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::hostile::{gun, pinning};
use super::process::Process;
use crate::notary::server::{Answer, Piece, Server};

const KEY: &str = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f";

/// Asks for so many names at once of a server that always answers so; what is said of each.
fn said(names: usize, answer: impl Fn() -> Answer + Send + Sync + 'static, judge: impl Fn(&str)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::http(move |_| answer()));
    let images = json!({"images": {"include": ["registry.test/attacker/**"]}});
    Process::start(&[pinning("attacker", KEY, &server.url(), &images)]).attacked(async |process| {
        let images: Vec<_> = (0..names).map(|n| format!("{}:1", gun(&n.to_string()))).collect();
        for said in join_all(images.iter().map(|image| process.said("default", image))).await {
            judge(&said);
        }
    });
}

fn too_large(said: &str) {
    assert!(said.starts_with("InvalidMetadata: "), "{said}");
    assert!(said.contains("the answer is larger than the 1048576 bytes"), "{said}");
}

#[test]
fn t17_bodies_without_end_are_cut_off() {
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    said(
        32,
        move || Answer::head(200, &[("Transfer-Encoding", "chunked")]).then(Piece::Endless(chunk.clone())),
        too_large,
    );
}

#[test]
fn t17_bodies_that_trickle_are_given_up() {
    let given_up = Cell::new(0);
    said(
        32,
        || {
            Answer::head(200, &[("Content-Length", "1000000")])
                .then(Piece::Send(vec![b' '; 900_000]))
                .then(Piece::Trickle(b' ', Duration::from_millis(100)))
        },
        |said| match said.starts_with("TrustServerUnreachable: ") {
            true => {
                assert!(said.contains("the answer did not arrive whole within 5 s"), "{said}");
                given_up.set(given_up.get() + 1);
            }
            false => {
                assert!(said.starts_with("DeadlineExceeded: "), "{said}");
                assert!(said.contains("no answer before the admission's deadline"), "{said}");
            }
        },
    );
    // A server has one large file read at a time, so that the second one would have ended after ten seconds.
    assert_eq!(given_up.get(), 1);
}

#[test]
fn t17_heads_without_end_are_refused() {
    said(
        32,
        || {
            let header = format!("X-{}: {}\r\n", "a".repeat(1000), "b".repeat(7000));
            Answer(vec![Piece::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Piece::Endless(header.into())])
        },
        |said| {
            assert!(said.starts_with("TrustServerUnreachable: "), "{said}");
            assert!(said.contains("message head is too large"), "{said}");
        },
    );
}

#[test]
fn t17_a_server_that_redirects_to_itself_is_not_followed() {
    said(
        32,
        || Answer::status(302, &[("Location", "/again")], &"x".repeat(60_000)),
        |said| {
            assert!(said.starts_with("TrustServerUnreachable: "), "{said}");
            assert!(said.contains("redirects are not followed"), "{said}");
        },
    );
}

#[test]
fn t17_an_encoded_body_is_not_unpacked() {
    said(
        32,
        || Answer::status(200, &[("Content-Encoding", "gzip")], &"x".repeat(500_000)),
        |said| {
            assert!(said.starts_with("InvalidMetadata: "), "{said}");
            assert!(said.contains("is encoded as \"gzip\""), "{said}");
        },
    );
}

#[test]
fn t17_lengths_that_are_not_true_are_told() {
    said(
        32,
        || {
            Answer::head(200, &[("Content-Length", "1000000")])
                .then(Piece::Send(vec![b' '; 10]))
                .then(Piece::Close)
        },
        |said| {
            assert!(said.starts_with("TrustServerUnreachable: "), "{said}");
            assert!(said.contains("in the middle of the answer, after 10 B"), "{said}");
        },
    );
    said(32, || Answer::head(200, &[("Content-Length", "99999999999999")]).then(Piece::Hold), too_large);
}
