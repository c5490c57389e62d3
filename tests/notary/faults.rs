//! Servers that lie about sizes, do not answer, or answer something else (attack T17).

use std::time::Duration;

use tagseal::notary::{Limits, Proxies};
use tagseal::tuf::Selector;
use tokio::net::TcpListener;

use super::server::{Answer, Piece, Server};
use super::{Reader, elsewhere, found, invalid, unreachable};

#[tokio::test]
async fn t17_an_endless_body_is_cut_off_at_its_limit() {
    let chunk = [b"400\r\n".as_slice(), &[b' '; 0x400], b"\r\n"].concat();
    let server = Server::http(move |_| {
        Answer::head(200, &[("Transfer-Encoding", "chunked")]).then(Piece::Endless(chunk.clone()))
    })
    .await;
    let message = format!(
        "{}: the answer is larger than the 5000 bytes that it may have: check that spec.notary.server is a Notary server",
        server.url()
    );
    let reader = Reader::of(&server.url());
    assert_eq!(reader.fetch_up_to("timestamp", Selector::Current, 5000).await, invalid(message));
}

#[tokio::test]
async fn t17_an_endless_body_without_any_length_is_cut_off_too() {
    let server = Server::http(|_| Answer::head(200, &[]).then(Piece::Endless(vec![b' '; 1000]))).await;
    let outcome = Reader::of(&server.url()).fetch_up_to("timestamp", Selector::Current, 5000).await;
    assert!(outcome.unwrap_err().to_string().contains("larger than the 5000 bytes"));
}

#[tokio::test]
async fn t17_an_oversized_body_is_refused_before_it_comes() {
    let server = Server::http(|_| Answer::head(200, &[("Content-Length", "5001")]).then(Piece::Hold)).await;
    let reader = Reader::of(&server.url());
    let message = format!(
        "{}: the answer is larger than the 5000 bytes that it may have: check that spec.notary.server is a Notary server",
        server.url()
    );
    assert_eq!(reader.fetch_up_to("timestamp", Selector::Current, 5000).await, invalid(message));
}

#[tokio::test]
async fn t17_a_body_of_exactly_the_limit_is_taken() {
    let server = Server::http(|_| Answer::ok("12345")).await;
    let reader = Reader::of(&server.url());
    assert_eq!(reader.fetch_up_to("timestamp", Selector::Current, 5).await, found("12345"));
    assert!(reader.fetch_up_to("timestamp", Selector::Current, 4).await.is_err());
}

#[tokio::test]
async fn t17_one_byte_a_second_ends_with_the_deadline() {
    let server = Server::http(|_| {
        Answer::head(200, &[("Content-Length", "1000")])
            .then(Piece::Send(b"{".to_vec()))
            .then(Piece::Trickle(b' ', Duration::from_secs(1)))
    })
    .await;
    let message = format!(
        "{}: the answer did not arrive whole within 700 ms (1 B came): check its load and its log",
        server.url()
    );
    assert_eq!(Reader::of(&server.url()).within(700).timestamp().await, unreachable(message));
}

#[tokio::test]
async fn t17_one_byte_a_second_of_the_head_ends_with_the_requests_own_limit() {
    let server = Server::http(|_| Answer(vec![Piece::Trickle(b'H', Duration::from_secs(1))])).await;
    let limits = Limits { request: Duration::from_millis(300), ..Limits::default() };
    let reader = Reader::with(&server.url(), None, limits, Proxies::default());
    let message = format!("{}: no answer within 300 ms: check its load and its log", server.url());
    assert_eq!(reader.timestamp().await, unreachable(message));
}

#[tokio::test]
async fn t17_an_endless_head_is_refused() {
    let server = Server::http(|_| {
        Answer(vec![Piece::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Piece::Endless(b"X: y\r\n".to_vec())])
    })
    .await;
    let outcome = Reader::of(&server.url()).timestamp().await.unwrap_err().to_string();
    assert!(outcome.contains("its answer is not HTTP/1.1 ("), "{outcome}");
}

#[tokio::test]
async fn t17_a_gzip_bomb_is_refused_unopened() {
    let server =
        Server::http(|_| Answer::status(200, &[("Content-Encoding", "gzip")], "\u{1f}\u{8b}…")).await;
    let message = format!(
        "{}: the answer is encoded as \"gzip\", which was not asked for: check what stands before the server",
        server.url()
    );
    assert_eq!(Reader::of(&server.url()).timestamp().await, invalid(message));
}

#[tokio::test]
async fn t17_a_redirect_is_told_and_not_followed() {
    let other = Server::http(|_| Answer::ok("{}")).await;
    let location = format!("{}/a", other.url());
    let with_query = format!("{location}?signature=s3cret");
    for status in [301, 302, 303, 307, 308] {
        let with_query = with_query.clone();
        let server = Server::http(move |_| Answer::status(status, &[("Location", &with_query)], "")).await;
        let message = format!(
            "{}: it answered {status} and redirects to {location:?}, and redirects are not followed: write the final \
             address in spec.notary.server",
            server.url()
        );
        assert_eq!(Reader::of(&server.url()).timestamp().await, elsewhere(message));
    }
    assert_eq!(other.accepted(), 0);
}

#[tokio::test]
async fn a_connection_that_ends_early_is_no_answer() {
    let server = Server::http(|seen| match seen.line.contains("root") {
        true => Answer(vec![Piece::Close]),
        false => {
            Answer::head(200, &[("Content-Length", "9")]).then(Piece::Send(b"{".to_vec())).then(Piece::Close)
        }
    })
    .await;
    let reader = Reader::of(&server.url());
    let cut = format!(
        "{}: it closed the connection in the middle of the answer, after 1 B: check its log",
        server.url()
    );
    assert_eq!(reader.timestamp().await, unreachable(cut));
    let closed = format!("{}: it closed the connection without an answer: check its log", server.url());
    assert_eq!(reader.fetch("root", Selector::Current).await, unreachable(closed));
}

#[tokio::test]
async fn nobody_listening_is_told_apart_from_nobody_answering() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let silent = format!("{url}: no answer within 200 ms: check its load and its log");
    assert_eq!(Reader::of(&url).within(200).timestamp().await, unreachable(silent));
    drop(listener);
    let refused =
        format!("{url}: connection refused: check that the server runs, and the port in spec.notary.server");
    assert_eq!(Reader::of(&url).timestamp().await, unreachable(refused));
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let outcome = Reader::of("https://notary.invalid").timestamp().await.unwrap_err().to_string();
    assert!(outcome.starts_with("https://notary.invalid: no address for notary.invalid ("), "{outcome}");
    assert!(outcome.ends_with("): check the host in spec.notary.server, and the DNS"), "{outcome}");
}

#[tokio::test]
async fn plain_http_is_for_loopback_hosts() {
    let message = "http://notary.example.com: plain http is for loopback hosts only: write https:// in spec.notary.server";
    assert_eq!(Reader::of("http://notary.example.com").timestamp().await, unreachable(message.into()));
    let message = "ftp://notary.example.com: it is not the address of a server: write https://HOST in spec.notary.server";
    assert_eq!(Reader::of("ftp://notary.example.com").timestamp().await, unreachable(message.into()));
}

#[tokio::test]
async fn a_password_in_the_servers_url_is_not_repeated() {
    let message = "http://notary.example.com/n: plain http is for loopback hosts only: write https:// in spec.notary.server";
    let reader = Reader::of("http://user:s3cret@notary.example.com/n?token=s3cret");
    assert_eq!(reader.timestamp().await, unreachable(message.into()));
}
