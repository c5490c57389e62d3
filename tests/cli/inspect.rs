//! What `inspect` makes of a server's answer where older data is at hand.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;

use super::run::{Machine, REPOSITORY, trust_server};
use crate::support::trust_server::TrustServer;

/// A server that answers everything so.
fn answering(status: u16) -> TrustServer {
    let status = StatusCode::from_u16(status).unwrap();
    TrustServer::serve(
        Router::new().fallback(move || async move { (status, [(LOCATION, "https://a.test/")]) }),
    )
}

/// A machine with a signed tag in its trust directory.
fn publisher() -> Machine {
    let machine = Machine::of_publisher(&trust_server());
    machine.sign("1.0", "1.0");
    machine
}

#[test]
fn a_server_that_does_not_say_or_is_elsewhere_is_told_whatever_is_on_disk() {
    let machine = publisher();
    for (status, reason, said) in [
        (
            401,
            "Unauthorized",
            "it answered 401 without a challenge that can be met: check the trust server's auth configuration",
        ),
        (
            403,
            "Unauthorized",
            "it answered 403 for registry.test/shop/web; no credentials were shown: run `docker login registry.test` if it \
             is private, or check its name",
        ),
        (
            307,
            "TrustServerUnreachable",
            "it answered 307 and redirects to \"https://a.test/\", and redirects are not followed: write the final address \
             in --server",
        ),
        (
            418,
            "TrustServerUnreachable",
            "it answered 418, which says nothing about the file: check --server, and what stands before the server",
        ),
    ] {
        let server = answering(status);
        let url = server.url();
        let error = machine.trust(&format!("inspect {REPOSITORY} --server {url}")).failed(2);
        let file = "timestamp.json";
        assert_eq!(error, format!("{reason}: {REPOSITORY} at {url}/: {file}: {url}: {said}\n"));
    }
}

#[test]
fn where_no_timestamp_is_to_be_had_the_disk_serves_with_a_warning() {
    let machine = publisher();
    for status in [404, 503] {
        let server = answering(status);
        let ended = machine.trust(&format!("inspect {REPOSITORY} --server {}", server.url()));
        assert!(ended.done().contains("1.0"), "{status}");
        assert!(
            ended.printed().contains("older trust data") || ended.errors().contains("older trust data"),
            "{status}"
        );
    }
}
