//! Each step by itself.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::super::issue::{self, Lifetimes};
use super::super::material::{AUTHORITIES, AUTHORITY_KEYS, LEAF, LEAF_KEY, is_issued_by};
use super::super::plan::InForce;
use super::super::secret::{ROTATE, sight};
use super::*;

#[test]
fn the_first_certificate_is_accepted_for_every_name_of_the_service_from_twenty_five_hours_ago_on() {
    let bench = Bench::new();
    let (leaf, authority) = (bench.material.leaf.clone().unwrap(), &bench.material.authorities[0]);
    assert_eq!(
        bench.wanted.names,
        ["tagseal.tagseal-system.svc", "tagseal.tagseal-system.svc.cluster.local", "tagseal.tagseal-system"]
    );
    let accepted = |names: &[String], at| is_issued_by(&leaf.certificate, &authority.certificate, names, at);
    assert!(accepted(&bench.wanted.names, start()));
    assert!(accepted(&bench.wanted.names, start() - seconds(25 * 3600)));
    assert!(!accepted(&bench.wanted.names, start() - seconds(25 * 3600 + 1)));
    assert!(accepted(&bench.wanted.names, start() + days(90)));
    assert!(!accepted(&bench.wanted.names, start() + days(90) + seconds(1)));
    assert!(!accepted(&["tagseal.other.svc".to_owned()], start()));
    assert!(!accepted(&[], start()), "for no name at all");
    assert_eq!(authority.certificate.until, start() + days(360));
}

#[test]
fn certificates_say_what_go_looks_for() {
    let bench = Bench::new();
    let (leaf, authority) = (bench.material.leaf.clone().unwrap(), &bench.material.authorities[0]);
    let read = |der: &[u8]| x509_cert::Certificate::from_der(der).unwrap();
    let (leaf, authority) = (read(&leaf.certificate.der), read(&authority.certificate.der));
    let (leaf, authority) = (leaf.tbs_certificate(), authority.tbs_certificate());
    assert_eq!(leaf.issuer(), authority.subject());
    assert_ne!(authority.subject(), leaf.subject());
    let (critical, constraints) = authority.get_extension::<BasicConstraints>().unwrap().unwrap();
    assert!(critical && constraints.ca && constraints.path_len_constraint == Some(0));
    assert!(authority.get_extension::<KeyUsage>().unwrap().unwrap().1.key_cert_sign());
    let (_, names) = leaf.get_extension::<SubjectAltName>().unwrap().unwrap();
    assert_eq!(names.0.len(), 3);
    let (_, usage) = leaf.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
    assert_eq!(usage.0, [x509_cert::der::oid::db::rfc5280::ID_KP_SERVER_AUTH]);
    assert!(leaf.get_extension::<KeyUsage>().unwrap().unwrap().1.digital_signature());
}

#[test]
fn a_leaf_is_renewed_when_a_third_of_its_time_is_left_and_nothing_else_changes() {
    let mut bench = Bench::new();
    let (bundle, before) = (bench.material.bundle(), bench.material.leaf.clone().unwrap());
    bench.waits(days(60));
    bench.passes(days(60) - seconds(1));
    bench.waits(seconds(1));
    bench.passes(seconds(1));
    bench.does(Step::Leaf(0));
    assert_eq!(bench.material.bundle(), bundle);
    let after = bench.material.leaf.clone().unwrap();
    assert_ne!(after.key, before.key);
    assert_eq!(after.certificate.until, before.certificate.until + days(60));
    bench.waits(days(60));
}

#[test]
fn a_short_lived_certificate_of_an_earlier_tagseal_is_renewed_before_it_is_over() {
    let mut certificate = Bench::new().material.leaf.unwrap().certificate;
    (certificate.from, certificate.until) = (start() - seconds(300), start() + seconds(12 * 3600));
    assert_eq!(certificate.due(), certificate.until - seconds((12 * 3600 + 300) / 3));
}

/// Up to the day on which the authority is due.
fn at_the_end_of_an_authority() -> Bench {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.passes(days(60));
        bench.does(Step::Leaf(0));
    }
    bench
}

