//! Attacks on delegations: what a role may say, and when it may say anything.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use tagseal::tuf::{Answer, KeyId, Lookup, PublicKey, RoleProblem, Stop, TufError, UpdateInput};

use super::driver::{Driven, SKEW, but, drive, from, input, role};
use crate::support::{CertificateSpec, ServedFiles, TestKey, TestRepository, days, image_digest, t};

const GUN: &str = "registry.example.com/shop/web";
const RELEASES: &str = "targets/releases";

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

/// `targets` and `targets/releases` both list the tag 1.4, with different digests.
fn repository(keys: &[&TestKey]) -> TestRepository {
    let mut repository = TestRepository::new(GUN, now());
    repository.delegate(RELEASES, keys).sign_target(RELEASES, "1.4", image_digest("releases")).sign_target(
        "targets",
        "1.4",
        image_digest("targets"),
    );
    repository
}

fn pinned(repository: &TestRepository, wanted: &[&str]) -> UpdateInput {
    let wanted = Some(wanted.iter().map(|name| role(name)).collect());
    UpdateInput { wanted, ..input(GUN, &[repository.root_key()], now()) }
}

fn update(repository: &TestRepository, files: &ServedFiles) -> Driven {
    drive(pinned(repository, &[RELEASES]), from(files))
}

/// Why `targets/releases` says nothing, of a set that verified otherwise.
fn problem(repository: &TestRepository, files: &ServedFiles) -> RoleProblem {
    update(repository, files).repository().usable(&role(RELEASES), now(), SKEW).unwrap_err()
}

fn unusable(error: TufError) -> RoleProblem {
    RoleProblem::Unusable { role: role(RELEASES), error }
}

#[test]
fn t1_a_delegation_that_is_missing_on_the_server_fails_the_update() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    let files = repository.publish(now());
    let path = files.paths_of(RELEASES).into_iter().find(|path| path.len() > 60).unwrap();

    let missing = drive(pinned(&repository, &[RELEASES]), but(&files, &[(&path, Answer::NotFound)]));
    assert!(
        matches!(missing.error(), TufError::Missing { file } if file.to_string() == path),
        "{:?}",
        missing.error()
    );
    // It was asked for again, in case a publish was under way.
    assert_eq!(missing.asked().into_iter().filter(|file| *file == path).count(), 2);

    let silent = drive(pinned(&repository, &[RELEASES]), but(&files, &[(&path, Answer::Unavailable)]));
    assert!(matches!(silent.error(), TufError::Unreachable { file } if file.to_string() == path));
    assert_eq!(silent.asked().into_iter().filter(|file| *file == path).count(), 1);
}

#[test]
fn t2_an_undeclared_delegation_is_told_from_one_that_is_not_in_the_snapshot() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    repository.delegate("targets/qa", &[&TestKey::ecdsa()]);
    let files = repository.publish(now());
    let wanted = pinned(&repository, &["targets/qa", "targets/nobody"]);
    let set = drive(wanted, from(&files)).repository();
    let usable = |name| set.usable(&role(name), now(), SKEW).unwrap_err();
    assert_eq!(usable("targets/qa"), RoleProblem::Missing { role: role("targets/qa") });
    assert_eq!(usable("targets/nobody"), RoleProblem::NotDelegated { role: role("targets/nobody") });
    assert_eq!(usable("targets/qa/deep"), RoleProblem::Missing { role: role("targets/qa") });
    assert_eq!(usable(RELEASES), RoleProblem::NotLoaded { role: role(RELEASES) });
    assert!(set.covers(&[role("targets/qa"), role("targets/nobody")]) && !set.covers(&[role(RELEASES)]));
    assert!(set.delegates(&role("targets/qa")) && !set.snapshot_lists(&role("targets/qa")));
}

#[test]
fn t3_paths_that_do_not_cover_the_tag_keep_the_entry_from_counting() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    repository.paths(RELEASES, &["prod-", "2."]).sign_target(RELEASES, "prod-1", image_digest("prod"));
    let files = repository.publish(now());
    let set = update(&repository, &files).repository();
    let releases = set.usable(&role(RELEASES), now(), SKEW).unwrap();
    assert_eq!(releases.lookup("1.4"), Lookup::NotCovered(vec!["prod-", "2."]));
    assert!(matches!(releases.lookup("prod-1"), Lookup::Listed(e) if e.digest == image_digest("prod")));
    assert_eq!(releases.targets().map(|target| target.name).collect::<Vec<_>>(), ["prod-1"]);
}

