//! Checks that no attack of the list fails without: each is one line of the machine, and one test.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::tuf::{Answer, FileName, TufError, UpdateInput};

use super::driver::{
    GUN, but, current, drive, first_use, from, input, input_with, now, repository, role, update,
};
use crate::support::image_digest;

fn malformed(of: &str, what: &str) -> TufError {
    TufError::Malformed { role: role(of), what: what.to_owned() }
}

#[test]
fn a_signature_under_an_id_that_is_not_its_keys_is_refused() {
    let other = "5f".repeat(32);
    let mut repository = repository();
    let key = repository.keys("targets")[0].clone();
    let listed = other.clone();
    repository.edit("root", move |signed| {
        signed["keys"][&listed] = key.json();
        signed["roles"]["targets"]["keyids"] = json!([listed]);
    });
    // As long as no signature uses it, the ID is no matter.
    repository.publish(now());
    assert_eq!(*update(&repository).error(), TufError::NoValidSignature { role: role("targets") });
    let used = other.clone();
    repository
        .edit_signatures("targets", move |signatures| signatures[0]["keyid"] = used.into())
        .publish(now());
    assert_eq!(
        *update(&repository).error(),
        TufError::KeyIdMismatch { role: role("targets"), key_id: other }
    );
}

#[test]
fn a_file_has_a_bounded_number_of_signatures() {
    for (junk, refused) in [(255, false), (256, true)] {
        let mut repository = repository();
        let add = move |signatures: &mut Vec<Value>| {
            let other = json!({"keyid": "5f".repeat(32), "method": "ecdsa", "sig": ""});
            signatures.extend(std::iter::repeat_n(other, junk));
        };
        repository.edit_signatures("targets", add).publish(now());
        let result = update(&repository).result;
        match refused {
            true => {
                assert_eq!(result.unwrap_err(), malformed("targets", "it carries more than 256 signatures"))
            }
            false => assert!(result.is_ok()),
        }
    }
}

#[test]
fn a_role_has_a_bounded_number_of_keys() {
    for (more, refused) in [(255, false), (256, true)] {
        let mut repository = repository();
        repository
            .edit("root", move |signed| {
                for n in 0..more {
                    let id = format!("{n:064x}");
                    signed["keys"][&id] = json!({"keytype": "unknown", "keyval": {"public": ""}});
                    signed["roles"]["targets"]["keyids"].as_array_mut().unwrap().push(id.into());
                }
            })
            .publish(now());
        let result = update(&repository).result;
        match refused {
            true => assert_eq!(result.unwrap_err(), malformed("root", "role targets has more than 256 keys")),
            false => assert!(result.is_ok()),
        }
    }
}

#[test]
fn the_roots_that_are_followed_forwards_are_bounded() {
    for (version, error) in [
        (1 + 1024 + 1, None),
        (1 + 1024 + 2, Some(TufError::TooMany { what: "root rotations", limit: 1024 })),
    ] {
        let mut repository = repository();
        repository.publish(now());
        let pinned_root = Some(current(repository.files(), "root"));
        let files = repository.witness("root").version("root", version).publish(now());
        let driven = drive(UpdateInput { pinned_root, ..input_with(GUN, first_use(), now()) }, from(&files));
        let asks_for_links = driven.asked().contains(&"2.root.json");
        assert_eq!(asks_for_links, error.is_none(), "{version}");
        if let Some(error) = error {
            assert_eq!(*driven.error(), error);
        }
    }
}

#[test]
fn a_file_at_hand_that_is_longer_than_its_parent_says_is_not_used() {
    let mut repository = repository();
    repository.publish(now());
    let file = current(repository.files(), "targets");
    let shorter = file.len() as u64 - 1;
    let files = repository
        .edit("snapshot", move |signed| signed["meta"]["targets"]["length"] = shorter.into())
        .publish(now());
    let local = [(role("targets"), file)].into();
    let driven = drive(UpdateInput { local, ..input(GUN, &[repository.root_key()], now()) }, from(&files));
    let by_hash = FileName::by_hash(role("targets"), tagseal::digest::Digest::of(files.current("targets")));
    assert_eq!(*driven.error(), TufError::TooLarge { file: by_hash, max_bytes: shorter });
}

#[test]
fn a_timestamp_that_is_missing_after_a_failure_does_not_fall_back() {
    let mut repository = repository();
    repository.publish(now());
    let known = update(&repository).repository();
    let files = repository.sign_target("targets", "1.5", image_digest("b")).publish(now());
    let snapshot =
        FileName::by_hash(role("snapshot"), tagseal::digest::Digest::of(files.current("snapshot")));
    let mut rest = but(&files, &[(&snapshot.to_string(), Answer::NotFound)]);
    let mut timestamps = 0;
    let input = UpdateInput {
        known: Some(Arc::clone(&known)),
        timestamp_fallback: true,
        ..input(GUN, &[repository.root_key()], now())
    };
    let driven = drive(input, |file| {
        let is_timestamp = *file == FileName::current(role("timestamp"));
        timestamps += usize::from(is_timestamp);
        if is_timestamp && timestamps == 2 { Answer::Unavailable } else { rest(file) }
    });
    let file = FileName::current(role("timestamp"));
    assert_eq!(*driven.error(), TufError::Unreachable { file });
    assert_eq!(timestamps, 2);
}

#[test]
fn a_link_that_holds_a_lower_version_is_missing_wherever_it_is_from() {
    let mut repository = repository();
    repository.publish(now());
    let pinned = repository.root_key().clone();
    for _ in 0..3 {
        repository.witness("root").publish(now());
    }
    let files = repository.rotate("root", &[&crate::support::TestKey::root(GUN, now())]).publish(now());
    let first = files.get("1.root.json").unwrap().clone();
    // The newest is 5, and only 4 and older carry the pin.
    for number in [2, 4] {
        let name = format!("{number}.root.json");
        let served = but(&files, &[(name.as_str(), Answer::Bytes(first.clone()))]);
        let missing = tagseal::tuf::RootMismatch::MissingLink { version: number };
        let driven = match number {
            4 => drive(input(GUN, &[&pinned], now()), served),
            _ => drive(
                UpdateInput { pinned_root: Some(first.clone()), ..input_with(GUN, first_use(), now()) },
                served,
            ),
        };
        assert_eq!(*driven.error(), TufError::RootMismatch(missing), "{name}");
        // On disk it is a miss.
        let local_roots = [(number, first.clone())].into();
        let driven = drive(UpdateInput { local_roots, ..input(GUN, &[&pinned], now()) }, from(&files));
        assert_eq!(driven.repository().root().version(), 5, "{name}");
    }
}