#[test]
fn a_leaf_that_is_due_comes_first_and_a_wish_waits_for_it() {
    let mut bench = Bench::new();
    bench.passes(days(60));
    bench.rotation_asked = true;
    bench.does(Step::Leaf(0));
    bench.does(Step::Authority);
    assert!(!bench.rotation_asked);
    bench.passes(days(60));
    bench.rotation_asked = true;
    bench.does(Step::Leaf(1));
    bench.does(Step::Heed);
}

#[test]
fn an_authority_is_replaced_in_steps_that_never_leave_the_leaf_uncovered() {
    let mut bench = at_the_end_of_an_authority();
    assert_eq!(bench.now, start() + days(240));
    let (old, leaf) = (bench.material.authorities[0].clone(), bench.material.leaf.clone());
    bench.does(Step::Authority);
    assert_eq!(bench.material.authorities.len(), 2);
    assert_eq!((&bench.material.authorities[1], &bench.material.leaf), (&old, &leaf));
    assert_eq!(bench.issuer(), Some(1), "the leaf is the old authority's still");

    bench.waits(days(60));
    bench.passes(seconds(3600));
    assert!(matches!(bench.next(), Next::Wait(_)), "not everywhere, so it does not issue");
    bench.in_force = Some(bench.now);
    bench.waits(seconds(30));
    bench.passes(seconds(29));
    bench.waits(seconds(1));
    bench.passes(seconds(1));
    bench.does(Step::Leaf(0));
    assert_eq!(bench.issuer(), Some(0));
    assert_eq!(bench.material.authorities[1].key, None, "it has issued its last");
    assert_eq!(bench.material.authorities[1].certificate, old.certificate);

    let leaf_until = bench.material.leaf.as_ref().unwrap().certificate.until;
    assert!(leaf_until < old.certificate.until, "replicas renew well before the old authority goes");
    bench.passes(days(60));
    bench.does(Step::Leaf(0));
    // A day later than it is over by this clock, which may be fast.
    bench.now = old.certificate.until + days(1) - seconds(1);
    while let Next::Write(step @ Step::Leaf(_)) = bench.next() {
        bench.does(step);
    }
    bench.waits(seconds(1));
    bench.passes(seconds(1));
    bench.does(Step::Forget);
    assert_eq!(bench.material.authorities.len(), 1);
    assert_eq!(bench.issuer(), Some(0));
}

#[test]
fn a_bundle_that_was_overwritten_is_in_force_from_the_time_that_it_is_back() {
    let mut in_force = InForce::default();
    let at = |second| start() + seconds(second);
    assert_eq!(in_force.since("a"), None);
    in_force.note("a", true, at(0));
    in_force.note("a", true, at(20));
    assert_eq!(in_force.since("a"), Some(at(0)));
    in_force.note("a", false, at(25));
    assert_eq!(in_force.since("a"), None);
    in_force.note("a", true, at(26));
    in_force.note("b", true, at(30));
    assert_eq!((in_force.since("a"), in_force.since("b")), (None, Some(at(30))));
    in_force.note("b", true, at(-100));
    assert_eq!(in_force.since("b"), Some(at(-100)), "a clock that was set back does not wait for itself");
}

#[test]
fn while_the_newest_authority_is_not_everywhere_the_one_before_it_goes_on() {
    let mut bench = at_the_end_of_an_authority();
    bench.does(Step::Authority);
    // Nobody may write the configurations, for months.
    bench.passes(days(60));
    bench.does(Step::Leaf(1));
    assert_eq!(bench.issuer(), Some(1));
    let old = bench.material.authorities[1].certificate.clone();
    assert_eq!(
        bench.material.leaf.as_ref().unwrap().certificate.until,
        old.until,
        "no leaf outlives its authority"
    );
    bench.now = old.until;
    assert!(matches!(bench.next(), Next::Wait(_)), "another would gain nothing");
    bench.passes(seconds(1));
    bench.waits(days(1) - seconds(1));
    bench.passes(days(1) - seconds(1));
    bench.does(Step::Forget);
    bench.does(Step::Leaf(0));
    assert_eq!(
        bench.issuer(),
        Some(0),
        "with nothing left that any clock accepts, there is no order to keep"
    );
}

