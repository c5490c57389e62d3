//! What came of requests, in words that alerts can be made of.

use std::time::Duration;

use tagseal::notary::{Limits, NotaryClient, Proxies};
use tagseal::telemetry::Metrics;
use tagseal::tuf::Selector;
use tokio::net::TcpListener;

use super::Reader;
use super::server::{Answer, Piece, Server};
use crate::support::Page;

/// The results of asking `url` for a timestamp once, with a limit of 1,000 bytes and half a second.
async fn result(url: &str) -> Vec<String> {
    let metrics = Metrics::default();
    let limits = Limits { request: Duration::from_millis(500), ..Limits::default() };
    let mut reader = Reader::of(url).within(700);
    let client = NotaryClient::with(std::sync::Arc::new(reader.clock.clone()), limits, Proxies::default());
    reader.client = std::sync::Arc::new(client.with_metrics(metrics.clone()));
    let _ = reader.fetch_up_to("timestamp", Selector::Current, 1_000).await;
    let page = Page::of(&metrics);
    let took = format!("tagseal_trust_server_request_duration_seconds_count{{server=\"{url}\"}}");
    assert_eq!(page.value(&took), "1");
    page.counted("tagseal_trust_server_requests_total")
}

#[tokio::test]
async fn each_answer_has_its_word() {
    for (answer, word) in [
        (Answer::ok("{}"), "ok"),
        (Answer::head(404, &[("Content-Length", "0")]), "not_found"),
        (Answer::head(401, &[("Content-Length", "0")]), "unauthorized"),
        (Answer::head(403, &[("Content-Length", "0")]), "unauthorized"),
        (Answer::head(418, &[("Content-Length", "0")]), "client_error"),
        (Answer::head(500, &[("Content-Length", "0")]), "server_error"),
        (Answer::head(429, &[("Content-Length", "0"), ("Retry-After", "60")]), "server_error"),
        (Answer::head(302, &[("Content-Length", "0"), ("Location", "/elsewhere")]), "redirect"),
        (Answer::head(200, &[("Content-Length", "1001")]).then(Piece::Hold), "invalid"),
        (Answer::head(200, &[("Content-Length", "10")]).then(Piece::Hold), "timeout"),
    ] {
        let server = Server::http(move |_| answer.clone()).await;
        let url = server.url();
        assert_eq!(result(&url).await, [format!("{{server=\"{url}\",result=\"{word}\"}} 1")]);
    }
}

#[tokio::test]
async fn a_server_that_is_not_to_be_reached_has_its_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(result(&url).await, [format!("{{server=\"{url}\",result=\"connect\"}} 1")]);
    let setup = "http://notary.example.com";
    assert_eq!(result(setup).await, [format!("{{server=\"{setup}\",result=\"setup\"}} 1")]);
}
