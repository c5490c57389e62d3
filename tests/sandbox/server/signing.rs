//! The server's own keys and what it signs with them: timestamps, snapshots, and both anew when they expired.

use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tagseal::tuf::{
    Anchor, Anchors, Answer, Gun, KeyId, RootRotation, Step, TrustedRepository, Update, UpdateInput,
};

use super::world::{GUN, World, role, start};
use crate::support::trust_server::TrustServer;
use crate::support::uploads::{RELEASES, Uploader};
use crate::support::{TestKey, days, hex, image_digest, seconds, sha256};

/// What the verifier makes of all that the server serves.
fn verified(world: &World, uploader: &Uploader) -> Arc<TrustedRepository> {
    verified_by(world, pin(uploader))
}

fn pin(uploader: &Uploader) -> KeyId {
    KeyId::from_hex(&uploader.repository.root_key().canonical_id()).unwrap()
}

fn verified_by(world: &World, pin: KeyId) -> Arc<TrustedRepository> {
    use tagseal::clock::Clock as _;
    let anchors = Anchors::new(vec![Anchor::KeyId(pin)], RootRotation::Follow, false);
    let input = UpdateInput::new(Gun::new(GUN).unwrap(), Arc::new(anchors), world.clock.now());
    let mut update = Update::new(input);
    loop {
        match update.step() {
            Step::Done(result) => return result.expect("it verifies").repository,
            Step::Fetch(fetches) => {
                for fetch in fetches {
                    let answer = world.get(&fetch.file.to_string());
                    let found = answer.status == 200;
                    update
                        .feed(&fetch.file, if found { Answer::Bytes(answer.body) } else { Answer::NotFound });
                }
            }
        }
    }
}

/// The ID of a key as the server answered it.
fn id_of(key: &Value) -> String {
    let canonical = format!(
        r#"{{"keytype":{},"keyval":{{"private":null,"public":{}}}}}"#,
        key["keytype"], key["keyval"]["public"]
    );
    hex(&sha256(canonical.as_bytes()))
}

fn signer(server: &TrustServer, role: &str) -> Value {
    server.get(GUN, &format!("{role}.json")).json()["signatures"][0]["keyid"].clone()
}