#[test]
fn a_new_authority_can_be_asked_for_and_is_not_made_twice() {
    let mut bench = Bench::new();
    bench.rotation_asked = true;
    bench.does(Step::Authority);
    bench.rotation_asked = true;
    bench.does(Step::Heed);
    assert_eq!(bench.material.authorities.len(), 2);
    bench.in_force = Some(bench.now);
    bench.passes(seconds(30));
    bench.does(Step::Leaf(0));
    bench.waits(days(60));
}

#[test]
fn a_lost_authority_key_means_a_new_authority_and_the_leaf_goes_on() {
    let mut bench = Bench::new();
    bench.material.authorities[0].key = None;
    let leaf = bench.material.leaf.clone();
    bench.does(Step::Authority);
    assert_eq!((bench.issuer(), &bench.material.leaf), (Some(1), &leaf));
    bench.in_force = Some(bench.now);
    bench.passes(seconds(30));
    bench.does(Step::Leaf(0));
}

#[test]
fn a_lost_leaf_is_taken_from_memory_and_else_issued_anew_at_once() {
    let mut bench = Bench::new();
    let good = bench.material.clone();
    bench.material.leaf = None;
    bench.does(Step::Leaf(0));
    assert_eq!(bench.material.authorities, good.authorities);

    bench.material.leaf = None;
    bench.memory = Some(good.clone());
    bench.does(Step::Restore);
    assert_eq!(bench.material, good);
}

#[test]
fn what_can_still_be_read_of_a_damaged_secret_stays_when_memory_takes_its_place() {
    let mut bench = Bench::new();
    let memory = bench.material.clone();
    bench.rotation_asked = true;
    bench.does(Step::Authority);
    let announced = bench.material.authorities.clone();
    // The leaf is damaged before the leader's watch has shown the new authority.
    bench.material.leaf = None;
    bench.memory = Some(memory.clone());
    bench.does(Step::Restore);
    assert_eq!((&bench.material.authorities, &bench.material.leaf), (&announced, &memory.leaf));
    assert_eq!(bench.issuer(), Some(1));

    // Or half of the authorities are, and the keys.
    bench.memory = Some(bench.material.clone());
    bench.material.leaf = None;
    bench.material.authorities.remove(0);
    bench.material.authorities[0].key = None;
    bench.does(Step::Restore);
    assert_eq!(bench.material.authorities, announced);
}

#[test]
fn a_lost_leaf_during_a_rotation_is_issued_by_the_authority_that_api_servers_know() {
    let mut bench = Bench::new();
    bench.rotation_asked = true;
    bench.does(Step::Authority);
    bench.material.leaf = None;
    bench.does(Step::Leaf(1));
}

#[test]
fn lost_authorities_are_taken_from_memory_and_else_made_anew() {
    let mut bench = Bench::new();
    let good = bench.material.clone();
    bench.material.authorities.clear();
    bench.memory = Some(good.clone());
    bench.does(Step::Restore);
    assert_eq!(bench.material, good);
    bench.material.authorities.clear();
    bench.memory = None;
    bench.does(Step::Create);
    assert_eq!((bench.material.authorities.len(), bench.issuer()), (1, Some(0)));
}

#[test]
fn a_secret_that_is_gone_comes_back_as_it_was_while_that_is_valid() {
    let mut bench = Bench::new();
    let decides = |bench: &Bench, memory| decide(&Sight::Absent, memory, None, &bench.wanted, bench.now);
    assert_eq!(decides(&bench, None), Some(Next::Write(Step::Create)));
    let memory = bench.material.clone();
    assert_eq!(decides(&bench, Some(&memory)), Some(Next::Write(Step::Restore)));
    bench.passes(days(91));
    assert_eq!(decides(&bench, Some(&memory)), Some(Next::Write(Step::Create)));
}

