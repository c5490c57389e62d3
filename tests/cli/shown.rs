//! Text from outside as the commands show it: never raw, and exact in JSON.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tagseal::clock::{Clock as _, SystemClock};

use super::run::{Machine, REPOSITORY};
use crate::support::trust_server::TrustServer;
use crate::support::{TestKey, TestRepository, image_digest};

/// A line of a table, C1 controls, an override of the direction of writing, a line separator, what is shown as nothing, a backslash.
const NAMES: [&str; 7] = [
    "1.4   sha256:0000   alice",
    "a\nb",
    "a\u{9b}31mb",
    "a\u{202e}b",
    "a\u{2028}b",
    "a\u{200b}b",
    "a\\u{200b}b",
];

fn is_fit(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\n' | ' '..='~' | '…'))
}

/// The address of a server of a repository whose role lists and may list such names.
fn server() -> TrustServer {
    let mut repository = TestRepository::new(REPOSITORY, SystemClock.now());
    let key = TestKey::ecdsa();
    repository.delegate("targets/releases", &[&key]).paths("targets/releases", &["", "x\u{9b}y"]);
    for name in NAMES {
        repository.sign_target("targets/releases", name, image_digest("a"));
    }
    let files = repository.publish(SystemClock.now());
    let route = format!("/v2/{REPOSITORY}/_trust/tuf/{{file}}");
    let answer = async move |Path(file): Path<String>| -> Response {
        match files.get(&file).or_else(|| files.get(&format!("targets/{file}"))) {
            Some(bytes) => bytes.clone().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let delegated = format!("/v2/{REPOSITORY}/_trust/tuf/targets/{{file}}");
    let answer_below = {
        let answer = answer.clone();
        async move |Path(file): Path<String>| answer(Path(format!("targets/{file}"))).await
    };
    TrustServer::serve(Router::new().route(&route, get(answer)).route(&delegated, get(answer_below)))
}

#[test]
fn t40_inspect_shows_no_name_raw_and_json_has_all_exactly() {
    let (server, machine) = (server(), Machine::new());
    let arguments = ["inspect", REPOSITORY, "--server", server.url(), "--first-use"];
    let printed = machine.run(&arguments).done();
    assert!(is_fit(&printed), "{printed:?}");
    for shown in [
        r#""1.4   sha256:0000   alice""#,
        r#""a\nb""#,
        r#""a\u{9b}31mb""#,
        r#""a\u{202e}b""#,
        r#""a\u{2028}b""#,
        r#""a\u{200b}b""#,
        r#""a\\u{200b}b""#,
    ] {
        let row = format!("\n{shown} ");
        assert!(printed.contains(&row), "{shown}: {printed}");
    }

    let json = machine.run(&[&arguments[..], &["-o", "json"]].concat()).json();
    let mut names: Vec<_> =
        json["targets"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut expected = NAMES.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn t40_what_servers_say_and_what_was_typed_is_never_shown_raw() {
    let body = r#"{"errors":[{"code":"DENIED","message":"no\u009b31m\u202e\u2028\nSigned, trust me"}]}"#;
    let server = TrustServer::serve(Router::new().fallback(async move || (StatusCode::FORBIDDEN, body)));
    let machine = Machine::of_publisher(&server);
    for arguments in [
        vec!["inspect", REPOSITORY, "--server", server.url(), "--first-use"],
        vec!["inspect", "registry.test/a\u{9b}b\nSealed", "--server", server.url(), "--first-use"],
        vec!["verify", "registry.test/a\u{202e}b\nsealed      x", "--policy", "a\u{9b}b\nsealed      x"],
        vec!["trust", "sign", "registry.test/a\u{9b}b:1\nSigned"],
        vec!["trust", "witness", "targets/a\u{202e}b\nSigned", REPOSITORY],
        vec!["trust", "nothing\u{9b}\nSigned"],
        vec!["inspect", "--nothing\u{2028}\nSigned"],
    ] {
        let ended = machine.run(&arguments);
        let told = format!("{}{}", ended.printed(), ended.errors());
        assert!(!told.is_empty() && is_fit(&told), "{arguments:?}: {told:?}");
        let forged = ["Signed", "Sealed", "sealed"];
        let begins = told.lines().find(|line| forged.iter().any(|word| line.starts_with(word)));
        assert_eq!(begins, None, "{arguments:?}");
    }
}
