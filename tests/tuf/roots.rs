//! Attacks on the root: pins, certificates, rotation.

use tagseal::tuf::{
    Anchor, Anchors, Answer, CaBundle, CertificateError, PublicKey, RootMismatch, RootRotation, TufError,
    UpdateInput,
};

use super::driver::{Driven, GUN, but, current, drive, first_use, from, input, input_with, now, repository};
use crate::support::{CertificateSpec, ServedFiles, TestCa, TestKey, TestRepository, days, image_digest};

fn update(key: &TestKey, files: &ServedFiles) -> Driven {
    drive(input(GUN, &[key], now()), from(files))
}

fn mismatch(why: RootMismatch) -> TufError {
    TufError::RootMismatch(why)
}

/// A repository whose root was rotated to a new key this many times, and the first key.
fn rotated(times: usize) -> (TestRepository, TestKey) {
    let mut repository = repository();
    let first = repository.root_key().clone();
    repository.publish(now());
    for _ in 0..times {
        repository.rotate("root", &[&TestKey::root(GUN, now())]).publish(now());
    }
    (repository, first)
}

#[test]
fn every_form_of_pin_admits_its_root() {
    let ca = TestCa::new("Example CA", now());
    let key = TestKey::ecdsa().certified(&CertificateSpec::new(GUN, now()).issued_by(&ca));
    let mut repository = repository();
    let files = repository.rotate("root", &[&key]).publish(now());
    let pins = [
        Anchor::PublicKey(PublicKey::from_pem(&key.public_pem()).unwrap()),
        Anchor::PublicKey(PublicKey::from_pem(key.certificate_pem().unwrap()).unwrap()),
        Anchor::Ca(CaBundle::from_pem(ca.pem()).unwrap()),
    ];
    for pin in pins {
        let anchors = Anchors::new(vec![pin], RootRotation::Deny, false);
        let driven = drive(input_with(GUN, anchors, now()), from(&files));
        assert!(driven.repository().root_carries_pin());
    }
    let other = TestCa::new("Example CA", now());
    let pin = Anchor::Ca(CaBundle::from_pem(other.pem()).unwrap());
    let anchors = Anchors::new(vec![pin], RootRotation::Follow, false);
    let error = drive(input_with(GUN, anchors, now()), from(&files)).error().clone();
    assert!(matches!(error, TufError::RootMismatch(RootMismatch::Certificate(_))), "{error:?}");
}

#[test]
fn t8_a_pinned_key_must_be_in_the_root_role() {
    let (pinned, other) = (TestKey::root(GUN, now()), TestKey::root(GUN, now()));
    let mut repository = repository();
    let listed = pinned.clone();
    repository.rotate("root", &[&other]).keys_that_sign("root", &[&other, &pinned]);
    let files =
        repository.edit("root", move |signed| signed["keys"][listed.id()] = listed.json()).publish(now());
    assert_eq!(*update(&pinned, &files).error(), mismatch(RootMismatch::NoPinnedKey { version: 1 }));
}

#[test]
fn t8_a_pinned_key_must_itself_have_signed() {
    let (pinned, other) = (TestKey::root(GUN, now()), TestKey::root(GUN, now()));
    let files =
        repository().rotate("root", &[&pinned, &other]).keys_that_sign("root", &[&other]).publish(now());
    assert_eq!(*update(&pinned, &files).error(), mismatch(RootMismatch::PinnedKeyDidNotSign { version: 1 }));
    update(&other, &files).repository();
}

#[test]
fn t8_the_roots_own_threshold_must_be_met() {
    let (pinned, other) = (TestKey::root(GUN, now()), TestKey::root(GUN, now()));
    let mut repository = repository();
    repository.rotate("root", &[&pinned, &other]).keys_that_sign("root", &[&pinned]);
    let files =
        repository.edit("root", |signed| signed["roles"]["root"]["threshold"] = 2.into()).publish(now());
    let error = TufError::ThresholdNotMet { role: super::driver::role("root"), valid: 1, threshold: 2 };
    assert_eq!(*update(&pinned, &files).error(), error);
}