#[test]
fn an_old_secret_from_a_backup_whose_time_is_over_is_replaced_as_soon_as_api_servers_know_the_new_authority()
{
    let mut bench = Bench::new();
    bench.passes(days(400));
    // Other replicas may serve from memory what was there before the backup.
    keeps_the_order(&mut bench);
    bench.waits(days(60));
    // What has expired does no harm in a bundle, and goes when those who follow the new one have done so for long.
    bench.passes(days(60));
    bench.does(Step::Leaf(0));
    bench.passes(days(30));
    bench.does(Step::Forget);
    assert_eq!((bench.material.authorities.len(), bench.issuer()), (1, Some(0)));
    // And one whose leaf alone is over.
    let mut bench = Bench::new();
    bench.passes(days(100));
    bench.does(Step::Leaf(0));
    bench.waits(days(60));
}

#[test]
fn another_service_name_means_another_leaf() {
    let mut bench = Bench::new();
    bench.wanted.names = super::super::names("other", "tagseal-system");
    bench.does(Step::Leaf(0));
    assert_eq!(bench.issuer(), Some(0));
}

/// The new authority is announced; the leaf stays until every configuration had it for half a minute.
#[track_caller]
fn keeps_the_order(bench: &mut Bench) {
    let leaf = bench.material.leaf.clone();
    bench.does(Step::Authority);
    assert_eq!(bench.material.leaf, leaf);
    for _ in 0..3 {
        assert!(
            matches!(bench.next(), Next::Wait(_)),
            "not everywhere, so it does not issue: {:?}",
            bench.next()
        );
        bench.passes(seconds(3600));
    }
    bench.in_force = Some(bench.now);
    bench.waits(seconds(30));
    bench.passes(seconds(30));
    bench.does(Step::Leaf(0));
    assert!(bench.material.authorities.len() > 1, "the authority that other clocks believe in stays");
    assert!(matches!(bench.next(), Next::Wait(_)), "{:?}", bench.next());
}

#[test]
fn a_leader_whose_clock_is_slow_keeps_the_order_for_a_leaf_that_is_not_valid_yet_by_it() {
    for slow in [seconds(26 * 3600), days(30), days(1000)] {
        for remembers in [false, true] {
            let mut bench = Bench::new();
            bench.memory = remembers.then(|| bench.material.clone());
            bench.passes(-slow);
            keeps_the_order(&mut bench);
        }
    }
}

#[test]
fn a_leader_whose_clock_is_fast_keeps_the_order_for_an_authority_that_is_over_by_it() {
    let mut bench = at_the_end_of_an_authority();
    let until = bench.material.authorities[0].certificate.until;
    bench.material.leaf = Some(
        issue::leaf(
            &bench.material.authorities[0],
            &bench.wanted.names,
            until - days(30),
            bench.wanted.lifetimes,
        )
        .unwrap(),
    );
    bench.now = until + seconds(3600);
    keeps_the_order(&mut bench);
    // Nor is it forgotten at once: by this clock the new one came when the old one was over.
    bench.passes(days(59));
    assert!(matches!(bench.next(), Next::Wait(_)), "{:?}", bench.next());
}

#[test]
fn a_leader_whose_clock_is_slow_renews_a_leaf_by_the_authority_that_it_has() {
    let mut bench = Bench::new();
    bench.passes(days(60));
    bench.does(Step::Leaf(0));
    let authorities = bench.material.authorities.clone();
    bench.passes(seconds(-26 * 3600));
    bench.does(Step::Leaf(0));
    assert_eq!(bench.material.authorities, authorities);
    bench.waits(days(60));
}

#[test]
fn an_authority_that_was_never_everywhere_does_not_issue_when_a_newer_one_comes() {
    let mut bench = Bench::new();
    let old = bench.material.authorities[0].clone();
    bench.rotation_asked = true;
    bench.does(Step::Authority);
    let newest = issue::authority(bench.now, bench.wanted.lifetimes).unwrap();
    bench.material.authorities.insert(0, newest);
    bench.passes(days(60));
    bench.does(Step::Leaf(2));
    assert_eq!(bench.material.authorities[2], old);
}

#[test]
fn a_longer_lifetime_needs_an_authority_that_lives_as_long() {
    let mut bench = Bench::new();
    bench.wanted.lifetimes = Lifetimes::of_leaf(days(365));
    bench.does(Step::Authority);
    assert!(matches!(bench.next(), Next::Wait(_)));
}

