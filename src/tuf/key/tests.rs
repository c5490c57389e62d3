//! Tests of keys and signatures: real samples, openssl's fixtures, and keys made here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _,
};

use super::*;
use crate::tuf::canonical::{Value, parse};

/// What the fixtures' signatures cover.
const MESSAGE: &[u8] = b"what is signed";

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(data("keys").join(name)).unwrap()
}

fn fixture_pem(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

fn fixture_key(name: &str) -> PublicKey {
    PublicKey::from_pem(&fixture_pem(name)).unwrap()
}

/// Every metadata file below a folder, decoded.
fn metadata(folder: &Path) -> Vec<(PathBuf, Value)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(metadata(&path));
        } else {
            files.push((path.clone(), parse(&std::fs::read(&path).unwrap()).unwrap()));
        }
    }
    files
}

/// The keys that a file of metadata holds, by the ID that it gives them.
fn keys(file: &Value) -> BTreeMap<String, PublicKey> {
    let signed = file.get("signed").unwrap();
    let maps = [signed.get("keys"), signed.get("delegations").and_then(|d| d.get("keys"))];
    maps.into_iter()
        .flatten()
        .flat_map(|map| map.as_object().unwrap())
        .map(|(id, key)| {
            let keytype = key.get("keytype").unwrap().as_str().unwrap();
            let public = key.get("keyval").unwrap().get("public").unwrap().as_str().unwrap();
            (id.clone(), PublicKey::from_metadata(keytype, public).unwrap())
        })
        .collect()
}

struct Sample {
    expected: Value,
    files: Vec<(PathBuf, Value)>,
    keys: BTreeMap<String, PublicKey>,
}

