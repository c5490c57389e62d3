//! What a publisher or a trust server can make an update cost is bounded. Work is counted, not timed.

use bytes::Bytes;
use serde_json::{Value, json};
use tagseal::limits::{
    FILE_TARGETS, PARSED_BYTES, ROOT_FILE, ROOTS_BYTES, SNAPSHOT_ROLES, UPDATE_BYTES, VERIFIED_BYTES,
};
use tagseal::tuf::{Answer, FileName, RootMismatch, TufError};

use super::driver::{Driven, GUN, drive, from, input, now, repository, role, update};
use crate::support::{ServedFiles, TestKey, TestRepository, image_digest};

/// So many bytes of `piece`, as the items of an array.
fn items(piece: &str, bytes: usize) -> String {
    format!("[{}0]", format!("{piece},").repeat(bytes / (piece.len() + 1)))
}

/// A root that nobody pinned: it lists nothing but `content`, and is signed by nobody.
fn stuffed_root(content: &str) -> Bytes {
    let signature = r#"{"keyid":"","method":"ecdsa","sig":""}"#;
    format!(
        r#"{{"signed":{{"_type":"Root","version":1,"expires":"2030-01-01T00:00:00Z","keys":{{}},
        "roles":{{"root":{{"keyids":[],"threshold":1}}}},"x":{content}}},"signatures":[{signature}]}}"#
    )
    .into()
}

fn serving_root(root: &Bytes) -> Driven {
    let (files, root) = (repository().publish(now()), root.clone());
    let pinned = TestKey::root(GUN, now());
    let mut rest = from(&files);
    drive(input(GUN, &[&pinned], now()), move |file| match *file == FileName::current(role("root")) {
        true => Answer::Bytes(root.clone()),
        false => rest(file),
    })
}

#[test]
fn t36_a_root_that_carries_no_pin_is_dropped_without_its_content() {
    let work = serving_root(&stuffed_root("0")).work;
    for piece in ["[]", "{}", r#"{"":{}}"#, r#""""#] {
        let driven = serving_root(&stuffed_root(&items(piece, 900_000)));
        assert_eq!(*driven.error(), TufError::RootMismatch(RootMismatch::NoPinnedKey { version: 1 }));
        // Its values are counted when it is read, in each of the two passes, and once for its keys; never written.
        assert!(driven.work - work <= 3 * 900_000, "{piece}: {} steps", driven.work);
    }
    // What is larger than any root is not even read.
    let driven = serving_root(&stuffed_root(&items("[]", 5 << 20)));
    let file = FileName::current(role("root"));
    assert_eq!(*driven.error(), TufError::TooLarge { file, max_bytes: ROOT_FILE });
    assert!(driven.work <= work, "{} steps", driven.work);
}