#[test]
fn the_secret_is_read_as_it_was_written() {
    let mut bench = Bench::new();
    bench.rotation_asked = true;
    bench.does(Step::Authority);
    let written = bench.material.write().unwrap();
    assert_eq!(
        written.keys().map(String::as_str).collect::<Vec<_>>(),
        ["ca.crt", "ca.key", "tls.crt", "tls.key"]
    );
    assert_eq!(Material::read(&written), (bench.material.clone(), Vec::new()));
    let shown = format!("{:?}", bench.material);
    assert!(!shown.contains("BEGIN") && shown.contains("PrivateKey"), "{shown}");
}

#[test]
fn what_is_damaged_is_left_out_and_told() {
    let bench = Bench::new();
    let good = bench.material.write().unwrap();
    let read = |entry: &str, text: &str| {
        let mut data = good.clone();
        data.insert(entry.to_owned(), ByteString(text.as_bytes().to_vec()));
        Material::read(&data)
    };
    let (material, damage) = read(LEAF_KEY, "x");
    assert_eq!((material.leaf, damage), (None, vec!["tls.key holds no private key".to_owned()]));
    let (material, damage) = read(LEAF, "");
    assert_eq!((material.leaf, damage), (None, vec!["tls.crt holds no certificate".to_owned()]));
    let (material, damage) = read(AUTHORITY_KEYS, "");
    assert_eq!(material.authorities[0].key, None);
    let without = "ca.key has no key of the newest authority in ca.crt".to_owned();
    assert_eq!(damage, ["ca.key holds no private key".to_owned(), without.clone()]);
    let (_, damage) = read(AUTHORITY_KEYS, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert_eq!(damage, ["a private key in ca.key cannot be read".to_owned(), without]);
    let (material, damage) =
        read(AUTHORITIES, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(material.authorities, []);
    assert!(damage[0].starts_with("a certificate in ca.crt cannot be read: "), "{damage:?}");
    let other = Bench::new().material.write().unwrap();
    let (material, damage) = read(LEAF_KEY, &String::from_utf8_lossy(&other[LEAF_KEY].0));
    let mismatch = "the key in tls.key does not belong to the certificate in tls.crt";
    assert_eq!((material.leaf, damage), (None, vec![mismatch.to_owned()]));
}

#[test]
fn an_authority_that_tagseal_did_not_make_or_has_no_key_of_issues_nothing() {
    let bench = Bench::new();
    let mut authority = bench.material.authorities[0].clone();
    authority.certificate.common_name = None;
    let issued = issue::leaf(&authority, &bench.wanted.names, start(), bench.wanted.lifetimes);
    assert_eq!(issued.unwrap_err(), issue::IssueError::NoIssuer);
    let mut bench = Bench { material: Material { authorities: vec![authority], leaf: None }, ..bench };
    bench.does(Step::Authority);
}

#[test]
fn a_secret_that_is_somebody_elses_is_told_from_one_that_is_damaged() {
    let secret = |label: Option<&str>, data: BTreeMap<String, ByteString>| {
        let mut secret = Secret { data: Some(data), ..Secret::default() };
        let label = label.map(|value| ("app.kubernetes.io/managed-by".to_owned(), value.to_owned()));
        secret.metadata.labels = Some(label.into_iter().collect());
        secret
    };
    let data = Bench::new().material.write().unwrap();
    assert_eq!(sight(None), Sight::Absent);
    assert_eq!(sight(Some(&secret(None, data.clone()))), Sight::Foreign);
    assert_eq!(sight(Some(&secret(Some("Helm"), data.clone()))), Sight::Foreign);
    let is_held = |secret: &Secret| matches!(sight(Some(secret)), Sight::Held { .. });
    assert!(is_held(&secret(Some("tagseal"), data)));
    assert!(is_held(&secret(Some("tagseal"), BTreeMap::new())));
    assert!(is_held(&secret(None, BTreeMap::new())), "one that is empty was left for tagseal to fill");
    let mut asked = secret(Some("tagseal"), BTreeMap::new());
    asked.metadata.annotations = Some([(ROTATE.to_owned(), String::new())].into());
    assert!(matches!(sight(Some(&asked)), Sight::Held { rotation_asked: true, .. }));
}