#[test]
fn t3_a_childs_paths_count_only_within_its_parents() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    let child = "targets/releases/child";
    repository
        .paths(RELEASES, &["prod-"])
        .delegate(child, &[&TestKey::ecdsa()])
        .paths(child, &["", "prod-1", "dev-"]);
    for tag in ["prod-1", "prod-2", "dev-1"] {
        repository.sign_target(child, tag, image_digest(tag));
    }
    let files = repository.publish(now());
    let set = drive(pinned(&repository, &[child]), from(&files)).repository();
    let child = set.usable(&role(child), now(), SKEW).unwrap();
    assert_eq!(child.targets().map(|target| target.name).collect::<Vec<_>>(), ["prod-1"]);
}

#[test]
fn t4_a_delegation_that_expired_is_unusable_and_its_subtree_with_it() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    let child = "targets/releases/child";
    repository.delegate(child, &[&TestKey::ecdsa()]).sign_target(child, "1.4", image_digest("child"));
    let expires = now() - days(1);
    let files = repository.expires(RELEASES, expires).publish(now());
    let expired = unusable(TufError::Expired { role: role(RELEASES), expires, now: now() });
    assert_eq!(problem(&repository, &files), expired);

    let set = drive(pinned(&repository, &[child]), from(&files)).repository();
    assert_eq!(set.usable(&role(child), now(), SKEW).unwrap_err(), expired);
    assert_eq!(set.unusable(now(), SKEW), [(role(RELEASES), expired)]);
    let every = drive(input(GUN, &[repository.root_key()], now()), from(&files));
    assert!(!every.asked().iter().any(|file| file.starts_with(child)), "{:?}", every.steps);
    // What it proves is a floor all the same.
    assert_eq!(set.floors().get(&role(RELEASES)).map(|floor| floor.version), Some(1));
}

#[test]
fn t4_a_delegation_expires_in_a_cached_set_too_but_for_the_clocks_tolerance() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    let expires = now() + days(1);
    let files = repository.expires(RELEASES, expires).publish(now());
    let set = update(&repository, &files).repository();
    let at = |time| set.usable(&role(RELEASES), time, SKEW).map(|role| role.version());
    assert_eq!(at(expires + SKEW), Ok(1));
    let late = expires + SKEW + SKEW;
    let error = TufError::Expired { role: role(RELEASES), expires, now: late };
    assert_eq!(at(late), Err(unusable(error)));
}

#[test]
fn t4_an_under_signed_delegation_is_unusable() {
    let (alice, bob) = (TestKey::ecdsa(), TestKey::ed25519());
    let mut repository = repository(&[&alice, &bob]);
    let files = repository.threshold(RELEASES, 2).keys_that_sign(RELEASES, &[&alice]).publish(now());
    let error = TufError::ThresholdNotMet { role: role(RELEASES), valid: 1, threshold: 2 };
    assert_eq!(problem(&repository, &files), unusable(error));
}

#[test]
fn t4_a_key_in_the_file_but_not_in_the_parents_list_does_not_sign() {
    let mallory = TestKey::ecdsa();
    let mut repository = repository(&[&TestKey::ecdsa()]);
    // The role delegates to mallory, so her key is in its own file; and she signs it.
    repository.delegate("targets/releases/child", &[&mallory]).keys_that_sign(RELEASES, &[&mallory]);
    let files = repository.publish(now());
    let error = TufError::NoValidSignature { role: role(RELEASES) };
    assert_eq!(problem(&repository, &files), unusable(error));
}

#[test]
fn t5_one_key_listed_twice_counts_once() {
    let (alice, bob) = (TestKey::ecdsa(), TestKey::ecdsa());
    let mut repository = repository(&[&alice, &bob]);
    repository.threshold(RELEASES, 2).keys_that_sign(RELEASES, &[&alice, &alice]).edit("targets", |signed| {
        let ids = &mut signed["delegations"]["roles"][0]["keyids"];
        *ids = json!([ids[0], ids[0], ids[1]]);
    });
    let files = repository.publish(now());
    let error = TufError::ThresholdNotMet { role: role(RELEASES), valid: 1, threshold: 2 };
    assert_eq!(problem(&repository, &files), unusable(error));
}

#[test]
fn t5_one_private_key_under_two_certificates_counts_once() {
    let key = TestKey::ecdsa();
    let one = key.certified(&CertificateSpec::new("alice", now()));
    let other = key.certified(&CertificateSpec::new("bob", now()));
    let mut repository = repository(&[&one, &other]);
    let files = repository.threshold(RELEASES, 2).publish(now());
    let error = TufError::ThresholdNotMet { role: role(RELEASES), valid: 1, threshold: 2 };
    assert_eq!(problem(&repository, &files), unusable(error));
}

