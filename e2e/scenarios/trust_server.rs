//! The embedded trust server beside the real one: the same refusals, and a publisher who notices no difference.

use std::sync::Arc;

use tagseal::clock::{Clock as _, SystemClock};
use tagseal::sandbox::server::NotaryServer as Embedded;

use crate::harness::*;
use crate::support::trust_server::TrustServer;
use crate::support::uploads::{Error, REFUSED, Uploader, play};
use crate::support::{days, image_digest};

const RELEASES: &str = "targets/releases";

fn embedded() -> TrustServer {
    TrustServer::serve(Embedded::new(None, Arc::new(SystemClock)).expect("a server in memory").router())
}

/// An error without what is another in every run: the hash of a file, which is the last word of a message; and which of its
/// two hashes that is: the real server goes through them in no order.
fn without_hashes(mut error: Error) -> Error {
    let words = error.detail.as_mut().and_then(|detail| detail.pointer_mut("/Error/Msg"));
    if let Some(words) = words
        && let Some((rest, hash)) = words.as_str().unwrap_or_default().rsplit_once(' ')
        && matches!(hash.len(), 64 | 128)
    {
        let rest = rest.strip_prefix("sha512 ").map_or(rest.to_owned(), |rest| format!("sha256 {rest}"));
        *words = rest.into();
    }
    error
}

/// An error without the words of its message.
fn without_words(mut error: Error) -> Error {
    let words = error.detail.as_mut().and_then(|detail| detail.pointer_mut("/Error/Msg"));
    if let Some(words) = words {
        words.take();
    }
    error
}

#[test]
fn the_embedded_server_refuses_as_the_real_one_does() {
    let (process, now) = (NotaryServer::start("refusals-notary"), SystemClock.now());
    let (real, embedded) = (TrustServer::at(process.url()), embedded());
    for (number, case) in REFUSED.iter().enumerate() {
        let gun = format!("registry.test/refusals/{number}");
        let (theirs, _) = play(case, &real, &gun, now);
        let (ours, expected) = play(case, &embedded, &gun, now);
        assert_eq!(ours, expected, "{}", case.name);
        let same = without_hashes(ours.clone()) == without_hashes(theirs.clone());
        assert_eq!(same, case.same_words, "{}: {theirs:?}", case.name);
        assert_eq!(without_words(ours), without_words(theirs), "{}", case.name);
    }
}

#[test]
fn the_embedded_server_answers_as_the_real_one_does() {
    let (real, now) = (NotaryServer::start("answers-notary"), SystemClock.now());
    let gun = "registry.test/answers/web";
    let servers = [TrustServer::at(real.url()), embedded()];
    let answers = servers.map(|server| {
        let mut uploader = Uploader::with_server_snapshot(&server, gun, now - days(1));
        assert_eq!(server.upload(gun, &uploader.first()).status, 200);
        uploader.repository.sign_target("targets", "1.4", image_digest("a"));
        assert_eq!(server.upload(gun, &uploader.files(&["targets"])).status, 200);
        let asked = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"].into_iter().flat_map(|method| {
            let paths = [
                "/v2/",
                "/v2",
                "/",
                "/_notary_server/health",
                "/v2/x/_trust/tuf/root.json",
                "/v2/x/_trust/tuf",
                "/v2/x*/_trust/tuf/timestamp.key",
                "/v2/x/_trust/tuf/root.key",
                "/v2/_trust/changefeed",
                "/v2/_trust/changefeed?records=x",
                "/v2/_trust/changefeed?records=99999999999",
                "/v2/_trust/changefeed?records=1&change_id=x",
                "/v2/_trust/changefeed?records=1&change_id=9",
                "/v2/x/_trust/changefeed?records=0",
            ];
            paths.map(|path| (method, path.to_owned()))
        });
        let files = [
            "root.json",
            "targets.json",
            "timestamp.json",
            "snapshot.json",
            "1.targets.json",
            "007.root.json",
            "9.root.json",
            "99999999999999999999.root.json",
            "targets/none.json",
            "targets/A.json",
            "other.json",
            "timestamp.key",
            "snapshot.key",
            "targets.key",
        ];
        let files = files.map(|file| ("GET", format!("/v2/{gun}/_trust/tuf/{file}")));
        let asked = asked.chain(files).map(|(method, path)| {
            let answer = server.ask(method, &path);
            let header = |name| answer.header(name).map(str::to_owned);
            let modified = header("last-modified").map(|time| time.ends_with("UTC"));
            let is_file = answer.status == 200 && path.contains("/tuf/");
            let body = if is_file { shape(&answer.json()) } else { answer.text() };
            (method, path, answer.status, header("content-type"), header("cache-control"), modified, body)
        });
        asked.collect::<Vec<_>>()
    });
    let [theirs, ours] = answers;
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(ours, theirs);
    }
}

/// The field names of a document, in order, with what is the same in every run.
fn shape(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match name.len() {
                // A key ID.
                64 => "key;".to_owned(),
                _ => format!("{name}:{};", shape(value)),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().map(|item| format!("[{}]", shape(item))).collect(),
        serde_json::Value::Number(number) if number.as_u64() < Some(100) => number.to_string(),
        _ => String::new(),
    }
}

#[test]
fn the_real_client_lives_a_full_life_on_the_embedded_server() {
    let server = embedded();
    let dir = RUN.folder("embedded-life");
    let gun = "registry.test/life/web";
    let web = Publisher::owner(gun, server.url(), &dir.join("owner"));
    let stranger = |name: &str| Publisher::reader(gun, server.url(), &dir.join(name));
    let (alice, bob) = (Signer::new("alice"), Signer::new("bob"));
    let row = |tag: &str, role: &str| (tag.to_owned(), digest_of(tag), role.to_owned());

    web.signs(&["targets"], "1", &digest_of("1"));
    web.delegates(RELEASES, &[&alice]);
    web.delegates("targets/alice", &[&alice]);
    web.signs(&[RELEASES, "targets/alice"], "2", &digest_of("2"));
    web.hands_snapshot_to_server();
    web.signs(&[RELEASES], "3", &digest_of("3"));
    web.rotates_timestamp();
    web.rotates_targets();
    web.rotates_root();
    web.hands_over(RELEASES, &alice, &bob);
    web.signs(&[RELEASES], "4", &digest_of("4"));
    web.removes(&[RELEASES], "3");
    web.undelegates("targets/alice");
    web.takes_snapshot_back();
    web.signs(&["targets"], "5", &digest_of("5"));
    let expected = [row("1", "targets"), row("2", RELEASES), row("4", RELEASES), row("5", "targets")];
    assert_eq!(web.lists(&[RELEASES, "targets"]), expected);
    assert_eq!(stranger("reader").lists(&[RELEASES, "targets"]), expected);

    web.deletes();
    assert!(stranger("late").may_not_list().contains("does not have trust data"));
    web.begins_anew();
    web.signs(&["targets"], "6", &digest_of("6"));
    assert_eq!(stranger("later").lists(&["targets"]), [row("6", "targets")]);
}
