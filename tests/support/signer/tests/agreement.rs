//! The signer and the code under test agree, though neither knows the other's code.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;
use tagseal::tuf::canonical::parse;
use tagseal::tuf::{
    Anchor, Anchors, Answer, CaBundle, Fetch, Gun, KeyId, PublicKey, RoleName, RootRotation, Step,
    TrustedRepository, Update, UpdateInput,
};

use crate::support::signer::{base64, canonical};
use crate::support::source::path_of;
use crate::support::{
    CertificateSpec, ServedFiles, SignatureForm, TestCa, TestKey, TestRepository, days, image_digest, t,
};

const GUN: &str = "registry.example.com/shop/web";

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

fn read(key: &TestKey) -> PublicKey {
    PublicKey::from_metadata(key.key_type(), &base64(&key.public_bytes())).unwrap()
}

fn verifies(key: &TestKey) -> bool {
    let signature = key.sign(b"message");
    read(key).verifies(signature.method, b"message", &signature.bytes)
}

fn keys_of_every_type() -> Vec<TestKey> {
    let spec = CertificateSpec::new(GUN, now());
    let chained =
        spec.clone().issued_by(&TestCa::new("root", now()).intermediate("below", now(), now() + days(9)));
    let bare = [TestKey::ecdsa(), TestKey::p384(), TestKey::p521(), TestKey::rsa(), TestKey::ed25519()];
    let certified = [TestKey::ecdsa(), TestKey::p384(), TestKey::rsa()].map(|key| key.certified(&spec));
    bare.into_iter().chain(certified).chain([TestKey::ecdsa().certified(&chained)]).collect()
}

#[test]
fn every_key_type_has_the_same_ids_and_verifies() {
    for key in keys_of_every_type() {
        let public = read(&key);
        assert_eq!(public.id().to_string(), key.id(), "{key:?}");
        assert_eq!(public.canonical_id().to_string(), key.canonical_id(), "{key:?}");
        assert!(verifies(&key), "{key:?}");
        let signature = key.sign(b"message");
        assert!(!public.verifies(signature.method, b"another message", &signature.bytes), "{key:?}");
    }
}

#[test]
fn a_key_and_its_certificates_are_one_key() {
    let key = TestKey::ecdsa();
    let [one, other] = [1, 2].map(|years| {
        key.certified(&CertificateSpec::new(GUN, now()).valid(now(), now() + days(365 * years)))
    });
    assert_ne!(read(&one).id(), read(&other).id());
    for certified in [one, other] {
        assert_eq!(read(&certified).identity(), read(&key).identity());
        assert_eq!(
            PublicKey::from_pem(certified.certificate_pem().unwrap()).unwrap().identity(),
            read(&key).identity()
        );
    }
    assert_eq!(PublicKey::from_pem(&key.public_pem()).unwrap().id(), KeyId::from_hex(&key.id()).unwrap());
}

#[test]
fn t18_only_the_valid_encodings_count() {
    let (ecdsa, rsa) = (TestKey::ecdsa(), TestKey::rsa());
    assert!(verifies(&rsa.signing_as(SignatureForm::Pkcs1v15)));
    assert!(verifies(&rsa.signing_as(SignatureForm::PssSalt(32))));
    for salt_len in [0, 20, 31, 33, 64] {
        assert!(!verifies(&rsa.signing_as(SignatureForm::PssSalt(salt_len))), "{salt_len} bytes of salt");
    }
    assert!(!verifies(&ecdsa.signing_as(SignatureForm::Der)));
    for key in keys_of_every_type() {
        for form in [SignatureForm::WrongMethod, SignatureForm::OverSomethingElse] {
            assert!(!verifies(&key.signing_as(form)), "{form:?} of {key:?}");
        }
    }
    let weak = TestKey::weak_rsa();
    PublicKey::from_metadata(weak.key_type(), &base64(&weak.public_bytes())).unwrap_err();
}

#[test]
fn leaves_are_judged_as_they_were_made_to_be() {
    let later = now() + days(100);
    let spec = || CertificateSpec::new(GUN, now());
    let judged = |spec: CertificateSpec, at| {
        let key = TestKey::ecdsa().certified(&spec);
        read(&key).certificate().unwrap().check_leaf(&Gun::new(GUN).unwrap(), at).is_ok()
    };
    assert!(judged(spec(), later));
    assert!(judged(spec().without_code_signing(), later));
    assert!(judged(spec().common_name("registry.example.com/shop/*"), later));
    assert!(!judged(spec().common_name("registry.example.com/shop"), later));
    assert!(!judged(spec().valid(now(), now() + days(99)), later));
    assert!(!judged(spec().valid(now() + days(102), now() + days(365)), later));
    assert!(judged(spec(), now() + days(3649)));
    assert!(!judged(spec(), now() + days(3651)));
}

