//! Attacks by the trust server, accidents on the way, and what an honest update costs.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tagseal::digest::Digest;
use tagseal::tuf::{Answer, Floors, Lookup, RoleProblem, TrustedRepository, TufError, UpdateInput};

use super::driver::{Driven, SKEW, but, current, drive, from, input, role};
use crate::support::{ServedFiles, TestKey, TestRepository, days, image_digest, seconds, t};

const GUN: &str = "registry.example.com/shop/web";
const RELEASES: &str = "targets/releases";

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

fn repository() -> TestRepository {
    let mut repository = TestRepository::new(GUN, now());
    repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1.4", image_digest("a"));
    repository
}

fn pinned(repository: &TestRepository) -> UpdateInput {
    UpdateInput { wanted: Some([role(RELEASES)].into()), ..input(GUN, &[repository.root_key()], now()) }
}

fn known(repository: &TestRepository) -> Arc<TrustedRepository> {
    drive(pinned(repository), from(repository.files())).repository()
}

/// An update of a set that is known, and one of a process that only has the floors.
fn warm_and_cold(
    repository: &TestRepository,
    known: &Arc<TrustedRepository>,
    files: &ServedFiles,
) -> [Driven; 2] {
    let warm = UpdateInput { known: Some(Arc::clone(known)), ..pinned(repository) };
    let cold = UpdateInput { floors: known.floors(), ..pinned(repository) };
    [warm, cold].map(|input| drive(input, from(files)))
}

fn tag(set: &TrustedRepository, tag: &str) -> Option<Digest> {
    match set.lookup(&role(RELEASES), tag, now(), SKEW) {
        Ok(Lookup::Listed(entry)) => Some(entry.digest),
        _ => None,
    }
}

#[test]
fn t10_a_rollback_of_any_role_is_refused() {
    for rolled_back in ["root", "targets", RELEASES, "snapshot", "timestamp"] {
        let mut repository = repository();
        let old = repository.publish(now());
        repository
            .witness("root")
            .witness("targets")
            .sign_target(RELEASES, "1.5", image_digest("b"))
            .publish(now());
        let known = known(&repository);
        let files = match rolled_back {
            "timestamp" => repository.files().clone().with_role("timestamp", current(&old, "timestamp")),
            _ => repository.roll_back(rolled_back, 1).publish(now()),
        };
        let error = TufError::Rollback { role: role(rolled_back), version: 1, floor: 2 };
        for driven in warm_and_cold(&repository, &known, &files) {
            assert_eq!(*driven.error(), error, "{:?}", driven.steps);
        }
    }
}

#[test]
fn t10_a_delegation_rolled_back_under_unchanged_targets_is_refused() {
    let mut repository = repository();
    repository.publish(now());
    repository.sign_target(RELEASES, "1.5", image_digest("b")).publish(now());
    let known = known(&repository);
    let files = repository.roll_back(RELEASES, 1).publish(now());
    assert_eq!(files.version("targets"), 1);
    let error = TufError::Rollback { role: role(RELEASES), version: 1, floor: 2 };
    for driven in warm_and_cold(&repository, &known, &files) {
        assert_eq!(*driven.error(), error);
    }
}

#[test]
fn t10_what_local_files_prove_is_a_floor() {
    let mut repository = repository();
    repository.publish(now());
    let files = repository.sign_target(RELEASES, "1.5", image_digest("b")).publish(now());
    let local =
        ["root", "targets", RELEASES, "snapshot"].map(|name| (role(name), current(&files, name))).into();
    let files = repository.roll_back(RELEASES, 1).publish(now());
    let error = TufError::Rollback { role: role(RELEASES), version: 1, floor: 2 };
    assert_eq!(*drive(UpdateInput { local, ..pinned(&repository) }, from(&files)).error(), error);
}

#[test]
fn an_equal_version_passes() {
    let mut repository = repository();
    repository.publish(now());
    let known = known(&repository);
    let files =
        repository.sign_target(RELEASES, "1.5", image_digest("b")).version(RELEASES, 1).publish(now());
    for driven in warm_and_cold(&repository, &known, &files) {
        assert_eq!(tag(&driven.repository(), "1.5"), Some(image_digest("b")));
    }
}

