//! What a publisher sends to a trust server, byte by byte, how often, and what comes of the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper_util::client::proxy::matcher::Matcher;
use tagseal::clock::ManualClock;
use tagseal::notary::{Limits, NotaryClient, Rejection, Remote, RemoteError};
use tagseal::trust::{Access, Secret, SourceError, TrustServer};
use tagseal::tuf::{Fetch, FileName, Gun, RoleName, Selector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::access::challenge;
use super::pki::Authority;
use super::proxy::Proxy;
use super::server::{Answer, Piece, Seen, Server};
use super::{GUN, alice, now};

const FOLDER: &str = "/v2/registry.example.com/shop/web/_trust/tuf/";

/// A publisher of [`GUN`].
struct Publisher {
    url: String,
    ca_pem: Option<String>,
    access: Access,
    timeout: Duration,
    limits: Limits,
    proxies: Matcher,
}

impl Publisher {
    fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ca_pem: None,
            access: Access::Anonymous,
            timeout: Duration::from_secs(10),
            limits: Limits::default(),
            proxies: Matcher::builder().build(),
        }
    }

    fn showing(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    fn within(mut self, milliseconds: u64) -> Self {
        self.timeout = Duration::from_millis(milliseconds);
        self
    }

    fn remote(self) -> Remote {
        let clock = Arc::new(ManualClock::at(now()));
        let client = Arc::new(NotaryClient::with(clock, self.limits, self.proxies));
        let ca_pem = self.ca_pem.map(Into::into);
        let server =
            Arc::new(TrustServer { url: self.url.parse().unwrap(), ca_pem, token_realms: Vec::new() });
        let gun = Gun::new(GUN).unwrap();
        Remote::new(client, server, gun, "registry.example.com".into(), self.access, self.timeout)
    }
}

fn remote(server: &Server) -> Remote {
    Publisher::at(&server.url()).remote()
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

fn files() -> Vec<(RoleName, Bytes)> {
    vec![
        (role("root"), Bytes::from_static(b"{\"r\":1}")),
        (role("targets/releases"), Bytes::from_static(b"{\"t\":\"\xc3\xa9\"}")),
    ]
}

fn root() -> Fetch {
    Fetch { file: FileName { role: role("root"), selector: Selector::Current }, max_bytes: 1 << 20 }
}

fn unreachable(message: String) -> RemoteError {
    RemoteError::Source(SourceError::Unreachable { message })
}

fn unauthorized(message: String) -> RemoteError {
    RemoteError::Source(SourceError::Unauthorized { message })
}

fn undecided(message: String) -> RemoteError {
    RemoteError::Undecided(SourceError::Unreachable { message })
}

#[tokio::test]
async fn an_upload_is_one_post_of_a_form_with_a_part_for_each_file() {
    let server = Server::http(|_| Answer::ok("")).await;
    assert_eq!(remote(&server).upload(&files()).await, Ok(()));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    // The slash at the end is the server's condition.
    assert_eq!(seen[0].line, format!("POST {FOLDER}"));
    let boundary =
        seen[0].header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let part = |role: &str, file: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{file}\r\n"
        )
    };
    let expected = part("root", "{\"r\":1}") + &part("targets/releases", "{\"t\":\"é\"}");
    assert_eq!(seen[0].body, format!("{expected}--{boundary}--\r\n"));
    assert_eq!(seen[0].header("content-length").unwrap(), seen[0].body.len().to_string());
    assert_eq!(seen[0].header("transfer-encoding"), None);
}

