//! The signer itself, checked against what notary was seen to do and by independent verifiers.

#[path = "tests/agreement.rs"]
mod agreement;

use p384::ecdsa::signature::hazmat::PrehashVerifier;
use p384::pkcs8::DecodePublicKey;
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::support::signer::{
    CertificateSpec, ServedFiles, SignatureForm, TestCa, TestKey, TestRepository, base64, canonical, hex,
    image_digest, sha256,
};
use crate::support::{days, t};

const GUN: &str = "registry.example.com/shop/web";
const NOW: &str = "2026-11-21T12:00:00Z";

#[test]
fn canonical_json_escapes_only_quotes_and_backslashes_and_sorts_by_bytes() {
    let value = json!({"sp ace": 1, "sp": [true, null], "a\"b": "\u{1}<\\é", "Z": {}});
    let expected = "{\"Z\":{},\"a\\\"b\":\"\u{1}<\\\\é\",\"sp\":[true,null],\"sp ace\":1}";
    assert_eq!(String::from_utf8(canonical(&value)).unwrap(), expected);
}

#[test]
fn versions_rise_only_for_roles_that_changed() {
    let now = t(NOW);
    let mut repository = TestRepository::new(GUN, now);
    let alice = TestKey::ecdsa();
    repository.delegate("targets/releases", &[&alice]).sign_target(
        "targets/releases",
        "1",
        image_digest("a"),
    );
    let first = repository.publish(now);
    let again = repository.publish(now + days(1));
    let second = repository.sign_target("targets/releases", "2", image_digest("b")).publish(now + days(2));
    let versions = |files: &ServedFiles| {
        ["root", "targets", "targets/releases", "snapshot", "timestamp"].map(|role| files.version(role))
    };
    assert_eq!(versions(&first), [1, 1, 1, 1, 1]);
    assert_eq!(versions(&again), [1, 1, 1, 1, 2]);
    assert_eq!(versions(&second), [1, 1, 2, 2, 3]);
    let old = first.current("targets/releases");
    assert_eq!(second.get(&format!("targets/releases.{}.json", hex(&sha256(old)))), Some(old));
    assert_eq!(second.get("1.targets/releases.json"), Some(old));
}

#[test]
fn a_rotated_root_is_signed_by_both_keys() {
    let mut repository = TestRepository::new(GUN, t(NOW));
    repository.publish(t(NOW));
    let (old, new) = (repository.root_key().clone(), TestKey::root(GUN, t(NOW)));
    let files = repository.rotate("root", &[&new]).publish(t(NOW));
    let root: Value = serde_json::from_slice(files.current("root")).unwrap();
    let signers: Vec<_> = root["signatures"].as_array().unwrap().iter().map(|s| s["keyid"].clone()).collect();
    assert_eq!(signers, [new.id(), old.id()]);
    assert_eq!(root["signed"]["roles"]["root"]["keyids"], json!([new.id()]));
    assert_eq!(files.get("2.root.json"), Some(files.current("root")));
    assert!(files.get("1.root.json").is_some());
}

#[test]
fn tampering_is_listed_by_the_parents_and_corruption_is_not() {
    for (tampered, listed) in [(true, true), (false, false)] {
        let mut repository = TestRepository::new(GUN, t(NOW));
        let spoil = |bytes: &mut Vec<u8>| bytes.push(b' ');
        if tampered {
            repository.tamper("targets", spoil)
        } else {
            repository.corrupt("targets", spoil)
        };
        let files = repository.publish(t(NOW));
        assert!(files.current("targets").ends_with(b" "));
        let hash = base64(&sha256(files.current("targets")));
        assert_eq!(files.signed("snapshot")["meta"]["targets"]["hashes"]["sha256"] == hash, listed);
        assert_eq!(files.paths_of("targets").len(), if listed { 3 } else { 2 });
    }
}

#[test]
fn a_role_rolled_back_is_listed_by_a_new_snapshot() {
    let mut repository = TestRepository::new(GUN, t(NOW));
    repository.publish(t(NOW));
    repository.sign_target("targets", "1", image_digest("a")).publish(t(NOW));
    let files = repository.roll_back("targets", 1).publish(t(NOW));
    assert_eq!((files.version("targets"), files.version("snapshot")), (1, 3));
    let hash = base64(&sha256(files.current("targets")));
    assert_eq!(files.signed("snapshot")["meta"]["targets"]["hashes"]["sha256"], hash);
    let files = repository.sign_target("targets", "2", image_digest("b")).publish(t(NOW));
    assert_eq!(files.version("targets"), 3, "the publisher counts on from the newest");
}

