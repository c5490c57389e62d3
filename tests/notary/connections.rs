//! How many connections there are, and how long they live.

use futures::future::join_all;
use tagseal::tuf::Selector;

use super::server::{Answer, Piece, Server};
use super::{Reader, found};

#[tokio::test]
async fn one_request_after_another_needs_one_connection() {
    let server = Server::http(|seen| match seen.line.contains("root") {
        true => Answer::status(404, &[], "there is no such thing"),
        false => Answer::ok("{}"),
    })
    .await;
    let reader = Reader::of(&server.url());
    for _ in 0..20 {
        assert_eq!(reader.timestamp().await, found("{}"));
        assert_eq!(reader.fetch("root", Selector::Current).await, Ok(None));
    }
    assert_eq!(server.lines().len(), 40);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_requests_at_once_share_four_connections() {
    let server = Server::http(|_| Answer::ok("{}")).await;
    let known = Reader::of(&server.url()).known();
    let unknown = known.again().gun("registry.example.com/other");
    let unknown = Reader { known: false, ..unknown };
    for _ in 0..5 {
        let all =
            join_all((0..100).map(|n| if n % 2 == 0 { known.timestamp() } else { unknown.timestamp() }))
                .await;
        assert!(all.iter().all(|outcome| *outcome == found("{}")));
    }
    assert_eq!(server.lines().len(), 500);
    assert!(server.accepted() <= 4, "{}", server.accepted());
}

#[tokio::test]
async fn policies_that_differ_in_the_path_alone_share_connections() {
    let server = Server::http(|_| Answer::ok("{}")).await;
    let reader = Reader::of(&server.url());
    reader.timestamp().await.unwrap();
    let mut other = reader.again();
    std::sync::Arc::make_mut(&mut other.server).url.set_path("/b");
    other.timestamp().await.unwrap();
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced_in_silence() {
    let server = Server::http(|_| Answer::ok("{}").then(Piece::Close)).await;
    let reader = Reader::of(&server.url());
    for _ in 0..10 {
        assert_eq!(reader.timestamp().await, found("{}"));
    }
    assert_eq!(server.lines().len(), 10);
}

#[tokio::test]
async fn a_server_that_says_close_is_not_waited_for() {
    let server =
        Server::http(|_| Answer::status(200, &[("Connection", "close")], "{}").then(Piece::Hold)).await;
    let reader = Reader::of(&server.url()).within(1000);
    for _ in 0..10 {
        assert_eq!(reader.timestamp().await, found("{}"));
    }
    assert_eq!(server.accepted(), 10);
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_to_the_end_is_not_used_again() {
    let server = Server::http(|seen| match seen.line.contains("root") {
        true => Answer::ok("{}"),
        false => Answer::ok(&" ".repeat(5000)),
    })
    .await;
    let reader = Reader::of(&server.url());
    assert!(reader.fetch_up_to("timestamp", Selector::Current, 100).await.is_err());
    assert_eq!(reader.fetch("root", Selector::Current).await, found("{}"));
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_ends_costs_no_attempt() {
    // Only the first request of a connection is answered; the second and the third connection say 503.
    let served = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let server = Server::http(move |seen| {
        let first = served.lock().unwrap().insert(seen.connection);
        match (first, seen.connection) {
            (false, _) => Answer(vec![Piece::Close]),
            (true, 1 | 2) => Answer::status(503, &[], ""),
            (true, _) => Answer::ok("{}"),
        }
    })
    .await;
    let reader = Reader::of(&server.url());
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(reader.timestamp().await, found("{}"));
    assert_eq!(server.accepted(), 4);
}