#[test]
fn t9_another_repositorys_metadata_is_refused_by_its_certificate() {
    let key = TestKey::ecdsa();
    let of = |gun: &str| {
        let mut repository = TestRepository::new(gun, now());
        repository.rotate("root", &[&key.certified(&CertificateSpec::new(gun, now()))]);
        repository.sign_target("targets", "1.4", image_digest(gun)).publish(now())
    };
    let (ours, theirs) = (of(GUN), of("registry.example.com/shop/other"));
    let foreign = |error: &TufError| match error {
        TufError::RootMismatch(RootMismatch::Certificate(CertificateError::Name { gun, found })) => {
            assert_eq!((gun.as_str(), found.as_str()), (GUN, "registry.example.com/shop/other"));
        }
        other => panic!("{other:?}"),
    };
    foreign(update(&key, &theirs).error());
    let known = Some(update(&key, &ours).repository());
    foreign(drive(UpdateInput { known, ..input(GUN, &[&key], now()) }, from(&theirs)).error());
}

#[test]
fn a_leaf_outside_its_validity_is_a_mismatch_with_its_dates() {
    let (from_, to) = (now() - days(20), now() - days(10));
    let key = TestKey::ecdsa().certified(&CertificateSpec::new(GUN, now()).valid(from_, to));
    let files = repository().rotate("root", &[&key]).publish(now());
    let error = update(&key, &files).error().clone();
    assert!(error.to_string().contains("2026-11-11"), "{error}");
    assert!(matches!(error, TufError::RootMismatch(RootMismatch::Certificate(_))), "{error:?}");
    // It was valid once.
    let then = UpdateInput { now: now() - days(15), ..input(GUN, &[&key], now()) };
    drive(then, from(&files)).repository();
}

#[test]
fn a_root_key_without_a_certificate_does_not_count() {
    let key = TestKey::ecdsa();
    let files = repository().rotate("root", &[&key]).publish(now());
    assert_eq!(*update(&key, &files).error(), mismatch(RootMismatch::NoCertificate { version: 1 }));
}

#[test]
fn t15_a_root_rotated_many_times_since_the_pin_is_followed() {
    for times in [1, 2, 3, 7] {
        let (repository, pinned) = rotated(times);
        let driven = update(&pinned, repository.files());
        let set = driven.repository();
        assert_eq!((set.root().version(), set.root_carries_pin()), (times as u64 + 1, false));
        let chain: Vec<_> = driven.result.unwrap().roots.iter().map(|(version, _)| *version).collect();
        assert_eq!(chain, (1..=times as u64).collect::<Vec<_>>());
    }
}

#[test]
fn t15_from_a_known_root_the_chain_is_walked_forwards() {
    let (mut repository, pinned) = rotated(0);
    let known = Some(update(&pinned, repository.files()).repository());
    for _ in 0..3 {
        repository.rotate("root", &[&TestKey::root(GUN, now())]).publish(now());
    }
    let driven = drive(UpdateInput { known, ..input(GUN, &[&pinned], now()) }, from(repository.files()));
    assert_eq!(driven.repository().root().version(), 4);
    let roots: Vec<_> = driven.asked().into_iter().filter(|file| file.contains("root")).collect();
    assert_eq!(roots[1..], ["2.root.json", "3.root.json"], "{:?}", driven.steps);
    assert!(roots[0].starts_with("root.") && roots[0].len() > 60);
}

#[test]
fn t15_a_missing_link_is_a_mismatch_and_a_silent_server_is_not() {
    let (repository, pinned) = rotated(3);
    let with =
        |answer| drive(input(GUN, &[&pinned], now()), but(repository.files(), &[("2.root.json", answer)]));
    assert_eq!(*with(Answer::NotFound).error(), mismatch(RootMismatch::MissingLink { version: 2 }));
    let silent = with(Answer::Unavailable);
    assert!(matches!(silent.error(), TufError::Unreachable { file } if file.to_string() == "2.root.json"));
}

#[test]
fn t15_an_intermediate_root_may_be_expired_and_the_last_may_not() {
    let expires = now() - days(1);
    let rotate = |expired: usize| {
        let (mut repository, pinned) = rotated(0);
        for number in 0..3 {
            repository.rotate("root", &[&TestKey::root(GUN, now())]);
            if number == expired {
                repository.expires("root", expires);
            }
            repository.publish(now());
        }
        update(&pinned, repository.files())
    };
    assert_eq!(rotate(1).repository().root().version(), 4);
    let error = TufError::Expired { role: super::driver::role("root"), expires, now: now() };
    assert_eq!(*rotate(2).error(), error);
}

