//! What parents say about files: either hash suffices, and every hash that is there must match.

use jiff::Timestamp;
use serde_json::{Value, json};
use tagseal::tuf::{RoleName, TufError, UpdateInput};

use super::driver::{Driven, drive, from, input};
use crate::support::{ServedFiles, TestKey, TestRepository, image_digest, t};

const GUN: &str = "registry.example.com/shop/web";

/// Each entry: the file that names it, and the role that it names.
const ENTRIES: [(&str, &str); 4] =
    [("timestamp", "snapshot"), ("snapshot", "root"), ("snapshot", "targets"), ("snapshot", "targets/a")];

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

/// A repository with one entry's hashes edited, and its root key.
fn edited(
    (parent, role): (&'static str, &'static str),
    edit: impl Fn(&mut Value) + Send + 'static,
) -> (ServedFiles, TestKey) {
    let mut repository = TestRepository::new(GUN, now());
    let key = TestKey::ecdsa();
    repository.delegate("targets/a", &[&key]).sign_target("targets", "1.4", image_digest("a"));
    repository.sign_target("targets/a", "1.5", image_digest("b"));
    repository.edit(parent, move |signed| edit(&mut signed["meta"][role]["hashes"]));
    let files = repository.publish(now());
    (files, repository.root_key().clone())
}

fn update((files, key): &(ServedFiles, TestKey)) -> Driven {
    drive(input(GUN, &[key], now()), from(files))
}

fn spoil(hash: &mut Value) {
    let spoilt = if hash.as_str().unwrap().starts_with('A') { "B" } else { "A" };
    *hash = Value::from(format!("{spoilt}{}", &hash.as_str().unwrap()[1..]));
}

#[test]
fn either_hash_of_a_file_is_enough() {
    for entry in ENTRIES {
        for gone in ["sha256", "sha512"] {
            let served = edited(entry, move |hashes| drop(hashes.as_object_mut().unwrap().remove(gone)));
            let driven = update(&served);
            let set = driven.repository();
            assert!(set.role(&RoleName::parse("targets/a").unwrap()).is_some(), "{entry:?} without {gone}");
            // Once more, from what is known: nothing changes.
            let again =
                UpdateInput { known: Some(std::sync::Arc::clone(&set)), ..input(GUN, &[&served.1], now()) };
            let again = drive(again, from(&served.0)).repository();
            assert!(std::sync::Arc::ptr_eq(&set, &again), "{entry:?} without {gone}");
        }
    }
}

#[test]
fn a_file_without_a_sha256_is_asked_for_by_its_current_name() {
    for (parent, role) in ENTRIES {
        let served = edited((parent, role), |hashes| drop(hashes.as_object_mut().unwrap().remove("sha256")));
        let driven = update(&served);
        assert!(driven.asked().contains(&format!("{role}.json").as_str()), "{role}: {:?}", driven.steps);
        // What is at hand is not asked for.
        let local = driven.result.unwrap().files.into_iter().collect();
        let at_hand = drive(UpdateInput { local, ..input(GUN, &[&served.1], now()) }, from(&served.0));
        assert_eq!(at_hand.asked(), ["timestamp.json"], "{role}");
    }
}

#[test]
fn every_hash_that_is_there_must_match() {
    for entry in ENTRIES {
        let refused = |edit: fn(&mut Value)| update(&edited(entry, edit)).error().clone();
        let role = RoleName::parse(entry.1).unwrap();
        let is_of_role = |error: &TufError| match error {
            TufError::HashMismatch { role: of, .. } | TufError::Malformed { role: of, .. } => *of == role,
            TufError::Missing { file } => file.role == role,
            _ => false,
        };
        for edit in [
            (|hashes| spoil(&mut hashes["sha512"])) as fn(&mut Value),
            |hashes| spoil(&mut hashes["sha256"]),
            |hashes| {
                drop(hashes.as_object_mut().unwrap().remove("sha256"));
                spoil(&mut hashes["sha512"]);
            },
        ] {
            let error = refused(edit);
            assert!(is_of_role(&error), "{entry:?}: {error:?}");
        }
    }
}

#[test]
fn a_known_hash_of_another_size_or_none_at_all_is_malformed() {
    let of_size = |bytes: usize| Value::from(crate::support::signer::base64(&vec![7; bytes]));
    for entry in ENTRIES {
        for (algorithm, value) in [
            ("sha256", of_size(31)),
            ("sha256", of_size(64)),
            ("sha256", json!("")),
            ("sha256", Value::Null),
            ("sha512", of_size(32)),
            ("sha512", of_size(65)),
            ("sha512", Value::Null),
            ("sha512", json!("no base64!")),
        ] {
            let case = format!("{entry:?}: {algorithm} {value}");
            let served = edited(entry, move |hashes| hashes[algorithm] = value.clone());
            let error = update(&served).error().clone();
            assert!(
                matches!(&error, TufError::Malformed { role, .. } if role.as_str() == entry.0),
                "{case}: {error:?}"
            );
        }
        let unknown = edited(entry, |hashes| *hashes = json!({"sha3-256": hashes["sha256"]}));
        let error = update(&unknown).error().clone();
        assert!(matches!(&error, TufError::Malformed { role, .. } if role.as_str() == entry.0), "{error:?}");
        let beside = edited(entry, |hashes| hashes["sha3-256"] = json!("AAAA"));
        update(&beside).repository();
    }
}
