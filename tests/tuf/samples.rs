//! Dumps of a real server, each with what the real client lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tagseal::tuf::{Anchor, Anchors, Answer, KeyId, RootRotation};

use super::driver::{SKEW, drive, first_use, input_with};
use crate::support::t;

const NOW: &str = "2026-11-21T12:00:00Z";

fn sample(name: &str) -> (PathBuf, Value, String) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/samples").join(name);
    let expected: Value =
        serde_json::from_slice(&std::fs::read(directory.join("expected.json")).unwrap()).unwrap();
    let gun = expected["gun"].as_str().unwrap().to_owned();
    (directory.join("v2").join(&gun).join("_trust/tuf"), expected, gun)
}

fn verify(name: &str, anchors: Anchors) -> Value {
    let (directory, expected, gun) = sample(name);
    let driven = drive(input_with(&gun, anchors, t(NOW)), |file| {
        std::fs::read(directory.join(file.to_string()))
            .map_or(Answer::NotFound, |bytes| Answer::Bytes(bytes.into()))
    });
    let repository = driven.repository();
    assert_eq!(repository.unusable(t(NOW), SKEW), []);
    for (role, facts) in expected["roles"].as_object().unwrap() {
        let found = repository.role(&super::driver::role(role)).unwrap();
        assert_eq!(found.version(), facts["version"].as_u64().unwrap(), "{role}");
        assert_eq!(found.expires(), t(facts["expires"].as_str().unwrap()), "{role}");
    }
    // The client lists a name once, from the first role that has it; ours lists them all. Its table was split at line
    // breaks, U+2028 included.
    let last_line = |name: &str| name.rsplit('\u{2028}').next().unwrap().to_owned();
    let listed: BTreeSet<_> = repository
        .roles(t(NOW), SKEW)
        .into_iter()
        .flat_map(|role| {
            role.targets()
                .map(move |e| (role.name().to_string(), last_line(e.name), e.digest.hex(), e.length))
        })
        .collect();
    let rows: BTreeSet<_> = expected["list_default"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |at: usize| row[at].as_str().unwrap().to_owned();
            (text(3), text(0), text(1), row[2].as_u64().unwrap())
        })
        .collect();
    assert!(rows.is_subset(&listed), "{rows:?} is not in {listed:?}");
    let names = |rows: &BTreeSet<(String, String, String, u64)>| {
        rows.iter().map(|(_, name, ..)| name.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&rows), names(&listed));
    expected
}

#[test]
fn every_sample_verifies_on_first_use() {
    for name in ["s2-delegations", "algs-rsa-p384-p521", "s4-root-rotated-twice", "edge-names"] {
        verify(name, first_use());
    }
}

#[test]
fn the_root_that_was_rotated_twice_is_reached_from_the_first_ones_pin() {
    // The canonical ID of the key of versions 1 and 2; the newest is version 4.
    let pin = KeyId::from_hex(FIRST_KEY).unwrap();
    verify("s4-root-rotated-twice", Anchors::new(vec![Anchor::KeyId(pin)], RootRotation::Follow, false));
}

const FIRST_KEY: &str = "222c202b34f75c9f51523ef701adb8763d7cb9843c50b1a8f96012022afb6505";