#[test]
fn t15_with_rotation_denied_the_newest_root_must_carry_the_pin() {
    let (mut repository, pinned) = rotated(0);
    let deny = |files: &ServedFiles, known| {
        let mut input = input(GUN, &[&pinned], now());
        let anchors = input.anchors.anchors().to_vec();
        input.anchors = std::sync::Arc::new(Anchors::new(anchors, RootRotation::Deny, false));
        drive(UpdateInput { known, ..input }, from(files))
    };
    let known = deny(repository.files(), None).repository();
    let files = repository.rotate("root", &[&TestKey::root(GUN, now())]).publish(now());
    let error = mismatch(RootMismatch::NoPinnedKey { version: 2 });
    assert_eq!(*deny(&files, None).error(), error);
    assert_eq!(*deny(&files, Some(known)).error(), error);
}

#[test]
fn t15_a_root_that_its_predecessor_did_not_sign_is_refused() {
    let (mut repository, pinned) = rotated(1);
    let usurper = TestKey::root(GUN, now());
    repository.rotate("root", &[&usurper]).keys_that_sign("root", &[&usurper]).publish(now());
    let error = mismatch(RootMismatch::NotSignedByPredecessor { version: 3, predecessor: 2 });
    assert_eq!(*update(&pinned, repository.files()).error(), error);
}

#[test]
fn t15_the_walk_back_ends_after_64_roots() {
    let (mut repository, pinned) = rotated(1);
    for _ in 0..64 {
        repository.witness("root").publish(now());
    }
    let driven = update(&pinned, repository.files());
    assert_eq!(*driven.error(), mismatch(RootMismatch::NoPinnedAncestor { oldest: 3, newest: 66 }));
    let links: std::collections::BTreeSet<_> =
        driven.asked().into_iter().filter(|file| file.ends_with(".root.json")).collect();
    assert_eq!(links.len(), 63);
}

#[test]
fn nothing_is_trusted_without_a_pin_or_first_use() {
    let files = repository().publish(now());
    let anchors = Anchors::new(Vec::new(), RootRotation::Follow, false);
    let driven = drive(input_with(GUN, anchors, now()), from(&files));
    assert_eq!((driven.error(), driven.steps.len()), (&TufError::RootNotPinned, 0));
}

#[test]
fn first_use_pins_the_first_root_and_follows_from_it() {
    let (mut repository, _) = rotated(0);
    let first = drive(input_with(GUN, first_use(), now()), from(repository.files()));
    let set = first.repository();
    assert!(set.root_carries_pin());
    let pin = current(repository.files(), "root");
    assert!(first.result.unwrap().files.iter().any(|(role, bytes)| role.as_str() == "root" && *bytes == pin));

    let files = repository.rotate("root", &[&TestKey::root(GUN, now())]).publish(now());
    let pinned = |bytes| UpdateInput { pinned_root: Some(bytes), ..input_with(GUN, first_use(), now()) };
    let later = drive(pinned(pin.clone()), from(&files)).repository();
    assert_eq!((later.root().version(), later.root_carries_pin()), (2, false));

    let stranger = TestRepository::new(GUN, now()).publish(now());
    // A stranger's timestamp does not verify, `root.json` is asked for, and that is what is wrong.
    let error = mismatch(RootMismatch::NotSignedByPredecessor { version: 1, predecessor: 1 });
    assert_eq!(*drive(pinned(pin.clone()), from(&stranger)).error(), error);

    let damaged = drive(pinned(pin.slice(..pin.len() - 1)), from(&files));
    assert!(matches!(damaged.error(), TufError::DamagedPin(_)), "{:?}", damaged.error());
}

#[test]
fn an_expired_first_use_pin_still_leads_to_its_successor() {
    let mut repository = repository();
    let pin = repository.expires("root", now() - days(1)).publish(now() - days(30)).current("root").clone();
    let input = || UpdateInput { pinned_root: Some(pin.clone()), ..input_with(GUN, first_use(), now()) };
    let expired = drive(input(), from(repository.files()));
    assert!(matches!(expired.error(), TufError::Expired { role, .. } if role.as_str() == "root"));
    let files = repository.witness("root").publish(now());
    assert_eq!(drive(input(), from(&files)).repository().root().version(), 2);
}
