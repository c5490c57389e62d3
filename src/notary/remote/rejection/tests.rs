use super::*;

fn of(body: &str) -> Rejection {
    Rejection::of(400, body.as_bytes())
}

fn detail(body: &str) -> Option<(String, String)> {
    of(body).detail
}

fn pair(name: &str, said: &str) -> Option<(String, String)> {
    Some((name.to_owned(), said.to_owned()))
}

/// As notary-server 0.7.0 sends them.
#[test]
fn the_real_servers_refusals_are_read() {
    let bad_root = r#"{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.","detail":{"Name":"ErrBadRoot","Error":{"Msg":"Root modifications must increment the version. Current 1, new 9"}}}]}"#;
    let expected = Rejection {
        status: 400,
        code: "INVALID_UPDATE".into(),
        message: "Update sent by the client is invalid.".into(),
        detail: pair("ErrBadRoot", "Root modifications must increment the version. Current 1, new 9"),
        server_time: None,
    };
    assert_eq!(of(bad_root), expected);
    let hierarchy = r#"{"errors":[{"code":"INVALID_UPDATE","message":"Update sent by the client is invalid.","detail":{"Name":"ErrBadHierarchy","Error":{"Missing":"snapshot","Msg":"no snapshot was included in update and server does not hold current snapshot key for repository"}}}]}"#;
    let said =
        "no snapshot was included in update and server does not hold current snapshot key for repository";
    assert_eq!(detail(hierarchy), pair("ErrBadHierarchy", said));
    let version = r#"{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.","detail":{}}]}"#;
    let expected = Rejection {
        status: 400,
        code: "VERSION".into(),
        message: "A newer version of metadata is already available.".into(),
        detail: None,
        server_time: None,
    };
    assert_eq!(of(version), expected);
    let role = r#"{"errors":[{"code":"INVALID_ROLE","message":"The role you are attempting to operate on is invalid.","detail":"nonsense"}]}"#;
    assert_eq!(detail(role), pair("", "nonsense"));
    let bare = r#"{"errors":[{"code":"NO_FILENAME","message":"No file/role name provided."}]}"#;
    assert_eq!((of(bare).code, of(bare).detail), ("NO_FILENAME".into(), None));
    let unauthorized = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"Type":"repository"}]}]}"#;
    assert_eq!(of(unauthorized).detail, None);
}

#[test]
fn other_forms_of_the_detail_are_read_too() {
    let with = |detail: &str| format!(r#"{{"errors":[{{"code":"INVALID_UPDATE","detail":{detail}}}]}}"#);
    assert_eq!(detail(&with(r#"{"Name":"ErrBadRoot","Error":"no"}"#)), pair("ErrBadRoot", "no"));
    assert_eq!(
        detail(&with(r#"{"Name":"ErrBadRoot","Error":{"Why":1}}"#)),
        pair("ErrBadRoot", r#"{"Why":1}"#)
    );
    assert_eq!(detail(&with(r#"{"Name":"ErrBadRoot"}"#)), pair("ErrBadRoot", ""));
    assert_eq!(detail(&with(r#"{"Name":"ErrBadRoot","Error":null}"#)), pair("ErrBadRoot", ""));
    for nothing in ["null", "{}", "3", "[]", r#""""#] {
        assert_eq!(detail(&with(nothing)), None, "{nothing}");
    }
}

#[test]
fn what_is_none_of_notarys_has_no_code() {
    let none = |body: &str, message: &str| {
        let expected = Rejection {
            status: 400,
            code: "".into(),
            message: message.into(),
            detail: None,
            server_time: None,
        };
        assert_eq!(of(body), expected);
        assert!(!Rejection::has_code(body.as_bytes()));
    };
    none("", "");
    none("go away\n", "go away");
    none(" <html>…", "");
    none(r#"{"errors":[]}"#, r#"{"errors":[]}"#);
    none(r#"{"errors":[{"code":""}]}"#, r#"{"errors":[{"code":""}]}"#);
    none(r#"{"errors":[{"code":7}]}"#, r#"{"errors":[{"code":7}]}"#);
}

#[test]
fn words_of_a_server_are_printable_and_short() {
    let body = r#"{"errors":[{"code":"A\u001b[2J","message":"a\nb\u202ec","detail":{"Name":"\u0000","Error":{"Msg":"\u001b]0;x\u0007"}}}]}"#;
    let expected = Rejection {
        status: 400,
        code: r"A\u{1b}[2J".into(),
        message: r"a\nb\u{202e}c".into(),
        detail: pair(r"\u{0}", r"\u{1b}]0;x\u{7}"),
        server_time: None,
    };
    assert_eq!(of(body), expected);
    let long = "é".repeat(5000);
    let rejection = of(&format!(
        r#"{{"errors":[{{"code":"{long}","message":"{long}","detail":{{"Name":"{long}","Error":"{long}"}}}}]}}"#
    ));
    let (name, said) = rejection.detail.unwrap();
    let lengths = [&*rejection.code, &rejection.message, &name, &said].map(|text| text.chars().count());
    assert_eq!(lengths, [65, 501, 65, 501]);
    assert_eq!(of(&long).message.chars().count(), 501);
}

#[test]
fn a_rejection_reads_as_a_sentence() {
    let shown = |code: &str, message: &str, detail| {
        Rejection { status: 400, code: code.into(), message: message.into(), detail, server_time: None }
            .to_string()
    };
    assert_eq!(shown("", "", None), "the server answered 400");
    assert_eq!(shown("VERSION", "Too old.", None), "the server answered 400 VERSION Too old.");
    assert_eq!(shown("A", "", pair("B", "c")), "the server answered 400 A (B: c)");
    assert_eq!(shown("A", "", pair("B", "")), "the server answered 400 A (B)");
    assert_eq!(shown("A", "b", pair("", "c")), "the server answered 400 A b (c)");
}

#[test]
fn the_servers_time_is_read_from_its_answer() {
    let dated = |date: &str| {
        let headers = HeaderMap::from_iter([(header::DATE, date.parse().unwrap())]);
        Rejection::of(400, b"").dated(&headers).server_time.map(|time| time.to_string())
    };
    assert_eq!(dated("Sun, 06 Nov 1994 08:49:37 GMT").as_deref(), Some("1994-11-06T08:49:37Z"));
    assert_eq!(dated("yesterday"), None);
    assert_eq!(Rejection::of(400, b"").dated(&HeaderMap::new()).server_time, None);
}