#[test]
fn t12_a_timestamp_served_past_its_validity_is_expired() {
    let mut repository = repository();
    let files = repository.publish(now());
    let known = known(&repository);
    let expires = now() + days(14);
    let at = |now, known| drive(UpdateInput { now, known, ..pinned(&repository) }, from(&files));
    assert!(Arc::ptr_eq(&at(expires + SKEW, Some(Arc::clone(&known))).repository(), &known));
    let late = expires + SKEW + seconds(1);
    let error = TufError::Expired { role: role("timestamp"), expires, now: late };
    assert_eq!(*at(late, Some(Arc::clone(&known))).error(), error);
    assert_eq!(*at(late, None).error(), error);
    // The set from before ends with it.
    let problem = RoleProblem::Unusable { role: role("timestamp"), error };
    assert_eq!(known.usable(&role(RELEASES), late, SKEW).unwrap_err(), problem);
    assert_eq!(known.earliest_expiry(&[role(RELEASES)]), (role("timestamp"), expires));
}

#[test]
fn t12_expired_base_roles_fail_the_update() {
    for name in ["snapshot", "targets"] {
        let mut repository = repository();
        let expires = now() - days(1);
        let files = repository.expires(name, expires).publish(now());
        let error = TufError::Expired { role: role(name), expires, now: now() };
        assert_eq!(*drive(pinned(&repository), from(&files)).error(), error);
    }
}

