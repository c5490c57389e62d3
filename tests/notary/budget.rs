//! How many requests there are at once, and whose they may be (attack A21).

use std::sync::Arc;

use futures::future::join_all;
use tagseal::notary::{Limits, Proxies};
use tokio::sync::Semaphore;

use super::server::{Answer, Piece, Server};
use super::{Reader, found, unreachable};

/// A server that answers for the known repository, and for others only when the gate lets it.
async fn gated(gate: &Arc<Semaphore>) -> Server {
    let gate = gate.clone();
    Server::http(move |seen| match seen.line.contains("/known/") {
        true => Answer::ok("{}"),
        false => Answer::ok("{}").after(Piece::Gate(gate.clone())),
    })
    .await
}

#[tokio::test]
async fn a21_unknown_repositories_leave_a_connection_to_known_ones() {
    let gate = Arc::new(Semaphore::new(0));
    let server = gated(&gate).await;
    let unknown = Reader::of(&server.url());
    let known = unknown.again().gun("registry.example.com/known/web").known();
    let crowd = tokio::spawn(async move { join_all((0..100).map(|_| unknown.timestamp())).await });
    server.saw(3).await;
    for _ in 0..10 {
        assert_eq!(known.timestamp().await, found("{}"));
    }
    let unanswered = server.lines().iter().filter(|line| !line.contains("/known/")).count();
    assert_eq!(unanswered, 3);
    gate.add_permits(100);
    assert!(crowd.await.unwrap().iter().all(|outcome| *outcome == found("{}")));
    assert!(server.accepted() <= 4, "{}", server.accepted());
}

#[tokio::test]
async fn a21_a_request_that_does_not_get_its_turn_says_so() {
    let gate = Arc::new(Semaphore::new(0));
    let server = gated(&gate).await;
    let reader = Reader::of(&server.url());
    let crowd = reader.again();
    tokio::spawn(async move { join_all((0..3).map(|_| crowd.timestamp())).await });
    server.saw(3).await;
    let message = format!(
        "{}: the request waited 200 ms for its turn: check why it is slow, and who names many unknown repositories",
        server.url()
    );
    assert_eq!(reader.within(200).timestamp().await, unreachable(message));
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a21_so_many_may_wait_and_no_more() {
    let gate = Arc::new(Semaphore::new(0));
    let server = gated(&gate).await;
    let limits = Limits { waiting: 2, ..Limits::default() };
    let reader = Reader::with(&server.url(), None, limits, Proxies::default()).within(300);
    let outcomes = join_all((0..10).map(|_| reader.timestamp())).await;
    let message = format!(
        "{}: 2 requests wait for it already, so this one was not made: check why it is slow, and who names many unknown \
         repositories",
        server.url()
    );
    let turned_away = unreachable(message);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == turned_away).count(), 5);
}
