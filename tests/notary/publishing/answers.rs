//! What comes back: refusals, redirects, answers that are too large, troubles of the connection.

use super::*;

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let body = r#"{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.","detail":{"Name":"ErrBadTargets","Error":{"Msg":"no\u001b[2J"}}}]}"#;
    for status in [400, 500] {
        let server = Server::http(move |_| Answer::status(status, &[], body)).await;
        let expected = RemoteError::Rejected(Rejection {
            status,
            code: "INVALID_UPDATE".into(),
            message: "Update sent by the client is invalid.".into(),
            detail: Some(("ErrBadTargets".into(), r"no\u{1b}[2J".into())),
            server_time: None,
        });
        let told = remote(&server).upload(&files()).await.unwrap_err();
        assert_eq!(told, expected);
        assert_eq!(told.is_undecided(), status == 500);
        let text = format!(
            "the server answered {status} INVALID_UPDATE Update sent by the client is invalid. (ErrBadTargets: no\\u{{1b}}[2J)"
        );
        assert_eq!(told.to_string(), text);
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_of_something_else_than_notary_has_no_code() {
    let server = Server::http(|seen| match seen.line.starts_with("POST") {
        true => Answer::status(415, &[], "<html>415 Unsupported Media Type</html>"),
        false => Answer::status(405, &[], "not here"),
    })
    .await;
    let rejected = |status, message: &str| {
        let (code, message) = ("".into(), message.into());
        RemoteError::Rejected(Rejection { status, code, message, detail: None, server_time: None })
    };
    let remote = remote(&server);
    assert_eq!(remote.upload(&files()).await, Err(rejected(415, "")));
    assert_eq!(remote.delete().await, Err(rejected(405, "not here")));
}

#[tokio::test]
async fn an_upload_that_is_too_large_for_the_server_says_what_is_large_in_it() {
    let server =
        Server::http(|_| Answer::status(413, &[], "<html>413 Request Entity Too Large</html>")).await;
    let told = remote(&server).upload(&files()).await.unwrap_err();
    assert!(!told.is_undecided());
    let (url, bytes) = (server.url(), server.seen()[0].body.len());
    let expected = format!(
        "{url}: it answered 413: the upload of {bytes} bytes is too large for it, or for what stands before it; \
         targets/releases has 10 of them: have the limit raised (nginx: client_max_body_size), or remove what is old from \
         targets/releases"
    );
    assert_eq!(told.to_string(), expected);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_key_that_the_server_does_not_have_is_a_refusal() {
    let body = r#"{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that does not exist."}]}"#;
    let server = Server::http(move |_| Answer::status(404, &[], body)).await;
    match remote(&server).server_key(&role("timestamp")).await {
        Err(RemoteError::Rejected(Rejection { status: 404, code, .. })) => {
            assert_eq!(&*code, "METADATA_NOT_FOUND");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn t17_a_redirect_is_not_followed_with_an_upload() {
    let elsewhere = Server::http(|_| Answer::ok("")).await;
    let location = format!("{}/a", elsewhere.url());
    for status in [301, 302, 303, 307, 308] {
        let to = location.clone();
        let server = Server::http(move |_| Answer::status(status, &[("Location", &to)], "")).await;
        let message = format!(
            "{}: it answered {status} and redirects to {location:?}, and redirects are not followed: write the final \
             address in --server",
            server.url()
        );
        let remote = Publisher::at(&server.url()).showing(alice()).remote();
        let expected = RemoteError::Source(SourceError::Elsewhere { message });
        assert_eq!(remote.upload(&files()).await, Err(expected.clone()));
        assert_eq!(remote.fetch(&root()).await, Err(expected));
        assert!(server.seen().iter().all(|seen| seen.header("authorization").is_none()));
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn t17_answers_larger_than_they_may_be_are_cut_off() {
    let large = " ".repeat((256 << 10) + 1);
    let server = Server::http(move |_| Answer::ok(&large)).await;
    let remote = remote(&server);
    let invalid = |max_bytes: u64| SourceError::Invalid {
        message: format!(
            "{}: the answer is larger than the {max_bytes} bytes that it may have: check that --server is a Notary server",
            server.url()
        ),
    };
    assert_eq!(remote.server_key(&role("snapshot")).await, Err(RemoteError::Source(invalid(256 << 10))));
    let fetch = Fetch { max_bytes: 10, ..root() };
    assert_eq!(remote.fetch(&fetch).await, Err(RemoteError::Source(invalid(10))));
    // It said 200, and then something that no server says.
    assert_eq!(remote.upload(&files()).await, Err(RemoteError::Undecided(invalid(64 << 10))));
}

#[tokio::test]
async fn the_connection_of_a_publisher_is_diagnosed_in_a_publishers_words() {
    let authority = Authority::named("Example CA");
    let server = Server::https(Authority::named("Evil CA").server(&["localhost"]), |_| Answer::ok("")).await;
    let url = format!("https://localhost:{}", server.port);
    let publisher = Publisher { ca_pem: Some(authority.pem()), ..Publisher::at(&url) };
    let message = format!(
        "{url}: its certificate is issued by O=Example,CN=Evil CA, which is not in the CA bundle: put that authority's \
         certificate in --ca-bundle"
    );
    assert_eq!(publisher.remote().upload(&files()).await, Err(unreachable(message)));
    let message =
        "http://notary.example.com: plain http is for loopback hosts only: write https:// in --server";
    let outcome = Publisher::at("http://notary.example.com").remote().upload(&files()).await;
    assert_eq!(outcome, Err(unreachable(message.to_owned())));
}

#[test]
fn nothing_that_is_printed_of_a_remote_holds_a_secret() {
    let remote = Publisher::at("https://notary.test").showing(alice()).remote();
    assert!(!format!("{remote:?}").contains("s3cret"));
}