#[test]
fn every_key_type_signs_as_notary_does() {
    let message = b"message";
    let signature = TestKey::ecdsa().sign(message);
    assert_eq!((signature.method, signature.bytes.len()), ("ecdsa", 64));

    let key = TestKey::p384();
    let signature = key.sign(message);
    assert_eq!((signature.method, signature.bytes.len()), ("ecdsa", 96));
    let verifying = p384::ecdsa::VerifyingKey::from_public_key_der(&key.public_bytes()).unwrap();
    let parsed = p384::ecdsa::Signature::from_slice(&signature.bytes).unwrap();
    verifying.verify_prehash(&sha256(message), &parsed).unwrap();

    let signature = TestKey::p521().sign(message);
    assert_eq!((signature.method, signature.bytes.len()), ("ecdsa", 132));

    let key = TestKey::ed25519();
    let signature = key.sign(message);
    assert_eq!(signature.method, "eddsa");
    UnparsedPublicKey::new(&ED25519, key.public_bytes()).verify(message, &signature.bytes).unwrap();
}

#[test]
fn keys_have_an_id_of_their_own_and_share_one_with_their_bare_key() {
    let key = TestKey::root(GUN, t(NOW));
    assert_eq!(key.key_type(), "ecdsa-x509");
    assert_ne!(key.id(), key.canonical_id());
    assert_eq!(key.canonical_id(), key.bare().id());
    assert_eq!(key.canonical_id(), key.certified(&CertificateSpec::new("other", t(NOW))).canonical_id());
}

#[test]
fn a_leaf_issued_by_an_intermediate_brings_it_along() {
    let (now, later) = (t(NOW), t(NOW) + days(365));
    let ca = TestCa::new("root CA", now);
    let intermediate = ca.intermediate("intermediate CA", now, later);
    let key = TestKey::rsa().certified(&CertificateSpec::new(GUN, now).issued_by(&intermediate));
    let pem = key.certificate_pem().unwrap();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(pem.ends_with(intermediate.pem()));
    assert_eq!(key.key_type(), "rsa-x509");
}

#[test]
fn other_forms_of_signatures_keep_the_key_id() {
    let key = TestKey::ecdsa();
    let signature = key.signing_as(SignatureForm::Der).sign(b"message");
    assert_eq!((signature.key_id, signature.method, signature.bytes[0]), (key.id(), "ecdsa", 0x30));
    let rsa = TestKey::rsa();
    let signature = rsa.signing_as(SignatureForm::Pkcs1v15).sign(b"message");
    assert_eq!((signature.method, signature.bytes.len()), ("rsapkcs1v15", 256));
}

#[test]
fn rsa_signatures_verify_and_odd_ones_are_odd_in_one_way_only() {
    let verify = |key: &TestKey, algorithm, bytes: &[u8]| {
        let spki = key.rcgen();
        UnparsedPublicKey::new(algorithm, rcgen::PublicKeyData::der_bytes(&spki))
            .verify(b"message", bytes)
            .is_ok()
    };
    let key = TestKey::rsa();
    let pss = |form| key.signing_as(form).sign(b"message").bytes;
    assert!(verify(&key, &RSA_PSS_2048_8192_SHA256, &pss(SignatureForm::Notary)));
    assert!(
        verify(&key, &RSA_PSS_2048_8192_SHA256, &pss(SignatureForm::PssSalt(32))),
        "the encoding is right"
    );
    assert!(!verify(&key, &RSA_PSS_2048_8192_SHA256, &pss(SignatureForm::PssSalt(20))));
    assert!(verify(&key, &RSA_PKCS1_2048_8192_SHA256, &pss(SignatureForm::Pkcs1v15)));
    let weak = TestKey::weak_rsa();
    assert_eq!(weak.sign(b"message").bytes.len(), 128);
    assert_ne!(weak.sign(b"message"), weak.sign(b"other"));
}