fn sample(name: &str) -> Sample {
    let folder = data("samples").join(name);
    let files = metadata(&folder.join("v2"));
    let keys = files.iter().flat_map(|(_, file)| keys(file)).collect();
    Sample { expected: parse(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap(), files, keys }
}

const SAMPLES: [&str; 4] = ["algs-rsa-p384-p521", "edge-names", "s2-delegations", "s4-root-rotated-twice"];

#[test]
fn every_key_of_the_samples_has_the_ids_that_notary_gives_it() {
    let mut types = std::collections::BTreeSet::new();
    for name in SAMPLES {
        let sample = sample(name);
        let mut seen = 0;
        for (id, expected) in sample.expected.get("key_ids").unwrap().as_object().unwrap() {
            let Some(key) = sample.keys.get(id) else { continue };
            assert_eq!(key.id().to_string(), *id, "{name}");
            assert_eq!(Some(key.keytype()), expected.get("keytype").unwrap().as_str(), "{name} {id}");
            let canonical = expected.get("canonical_id").unwrap().as_str().unwrap();
            assert_eq!(key.canonical_id().to_string(), canonical, "{name} {id}");
            types.insert(key.keytype());
            seen += 1;
        }
        assert!(seen >= 4, "{name} has expected keys");
        for (id, key) in &sample.keys {
            assert_eq!(key.id().to_string(), *id, "{name}");
        }
    }
    assert_eq!(types.len(), KeyType::ALL.len(), "every key type is among the samples: {types:?}");
}

#[test]
fn every_signature_of_the_samples_verifies_and_none_does_when_tampered_with() {
    let mut methods = BTreeMap::new();
    for name in SAMPLES {
        let sample = sample(name);
        for (path, file) in &sample.files {
            let message = file.get("signed").unwrap().canonical().unwrap();
            let mut tampered = message.clone();
            let last = tampered.len() - 2;
            tampered[last] ^= 1;
            for signature in file.get("signatures").unwrap().as_array().unwrap() {
                let field = |field: &str| signature.get(field).unwrap().as_str().unwrap();
                let (key, method) = (&sample.keys[field("keyid")], field("method"));
                let bytes = STANDARD.decode(field("sig")).unwrap();
                assert!(key.verifies(method, &message, &bytes), "{path:?} {method}");
                assert!(key.verifies(&method.to_uppercase(), &message, &bytes), "{path:?} {method}");
                assert!(!key.verifies(method, &tampered, &bytes), "{path:?} {method}");
                for i in [0, bytes.len() / 2, bytes.len() - 1] {
                    let mut broken = bytes.clone();
                    broken[i] ^= 1;
                    assert!(!key.verifies(method, &message, &broken), "{path:?} {method} byte {i}");
                }
                for other in sample.keys.values().filter(|other| other.identity() != key.identity()) {
                    assert!(!other.verifies(method, &message, &bytes), "{path:?} {method}");
                }
                *methods.entry((method.to_owned(), bytes.len())).or_insert(0) += 1;
            }
        }
    }
    let seen: Vec<(&str, usize)> = methods.keys().map(|(method, len)| (method.as_str(), *len)).collect();
    assert_eq!(seen, [("ecdsa", 64), ("ecdsa", 96), ("ecdsa", 132), ("eddsa", 64), ("rsapss", 256)]);
}

fn p256_signature(algorithm: &'static EcdsaSigningAlgorithm) -> (PublicKey, Vec<u8>) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let signature = pair.sign(&random, MESSAGE).unwrap().as_ref().to_vec();
    (ecdsa_key(Curve::P256, pair.public_key().as_ref()), signature)
}

fn ecdsa_key(curve: Curve, point: &[u8]) -> PublicKey {
    let spki = Material::Ecdsa { curve, point: point.to_vec() }.to_spki().unwrap();
    PublicKey::from_metadata("ecdsa", &STANDARD.encode(spki)).unwrap()
}

#[test]
fn t18_ecdsa_is_raw_r_and_s_and_der_does_not_count() {
    let (key, raw) = p256_signature(&ECDSA_P256_SHA256_FIXED_SIGNING);
    assert!(key.verifies("ecdsa", MESSAGE, &raw));
    assert!(!key.verifies("ecdsa", MESSAGE, &raw[..63]), "too short");
    assert!(!key.verifies("ecdsa", MESSAGE, &[&raw[..], &[0]].concat()), "too long");
    assert!(!key.verifies("ecdsa", MESSAGE, &[&[0], &raw[..32], &[0], &raw[32..]].concat()), "padded");

    let (key, der) = p256_signature(&ECDSA_P256_SHA256_ASN1_SIGNING);
    assert!(!key.verifies("ecdsa", MESSAGE, &der));
}

/// RustCrypto signs the hash as a number as long as the field.
macro_rules! large_curve {
    ($curve:ident, $name:ident, $bytes:literal, $test:ident) => {
        #[test]
        fn $test() {
            use $curve::ecdsa::signature::hazmat::PrehashSigner as _;
            use $curve::ecdsa::{Signature, SigningKey};
            let signer = SigningKey::from_slice(&[[0; $bytes - 32].as_slice(), &[7; 32]].concat()).unwrap();
            let curve = Curve::$name;
            let key = ecdsa_key(curve, &signer.verifying_key().to_sec1_bytes());
            let hashed = [[0; $bytes - 32].as_slice(), Digest::of(MESSAGE).as_bytes()].concat();
            let signature: Signature = signer.sign_prehash(&hashed).unwrap();
            assert!(key.verifies("ecdsa", MESSAGE, &signature.to_bytes()));
            assert!(!key.verifies("ecdsa", b"another message", &signature.to_bytes()));
            assert!(!key.verifies("ecdsa", MESSAGE, signature.to_der().as_bytes()), "DER");
            assert!(!key.verifies("ecdsa", MESSAGE, &signature.to_bytes()[1..]), "too short");
            assert!(!key.verifies("ecdsa", MESSAGE, &[0; 2 * $bytes]), "zeros");
            let off_curve: Vec<u8> = [4].into_iter().chain([1; 2 * $bytes]).collect();
            assert!(!ecdsa_key(curve, &off_curve).verifies("ecdsa", MESSAGE, &signature.to_bytes()));
        }
    };
}
large_curve!(p384, P384, 48, t18_p384_signs_sha256_in_raw_form);
large_curve!(p521, P521, 66, t18_p521_signs_sha256_in_raw_form);

#[test]
fn t18_rsa_pss_wants_sha256_everywhere_and_a_salt_of_32_bytes() {
    let key = fixture_key("rsa2048.pub.pem");
    assert!(key.verifies("rsapss", MESSAGE, &fixture("rsa2048-pss-salt32.sig")));
    assert!(!key.verifies("rsapss", MESSAGE, &fixture("rsa2048-pss-salt20.sig")));
    assert!(!key.verifies("rsapss", MESSAGE, &fixture("rsa2048-pss-mgf1-sha1.sig")));
    assert!(!key.verifies("rsapss", b"another message", &fixture("rsa2048-pss-salt32.sig")));
}

#[test]
fn t18_rsa_pkcs1_counts_under_its_own_name_only() {
    let key = fixture_key("rsa2048.pub.pem");
    let signature = fixture("rsa2048-pkcs1.sig");
    assert!(key.verifies("rsapkcs1v15", MESSAGE, &signature));
    assert!(!key.verifies("rsapss", MESSAGE, &signature));
    assert!(!key.verifies("rsapkcs1v15", MESSAGE, &fixture("rsa2048-pss-salt32.sig")));
}

#[test]
fn t18_a_method_that_does_not_suit_the_key_does_not_count() {
    let ed25519 = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let (ecdsa, by_ecdsa) = p256_signature(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let cases = [
        (
            PublicKey::from_metadata("ed25519", &STANDARD.encode(ed25519.public_key())).unwrap(),
            ed25519.sign(MESSAGE).as_ref().to_vec(),
            "eddsa",
        ),
        (ecdsa, by_ecdsa, "ecdsa"),
        (fixture_key("rsa2048.pub.pem"), fixture("rsa2048-pss-salt32.sig"), "rsapss"),
    ];
    let methods = [
        "ecdsa",
        "eddsa",
        "rsapss",
        "rsapkcs1v15",
        "pycrypto-pkcs#1 pss",
        "ed25519",
        "",
        "ecdsa ",
        "rsap\u{17f}s",
    ];
    for (key, signature, right) in cases {
        for method in methods {
            assert_eq!(key.verifies(method, MESSAGE, &signature), method == right, "{right} as {method:?}");
        }
    }
}

#[test]
fn t18_rsa_below_2048_bits_is_no_key() {
    let pem = fixture_pem("rsa1024.pub.pem");
    let public = STANDARD.encode(&pem::blocks(&pem).unwrap()[0].der);
    assert_eq!(PublicKey::from_metadata("rsa", &public), Err(KeyError::RsaSize { bits: 1024 }));
    assert_eq!(PublicKey::from_pem(&pem), Err(KeyError::RsaSize { bits: 1024 }));
}

#[test]
fn rsa_sizes_are_counted_in_bits_of_the_modulus() {
    let size = |first: u8, bytes: usize| {
        let modulus = [&[first][..], &vec![1; bytes - 1]].concat();
        let spki = Material::Rsa { modulus, exponent: vec![1, 0, 1] }.to_spki().unwrap();
        Material::from_spki(&spki).err()
    };
    assert_eq!(size(0x80, 256), None);
    assert_eq!(size(0x7f, 256), Some(KeyError::RsaSize { bits: 2047 }));
    assert_eq!(size(0xff, 1024), None);
    assert_eq!(size(0x01, 1025), Some(KeyError::RsaSize { bits: 8193 }));
}

#[test]
fn t39_keys_that_are_slow_to_verify_are_no_keys() {
    let spki = |bytes: usize, exponent: &[u8]| {
        let modulus = [&[0x80][..], &vec![1; bytes - 1]].concat();
        Material::Rsa { modulus, exponent: exponent.to_vec() }.to_spki().unwrap()
    };
    let read = |spki: &[u8]| PublicKey::from_metadata("rsa", &STANDARD.encode(spki)).err();
    let pem = |spki: &[u8]| PublicKey::from_pem(&pem::encode("PUBLIC KEY", spki)).err();
    for (bytes, error) in [(512, None), (513, Some(4104)), (1024, Some(8192))] {
        let (spki, error) = (spki(bytes, &[1, 0, 1]), error.map(|bits| KeyError::RsaSlow { bits }));
        assert_eq!((read(&spki), pem(&spki)), (error.clone(), error));
        // An authority may have one.
        assert_eq!(Material::from_spki(&spki).err(), None);
    }
    for exponent in [&[1][..], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1], &[0xff; 256]] {
        assert_eq!(read(&spki(256, exponent)), Some(KeyError::RsaExponent), "{exponent:?}");
    }
    for exponent in [&[3][..], &[17], &[1, 0, 1], &[0xff; 4]] {
        assert_eq!(read(&spki(256, exponent)), None, "{exponent:?}");
    }
}

#[test]
fn a_signature_of_another_length_is_never_tried() {
    let key = fixture_key("p256.pub.pem");
    for length in [0, 63, 64, 65, 256] {
        assert_eq!(key.may_verify("ecdsa", &vec![7; length]), length == 64, "{length}");
    }
    let key = fixture_key("rsa2048.pub.pem");
    for length in [0, 64, 255, 256, 257] {
        assert_eq!(key.may_verify("rsapss", &vec![7; length]), length == 256, "{length}");
        assert!(!key.may_verify("ecdsa", &vec![7; length]) && !key.may_verify("md5", &vec![7; length]));
    }
}

#[test]
fn t28_explicit_curve_parameters_and_compressed_points_are_refused() {
    assert_eq!(fixture_key("p256.pub.pem").keytype(), "ecdsa");
    for (name, error) in [
        ("p256-explicit.pub.pem", KeyError::ExplicitCurve),
        ("p256-compressed.pub.pem", KeyError::Point("P-256")),
    ] {
        let pem = fixture_pem(name);
        assert_eq!(PublicKey::from_pem(&pem), Err(error.clone()));
        let public = STANDARD.encode(&pem::blocks(&pem).unwrap()[0].der);
        assert_eq!(PublicKey::from_metadata("ecdsa", &public), Err(error));
    }
}

#[test]
fn t28_a_key_has_one_encoding() {
    let der = pem::blocks(&fixture_pem("rsa2048.pub.pem")).unwrap()[0].der.clone();
    assert_eq!(Material::from_spki(&der).unwrap().to_spki().unwrap(), der);

    // The algorithm's parameters left out, where NULL belongs; the outer lengths fit.
    let null = der.windows(2).position(|w| w == [5, 0]).unwrap();
    let mut without = [&der[..null], &der[null + 2..]].concat();
    without[3] -= 2;
    without[5] -= 2;
    let error = KeyError::Der("not the one encoding that this key has".to_owned());
    assert_eq!(Material::from_spki(&without), Err(error));

    let trailing = [&der[..], &[0]].concat();
    assert!(matches!(Material::from_spki(&trailing), Err(KeyError::Der(_))));

    // 2^255 - 19 + 1 is another way to write 1.
    let mut one_again = [0xff; 32];
    one_again[0] = 0xee;
    one_again[31] = 0x7f;
    assert_eq!(Material::from_ed25519(&one_again), Err(KeyError::Ed25519));
}

#[test]
fn t5_a_bare_key_and_its_certificates_are_one_key() {
    let certificate = PublicKey::from_pem(&fixture_pem("rsa-leaf.crt.pem")).unwrap();
    let other_certificate = PublicKey::from_pem(&fixture_pem("p521-leaf.crt.pem")).unwrap();
    let bare = fixture_key("p256.pub.pem");
    assert_eq!(certificate.keytype(), "ecdsa-x509");
    assert_ne!(certificate.id(), other_certificate.id());
    assert_ne!(certificate.id(), bare.id());
    for key in [&certificate, &other_certificate] {
        assert_eq!(key.identity(), bare.identity());
        assert_eq!(key.canonical_id(), bare.id());
    }
    assert_ne!(bare.identity(), fixture_key("rsa2048.pub.pem").identity());
    assert_eq!(bare.id(), bare.canonical_id());
}

#[test]
fn a_key_type_must_be_the_keys_own() {
    let spki = |name: &str| STANDARD.encode(&pem::blocks(&fixture_pem(name)).unwrap()[0].der);
    let error = |keytype, actual| Err(KeyError::Mismatch { keytype, actual });
    assert_eq!(PublicKey::from_metadata("rsa", &spki("p256.pub.pem")), error("rsa", "ecdsa"));
    assert_eq!(PublicKey::from_metadata("ecdsa", &spki("rsa2048.pub.pem")), error("ecdsa", "rsa"));
    let certificate = STANDARD.encode(fixture("rsa-leaf.crt.pem"));
    assert_eq!(PublicKey::from_metadata("rsa-x509", &certificate), error("rsa-x509", "ecdsa"));
}

#[test]
fn what_is_no_key_is_refused_with_the_reason() {
    let of = PublicKey::from_metadata;
    assert_eq!(of("ECDSA", ""), Err(KeyError::Type("ECDSA".to_owned())));
    assert_eq!(of("dsa", ""), Err(KeyError::Type("dsa".to_owned())));
    assert_eq!(of("ed25519", &STANDARD.encode([1; 31])), Err(KeyError::Ed25519));
    assert_eq!(of("ed25519", "AQ"), Err(KeyError::Base64), "no padding");
    assert_eq!(of("ed25519", "AQ==\n"), Err(KeyError::Base64));
    assert_eq!(of("ed25519", &"A".repeat(512 << 10)), Err(KeyError::TooLarge));
    assert!(matches!(of("ecdsa", ""), Err(KeyError::Der(_))));
    assert_eq!(of("ecdsa-x509", "/w=="), Err(KeyError::Pem("invalid UTF-8".to_owned())));
    let p521_by_another_name = [0x30, 0x10, 0x30, 9, 6, 7, 42, 0x86, 0x48, 0xce, 0x3d, 2, 2, 3, 3, 0, 4, 1];
    assert_eq!(
        Material::from_spki(&p521_by_another_name),
        Err(KeyError::Algorithm("1.2.840.10045.2.2".to_owned()))
    );
}

#[test]
fn a_policy_may_hold_text_around_its_pem_but_no_private_key() {
    let pem = fixture_pem("p256.pub.pem");
    let key = PublicKey::from_pem(&pem).unwrap();
    let decorated = format!("# production\r\n  {}\n", pem.replace('\n', "\r\n  "));
    assert_eq!(PublicKey::from_pem(&decorated), Ok(key));

    let refused = |pem: &str| match PublicKey::from_pem(pem) {
        Err(KeyError::Pem(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(""), "no PEM block was found");
    assert_eq!(
        refused(&pem.replace("PUBLIC", "PRIVATE")),
        "one PUBLIC KEY or a CERTIFICATE was expected, not 1 blocks beginning with \"PRIVATE KEY\""
    );
    assert_eq!(
        refused(&format!("{pem}{pem}")),
        "one PUBLIC KEY or a CERTIFICATE was expected, not 2 blocks beginning with \"PUBLIC KEY\""
    );
    assert_eq!(refused(&pem.replace("-----END PUBLIC KEY-----", "")), "a block does not end");
    assert_eq!(
        refused(&pem.replace("END PUBLIC", "END")),
        "a block ends with another label than it began with"
    );
    assert_eq!(
        refused(&pem.replace("KEY-----\nM", "KEY-----\nrole: root\n\nM")),
        "a block is not standard base64"
    );
}

#[test]
fn an_ed25519_key_of_a_policy_is_the_key_of_the_metadata() {
    let point =
        *Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap().public_key().as_ref().first_chunk().unwrap();
    let pem = pem::encode("PUBLIC KEY", &Material::Ed25519(point).to_spki().unwrap());
    let key = PublicKey::from_metadata("ed25519", &STANDARD.encode(point)).unwrap();
    assert_eq!(PublicKey::from_pem(&pem), Ok(key));
}

#[test]
fn key_ids_are_read_as_they_are_shown() {
    let id = KeyId::of("ecdsa", "AA==");
    assert_eq!(KeyId::from_hex(&id.to_string()), Ok(id));
    let upper = id.to_string().to_uppercase();
    assert_eq!(KeyId::from_hex(&upper), Err(KeyError::Id(upper.clone())));
}

#[test]
fn an_identity_never_changes_because_floors_are_kept_with_it() {
    for (material, identity) in [
        (Material::Ed25519([7; 32]), "ba710a549a2435e20e9200019f98f6c0f5efe0da6300a7e9f127a7ff953ed479"),
        (
            Material::Ecdsa { curve: Curve::P256, point: [&[4][..], &[7; 64]].concat() },
            "f7a6aa02946877626c178b120ce373dda2b880b2951a68b7647fb1bd46078b7f",
        ),
        (
            Material::Rsa { modulus: vec![0x87; 256], exponent: vec![1, 0, 1] },
            "67408fcdf07eb3230cec0dd6afe16a711fe96159028280c79b935b63aca05a0b",
        ),
    ] {
        let key = PublicKey::from_spki(&material.to_spki().unwrap()).unwrap();
        assert_eq!(key.identity().0.hex(), identity);
    }
}

#[test]
fn a_key_that_comes_twice_among_identities_is_counted_once() {
    let [alice, bob] = [b"alice", b"bob__"].map(|name| KeyIdentity::from_digest(Digest::of(name)));
    let signers: KeyIdentities = [alice, bob, alice].into_iter().collect();
    assert_eq!(signers.iter().count(), 2);
    assert_eq!(signers.count_in(&[alice].into()), 1);
    assert_eq!(signers, [bob, alice].into_iter().collect());
}
