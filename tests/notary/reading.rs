//! What is asked for, and what comes of it.

use tagseal::tuf::Selector;

use super::server::{Answer, Server};
use super::{GUN, Reader, elsewhere, found, sha256, unreachable};

#[tokio::test]
async fn every_form_of_a_files_name_is_asked_for_as_notary_has_it() {
    let server = Server::http(|_| Answer::ok("{}")).await;
    let reader = Reader::of(&server.url());
    assert_eq!(reader.fetch("timestamp", Selector::Current).await, found("{}"));
    assert_eq!(reader.fetch("targets/a/b", Selector::Hash(sha256())).await, found("{}"));
    assert_eq!(reader.fetch("root", Selector::Version(7)).await, found("{}"));
    let hash = sha256().hex();
    let expected = [
        format!("GET /v2/{GUN}/_trust/tuf/timestamp.json"),
        format!("GET /v2/{GUN}/_trust/tuf/targets/a/b.{hash}.json"),
        format!("GET /v2/{GUN}/_trust/tuf/7.root.json"),
    ];
    assert_eq!(server.lines(), expected);
    // What the name fixes may come from a cache, and nothing else.
    let told: Vec<_> =
        server.seen().iter().map(|seen| seen.header("cache-control").map(str::to_owned)).collect();
    assert_eq!(told, [Some("no-cache".to_owned()), None, None]);
}

#[tokio::test]
async fn a_server_may_live_under_a_path() {
    let server = Server::http(|_| Answer::ok("{}")).await;
    for path in ["/notary", "/notary/"] {
        let reader = Reader::of(&format!("{}{path}", server.url()));
        assert_eq!(reader.timestamp().await, found("{}"));
    }
    assert_eq!(server.lines(), vec![format!("GET /notary/v2/{GUN}/_trust/tuf/timestamp.json"); 2]);
}

#[tokio::test]
async fn a_request_says_who_asks_and_wants_nothing_packed() {
    let server = Server::http(|_| Answer::ok("{}")).await;
    Reader::of(&server.url()).timestamp().await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("host"), Some(format!("127.0.0.1:{}", server.port).as_str()));
    assert_eq!(seen.header("user-agent"), Some(concat!("tagseal/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn a_404_is_an_answer_and_every_other_status_is_none() {
    let server = Server::http(|seen| match seen.line.contains("root") {
        true => Answer::status(404, &[], r#"{"errors":[{"code":"METADATA_NOT_FOUND"}]}"#),
        false => Answer::status(418, &[], "?"),
    })
    .await;
    let reader = Reader::of(&server.url());
    assert_eq!(reader.fetch("root", Selector::Current).await, Ok(None));
    let message = format!(
        "{}: it answered 418, which says nothing about the file: check spec.notary.server, and what stands before the \
         server",
        server.url()
    );
    assert_eq!(reader.timestamp().await, elsewhere(message));
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let server = Server::http({
        let answers = std::sync::Mutex::new(vec![
            Answer::ok("{}"),
            Answer::status(429, &[("Retry-After", "0")], ""),
            Answer::status(503, &[], ""),
        ]);
        move |_| answers.lock().unwrap().pop().unwrap()
    })
    .await;
    assert_eq!(Reader::of(&server.url()).timestamp().await, found("{}"));
    assert_eq!(server.lines().len(), 3);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn t29_one_500_of_a_lazy_renewal_is_no_error() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let server = Server::http(move |_| match first.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => Answer::status(500, &[], r#"{"errors":[{"code":"UNKNOWN"}]}"#),
        false => Answer::ok("{}"),
    })
    .await;
    assert_eq!(Reader::of(&server.url()).timestamp().await, found("{}"));
}

#[tokio::test]
async fn a_server_that_goes_on_failing_is_given_up() {
    let server = Server::http(|_| Answer::status(503, &[], "")).await;
    let message = format!("{}: it answered 503 3 times: check its log", server.url());
    assert_eq!(Reader::of(&server.url()).timestamp().await, unreachable(message));
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_for_longer_than_there_is_time_is_left_alone() {
    let server = Server::http(|_| Answer::status(429, &[("Retry-After", "60")], "")).await;
    let message =
        format!("{}: it answered 429 and asks to be left alone for 60 s: check its limits", server.url());
    assert_eq!(Reader::of(&server.url()).timestamp().await, unreachable(message));
    assert_eq!(server.lines().len(), 1);
}