#[tokio::test]
async fn every_request_has_its_method_and_path() {
    let server = Server::http(|seen| match seen.line.contains("root.json") {
        true => Answer::status(404, &[], r#"{"errors":[{"code":"METADATA_NOT_FOUND"}]}"#),
        false => Answer::ok("{}"),
    })
    .await;
    let remote = Publisher::at(&format!("{}/notary/", server.url())).remote();
    assert_eq!(remote.fetch(&root()).await, Ok(None));
    let timestamp = FileName { role: role("timestamp"), selector: Selector::Current };
    let fetched = remote.fetch(&Fetch { file: timestamp, max_bytes: 2 }).await;
    assert_eq!(fetched, Ok(Some(Bytes::from_static(b"{}"))));
    let key = Ok(Bytes::from_static(b"{}"));
    assert_eq!(remote.server_key(&role("snapshot")).await, key);
    assert_eq!(remote.rotate_server_key(&role("timestamp")).await, key);
    assert_eq!(remote.delete().await, Ok(()));
    assert_eq!(remote.upload(&files()).await, Ok(()));
    let expected = [
        format!("GET /notary{FOLDER}root.json"),
        format!("GET /notary{FOLDER}timestamp.json"),
        format!("GET /notary{FOLDER}snapshot.key"),
        format!("POST /notary{FOLDER}timestamp.key"),
        format!("DELETE /notary{FOLDER}"),
        format!("POST /notary{FOLDER}"),
    ];
    assert_eq!(server.lines(), expected);
    let lengths: Vec<_> =
        server.seen()[2..5].iter().map(|seen| seen.header("content-length").map(str::to_owned)).collect();
    assert_eq!(lengths, [None, Some("0".to_owned()), Some("0".to_owned())]);
}

/// A notary server with its token server: a token permits what it was asked for, and the challenge names what is needed.
fn with_tokens(seen: &Seen) -> Answer {
    if let Some((_, query)) = seen.line.split_once("/token?") {
        let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap();
        let actions = scope.rsplit("%3A").next().unwrap();
        return Answer::ok(&format!(r#"{{"token":"{actions}"}}"#));
    }
    let needed = match seen.line.split(' ').next().unwrap() {
        "GET" if seen.line.ends_with(".json") => "pull",
        "DELETE" => "*",
        _ if seen.line.starts_with("POST") && seen.line.ends_with(".key") => "delete,*",
        _ => "push,pull",
    };
    let shown = seen.header("authorization").unwrap_or_default().replace("%2C", ",");
    let granted: Vec<_> = shown.trim_start_matches("Bearer ").split(',').collect();
    if needed.split(',').all(|action| granted.contains(&action)) {
        return Answer::ok("{}");
    }
    let realm = format!("http://{}/token", seen.header("host").unwrap());
    let header = format!(r#"Bearer realm="{realm}",service="notary",scope="repository:{GUN}:{needed}""#);
    Answer::status(401, &[("WWW-Authenticate", &header)], "")
}

fn token(actions: &str) -> String {
    format!(
        "GET /token?service=notary&scope=repository%3Aregistry.example.com%2Fshop%2Fweb%3A{actions}&account=alice"
    )
}

#[tokio::test]
async fn one_token_to_push_and_pull_serves_a_whole_publish() {
    let server = Server::http(with_tokens).await;
    let remote = Publisher::at(&server.url()).showing(alice()).remote();
    remote.fetch(&root()).await.unwrap();
    remote.server_key(&role("timestamp")).await.unwrap();
    remote.upload(&files()).await.unwrap();
    let expected = [
        format!("GET {FOLDER}root.json"),
        token("push%2Cpull"),
        format!("GET {FOLDER}root.json"),
        format!("GET {FOLDER}timestamp.key"),
        format!("POST {FOLDER}"),
    ];
    assert_eq!(server.lines(), expected);
}

#[tokio::test]
async fn an_upload_is_repeated_after_a_challenge() {
    let server = Server::http(with_tokens).await;
    Publisher::at(&server.url()).showing(alice()).remote().upload(&files()).await.unwrap();
    let expected = [format!("POST {FOLDER}"), token("push%2Cpull"), format!("POST {FOLDER}")];
    assert_eq!(server.lines(), expected);
    let seen = server.seen();
    assert_eq!(seen[0].body, seen[2].body);
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[1].header("authorization"), Some("Basic YWxpY2U6czNjcmV0"));
    assert_eq!(seen[2].header("authorization"), Some("Bearer push%2Cpull"));
}

#[tokio::test]
async fn to_delete_and_to_rotate_takes_what_the_server_names() {
    let server = Server::http(with_tokens).await;
    let remote = Publisher::at(&server.url()).showing(alice()).remote();
    remote.delete().await.unwrap();
    assert_eq!(server.lines()[1], token("*"));
    remote.rotate_server_key(&role("timestamp")).await.unwrap();
    assert_eq!(server.lines()[4], token("delete%2C*"));
}

/// The word that a server's challenge has for a scope is taken for this repository alone, and nothing else is.
#[tokio::test]
async fn a_challenge_cannot_ask_for_another_repository() {
    for scope in
        ["repository:other:push", "registry:catalog:*", "repository:registry.example.com/shop/web:a b", ""]
    {
        let server = Server::http(move |seen| match seen.line.contains("/token") {
            true => Answer::ok(r#"{"token":"t"}"#),
            false if seen.header("authorization").is_some() => Answer::ok(""),
            false => {
                let realm = format!("http://{}/token", seen.header("host").unwrap());
                let header = format!(r#"Bearer realm="{realm}",service="notary",scope="{scope}""#);
                Answer::status(401, &[("WWW-Authenticate", &header)], "")
            }
        })
        .await;
        let remote = Publisher::at(&server.url()).showing(alice()).remote();
        remote.delete().await.unwrap();
        remote.upload(&files()).await.unwrap();
        assert_eq!([&server.lines()[1], &server.lines()[4]], [&token("*"), &token("push%2Cpull")], "{scope}");
    }
}

#[tokio::test]
async fn a_server_that_knows_passwords_alone_is_shown_one() {
    let server = Server::http(|seen| match seen.header("authorization") {
        Some("Basic YWxpY2U6czNjcmV0") => Answer::ok(""),
        _ => Answer::status(401, &[("WWW-Authenticate", r#"Basic realm="notary""#)], ""),
    })
    .await;
    Publisher::at(&server.url()).showing(alice()).remote().upload(&files()).await.unwrap();
    assert_eq!(server.lines(), vec![format!("POST {FOLDER}"); 2]);
    let message = format!(
        "{}: it asks for a user name and a password, and none is configured: run `docker login registry.example.com`",
        server.url()
    );
    assert_eq!(remote(&server).upload(&files()).await, Err(unauthorized(message)));
}

/// A server whose tokens never suffice.
async fn refusing(status: u16) -> Server {
    Server::http(move |seen| match (seen.line.contains("/token"), seen.header("authorization")) {
        (true, _) => Answer::ok(r#"{"token":"t"}"#),
        (false, Some("Bearer t")) if status != 401 => {
            Answer::status(status, &[], r#"{"errors":[{"code":"DENIED"}]}"#)
        }
        _ => challenge(&format!("http://{}/token", seen.header("host").unwrap())),
    })
    .await
}

#[tokio::test]
async fn who_may_not_push_is_told_what_to_do() {
    for status in [401, 403] {
        let server = refusing(status).await;
        let remote = Publisher::at(&server.url()).showing(alice()).remote();
        let told = |verb: &str| {
            unauthorized(format!(
                "{}: it answered {status} for {GUN}, so there is no permission to {verb}; the credentials were shown: \
                 check that they may {verb}, or run `docker login registry.example.com` as somebody who may",
                server.url()
            ))
        };
        assert_eq!(remote.upload(&files()).await, Err(told("push to it")));
        assert_eq!(remote.delete().await, Err(told("administer it (\"*\")")));
        // One POST without a token and one with: a refusal is not argued with.
        assert_eq!(server.lines().iter().filter(|line| line.starts_with("POST")).count(), 2);
    }
}

#[tokio::test]
async fn who_shows_nothing_is_told_to_log_in() {
    let server = refusing(403).await;
    let message = format!(
        "{}: it answered 403 for {GUN}, so there is no permission to push to it; no credentials were shown: run `docker login \
         registry.example.com`",
        server.url()
    );
    assert_eq!(remote(&server).upload(&files()).await, Err(unauthorized(message)));
}

#[tokio::test]
async fn t22_a_realm_elsewhere_does_not_see_a_publishers_credentials() {
    let authority = Authority::named("Test CA");
    let auth = Server::https(authority.server(&["auth.test"]), |_| Answer::ok(r#"{"token":"nobody"}"#)).await;
    let notary =
        Server::https(authority.server(&["notary.test"]), |_| challenge("https://auth.test/token")).await;
    let proxy = Proxy::to(&[("notary.test:443", &notary), ("auth.test:443", &auth)]).await;
    let publisher = Publisher {
        ca_pem: Some(authority.pem()),
        proxies: proxy.matcher(),
        ..Publisher::at("https://notary.test")
    };
    let message = format!(
        "https://notary.test: it answered 401 for {GUN}, so there is no permission to push to it; the credentials were not \
         sent, because its token realm is on auth.test, which is neither its own host nor the registry's: name it with \
         --token-realm auth.test if it may see them"
    );
    assert_eq!(publisher.showing(alice()).remote().upload(&files()).await, Err(unauthorized(message)));
    assert_eq!(auth.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn an_identity_token_is_exchanged_for_the_right_to_push() {
    let server = Server::http(|seen| match (seen.line.as_str(), seen.header("authorization")) {
        ("POST /oauth2/token", _) => Answer::ok(r#"{"access_token":"exchanged"}"#),
        (_, Some("Bearer exchanged")) => Answer::ok(""),
        _ => challenge(&format!("http://{}/oauth2/token", seen.header("host").unwrap())),
    })
    .await;
    let access = Access::IdentityToken(Secret::new("re/fresh"));
    Publisher::at(&server.url()).showing(access).remote().upload(&files()).await.unwrap();
    let expected = "grant_type=refresh_token&service=notary&scope=repository%3Aregistry.example.com%2Fshop%2Fweb%3Apush%2Cpull\
                    &client_id=tagseal&refresh_token=re%2Ffresh";
    assert_eq!(server.seen()[1].body, expected);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let body = r#"{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.","detail":{"Name":"ErrBadTargets","Error":{"Msg":"no\u001b[2J"}}}]}"#;
    for status in [400, 500] {
        let server = Server::http(move |_| Answer::status(status, &[], body)).await;
        let expected = RemoteError::Rejected(Rejection {
            status,
            code: "INVALID_UPDATE".into(),
            message: "Update sent by the client is invalid.".into(),
            detail: Some(("ErrBadTargets".into(), "no\u{fffd}[2J".into())),
        });
        let told = remote(&server).upload(&files()).await.unwrap_err();
        assert_eq!(told, expected);
        assert_eq!(told.is_undecided(), status == 500);
        let text = format!(
            "the server answered {status} INVALID_UPDATE Update sent by the client is invalid. (ErrBadTargets: no\u{fffd}[2J)"
        );
        assert_eq!(told.to_string(), text);
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_of_something_else_than_notary_has_no_code() {
    let server = Server::http(|seen| match seen.line.starts_with("POST") {
        true => Answer::status(413, &[], "<html>413 Request Entity Too Large</html>"),
        false => Answer::status(405, &[], "not here"),
    })
    .await;
    let rejected = |status, message: &str| {
        let (code, message) = (String::new(), message.to_owned());
        RemoteError::Rejected(Rejection { status, code, message, detail: None })
    };
    let remote = remote(&server);
    assert_eq!(remote.upload(&files()).await, Err(rejected(413, "")));
    assert_eq!(remote.delete().await, Err(rejected(405, "not here")));
}

#[tokio::test]
async fn a_key_that_the_server_does_not_have_is_a_refusal() {
    let body = r#"{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that does not exist."}]}"#;
    let server = Server::http(move |_| Answer::status(404, &[], body)).await;
    match remote(&server).server_key(&role("timestamp")).await {
        Err(RemoteError::Rejected(Rejection { status: 404, code, .. })) => {
            assert_eq!(code, "METADATA_NOT_FOUND");
        }
        other => panic!("{other:?}"),
    }
}

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
    let server = Server::http(|_| Answer::status(429, &[], "")).await;
    let message = format!("{}: it answered 429 once: check its log", server.url());
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

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// As Go's servers do: the 401 comes before the body was read, and the rest of it is not read.
#[tokio::test]
async fn a_challenge_in_the_middle_of_a_large_upload_is_heard() {
    let (listener, port) = listener().await;
    let url = format!("http://127.0.0.1:{port}");
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            // Go lingers so that the answer is not lost to a reset.
            open.push(stream);
        }
    });
    let large = vec![(role("targets"), Bytes::from(vec![b' '; 8 << 20]))];
    let message = format!(
        "{url}: it asks for a user name and a password, and none is configured: run `docker login registry.example.com`"
    );
    // It is not the deadline that ends it.
    let remote = Publisher::at(&url).within(600_000).remote();
    assert_eq!(remote.upload(&large).await, Err(unauthorized(message)));
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
        assert_eq!(remote.upload(&files()).await, Err(unreachable(message.clone())));
        assert_eq!(remote.fetch(&root()).await, Err(unreachable(message)));
        assert!(server.seen().iter().all(|seen| seen.header("authorization").is_none()));
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn what_no_client_would_take_is_not_sent() {
    let server = Server::http(|_| Answer::ok("")).await;
    let file = |bytes| (role("targets/a"), Bytes::from(vec![b' '; bytes]));
    let too_large =
        |what: &str, bytes, max_bytes| Err(RemoteError::TooLarge { what: what.to_owned(), bytes, max_bytes });
    let most = 16 << 20;
    let outcome = remote(&server).upload(&[file(most + 1)]).await;
    assert_eq!(outcome, too_large("targets/a", most + 1, most));
    let outcome = remote(&server).upload(&vec![file(most); 5]).await;
    assert_eq!(outcome, too_large("the upload", 5 * most, 4 * most));
    assert_eq!(server.accepted(), 0);
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
