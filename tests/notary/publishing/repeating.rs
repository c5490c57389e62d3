//! What is sent once more, and what never is, because it may have arrived.

use super::*;

#[tokio::test]
async fn an_upload_that_arrived_and_was_not_answered_is_not_repeated() {
    let server = Server::http(|_| Answer(vec![Piece::Close])).await;
    let message = format!("{}: it closed the connection without an answer: check its log", server.url());
    let told = remote(&server).upload(&files()).await.unwrap_err();
    assert_eq!(told, undecided(message.clone()));
    assert!(told.is_undecided());
    assert_eq!(told.to_string(), format!("{message}; whether the change was made is not known"));
    assert_eq!(server.lines().len(), 1);
    for outcome in [
        remote(&server).delete().await,
        remote(&server).rotate_server_key(&role("timestamp")).await.map(drop),
    ] {
        assert_eq!(outcome, Err(undecided(message.clone())));
    }
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn an_upload_that_is_not_answered_in_time_is_not_repeated() {
    let server = Server::http(|_| Answer(vec![Piece::Hold])).await;
    let remote = Publisher::at(&server.url()).within(200).remote();
    let message = format!("{}: no answer within 200 ms: check its load and its log", server.url());
    assert_eq!(remote.upload(&files()).await, Err(undecided(message)));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn an_upload_has_the_whole_time_and_not_a_readers_share_of_it() {
    let server =
        Server::http(|_| Answer::ok("").after(Piece::Trickle(b'H', Duration::from_millis(100)))).await;
    let limits = Limits { request: Duration::from_millis(10), ..Limits::default() };
    let publisher = Publisher { limits, ..Publisher::at(&server.url()) };
    let message = format!("{}: no answer within 300 ms: check its load and its log", server.url());
    assert_eq!(publisher.within(300).remote().upload(&files()).await, Err(undecided(message)));
}

#[tokio::test]
async fn a_gateway_that_fails_leaves_it_open_whether_the_upload_arrived() {
    for retry_after in [&[][..], &[("Retry-After", "0")], &[("Retry-After", "3600")]] {
        let server = Server::http(move |_| Answer::status(502, retry_after, "<html>")).await;
        let message = format!("{}: it answered 502 once: check its log", server.url());
        assert_eq!(remote(&server).upload(&files()).await, Err(undecided(message)));
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn an_upload_that_is_sent_away_comes_back_when_it_may() {
    let asked = AtomicUsize::new(0);
    let server = Server::http(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0..5 => Answer::status(429, &[("Retry-After", "0")], ""),
        _ => Answer::ok(""),
    })
    .await;
    assert_eq!(remote(&server).upload(&files()).await, Ok(()));
    assert_eq!(server.lines(), vec![format!("POST {FOLDER}"); 6]);

    // Without a time to come back it is tried as often as reading.
    let server = Server::http(|_| Answer::status(429, &[], "")).await;
    let told = remote(&server).upload(&files()).await.unwrap_err();
    let message =
        format!("{}: it answered 429 3 times: ask it less often, or have its limits raised", server.url());
    assert_eq!(told, unreachable(message));
    assert!(!told.is_undecided());
    assert_eq!(server.lines().len(), 3);

    // Nobody waits for longer than was said.
    let server = Server::http(|_| Answer::status(429, &[("Retry-After", "11")], "")).await;
    let message = format!(
        "{}: it answered 429 and asks to be left alone for 11 s: run the command again then, wait for longer with --timeout, or \
         have its limits raised",
        server.url()
    );
    assert_eq!(remote(&server).upload(&files()).await, Err(unreachable(message)));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn reading_is_repeated_as_ever() {
    let asked = AtomicUsize::new(0);
    let server = Server::http(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::status(503, &[("Retry-After", "0")], ""),
        _ => Answer::ok("{}"),
    })
    .await;
    assert_eq!(remote(&server).fetch(&root()).await, Ok(Some(Bytes::from_static(b"{}"))));
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn an_upload_does_not_go_on_a_connection_that_may_be_closed_already() {
    // The second request of a connection is never answered.
    let first = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let server = Server::http(move |seen| match first.lock().unwrap().insert(seen.connection) {
        true => Answer::ok("{}"),
        false => Answer(vec![Piece::Close]),
    })
    .await;
    let remote = remote(&server);
    remote.fetch(&root()).await.unwrap();
    assert_eq!(remote.upload(&files()).await, Ok(()));
    assert_eq!(server.lines(), [format!("GET {FOLDER}root.json"), format!("POST {FOLDER}")]);
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn an_upload_is_repeated_where_no_connection_came_about() {
    let authority = Authority::named("Test CA");
    let server = Server::https(authority.server(&["localhost"]), |_| Answer::ok("")).await;
    let (listener, port) = listener().await;
    let behind = server.port;
    tokio::spawn(async move {
        // The first connection ends during the handshake.
        let _ = listener.accept().await.unwrap().0.read_u8().await;
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    });
    let url = format!("https://localhost:{port}");
    let publisher = Publisher { ca_pem: Some(authority.pem()), ..Publisher::at(&url) };
    assert_eq!(publisher.remote().upload(&files()).await, Ok(()));
    assert_eq!(server.lines(), [format!("POST {FOLDER}")]);
}

#[tokio::test]
async fn an_upload_to_where_nobody_listens_was_not_made() {
    let (listener, port) = listener().await;
    drop(listener);
    let url = format!("http://127.0.0.1:{port}");
    let message = format!("{url}: connection refused: check that the server runs, and the port in --server");
    assert_eq!(Publisher::at(&url).remote().upload(&files()).await, Err(unreachable(message)));
}