#[test]
fn t6_a_member_of_the_role_that_did_not_sign_is_not_among_its_signers() {
    let (alice, bob) = (TestKey::ecdsa(), TestKey::ecdsa());
    let mut repository = repository(&[&alice, &bob]);
    let files = repository.keys_that_sign(RELEASES, &[&bob]).publish(now());
    let set = update(&repository, &files).repository();
    let releases = set.usable(&role(RELEASES), now(), SKEW).unwrap();
    let id = |key: &TestKey| KeyId::from_hex(&key.canonical_id()).unwrap();
    assert_eq!(releases.key_ids(), [id(&alice), id(&bob)]);
    assert_eq!(releases.signed_by().iter().map(|signer| signer.key_id).collect::<Vec<_>>(), [id(&bob)]);
    let signed = |key: &TestKey| {
        let identity = PublicKey::from_pem(&key.public_pem()).unwrap().identity();
        releases.signed_by().iter().any(|signer| signer.identity == identity)
    };
    assert!(signed(&bob) && !signed(&alice));
}

#[test]
fn t19_a_hierarchy_that_cannot_be_is_malformed() {
    let malformed = |edit: fn(&mut serde_json::Value)| {
        let mut repository = repository(&[&TestKey::ecdsa()]);
        let files = repository.edit("targets", edit).publish(now());
        match update(&repository, &files).error().clone() {
            TufError::Malformed { role, what } if role.as_str() == "targets" => what,
            other => panic!("{other:?}"),
        }
    };
    let named = |name: &str| format!("it delegates {name}, which is not directly below it");
    let twice = malformed(|signed| {
        let roles = signed["delegations"]["roles"].as_array_mut().unwrap();
        roles.push(roles[0].clone());
    });
    assert_eq!(twice, "it delegates targets/releases twice");
    fn rename(signed: &mut serde_json::Value, name: &str) {
        signed["delegations"]["roles"][0]["name"] = name.into();
    }
    assert_eq!(malformed(|signed| rename(signed, "targets/a/b")), named("targets/a/b"));
    assert_eq!(malformed(|signed| rename(signed, "root")), named("root"));
    assert_eq!(malformed(|signed| rename(signed, "targets/A")), "\"targets/A\" is not a role name");
    assert_eq!(malformed(|signed| rename(signed, "targets/a/../b")), "\"targets/a/../b\" is not a role name");
    let none = malformed(|signed| signed["delegations"]["roles"][0]["threshold"] = 0.into());
    assert_eq!(none, "a delegation.threshold is 0, not an integer of at least 1");
}

#[test]
fn t19_only_wanted_roles_and_their_ancestors_are_fetched() {
    let key = TestKey::ecdsa();
    let mut repository = repository(&[&key]);
    for name in ["targets/a", "targets/a/b", "targets/a/c", "targets/dead"] {
        repository.delegate(name, &[&key]).sign_target(name, "1.4", image_digest(name));
    }
    repository.publish(now());
    // A server-managed snapshot keeps listing the dead role.
    let files = repository.remove_delegation("targets/dead").publish(now());
    let roles = |driven: &Driven| {
        let name = |file: &&str| file.split('.').next().unwrap().to_owned();
        driven.asked().iter().map(name).filter(|name| name.starts_with("targets")).collect::<Vec<_>>()
    };
    let wanted = drive(pinned(&repository, &["targets/a/b"]), from(&files));
    assert_eq!(roles(&wanted), ["targets", "targets/a", "targets/a/b"]);
    assert_eq!(wanted.steps.len(), 3, "{:?}", wanted.steps);

    let every = drive(input(GUN, &[repository.root_key()], now()), from(&files));
    let found: BTreeSet<_> = roles(&every).into_iter().collect();
    let all = ["targets", "targets/a", "targets/a/b", "targets/a/c", RELEASES];
    assert_eq!(found, all.map(str::to_owned).into());
    let set = every.repository();
    let order: Vec<_> = set.roles(now(), SKEW).iter().map(|role| role.name().as_str()).collect();
    assert_eq!(order, ["targets", RELEASES, "targets/a", "targets/a/b", "targets/a/c"]);
}