#[test]
fn t36_a_targets_file_of_nested_empty_values_is_refused_at_a_bound() {
    let member = |n: usize| format!("\"{n}\":{{}}");
    let members = format!("{{{}}}", (0..1_000_000).map(member).collect::<Vec<_>>().join(","));
    for (content, what) in [
        (items("[]", 5 << 20), "more than 1048576 values".to_owned()),
        (items("{\"\":{}}", 5 << 20), "more than 1048576 values".to_owned()),
        (items("\"\"", 5 << 20), "more than 1048576 values".to_owned()),
        (members, format!("it takes more than {PARSED_BYTES} bytes of memory decoded")),
    ] {
        let mut repository = repository();
        let file = format!(r#"{{"signed":{content},"signatures":[]}}"#);
        repository.tamper("targets", |bytes| *bytes = file.into_bytes()).publish(now());
        let error = update(&repository).error().clone();
        assert!(
            matches!(&error, TufError::Malformed { role, what: why } if role.as_str() == "targets" && why.contains(&what)),
            "{error:?}"
        );
    }
}

/// A repository in which the file of a role has so many more members of `field`, with short names.
fn listing(listed: &'static str, field: &'static str, prefix: &'static str, count: usize) -> Driven {
    let mut repository = TestRepository::new(GUN, now());
    repository.edit(listed, move |signed| {
        let members = (0..count).map(|n| (format!("{prefix}{n:x}"), json!({})));
        signed[field].as_object_mut().unwrap().extend(members);
    });
    repository.publish(now());
    update(&repository)
}

#[test]
fn t36_lists_of_entries_that_say_nothing_are_bounded() {
    listing("snapshot", "meta", "targets/", SNAPSHOT_ROLES).repository();
    let driven = listing("snapshot", "meta", "targets/", SNAPSHOT_ROLES + 1);
    let what = format!("it lists more than {SNAPSHOT_ROLES} roles");
    assert_eq!(*driven.error(), TufError::Malformed { role: role("snapshot"), what });
    listing("targets", "targets", "", FILE_TARGETS).repository();
    let driven = listing("targets", "targets", "", FILE_TARGETS + 1);
    let what = format!("it has more than {FILE_TARGETS} targets");
    assert_eq!(*driven.error(), TufError::Malformed { role: role("targets"), what });
}

/// The root's versions from 1 on, each a megabyte of nothing, none with a pin.
fn heavy_roots(versions: u64) -> (ServedFiles, TestKey) {
    let pinned = TestKey::root(GUN, now());
    let mut repository = repository();
    for _ in 0..versions {
        repository.tamper("root", |bytes| bytes.resize((1 << 20) - 100, b' ')).publish(now());
    }
    (repository.files().clone(), pinned)
}

#[test]
fn t37_self_signed_roots_are_bounded_together_and_each() {
    let (files, pinned) = heavy_roots(20);
    let driven = drive(input(GUN, &[&pinned], now()), from(&files));
    let limit = usize::try_from(ROOTS_BYTES).unwrap();
    assert_eq!(*driven.error(), TufError::TooMany { what: "bytes of root files", limit });
    assert!(driven.most_at_once <= ROOTS_BYTES, "{}", driven.most_at_once);
    // What was asked for before the bound was met, and the newest again.
    assert!(driven.bytes <= 3 * limit, "{}", driven.bytes);

    // Sixteen megabytes each: the first is the last.
    let large = stuffed_root("0").to_vec();
    let large = Bytes::from([large, vec![b' '; 15_700_000]].concat());
    let driven = serving_root(&large);
    assert_eq!(driven.steps.len(), 2, "one for each pass: {:?}", driven.steps);
    assert!(matches!(driven.error(), TufError::TooLarge { .. }));
}

#[test]
fn t37_no_more_is_asked_for_at_once_than_an_update_may_have() {
    let mut repository = repository();
    let key = TestKey::ecdsa();
    for n in 0..20 {
        let name = format!("targets/team-{n}");
        repository.delegate(&name, &[&key]).sign_target(&name, "1.4", image_digest("a"));
    }
    // Lengths are caps: a server may send as much.
    repository.edit("snapshot", |signed| {
        for (name, meta) in signed["meta"].as_object_mut().unwrap() {
            if name.contains('/') {
                meta["length"] = json!(1_u64 << 40);
            }
        }
    });
    repository.publish(now());
    let driven = update(&repository);
    assert!(driven.most_at_once <= UPDATE_BYTES, "{}", driven.most_at_once);
    assert_eq!(driven.repository().roles(now(), super::driver::SKEW).len(), 21);
}

/// So many numbered prefixes.
fn prefixes(count: usize) -> Value {
    (0..count).map(|n| Value::from(format!("{n:06}"))).collect()
}

/// A delegation with these paths, and one below it with those, and so many tags in it.
fn delegated(paths: Value, below: Value, tags: usize) -> Driven {
    let mut repository = TestRepository::new(GUN, now());
    let key = TestKey::ecdsa();
    repository.delegate("targets/a", &[&key]).delegate("targets/a/b", &[&key]);
    for n in 0..tags {
        repository.sign_target("targets/a/b", &format!("{n:06}"), image_digest("a"));
    }
    repository.edit("targets", move |signed| signed["delegations"]["roles"][0]["paths"] = paths);
    repository.edit("targets/a", move |signed| signed["delegations"]["roles"][0]["paths"] = below);
    repository.publish(now());
    update(&repository)
}

#[test]
fn t38_paths_are_bounded() {
    for (paths, below, of) in [(4097, 1, "targets"), (1, 4097, "targets/a"), (200_000, 200_000, "targets")] {
        let driven = delegated(prefixes(paths), prefixes(below), 1);
        let what = "it has more than 4096 paths for one delegation or 65536 for all".to_owned();
        assert_eq!(*driven.error(), TufError::Malformed { role: role(of), what });
    }
}

#[test]
fn t38_a_publishers_paths_are_matched_in_the_logarithm_of_their_number() {
    let few = delegated(prefixes(1), prefixes(1), 3000).work;
    let driven = delegated(prefixes(4096), prefixes(4096), 3000);
    let set = driven.repository();
    let listed = set.usable(&role("targets/a/b"), now(), super::driver::SKEW).unwrap();
    assert_eq!(listed.targets().count(), 3000);
    // Read, written and matched, in the few steps until all is here: not 4096 times 4096.
    let steps = driven.work - few;
    assert!(steps < 500_000, "{steps}");
}

/// A targets file of almost the largest size whose first signatures are junk, of the right length and under the role's
/// own key ID.
fn junk_signatures(junk: usize) -> Driven {
    let mut repository = TestRepository::new(GUN, now());
    let filling = "x".repeat(15_800_000);
    repository.sign_target_as("targets", "1.4", json!({"length": 1, "custom": filling}));
    repository.edit_signatures("targets", move |signatures| {
        let real = signatures[0].clone();
        for _ in 0..junk {
            let mut other = real.clone();
            other["sig"] = crate::support::signer::base64(&[7; 64]).into();
            signatures.insert(0, other);
        }
    });
    repository.publish(now());
    update(&repository)
}

#[test]
fn t39_junk_signatures_cost_no_more_than_a_few() {
    let honest = junk_signatures(0);
    honest.repository();
    let hostile = junk_signatures(255);
    let limit = usize::try_from(VERIFIED_BYTES).unwrap();
    let what = "bytes of signed metadata to verify signatures of";
    assert_eq!(*hostile.error(), TufError::TooMany { what, limit });
    // In two passes, four each.
    assert!(hostile.work < 2 * 5 * honest.work, "{} steps, {} honest ones", hostile.work, honest.work);
}

#[test]
fn t39_signatures_that_cannot_be_a_keys_are_not_tried() {
    let work = |edit: fn(&mut Value)| {
        let mut repository = repository();
        repository.edit_signatures("targets", move |signatures| {
            for n in 0..100 {
                let mut other = signatures[0].clone();
                other["sig"] = crate::support::signer::base64(&[n; 64]).into();
                edit(&mut other);
                signatures.insert(0, other);
            }
        });
        repository.publish(now());
        let driven = update(&repository);
        driven.repository();
        driven.work
    };
    let tried = work(|_| {});
    for untried in [
        work(|signature| signature["keyid"] = json!("5f".repeat(32))),
        work(|signature| signature["method"] = json!("rsapss")),
        work(|signature| signature["method"] = json!("md5")),
        work(|signature| signature["sig"] = json!("AAAA")),
    ] {
        assert!(untried < tried - 99 * 4000, "{untried} of {tried} steps");
    }
}

#[test]
fn t39_an_update_has_a_budget_of_work() {
    // Many roles with many junk signatures each.
    let key = TestKey::rsa();
    let mut repository = repository();
    for n in 0..70 {
        let name = format!("targets/team-{n}");
        repository.delegate(&name, &[&key]).sign_target(&name, "1.4", image_digest("a"));
        let id = key.id();
        repository.edit_signatures(&name, move |signatures| {
            for n in 0..255 {
                let sig = crate::support::signer::base64(&[n; 256]);
                signatures.insert(0, json!({"keyid": id, "method": "rsapss", "sig": sig}));
            }
        });
    }
    repository.publish(now());
    let driven = update(&repository);
    let limit = usize::try_from(tagseal::limits::WORK_STEPS).unwrap();
    assert_eq!(*driven.error(), TufError::TooMany { what: "steps of work", limit });
    assert!(driven.work < tagseal::limits::WORK_STEPS + 200_000, "{}", driven.work);
}