#[test]
fn t13_only_a_timestamp_that_cannot_be_had_falls_back_and_only_where_that_is_permitted() {
    let mut repository = repository();
    repository.publish(now());
    let known = known(&repository);
    let files = repository.sign_target(RELEASES, "1.5", image_digest("b")).publish(now());
    let with = |answer: &Answer, permitted, now| {
        let input = UpdateInput {
            known: Some(Arc::clone(&known)),
            timestamp_fallback: permitted,
            now,
            ..pinned(&repository)
        };
        drive(input, but(&files, &[("timestamp.json", answer.clone())]))
    };
    for answer in [Answer::NotFound, Answer::Unavailable] {
        let fallen_back = with(&answer, true, now());
        assert!(Arc::ptr_eq(&fallen_back.repository(), &known));
        let cause = fallen_back.result.unwrap().fell_back.expect("it says so");
        assert_eq!(fallen_back.steps, [["timestamp.json"]]);
        for refused in [with(&answer, false, now()), with(&answer, true, now() + days(15))] {
            assert_eq!(*refused.error(), cause);
        }
        let named = match cause {
            TufError::Missing { file } | TufError::Unreachable { file } => file.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(named, "timestamp.json");
    }
    // What came and is wrong does not fall back.
    let garbled = with(&Answer::Bytes(Bytes::from_static(b"<html>")), true, now());
    assert!(matches!(garbled.error(), TufError::Malformed { role, .. } if role.as_str() == "timestamp"));
    // Nor does what is missing once a newer timestamp has verified.
    let path = files.paths_of("snapshot").into_iter().find(|path| path.len() > 60).unwrap();
    let input = UpdateInput { known: Some(known), timestamp_fallback: true, ..pinned(&repository) };
    let missing = drive(input, but(&files, &[(&path, Answer::NotFound)]));
    assert!(matches!(missing.error(), TufError::Missing { file } if file.to_string() == path));
}

#[test]
fn t13_files_on_disk_serve_without_a_server_whatever_the_floors() {
    let mut repository = repository();
    let files = repository.publish(now());
    let names = ["root", "timestamp", "snapshot", "targets", RELEASES];
    let mut floors = known(&repository).floors();
    floors.values_mut().for_each(|floor| floor.version += 1);
    let offline = |floors: &Floors, names: &[&str]| {
        let local = names.iter().map(|name| (role(name), current(&files, name))).collect();
        let floors = floors.clone();
        drive(UpdateInput { local, floors, timestamp_fallback: true, ..pinned(&repository) }, |_| {
            Answer::Unavailable
        })
    };
    let driven = offline(&floors, &names);
    assert_eq!(driven.steps, [["timestamp.json"]]);
    assert_eq!(tag(&driven.repository(), "1.4"), Some(image_digest("a")));
    assert!(matches!(driven.result.unwrap().fell_back, Some(TufError::Unreachable { .. })));
    // A torn file is a miss: it would have to be fetched.
    let torn = offline(&floors, &names[..4]);
    assert!(matches!(torn.error(), TufError::Unreachable { file } if file.role == role(RELEASES)));
}

#[test]
fn t14_targets_of_another_publish_are_not_the_files_that_the_snapshot_names() {
    for name in ["targets", RELEASES, "snapshot"] {
        let mut repository = repository();
        let old = repository.publish(now());
        let files = repository.witness("targets").witness(RELEASES).publish(now());
        let mixed = files.clone().with_role(name, current(&old, name));
        let error = TufError::HashMismatch {
            role: role(name),
            expected: Digest::of(files.current(name)),
            actual: Digest::of(old.current(name)),
        };
        assert_eq!(*drive(pinned(&repository), from(&mixed)).error(), error);
    }
}

#[test]
fn t14_a_file_longer_than_its_parent_says_is_too_large() {
    let mut repository = repository();
    let files = repository.publish(now());
    let length = files.current(RELEASES).len() as u64;
    let longer = files.clone().with_role(RELEASES, [&files.current(RELEASES)[..], b" "].concat());
    let error = drive(pinned(&repository), from(&longer)).error().clone();
    assert!(matches!(error, TufError::TooLarge { max_bytes, .. } if max_bytes == length), "{error:?}");
}

#[test]
fn t14_a_file_must_have_all_the_hashes_that_its_parent_names() {
    let mut repository = repository();
    let files = repository
        .edit("snapshot", |signed| {
            signed["meta"][RELEASES]["hashes"]["sha512"] = ["A".repeat(86), "==".into()].concat().into()
        })
        .publish(now());
    let what = "its sha512 is not the one that its parent names".to_owned();
    let error = TufError::Malformed { role: role(RELEASES), what };
    assert_eq!(*drive(pinned(&repository), from(&files)).error(), error);
}

#[test]
fn t23_a_publish_between_two_downloads_is_retried_from_the_timestamp() {
    let mut repository = repository();
    let before = repository.publish(now());
    let after = repository.sign_target(RELEASES, "1.5", image_digest("b")).publish(now());
    // After the snapshot came, the server forgets the files of the publish before.
    let gone = before.paths_of(RELEASES).into_iter().find(|path| path.len() > 60).unwrap();
    let mut asked = 0;
    let driven = drive(pinned(&repository), |file| {
        asked += 1;
        let first_pass = asked <= 3;
        match file.to_string() {
            name if name == gone => Answer::NotFound,
            name if first_pass => Answer::Bytes(before.get(&name).unwrap().clone()),
            name => Answer::Bytes(after.get(&name).unwrap().clone()),
        }
    });
    assert_eq!(tag(&driven.repository(), "1.5"), Some(image_digest("b")));
    assert_eq!(driven.asked().iter().filter(|file| **file == "timestamp.json").count(), 2);
}

#[test]
fn t23_a_key_rotated_between_root_and_timestamp_is_no_error() {
    let mut repository = repository();
    let before = repository.publish(now());
    repository.rotate("timestamp", &[&TestKey::ed25519()]).rotate("snapshot", &[&TestKey::ed25519()]);
    let after = repository.publish(now());
    let mut roots = 0;
    let driven = drive(pinned(&repository), |file| {
        let name = file.to_string();
        roots += usize::from(name == "root.json");
        let files = if name == "root.json" && roots == 1 { &before } else { &after };
        files.get(&name).map_or(Answer::NotFound, |bytes| Answer::Bytes(bytes.clone()))
    });
    assert_eq!(driven.repository().root().version(), 2);
}

#[test]
fn t26_the_floor_of_a_stolen_key_falls_when_the_key_is_rotated_out() {
    const HUGE: u64 = 1 << 53;
    for name in ["targets", RELEASES, "snapshot", "timestamp"] {
        let mut repository = repository();
        repository.version(name, HUGE).publish(now());
        let known = known(&repository);
        assert_eq!(known.floors()[&role(name)].version, HUGE);

        // The publisher goes on where it was, with the same key: refused.
        let unrotated = repository.version(name, 2).publish(now());
        let error = TufError::Rollback { role: role(name), version: 2, floor: HUGE };
        for driven in warm_and_cold(&repository, &known, &unrotated) {
            assert_eq!(*driven.error(), error);
        }

        let files = repository.rotate(name, &[&TestKey::ecdsa()]).version(name, 3).publish(now());
        for driven in warm_and_cold(&repository, &known, &files) {
            let set = driven.repository();
            assert_eq!(set.role(&role(name)).unwrap().version(), 3);
            assert_eq!(set.raise(&known.floors())[&role(name)].version, 3, "the floor fell");
        }
    }
}

#[test]
fn t26_the_floor_stays_while_its_signers_still_meet_the_threshold() {
    let (alice, bob) = (TestKey::ecdsa(), TestKey::ecdsa());
    let mut repository = TestRepository::new(GUN, now());
    repository.delegate(RELEASES, &[&alice, &bob]).sign_target(RELEASES, "1.4", image_digest("a"));
    repository.keys_that_sign(RELEASES, &[&alice]).version(RELEASES, 9).publish(now());
    let known = known(&repository);
    // Somebody joins, nobody leaves.
    let files =
        repository.rotate(RELEASES, &[&alice, &bob, &TestKey::ecdsa()]).version(RELEASES, 3).publish(now());
    let error = TufError::Rollback { role: role(RELEASES), version: 3, floor: 9 };
    for driven in warm_and_cold(&repository, &known, &files) {
        assert_eq!(*driven.error(), error);
    }
    // One signature does no more meet a threshold of two.
    let files = repository.threshold(RELEASES, 2).version(RELEASES, 4).publish(now());
    for driven in warm_and_cold(&repository, &known, &files) {
        assert_eq!(driven.repository().role(&role(RELEASES)).unwrap().version(), 4);
    }
}

#[test]
fn t26_the_roots_floor_never_falls() {
    let mut repository = repository();
    repository.witness("root").version("root", 5).publish(now());
    let floors = known(&repository).floors();
    let mut other = TestRepository::new(GUN, now());
    let files = other.publish(now());
    let input = UpdateInput { floors, ..input(GUN, &[other.root_key()], now()) };
    let error = TufError::Rollback { role: role("root"), version: 1, floor: 5 };
    assert_eq!(*drive(input, from(&files)).error(), error);
}

#[test]
fn a_floor_that_another_replica_raised_meanwhile_is_not_lowered() {
    let mut repository = repository();
    repository.publish(now());
    let mine = known(&repository);
    repository.sign_target(RELEASES, "1.5", image_digest("b")).publish(now());
    let theirs = known(&repository).floors();
    assert_eq!(mine.raise(&theirs), theirs);
    assert_eq!(known(&repository).raise(&mine.floors()), theirs);
}

#[test]
fn t29_a_timestamp_key_rotated_by_the_server_is_followed() {
    let mut repository = repository();
    repository.publish(now());
    let known = Some(known(&repository));
    let files = repository.rotate("timestamp", &[&TestKey::ed25519()]).publish(now());
    let driven = drive(UpdateInput { known, ..pinned(&repository) }, from(&files));
    assert_eq!(driven.repository().root().version(), 2);
    assert_eq!(driven.steps[1], ["timestamp.json", "root.json"], "{:?}", driven.steps);
}

#[test]
fn a_key_that_the_new_root_took_away_vouches_for_nothing() {
    for name in ["timestamp", "snapshot", "targets"] {
        let mut repository = repository();
        repository.publish(now());
        let known = known(&repository);
        let old = repository.keys(name)[0].clone();
        repository.rotate(name, &[&TestKey::ecdsa()]).keys_that_sign(name, &[&old]);
        let files = repository.publish(now());
        let error = TufError::NoValidSignature { role: role(name) };
        for driven in warm_and_cold(&repository, &known, &files) {
            assert_eq!(*driven.error(), error, "{:?}", driven.steps);
        }
    }
}

#[test]
fn a_delegation_whose_keys_changed_must_be_signed_by_the_new_ones() {
    let mut repository = repository();
    repository.publish(now());
    let known = known(&repository);
    // Its own file is still the old one.
    let (new, old) = (TestKey::ecdsa(), repository.files().current(RELEASES).clone());
    let files = repository.rotate(RELEASES, &[&new]).roll_back(RELEASES, 1).publish(now());
    assert_eq!(*files.current(RELEASES), old);
    let error = TufError::NoValidSignature { role: role(RELEASES) };
    let problem = RoleProblem::Unusable { role: role(RELEASES), error };
    for driven in warm_and_cold(&repository, &known, &files) {
        assert_eq!(driven.repository().usable(&role(RELEASES), now(), SKEW).unwrap_err(), problem);
    }
}

#[test]
fn an_older_root_json_from_a_cache_on_the_way_says_nothing() {
    let mut repository = repository();
    let old = repository.publish(now());
    let files = repository.witness("root").publish(now());
    let known = Some(known(&repository));
    let mut timestamps = 0;
    let driven = drive(UpdateInput { known, ..pinned(&repository) }, |file| {
        timestamps += usize::from(file.to_string() == "timestamp.json");
        match file.to_string().as_str() {
            "root.json" => Answer::Bytes(current(&old, "root")),
            "timestamp.json" if timestamps == 1 => Answer::Bytes(Bytes::from_static(b"{}")),
            name => files.get(name).map_or(Answer::NotFound, |bytes| Answer::Bytes(bytes.clone())),
        }
    });
    assert_eq!(driven.repository().root().version(), 2);
    assert!(driven.asked().contains(&"root.json"));
}

#[test]
fn t32_an_invalid_page_in_place_of_every_file_is_malformed() {
    let mut repository = repository();
    repository.publish(now());
    let known = Some(known(&repository));
    for known in [known, None] {
        let page = Answer::Bytes(Bytes::from_static(b"<!DOCTYPE html><title>Welcome</title>"));
        let driven = drive(UpdateInput { known, ..pinned(&repository) }, |_| page.clone());
        assert!(matches!(driven.error(), TufError::Malformed { .. }), "{:?}", driven.error());
        assert!(driven.asked().len() <= 4, "{:?}", driven.steps);
    }
}

#[test]
fn a_cold_update_takes_three_steps_and_an_unchanged_one_asks_for_the_timestamp_alone() {
    let mut repository = repository();
    repository.delegate("targets/qa", &[&TestKey::ecdsa()]).sign_target(
        "targets/qa",
        "1.4",
        image_digest("a"),
    );
    let files = repository.publish(now());
    let wanted = Some([role(RELEASES), role("targets/qa"), role("targets/none")].into());
    let input = |known| UpdateInput { known, wanted: Option::clone(&wanted), ..pinned(&repository) };
    let cold = drive(input(None), from(&files));
    let names =
        |step: &[String]| step.iter().map(|f| f.split('.').next().unwrap().to_owned()).collect::<Vec<_>>();
    let steps: Vec<_> = cold.steps.iter().map(|step| names(step)).collect();
    assert_eq!(steps, [vec!["timestamp", "root"], vec!["snapshot"], vec!["targets", "targets/qa", RELEASES]]);
    let set = cold.repository();
    let saved: Vec<_> = cold.result.unwrap().files.iter().map(|(role, _)| role.to_string()).collect();
    assert_eq!(saved, ["root", "timestamp", "snapshot", "targets", "targets/qa", RELEASES]);

    let unchanged = drive(input(Some(Arc::clone(&set))), from(&files));
    assert_eq!(unchanged.steps, [["timestamp.json"]]);
    assert!(Arc::ptr_eq(&unchanged.repository(), &set));
    assert!(unchanged.result.unwrap().files.is_empty());

    // One role signed anew: three files, and every other role is the one from before.
    let files = repository.sign_target(RELEASES, "1.5", image_digest("b")).publish(now());
    let changed = drive(UpdateInput { known: Some(set), wanted, ..pinned(&repository) }, from(&files));
    let steps: Vec<_> = changed.steps.iter().map(|step| names(step)).collect();
    assert_eq!(steps, [["timestamp"], ["snapshot"], [RELEASES]]);
    assert_eq!(tag(&changed.repository(), "1.5"), Some(image_digest("b")));
}

#[test]
fn a_role_that_is_wanted_later_is_the_only_one_fetched() {
    let mut repository = repository();
    repository.delegate("targets/qa", &[&TestKey::ecdsa()]).sign_target(
        "targets/qa",
        "1.4",
        image_digest("a"),
    );
    let files = repository.publish(now());
    let known = known(&repository);
    let wanted = Some([role("targets/qa")].into());
    let driven = drive(UpdateInput { known: Some(known), wanted, ..pinned(&repository) }, from(&files));
    let asked: Vec<_> = driven.asked().iter().map(|file| file.split('.').next().unwrap()).collect();
    assert_eq!(asked, ["timestamp", "targets/qa"]);
    // What was loaded and still holds stays.
    assert_eq!(tag(&driven.repository(), "1.4"), Some(image_digest("a")));
}

#[test]
fn a_repository_that_nobody_knows_is_not_found_and_a_known_one_lacks_its_timestamp() {
    let mut repository = repository();
    repository.publish(now());
    let nothing = || |_: &tagseal::tuf::FileName| Answer::NotFound;
    assert_eq!(*drive(pinned(&repository), nothing()).error(), TufError::RepositoryNotFound);
    let floors = known(&repository).floors();
    let cold = drive(UpdateInput { floors, ..pinned(&repository) }, nothing());
    assert!(matches!(cold.error(), TufError::Missing { .. }), "{:?}", cold.error());
    let known = Some(known(&repository));
    let warm = drive(UpdateInput { known, ..pinned(&repository) }, nothing());
    assert!(matches!(warm.error(), TufError::Missing { file } if file.to_string() == "timestamp.json"));
    // Asking again would not help.
    assert_eq!(warm.asked().iter().filter(|asked| **asked == "timestamp.json").count(), 1);
    // A root alone was never published.
    let root = but(repository.files(), &[("timestamp.json", Answer::NotFound)]);
    assert_eq!(*drive(pinned(&repository), root).error(), TufError::RepositoryNotFound);
    let silent = drive(pinned(&repository), |_| Answer::Unavailable);
    assert!(matches!(silent.error(), TufError::Unreachable { .. }));
}