#[test]
fn before_a_root_exists_every_get_of_a_key_makes_a_new_one() {
    let world = World::new();
    for role in ["timestamp", "snapshot"] {
        let answer = world.get(&format!("{role}.key"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        let text = answer.text();
        let public = answer.json()["keyval"]["public"].as_str().unwrap().to_owned();
        let expected = format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{public}","private":null}}}}"#);
        assert_eq!(text, expected);
        assert_ne!(world.server.key(GUN, role), answer.json());
    }
}

#[test]
fn any_of_the_keys_handed_out_may_be_the_one_that_the_root_lists() {
    let world = World::new();
    let mut uploader = world.uploader();
    let first = world.server.key(GUN, "timestamp");
    world.server.key(GUN, "timestamp");
    uploader.server_key("timestamp", first.clone());
    world.accepts(&uploader.first());
    assert_eq!(signer(&world.server, "timestamp"), id_of(&first));
    assert_eq!(world.server.key(GUN, "timestamp"), first, "the listed key is the key from now on");
    verified(&world, &uploader);
}

#[test]
fn of_too_many_keys_the_oldest_that_no_root_lists_is_forgotten() {
    let world = World::new();
    let (mut uploader, mut late) = (world.uploader(), world.uploader());
    for _ in 0..64 {
        world.server.rotate(GUN, "timestamp");
    }
    let answer = world.server.upload(GUN, &uploader.first());
    assert_eq!(answer.json()["errors"][0]["detail"]["Name"], "ErrBadRoot");
    let listed = world.server.key(GUN, "timestamp");
    late.server_key("timestamp", listed.clone());
    world.accepts(&late.first());
    for _ in 0..64 {
        world.server.rotate(GUN, "timestamp");
    }
    assert_eq!(world.server.key(GUN, "timestamp"), listed, "the listed one stays");
}

#[test]
fn a_rotated_key_counts_once_a_new_root_lists_it() {
    let world = World::new();
    let mut uploader = world.uploader_with_server_snapshot();
    world.accepts(&uploader.first());
    for role in ["timestamp", "snapshot"] {
        let (before, old) = (world.server.key(GUN, role), signer(&world.server, role));
        let pending = world.server.rotate(GUN, role);
        assert_ne!(pending, before);
        assert_eq!(world.server.key(GUN, role), before, "{role}: not yet");
        uploader.repository.witness("targets");
        world.accepts(&uploader.files(&["targets"]));
        assert_eq!(signer(&world.server, role), old, "{role}: not yet");
        uploader.server_key(role, pending.clone()).root();
        world.accepts(&uploader.files(&["root"]));
        assert_eq!(world.server.key(GUN, role), pending);
        assert_eq!(signer(&world.server, role), id_of(&pending));
    }
    assert_eq!(verified(&world, &uploader).root().version(), 3);
}

#[test]
fn the_publisher_takes_the_snapshot_key_back_and_gives_it_again() {
    let world = World::new();
    let mut uploader = world.uploader();
    world.accepts(&uploader.first());
    let key = world.server.rotate(GUN, "snapshot");
    uploader.server_key("snapshot", key.clone()).root();
    world.accepts(&uploader.files(&["root"]));
    assert_eq!(signer(&world.server, "snapshot"), id_of(&key));
    // Its own snapshot must be newer than the server's.
    uploader.own_key("snapshot").root().version("snapshot", 3);
    world.accepts(&uploader.files(&["root", "snapshot"]));
    assert_eq!(signer(&world.server, "snapshot"), uploader.repository.keys("snapshot")[0].id());
    verified(&world, &uploader);
}

#[test]
fn a_key_that_another_repository_was_given_is_nobody_elses() {
    let world = World::new();
    let foreign = world.server.key("registry.test/other", "timestamp");
    let mut uploader = world.uploader();
    uploader.server_key("timestamp", foreign);
    let detail = world.server.upload(GUN, &uploader.first()).json()["errors"][0]["detail"].clone();
    assert_eq!(detail["Name"], "ErrBadRoot");
}

#[test]
fn an_uploaded_timestamp_is_discarded_and_a_fresh_one_made() {
    let world = World::new();
    let mut uploader = world.uploader();
    let mut parts = uploader.first();
    let own = uploader.repository.files().current("timestamp").clone();
    parts.push(("timestamp".to_owned(), own.clone()));
    world.accepts(&parts);
    assert_ne!(world.get("timestamp.json").body, own);
    let timestamp = world.server.signed(GUN, "timestamp");
    assert_eq!(timestamp["version"], 1);
    assert_eq!(timestamp["expires"], "2026-12-05T12:00:00Z", "14 days");
    uploader.repository.witness("targets");
    world.accepts(&uploader.files(&["targets", "snapshot"]));
    assert_eq!(world.version("timestamp"), 2);
    verified(&world, &uploader);
}

#[test]
fn the_servers_snapshot_is_the_previous_one_with_what_changed() {
    let world = World::new();
    let mut uploader = world.uploader_with_server_snapshot();
    let alice = TestKey::ecdsa();
    uploader.repository.delegate(RELEASES, &[&alice]).delegate("targets/alice", &[&alice]);
    world.accepts(&uploader.first());
    let names = |world: &World| -> Vec<String> {
        let snapshot = world.server.signed(GUN, "snapshot");
        snapshot["meta"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(&world), ["root", "targets"]);
    uploader.repository.sign_target(RELEASES, "1", image_digest("a"));
    uploader.repository.sign_target("targets/alice", "1", image_digest("a"));
    world.accepts(&uploader.files(&[RELEASES, "targets/alice"]));
    uploader.repository.remove_delegation("targets/alice");
    world.accepts(&uploader.files(&["targets"]));
    assert_eq!(names(&world), ["root", "targets", "targets/alice", RELEASES], "dead roles stay listed");
    let snapshot = world.server.signed(GUN, "snapshot");
    assert_eq!(snapshot["version"], 3);
    assert_eq!(snapshot["expires"], "2029-11-20T12:00:00Z", "three years of 365 days");
    let repository = verified(&world, &uploader);
    assert!(repository.usable(&role(RELEASES), start(), SignedDuration::ZERO).is_ok());
    assert!(!repository.delegates(&role("targets/alice")));
}

#[test]
fn an_upload_of_nothing_gives_a_new_snapshot_and_timestamp() {
    let world = World::new();
    let mut uploader = world.uploader_with_server_snapshot();
    world.accepts(&uploader.first());
    world.accepts(&[]);
    assert_eq!((world.version("snapshot"), world.version("timestamp")), (2, 2));
    verified(&world, &uploader);
}

#[test]
fn a_timestamp_is_renewed_when_it_is_read_and_only_when_it_is_expired() {
    let world = World::new();
    let mut uploader = world.uploader();
    world.accepts(&uploader.first());
    let before = (world.get("timestamp.json"), world.get("snapshot.json"));
    world.clock.advance(days(14));
    assert_eq!((world.get("timestamp.json"), world.get("snapshot.json")), before, "the last moment");
    world.clock.advance(seconds(1));
    // Reading the snapshot renews the timestamp as well.
    assert_eq!(world.get("snapshot.json"), before.1);
    let renewed = world.get("2.timestamp.json");
    assert_eq!(renewed.status, 200);
    assert_eq!(world.get("timestamp.json").body, renewed.body);
    assert_eq!(renewed.json()["signed"]["expires"], "2026-12-19T12:00:01Z");
    assert_eq!(world.get("timestamp.json").header("last-modified"), Some("Sat, 05 Dec 2026 12:00:01 UTC"));
    assert_eq!(world.get("1.timestamp.json").body, before.0.body, "the old one stays");
    verified(&world, &uploader);
}

#[test]
fn an_expired_snapshot_is_renewed_before_the_timestamp() {
    let world = World::new();
    let mut uploader = world.uploader_with_server_snapshot();
    world.accepts(&uploader.first());
    // A month before the targets, which live as long, so that the whole set can be verified afterwards.
    uploader.repository.expires("targets", start() + days(3650));
    uploader.now = start() + days(30);
    world.clock.set(uploader.now);
    world.accepts(&uploader.files(&["targets"]));
    world.clock.advance(days(3 * 365));
    assert_eq!(world.version("snapshot"), 2);
    world.clock.advance(seconds(1));
    let snapshot = world.get("snapshot.json");
    assert_eq!(snapshot.json()["signed"]["version"], 3);
    let timestamp = world.server.signed(GUN, "timestamp");
    let listed = &timestamp["meta"]["snapshot"]["length"];
    assert_eq!(*listed, json!(snapshot.body.len()));
    verified(&world, &uploader);
}

#[test]
fn a_snapshot_that_the_server_cannot_renew_is_an_error() {
    let world = World::new();
    let mut uploader = world.uploader();
    uploader.repository.expires("snapshot", start() + days(1));
    world.accepts(&uploader.first());
    world.clock.advance(days(2));
    let missing = uploader.repository.keys("snapshot")[0].id();
    let detail = json!({"FoundKeys": 0, "NeededKeys": 1, "MissingKeyIDs": [missing]});
    let expected = json!({"errors": [{"code": "UNKNOWN", "message": "unknown error", "detail": detail}]});
    for path in ["timestamp.json", "snapshot.json"] {
        let answer = world.get(path);
        assert_eq!((answer.status, answer.json()), (500, expected.clone()), "{path}");
    }
    assert_eq!(world.get("1.timestamp.json").status, 200);
}

#[test]
fn nothing_is_renewed_under_an_expired_root() {
    let world = World::new();
    let mut uploader = world.uploader();
    uploader.repository.expires("root", start() + days(10));
    world.accepts(&uploader.first());
    world.clock.advance(days(15));
    let answer = world.get("timestamp.json");
    assert_eq!(answer.status, 500);
    let detail = json!({"Role": "root", "Expired": "Tue Dec 1 12:00:00 UTC 2026"});
    assert_eq!(answer.json()["errors"][0]["detail"], detail);
    // A publisher brings it back with a new root.
    uploader.now = start() + days(15);
    uploader.root().expires("root", start() + days(30));
    world.accepts(&uploader.files(&["root", "snapshot"]));
    verified(&world, &uploader);
}

#[test]
fn an_expired_stored_root_does_not_stop_other_uploads() {
    let world = World::new();
    let mut uploader = world.uploader();
    uploader.repository.expires("root", start() + days(10));
    world.accepts(&uploader.first());
    world.clock.advance(days(12));
    uploader.now = start() + days(12);
    uploader.repository.sign_target("targets", "1.4", image_digest("a"));
    world.accepts(&uploader.files(&["targets", "snapshot"]));
}

#[test]
fn many_first_readers_of_an_expired_timestamp_get_the_same_new_one() {
    let world = World::new();
    world.accepts(&world.uploader().first());
    world.clock.advance(days(15));
    let answers: Vec<Bytes> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..16).map(|_| scope.spawn(|| world.get("timestamp.json").body)).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    assert_eq!(world.version("timestamp"), 2);
    assert!(answers.iter().all(|body| *body == answers[0]));
}

#[test]
fn of_many_writers_of_one_version_one_wins_and_readers_see_whole_publishes() {
    let world = World::new();
    let mut uploader = world.uploader_with_server_snapshot();
    world.accepts(&uploader.first());
    let uploads: Vec<_> = (0..8)
        .map(|n| {
            uploader
                .repository
                .sign_target("targets", "1.4", image_digest(&n.to_string()))
                .version("targets", 2);
            uploader.files(&["targets"])
        })
        .collect();
    let pin = pin(&uploader);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..32 {
                verified_by(&world, pin);
            }
        });
        let writers: Vec<_> =
            uploads.iter().map(|parts| scope.spawn(|| world.server.upload(GUN, parts))).collect();
        let answers: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        reader.join().unwrap();
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(refused.json()["errors"][0]["code"], "VERSION");
        }
        answers.iter().map(|answer| answer.status).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!((world.version("targets"), world.version("timestamp")), (2, 2));
}
