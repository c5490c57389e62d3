//! Whatever a server sends: no panic, an end, and nothing believed that was not signed.

use std::sync::LazyLock;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tagseal::tuf::{Answer, UpdateInput};

use super::driver::{Driven, SKEW, drive, first_use, input, input_with, role};
use crate::support::{ServedFiles, TestKey, TestRepository, image_digest, t};

const GUN: &str = "registry.example.com/shop/web";

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

/// A repository with a rotated root, and the key of its first root.
static PUBLISHED: LazyLock<(TestKey, ServedFiles)> = LazyLock::new(|| {
    let mut repository = TestRepository::new(GUN, now());
    let key = repository.root_key().clone();
    repository.delegate("targets/releases", &[&TestKey::ecdsa()]);
    repository.sign_target("targets/releases", "1.4", image_digest("a")).publish(now());
    let files = repository.rotate("root", &[&TestKey::root(GUN, now())]).publish(now());
    (key, files)
});

const ROLES: [&str; 6] = ["root", "timestamp", "snapshot", "targets", "targets/releases", "1.root"];

/// What a server does to one file.
#[derive(Debug, Clone)]
enum Harm {
    Replace(Vec<u8>),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, String),
    Gone,
    Silent,
    Large,
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Harm::Replace),
        (any::<prop::sample::Index>(), 1_u8..).prop_map(|(at, by)| Harm::Flip(at, by)),
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        (any::<prop::sample::Index>(), "[ 0-9{}\\[\\]\",:a-z\\\\]{1,6}")
            .prop_map(|(at, s)| Harm::Insert(at, s)),
        Just(Harm::Gone),
        Just(Harm::Silent),
        Just(Harm::Large),
    ]
}

fn apply(harm: &Harm, bytes: &Bytes) -> Answer {
    let mut bytes = bytes.to_vec();
    match harm {
        Harm::Replace(with) => bytes.clone_from(with),
        Harm::Flip(at, by) => {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        Harm::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Harm::Insert(at, with) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, with.bytes());
        }
        Harm::Gone => return Answer::NotFound,
        Harm::Silent => return Answer::Unavailable,
        Harm::Large => return Answer::TooLarge,
    }
    Answer::Bytes(bytes.into())
}

fn run(input: UpdateInput, files: &ServedFiles, harms: &[(usize, Harm)]) -> Driven {
    drive(input, |file| {
        let name = file.to_string();
        let Some(bytes) = files.get(&name) else { return Answer::NotFound };
        let of = |wanted: &str| name == format!("{wanted}.json") || files.paths_of(wanted).contains(&name);
        match harms
            .iter()
            .find(|(at, _)| if ROLES[*at] == "1.root" { name == "1.root.json" } else { of(ROLES[*at]) })
        {
            Some((_, harm)) => apply(harm, bytes),
            None => Answer::Bytes(bytes.clone()),
        }
    })
}

proptest! {
    #![proptest_config(crate::support::random::cases(512))]

    #[test]
    fn harmed_files_never_panic_and_never_change_what_is_signed(
        harms in prop::collection::vec((0..ROLES.len(), harm()), 1..3),
        pinned in any::<bool>(),
    ) {
        let (key, files) = &*PUBLISHED;
        let input = if pinned { input(GUN, &[key], now()) } else { input_with(GUN, first_use(), now()) };
        let driven = run(input, files, &harms);
        if let Ok(updated) = driven.result {
            let releases = updated.repository.usable(&role("targets/releases"), now(), SKEW).unwrap();
            let listed: Vec<_> = releases.targets().map(|e| (e.name.to_owned(), e.digest)).collect();
            prop_assert_eq!(listed, [("1.4".to_owned(), image_digest("a"))]);
        }
    }

    #[test]
    fn harmed_local_files_never_matter(harms in prop::collection::vec((0..5_usize, harm()), 1..4)) {
        let (key, files) = &*PUBLISHED;
        let local = harms.iter().filter_map(|(at, harm)| match apply(harm, files.current(ROLES[*at])) {
            Answer::Bytes(bytes) => Some((role(ROLES[*at]), bytes)),
            _ => None,
        });
        let links = harms.iter().filter_map(|(at, harm)| match apply(harm, files.get("1.root.json").unwrap()) {
            Answer::Bytes(bytes) => Some((*at as u64, bytes)),
            _ => None,
        });
        let input = UpdateInput { local: local.collect(), local_roots: links.collect(), ..input(GUN, &[key], now()) };
        let set = run(input, files, &[]).repository();
        prop_assert!(set.usable(&role("targets/releases"), now(), SKEW).is_ok());
    }

    #[test]
    fn signed_nonsense_never_panics(at in 0..5_usize, path in any::<prop::sample::Index>(), with in 0..9_usize) {
        let mut repository = TestRepository::new(GUN, now());
        repository.delegate("targets/releases", &[&TestKey::ed25519()]);
        repository.sign_target("targets/releases", "1.4", image_digest("a"));
        let nonsense = [
            json!(null), json!({}), json!([]), json!(""), json!(-1), json!(u64::MAX), json!(true), json!([[]]),
            json!({"": {"": null}}),
        ];
        let nonsense = nonsense[with].clone();
        let files = repository
            .edit(ROLES[at], move |signed| {
                let mut paths = Vec::new();
                pointers(signed, String::new(), &mut paths);
                *signed.pointer_mut(path.get::<String>(&paths)).unwrap() = nonsense;
            })
            .publish(now());
        let driven = run(input(GUN, &[repository.root_key()], now()), &files, &[]);
        if let Ok(updated) = driven.result {
            updated.repository.roles(now(), SKEW).iter().for_each(|role| assert!(role.targets().count() < 1_000_000));
            updated.repository.unusable(now(), SKEW);
            updated.repository.floors();
        }
    }
}

/// JSON pointers to everything within `value`.
fn pointers(value: &Value, at: String, paths: &mut Vec<String>) {
    let children: Vec<_> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        pointers(child, format!("{at}/{name}"), paths);
    }
    paths.push(at);
}
