//! The serving certificate and its renewal.

use std::fs;

use tagseal::webhook::{CertificateError, Reload, ServingCertificate};

use super::certificate::{Pair, Volume, now, pair, pair_valid, provider};
use crate::support::{days, seconds};

const NAME: &str = "tagseal.tagseal-system.svc";

fn leaf(certificate: &ServingCertificate) -> Vec<u8> {
    certificate.leaf().unwrap().to_vec()
}

#[test]
fn a_pair_swapped_through_kubelets_symlink_serves_from_then_on() {
    let (old, new) = (pair(NAME), pair(NAME));
    let mut volume = Volume::new(&old);
    let certificate = volume.load().unwrap();
    assert_eq!(certificate.reload(now()), Reload::Unchanged);
    assert_eq!(leaf(&certificate), old.der);

    volume.swap(&new);

    assert_eq!(certificate.reload(now()), Reload::Replaced);
    assert_eq!(leaf(&certificate), new.der);
    assert_eq!(certificate.reload(now()), Reload::Unchanged);
}

#[test]
fn a_pair_that_cannot_serve_keeps_the_old_one_and_is_told_once() {
    let old = pair(NAME);
    let mut volume = Volume::new(&old);
    let certificate = volume.load().unwrap();
    let mixed = Pair { key: pair(NAME).key, ..pair(NAME) };

    volume.swap(&mixed);

    let files = volume.files();
    let mismatch = CertificateError::KeyMismatch { certificate: files.certificate, key: files.key };
    assert_eq!(certificate.reload(now()), Reload::Refused(mismatch));
    assert_eq!(certificate.reload(now()), Reload::Unchanged);
    assert_eq!(leaf(&certificate), old.der);
}

#[test]
fn files_that_vanish_keep_the_old_pair_and_are_picked_up_when_they_are_back() {
    let (old, new) = (pair(NAME), pair(NAME));
    let mut volume = Volume::new(&old);
    let certificate = volume.load().unwrap();
    fs::remove_file(volume.path("..data")).unwrap();

    let gone =
        CertificateError::Unreadable { path: volume.path("tls.crt"), message: "no such file".to_owned() };
    assert_eq!(certificate.reload(now()), Reload::Refused(gone));
    assert_eq!(leaf(&certificate), old.der);

    volume.swap(&new);
    assert_eq!(certificate.reload(now()), Reload::Replaced);
    assert_eq!(leaf(&certificate), new.der);
}

#[test]
fn a_pair_that_is_not_valid_yet_is_taken_when_its_time_comes_without_a_change_of_files() {
    let old = pair(NAME);
    let (from, until) = (now() + days(1), now() + days(9));
    let early = pair_valid(&[NAME], from, until);
    let mut volume = Volume::new(&old);
    let certificate = volume.load().unwrap();
    volume.swap(&early);

    let path = volume.files().certificate;
    let refused = CertificateError::OutsideValidity { path, from, until, now: now() };
    assert_eq!(certificate.reload(now()), Reload::Refused(refused));
    assert_eq!(certificate.reload(from - seconds(1)), Reload::Unchanged, "told once");
    assert_eq!(leaf(&certificate), old.der);

    assert_eq!(certificate.reload(from), Reload::Replaced);
    assert_eq!(leaf(&certificate), early.der);
    assert_eq!(certificate.reload(from), Reload::Unchanged);
}

#[test]
fn a_pair_that_is_not_valid_yet_replaces_one_that_is_not_valid_either() {
    let old = pair(NAME);
    let (over, from, until) = (now() + days(6), now() + days(7), now() + days(9));
    let early = pair_valid(&[NAME], from, until);
    let mut volume = Volume::new(&old);
    let certificate = volume.load().unwrap();
    volume.swap(&early);
    let path = volume.files().certificate;
    let outside = |now| CertificateError::OutsideValidity { path: path.clone(), from, until, now };
    assert_eq!(certificate.reload(now()), Reload::Refused(outside(now())));
    assert_eq!(certificate.reload(now() + days(5)), Reload::Unchanged, "the old one is valid");
    assert_eq!(leaf(&certificate), old.der);

    assert_eq!(certificate.reload(over), Reload::Replaced);
    assert_eq!(leaf(&certificate), early.der);
    assert_eq!(certificate.reload(over), Reload::Unchanged, "told once");
    assert_eq!(certificate.reload(from), Reload::Unchanged);

    // A slow clock: what came with the start was not valid yet, and neither is what follows it.
    let mut volume = Volume::new(&early);
    let certificate = volume.load().unwrap();
    let next = pair_valid(&[NAME], from, until);
    volume.swap(&next);
    assert_eq!(certificate.reload(now()), Reload::Replaced);
    assert_eq!(leaf(&certificate), next.der);
    // But what is over replaces nothing.
    volume.swap(&pair_valid(&[NAME], now() - days(9), now() - days(1)));
    assert!(matches!(certificate.reload(now()), Reload::Refused(_)));
}

#[test]
fn a_pair_that_is_not_valid_yet_serves_at_start_where_there_is_no_other() {
    let early = pair_valid(&[NAME], now() + days(1), now() + days(9));
    let certificate = Volume::new(&early).load().unwrap();
    assert_eq!(leaf(&certificate), early.der);
}

#[test]
fn an_expired_certificate_is_refused_with_its_dates() {
    let (from, until) = (now() - days(9), now() - days(2));
    let volume = Volume::new(&pair_valid(&[NAME], from, until));
    let path = volume.files().certificate;
    assert_eq!(
        volume.load().unwrap_err(),
        CertificateError::OutsideValidity { path: path.clone(), from, until, now: now() }
    );
    assert_eq!(
        volume.load().unwrap_err().to_string(),
        format!(
            "the certificate in {} is valid from 2026-11-12T12:00:00Z to 2026-11-19T12:00:00Z; now is 2026-11-21T12:00:00Z",
            path.display()
        )
    );
}

#[test]
fn a_certificate_without_names_is_refused_because_the_api_server_would() {
    let volume = Volume::new(&pair_valid(&[], now() - days(1), now() + days(1)));
    let path = volume.files().certificate;
    assert_eq!(volume.load().unwrap_err(), CertificateError::NoNames { path });
}

#[test]
fn files_without_pem_or_without_a_file_say_which() {
    let good = pair(NAME);
    let load = |pair: &Pair| {
        let volume = Volume::new(pair);
        (volume.load().unwrap_err(), volume.files())
    };
    let (error, files) = load(&Pair { certificate: "hello".to_owned(), ..good.clone() });
    let missing = |path, what| CertificateError::Missing { path, what, message: String::new() };
    assert_eq!(error, missing(files.certificate, "certificate"));
    let (error, files) = load(&Pair { key: good.certificate.clone(), ..good.clone() });
    assert_eq!(error, missing(files.key, "private key"));

    let volume = Volume::new(&good);
    let mut files = volume.files();
    files.key = volume.path("other.key");
    assert_eq!(
        ServingCertificate::load(files.clone(), provider(), now()).unwrap_err().to_string(),
        format!("cannot read {}: no such file", files.key.display())
    );
}
