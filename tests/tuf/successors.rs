//! Attack T35: roots that stand under another number than their own, and newest roots that skip versions.

use bytes::Bytes;
use jiff::Timestamp;
use tagseal::tuf::{Answer, RootMismatch, TufError, UpdateInput};

use super::driver::{but, drive, first_use, from, input, input_with};
use crate::support::{ServedFiles, TestKey, TestRepository, days, image_digest, t};

const GUN: &str = "registry.example.com/shop/web";

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

/// A repository whose root was signed anew by its one key this many times, and that key. Each root is signed by the keys of
/// each other one.
fn witnessed(times: usize) -> (TestRepository, TestKey) {
    let mut repository = TestRepository::new(GUN, now());
    repository.sign_target("targets", "1.4", image_digest("a")).publish(now());
    for _ in 0..times {
        repository.witness("root").publish(now());
    }
    let key = repository.root_key().clone();
    (repository, key)
}

fn root(files: &ServedFiles, version: usize) -> Bytes {
    files.get(&format!("{version}.root.json")).expect("it was published").clone()
}

/// Of somebody who trusted version 1 on first use.
fn after_the_first(files: &ServedFiles) -> UpdateInput {
    UpdateInput { pinned_root: Some(root(files, 1)), ..input_with(GUN, first_use(), now()) }
}

fn missing(version: usize) -> TufError {
    TufError::RootMismatch(RootMismatch::MissingLink { version: version as u64 })
}

#[test]
fn t35_a_number_that_holds_another_version_is_a_missing_link() {
    let (mut repository, pinned) = witnessed(3);
    let files = repository.rotate("root", &[&TestKey::root(GUN, now())]).publish(now());
    let holding = |number: usize, version: usize| {
        but(&files, &[(format!("{number}.root.json").as_str(), Answer::Bytes(root(&files, version)))])
    };
    for version in 1..=5 {
        // Forwards from the first.
        for number in (2..=4).filter(|number| *number != version) {
            let driven = drive(after_the_first(&files), holding(number, version));
            assert_eq!(*driven.error(), missing(number), "{number}.root.json holds {version}");
        }
        // Back from the newest, to the one before it, which carries the pin.
        if version != 4 {
            let driven = drive(input(GUN, &[&pinned], now()), holding(4, version));
            assert_eq!(*driven.error(), missing(4), "4.root.json holds {version}");
        }
    }
    let honest = drive(after_the_first(&files), from(&files));
    assert_eq!(honest.repository().root().version(), 5);
    let chain: Vec<u64> = honest.result.unwrap().roots.iter().map(|(version, _)| *version).collect();
    assert_eq!(chain, [1, 2, 3, 4]);
}

#[test]
fn t35_a_number_on_disk_that_holds_another_version_is_asked_of_the_server() {
    let (repository, _) = witnessed(3);
    let files = repository.files();
    for version in [1, 2, 4] {
        let input = UpdateInput { local_roots: [(3, root(files, version))].into(), ..after_the_first(files) };
        let driven = drive(input, from(files));
        assert_eq!(driven.repository().root().version(), 4);
        assert!(driven.asked().contains(&"3.root.json"), "{:?}", driven.steps);
    }
}

#[test]
fn t35_a_newest_root_has_to_be_the_successor_of_the_trusted_one() {
    let (repository, _) = witnessed(3);
    let files = repository.files();
    for version in 2..4 {
        let without = files.clone().without(&format!("{version}.root.json"));
        assert_eq!(*drive(after_the_first(files), from(&without)).error(), missing(version));
    }
    // It skips versions that never were, from a known root and from a pin.
    let (mut repository, pinned) = witnessed(1);
    let known = Some(drive(input_with(GUN, first_use(), now()), from(repository.files())).repository());
    let next = TestKey::root(GUN, now());
    let files = repository.rotate("root", &[&next]).version("root", 7).publish(now());
    let from_known = UpdateInput { known, ..input_with(GUN, first_use(), now()) };
    assert_eq!(*drive(from_known, from(&files)).error(), missing(3));
    assert_eq!(*drive(input(GUN, &[&pinned], now()), from(&files)).error(), missing(6));
    // A pin that the newest root itself carries needs no predecessor.
    assert_eq!(drive(input(GUN, &[&next], now()), from(&files)).repository().root().version(), 7);
}

#[test]
fn t35_another_root_of_the_trusted_version_is_no_successor() {
    let (mut repository, _) = witnessed(1);
    let known = Some(drive(input_with(GUN, first_use(), now()), from(repository.files())).repository());
    let files = repository.witness("root").version("root", 2).publish(now() + days(1));
    let input = UpdateInput { known, ..input_with(GUN, first_use(), now() + days(1)) };
    let error = RootMismatch::NotSuccessor { version: 2, predecessor: 2 };
    assert_eq!(*drive(input, from(&files)).error(), TufError::RootMismatch(error));
}
