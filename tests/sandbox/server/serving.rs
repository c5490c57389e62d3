//! What is answered: files by name, hash and version, headers, errors, the changefeed, deletion.

use bytes::Bytes;
use serde_json::{Value, json};
use tagseal::digest::Digest;

use super::world::{GUN, World, start};
use crate::support::uploads::RELEASES;
use crate::support::{TestKey, days, hours, image_digest};

const CURRENT: &str = "public, max-age=300, s-maxage=300, must-revalidate";
const CONSISTENT: &str = "public, max-age=2592000, s-maxage=2592000";

#[test]
fn a_file_is_served_by_name_by_hash_and_by_version_as_it_was_uploaded() {
    let world = World::new();
    let parts = world.uploader().first();
    world.accepts(&parts);
    for (role, bytes) in &parts {
        let hash = Digest::of(bytes).hex();
        let version = if role == "root" { 1 } else { world.version(role) };
        for path in [format!("{role}.json"), format!("{role}.{hash}.json"), format!("{version}.{role}.json")]
        {
            let answer = world.get(&path);
            assert_eq!((answer.status, &answer.body), (200, bytes), "{path}");
        }
        assert_eq!(world.get(&format!("{role}.{}.json", hash.to_uppercase())).status, 404);
    }
    let root = Digest::of(&parts[0].1).hex();
    assert_eq!(world.get(&format!("targets.{root}.json")).status, 404, "a hash is its own role's");
}

#[test]
fn old_versions_stay_by_hash_and_version() {
    let world = World::new();
    let mut uploader = world.uploader();
    let first = uploader.first();
    world.accepts(&first);
    uploader.repository.sign_target("targets", "1.4", image_digest("a"));
    let second = uploader.files(&["targets", "snapshot"]);
    world.accepts(&second);
    assert_eq!(world.get("targets.json").body, second[0].1);
    assert_eq!(world.get("1.targets.json").body, first[1].1);
    assert_eq!(world.get(&format!("targets.{}.json", Digest::of(&first[1].1).hex())).body, first[1].1);
    assert_eq!(world.get("1.timestamp.json").json()["signed"]["version"], 1);
    assert_eq!(world.get("timestamp.json").json()["signed"]["version"], 2);
}