#[test]
fn t19_the_number_and_the_depth_of_roles_are_bounded() {
    let key = TestKey::ed25519();
    let mut wide = TestRepository::new(GUN, now());
    let mut deep = TestRepository::new(GUN, now());
    for number in 0..1024 {
        let name = format!("targets/r{number}");
        wide.delegate(&name, &[&key]).sign_target(&name, "1.4", image_digest("x"));
    }
    let mut name = "targets".to_owned();
    for _ in 0..33 {
        name += "/a";
        deep.delegate(&name, &[&key]).sign_target(&name, "1.4", image_digest("x"));
    }
    for (mut repository, what, limit) in [(wide, "roles", 1024), (deep, "levels", 32)] {
        let files = repository.publish(now());
        let every = drive(input(GUN, &[repository.root_key()], now()), from(&files));
        assert_eq!(*every.error(), TufError::TooMany { what, limit });
        // A policy that wants one of them is not concerned.
        let one = drive(pinned(&repository, &["targets/r7", "targets/a"]), from(&files));
        assert_eq!(one.steps.len(), 3);
        one.repository();
    }
}

#[test]
fn t20_names_are_compared_byte_by_byte() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    for name in ["V1", "caf\u{e9}", "\u{ff11}"] {
        repository.sign_target(RELEASES, name, image_digest(name));
    }
    let files = repository.publish(now());
    let set = update(&repository, &files).repository();
    let releases = set.usable(&role(RELEASES), now(), SKEW).unwrap();
    for name in ["v1", "cafe\u{301}", "1", "V1 "] {
        assert_eq!(releases.lookup(name), Lookup::NotListed, "{name}");
    }
    assert!(matches!(releases.lookup("V1"), Lookup::Listed(_)));
}

#[test]
fn t21_a_target_without_a_sha256_of_32_bytes_does_not_count() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    let sha512 = image_digest("x").hex();
    repository
        .sign_target_as(
            RELEASES,
            "short",
            json!({"hashes": {"sha256": "AAAA", "sha512": sha512}, "length": 1}),
        )
        .sign_target_as(RELEASES, "absent", json!({"hashes": {"sha512": sha512}, "length": 1}))
        .sign_target_as(RELEASES, "none", json!({"length": 1}));
    let files = repository.publish(now());
    let set = update(&repository, &files).repository();
    let releases = set.usable(&role(RELEASES), now(), SKEW).unwrap();
    for name in ["short", "absent", "none"] {
        assert_eq!(releases.lookup(name), Lookup::BadHash, "{name}");
    }
    assert_eq!(releases.targets().count(), 1);
}

#[test]
fn t27_a_role_that_the_snapshot_no_longer_lists_is_missing() {
    let mut repository = repository(&[&TestKey::ecdsa()]);
    let files = repository.publish(now());
    let known = update(&repository, &files).repository();
    assert!(known.usable(&role(RELEASES), now(), SKEW).is_ok());
    let files = repository.unlist_from_snapshot(RELEASES).publish(now());
    let again = UpdateInput { known: Some(known), ..pinned(&repository, &[RELEASES]) };
    let set = drive(again, from(&files)).repository();
    let missing = RoleProblem::Missing { role: role(RELEASES) };
    assert_eq!(set.usable(&role(RELEASES), now(), SKEW).unwrap_err(), missing);
    assert_eq!(set.unusable(now(), SKEW), [(role(RELEASES), missing)]);
}

#[test]
fn an_older_file_is_read_by_the_record_of_its_hash_alone() {
    let (alice, bob) = (TestKey::ecdsa(), TestKey::ecdsa());
    let mut repository = repository(&[&alice]);
    repository.sign_target(RELEASES, "dev", image_digest("dev"));
    let old = repository.publish(now()).current(RELEASES).clone();
    let recorded = tagseal::digest::Digest::of(&old);
    repository.sign_target(RELEASES, "1.4", image_digest("newer")).paths(RELEASES, &["1."]);
    let files = repository.publish(now());
    let set = update(&repository, &files).repository();
    let historic = set.historic(&role(RELEASES), recorded, &old, &Stop::default()).unwrap();
    assert_eq!(historic.digest("1.4"), Some(image_digest("releases")));
    assert_eq!(historic.tags_of(image_digest("releases")).collect::<Vec<_>>(), ["1.4"]);
    assert_eq!((historic.digest("dev"), historic.signers().len()), (None, 1));

    let other = files.current(RELEASES);
    let actual = tagseal::digest::Digest::of(other);
    let error = TufError::HashMismatch { role: role(RELEASES), expected: recorded, actual };
    assert_eq!(set.historic(&role(RELEASES), recorded, other, &Stop::default()), Err(error));

    // Its signer was removed since.
    let files = repository.rotate(RELEASES, &[&bob]).publish(now());
    let set = update(&repository, &files).repository();
    assert!(set.historic(&role(RELEASES), recorded, &old, &Stop::default()).unwrap().signers().is_empty());
}
