//! Who may publish: tokens, passwords, challenges, and what those are told who may not.

use super::*;

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