#[test]
fn chains_lead_to_the_authority_that_issued_them() {
    let ca = TestCa::new("root CA", now());
    let intermediate = ca.intermediate("intermediate CA", now(), now() + days(365));
    let bundle = |ca: &TestCa| CaBundle::from_pem(ca.pem()).unwrap();
    let leads = |issuer: &TestCa, pinned: &TestCa, at| {
        let key = TestKey::ecdsa().certified(&CertificateSpec::new(GUN, now()).issued_by(issuer));
        bundle(pinned).check_chain(read(&key).certificate().unwrap(), at).is_ok()
    };
    assert!(leads(&ca, &ca, now() + days(1)));
    assert!(leads(&intermediate, &ca, now() + days(1)));
    assert!(!leads(&intermediate, &ca, now() + days(366)), "the intermediate expired");
    assert!(
        !leads(&intermediate, &TestCa::new("root CA", now()), now() + days(1)),
        "another of the same name"
    );
}

/// What Debian's notary 0.7 was seen to say of this very repository: the three odd ones do not meet their threshold, and
/// everything else is listed.
#[test]
fn a_repository_with_every_key_type_is_judged_as_notary_judges_it() {
    let mut repository = TestRepository::new(GUN, now());
    let odd = [SignatureForm::Der, SignatureForm::WrongMethod, SignatureForm::OverSomethingElse];
    let keys = keys_of_every_type().into_iter().map(|key| (true, key));
    let odd_keys = odd.map(|form| (false, TestKey::ecdsa().signing_as(form)));
    let pkcs1 = (true, TestKey::other_rsa().signing_as(SignatureForm::Pkcs1v15));
    let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
    for (i, (counts, key)) in keys.chain([pkcs1]).chain(odd_keys).enumerate() {
        let role = format!("targets/r{i}");
        repository.delegate(&role, &[&key]).sign_target(&role, "1", image_digest(&role));
        if counts {
            good.insert(role)
        } else {
            bad.insert(role)
        };
    }
    let nested = [TestKey::rsa(), TestKey::ed25519()];
    repository.delegate("targets/r0/nested", &[&nested[0], &nested[1]]).threshold("targets/r0/nested", 2);
    repository.sign_target("targets/r0/nested", "<é&\u{2028}\u{7}x", image_digest("odd"));
    good.insert("targets/r0/nested".to_owned());
    let trusted = update(&repository.publish(now()), repository.root_key());

    let (skew, later) = (SignedDuration::ZERO, now() + days(1));
    let unusable = trusted.unusable(later, skew);
    assert_eq!(unusable.iter().map(|(role, _)| role.to_string()).collect::<BTreeSet<_>>(), bad);
    for role in good {
        assert!(trusted.usable(&RoleName::parse(&role).unwrap(), later, skew).is_ok(), "{role}");
    }
}

/// Drives an update of a repository that nothing is known about but a root key.
fn update(files: &ServedFiles, root: &TestKey) -> Arc<TrustedRepository> {
    let anchors = Anchors::new(
        vec![Anchor::KeyId(KeyId::from_hex(&root.canonical_id()).unwrap())],
        RootRotation::Follow,
        false,
    );
    let input = UpdateInput::new(Gun::new(GUN).unwrap(), Arc::new(anchors), now() + days(1));
    let mut update = Update::new(input);
    loop {
        match update.step() {
            Step::Done(result) => return result.unwrap().repository,
            Step::Fetch(fetches) => {
                for Fetch { file, .. } in fetches {
                    let bytes = files.get(&path_of(&file)).unwrap_or_else(|| panic!("no {}", path_of(&file)));
                    update.feed(&file, Answer::Bytes(bytes.clone()));
                }
            }
        }
    }
}

/// Control characters included, which proptest's own strings leave out.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![any::<char>(), (0..0x80u8).prop_map(char::from)];
    proptest::collection::vec(character, 0..8).prop_map(String::from_iter)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1i64 << 53)..=1 << 53).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(crate::support::random::cases(256))]

    #[test]
    fn canonical_json_is_the_same(value in json()) {
        let wire = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(parse(&wire).unwrap().canonical().unwrap(), canonical(&value));
    }
}