#[test]
fn caches_are_told_for_how_long_and_since_when() {
    let world = World::new();
    let parts = world.uploader().first();
    world.accepts(&parts);
    world.clock.advance(hours(1));
    let named = format!("root.{}.json", Digest::of(&parts[0].1).hex());
    for (path, cache) in [
        ("root.json", CURRENT),
        ("timestamp.json", CURRENT),
        ("snapshot.json", CURRENT),
        ("1.root.json", CONSISTENT),
        (&named, CONSISTENT),
    ] {
        let answer = world.get(path);
        assert_eq!(answer.header("cache-control"), Some(cache), "{path}");
        assert_eq!(answer.header("last-modified"), Some("Sat, 21 Nov 2026 12:00:00 UTC"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
    }
    for path in ["timestamp.key", "9.root.json"] {
        let answer = world.get(path);
        assert_eq!((answer.header("cache-control"), answer.header("last-modified")), (None, None), "{path}");
    }
}

#[test]
fn what_is_not_there_is_not_found_in_the_real_servers_words() {
    let world = World::new();
    world.accepts(&world.uploader().first());
    let message = "You have requested metadata that does not exist.";
    let error = |detail: &str| {
        format!("{{\"errors\":[{{\"code\":\"METADATA_NOT_FOUND\",\"message\":\"{message}\"{detail}}}]}}\n")
    };
    let huge = "9".repeat(20);
    let number = format!(r#","detail":{{"Func":"Atoi","Num":"{huge}","Err":{{}}}}"#);
    for (method, path, detail) in [
        ("GET", format!("/v2/{GUN}/_trust/tuf/2.root.json"), r#","detail":{}"#),
        ("GET", format!("/v2/{GUN}/_trust/tuf/targets/a.json"), r#","detail":{}"#),
        ("GET", format!("/v2/{GUN}/_trust/tuf/targets/A.json"), r#","detail":{}"#),
        ("GET", "/v2/another/_trust/tuf/timestamp.json".to_owned(), r#","detail":{}"#),
        ("GET", format!("/v2/{GUN}/_trust/tuf/{huge}.root.json"), &number),
        ("GET", format!("/v2/{GUN}/_trust/tuf/other.json"), ""),
        ("GET", format!("/v2/{GUN}/_trust/tuf/targets.key"), ""),
        ("GET", "/v2/a*/_trust/tuf/timestamp.key".to_owned(), ""),
        ("GET", "/v2/%ff/_trust/tuf/timestamp.key".to_owned(), ""),
        ("GET", "/v2".to_owned(), ""),
        ("POST", "/v2/".to_owned(), ""),
        ("POST", format!("/v2/{GUN}/_trust/tuf"), ""),
    ] {
        let answer = world.server.ask(method, &path);
        assert_eq!((answer.status, answer.text()), (404, error(detail)), "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
    assert_eq!(world.server.ask("HEAD", &format!("/v2/{GUN}/_trust/tuf/root.json")).status, 404);
    assert_eq!(world.server.ask("PATCH", &format!("/v2/{GUN}/_trust/tuf/")).status, 405);
}

#[test]
fn it_answers_pings_and_is_healthy() {
    let world = World::new();
    let ping = world.server.ask("GET", "/v2/");
    assert_eq!((ping.status, ping.text().as_str()), (200, "{}"));
    let health = world.server.ask("GET", "/_notary_server/health");
    assert_eq!((health.status, health.text().as_str()), (200, "{}"));
}

#[test]
fn a_gun_with_an_escaped_slash_is_the_same_gun() {
    let world = World::new();
    world.accepts(&world.uploader().first());
    let escaped = GUN.replace('/', "%2F");
    assert_eq!(world.server.get(&escaped, "root.json"), world.get("root.json"));
}

#[test]
fn an_upload_that_is_no_multipart_or_too_large_is_malformed() {
    let world = World::new();
    let message = "The body of your request is malformed.";
    let expected = json!({"errors": [{"code": "MALFORMED_UPLOAD", "message": message}]});
    let too_large = vec![("root".to_owned(), Bytes::from(vec![b' '; 16 << 20]))];
    for answer in [
        world.server.post(GUN, "text/plain", b"{}".to_vec()),
        world.server.post(GUN, "multipart/form-data", b"--x--\r\n".to_vec()),
        world.server.post(GUN, "multipart/form-data; boundary=x", b"--x\r\nhalf".to_vec()),
        world.server.upload(GUN, &too_large),
    ] {
        assert_eq!((answer.status, answer.json()), (400, expected.clone()));
    }
}

#[test]
fn a_name_that_is_no_gun_is_refused() {
    let world = World::new();
    let parts = world.uploader().first();
    for name in ["a".repeat(256), "a//b".to_owned(), "a*".to_owned(), "a%20b".to_owned()] {
        let answer = world.server.upload(&name, &parts);
        assert_eq!(answer.json()["errors"][0]["code"], "INVALID_GUN", "{name}");
        assert_eq!(answer.status, 400);
    }
}

#[test]
fn parts_may_end_in_json_and_the_last_of_a_role_counts() {
    let world = World::new();
    let mut uploader = world.uploader();
    let mut parts: Vec<_> =
        uploader.first().into_iter().map(|(role, bytes)| (format!("{role}.json"), bytes)).collect();
    parts.insert(0, ("targets".to_owned(), Bytes::from_static(b"{}")));
    world.accepts(&parts);
    assert_eq!(world.get("targets.json").body, parts[2].1);
}

#[test]
fn delegations_with_slashes_in_their_names_are_accepted_in_any_order() {
    let world = World::new();
    let mut uploader = world.uploader();
    let (alice, bob) = (TestKey::p384(), TestKey::rsa());
    uploader.repository.delegate(RELEASES, &[&alice]).delegate("targets/releases/eu", &[&bob]);
    uploader.repository.sign_target("targets/releases/eu", "1", image_digest("a")).witness(RELEASES);
    let first = uploader.first();
    let mut parts = uploader.files(&["targets/releases/eu", RELEASES]);
    parts.extend(first);
    world.accepts(&parts);
    assert_eq!(world.get("targets/releases/eu.json").body, parts[0].1);
    assert_eq!(world.get("1.targets/releases/eu.json").body, parts[0].1);
}

#[test]
fn a_deleted_repository_is_gone_and_its_neighbour_is_not() {
    let world = World::new();
    let mut uploader = world.uploader();
    world.accepts(&uploader.first());
    let neighbour = format!("{GUN}-two");
    let mut other = crate::support::uploads::Uploader::new(&world.server, &neighbour, start());
    assert_eq!(world.server.upload(&neighbour, &other.first()).status, 200);
    for _ in 0..2 {
        let answer = world.server.ask("DELETE", &format!("/v2/{GUN}/_trust/tuf/"));
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }
    for path in ["root.json", "timestamp.json", "1.root.json"] {
        assert_eq!(world.get(path).status, 404, "{path}");
    }
    assert_eq!(world.server.get(&neighbour, "root.json").status, 200);
    // The server still holds the key that the old root lists, and versions begin anew.
    let again = uploader.repository.files().clone();
    let roles = ["root", "targets", "snapshot"];
    world.accepts(&roles.map(|role| (role.to_owned(), again.current(role).clone())));
    assert_eq!(world.version("timestamp"), 1);
}

#[test]
fn the_changefeed_lists_publishes_and_deletions() {
    let world = World::new();
    world.accepts(&world.uploader().first());
    let timestamp = Digest::of(&world.get("timestamp.json").body).hex();
    let other = "registry.test/other";
    let mut uploader = crate::support::uploads::Uploader::new(&world.server, other, start());
    assert_eq!(world.server.upload(other, &uploader.first()).status, 200);
    world.server.ask("DELETE", &format!("/v2/{GUN}/_trust/tuf/"));

    let change = |id: &str, gun: &str, version: u64, sha256: &str, category: &str| {
        json!({"ID": id, "CreatedAt": "2026-11-21T12:00:00Z", "GUN": gun, "Version": version, "SHA256": sha256,
               "Category": category})
    };
    let published = change("1", GUN, 1, &timestamp, "update");
    let deleted = change("3", GUN, 0, "", "deletion");
    let page = |query: &str, gun: &str| {
        world.server.ask("GET", &format!("/v2/{gun}_trust/changefeed?{query}")).json()
    };
    assert_eq!(page("records=0", &format!("{GUN}/")), json!({"count": 2, "records": [published, deleted]}));
    let ids = |query: &str| -> Vec<String> {
        let page = page(query, "");
        let ids = page["records"].as_array().unwrap().iter().map(|c| c["ID"].as_str().unwrap().to_owned());
        ids.collect()
    };
    assert_eq!(ids("records=100"), ["1", "2", "3"]);
    assert_eq!(ids("records=1&change_id=1"), ["2"]);
    assert_eq!(ids("records=-1&change_id=3"), ["2"]);
    assert_eq!(ids("records=-2&change_id=-1"), ["2", "3"]);
    assert_eq!(ids("records=-2"), ["2", "3"], "the real one drops the connection");
    assert_eq!(page("records=5&change_id=3", ""), json!({"count": 0, "records": null}));
}

#[test]
fn the_changefeed_refuses_what_is_no_number() {
    let world = World::new();
    let refused = |query: &str| {
        let answer = world.server.ask("GET", &format!("/v2/_trust/changefeed?{query}"));
        assert_eq!(answer.status, 400);
        let error = answer.json()["errors"][0].clone();
        assert_eq!(error["code"], "INVALID_PARAMETERS");
        error["detail"].clone()
    };
    let syntax = |text: &str, what: &str| -> Value {
        json!(format!("invalid records parameter: strconv.ParseInt: parsing \"{text}\": {what}"))
    };
    assert_eq!(refused(""), syntax("", "invalid syntax"));
    assert_eq!(refused("records=x"), syntax("x", "invalid syntax"));
    assert_eq!(refused("records=99999999999"), syntax("99999999999", "value out of range"));
    assert_eq!(refused("records=1&change_id=x"), json!({}));
}

#[test]
fn a_renewed_timestamp_is_a_change_too() {
    let world = World::new();
    world.accepts(&world.uploader().first());
    world.clock.advance(days(15));
    assert_eq!(world.version("timestamp"), 2);
    let feed = world.server.ask("GET", "/v2/_trust/changefeed?records=0").json();
    assert_eq!(feed["count"], 2);
    assert_eq!(feed["records"][1]["Version"], 2);
}
