//! Tests of keys: what they sign verifies through [`PublicKey`], and what other tools wrote is read.

use jiff::Timestamp;

use super::secret::Curve;
use super::*;
use crate::tuf::PublicKey;

const EC: &str = include_str!("../../../tests/data/publish/pkcs8/p256.pem");
const MESSAGE: &[u8] = b"what an envelope's signatures cover";

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

fn now() -> Timestamp {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

/// Every type of key, as OpenSSL writes it.
const ALL: [(&str, &str, &str); 6] = [
    ("p256", "ecdsa", EC),
    ("p384", "ecdsa", include_str!("../../../tests/data/publish/pkcs8/p384.pem")),
    ("p521", "ecdsa", include_str!("../../../tests/data/publish/pkcs8/p521.pem")),
    ("rsa", "rsa", include_str!("../../../tests/data/publish/pkcs8/rsa.pem")),
    ("rsa4096", "rsa", include_str!("../../../tests/data/publish/pkcs8/rsa4096.pem")),
    ("ed25519", "ed25519", include_str!("../../../tests/data/publish/pkcs8/ed25519.pem")),
];

fn key(name: &str) -> PrivateKey {
    let (_, _, pem) = ALL.into_iter().find(|(known, ..)| *known == name).unwrap();
    PrivateKey::from_pkcs8(&der(pem)).unwrap()
}

/// The key as the verifier reads it.
fn verifier(form: &PublicForm) -> PublicKey {
    PublicKey::from_metadata(form.keytype(), form.public()).unwrap()
}

#[test]
fn signatures_of_every_type_verify() {
    for (name, keytype, pem) in ALL {
        let key = PrivateKey::from_pkcs8(&der(pem)).unwrap();
        assert_eq!(key.public().keytype(), keytype, "{name}");
        let signature = key.sign(MESSAGE).unwrap();
        let verifier = verifier(key.public());
        assert!(verifier.verifies(signature.method, MESSAGE, &signature.bytes), "{name}");
        assert!(!verifier.verifies(signature.method, b"something else", &signature.bytes), "{name}");
    }
}

#[test]
fn methods_and_lengths_are_notarys() {
    let of = |name: &str| {
        let signature = key(name).sign(MESSAGE).unwrap();
        (signature.method, signature.bytes.len())
    };
    assert_eq!(of("p256"), ("ecdsa", 64));
    assert_eq!(of("p384"), ("ecdsa", 96));
    assert_eq!(of("p521"), ("ecdsa", 132));
    assert_eq!(of("rsa"), ("rsapss", 256));
    assert_eq!(of("rsa4096"), ("rsapss", 512));
    assert_eq!(of("ed25519"), ("eddsa", 64));
}

#[test]
fn new_keys_sign_and_differ() {
    for (algorithm, keytype) in [(Algorithm::EcdsaP256, "ecdsa"), (Algorithm::Ed25519, "ed25519")] {
        let (key, other) =
            (PrivateKey::generate(algorithm).unwrap(), PrivateKey::generate(algorithm).unwrap());
        assert_ne!(key.id(), other.id());
        assert_eq!(key.public().keytype(), keytype);
        let signature = key.sign(MESSAGE).unwrap();
        assert!(verifier(key.public()).verifies(signature.method, MESSAGE, &signature.bytes));
        assert!(!verifier(other.public()).verifies(signature.method, MESSAGE, &signature.bytes));
    }
}

#[test]
fn what_is_written_as_pkcs8_is_read_as_the_same_key() {
    for (name, ..) in ALL {
        let key = key(name);
        let again = PrivateKey::from_pkcs8(&key.to_pkcs8()).unwrap();
        assert_eq!(again.public(), key.public(), "{name}");
        let signature = again.sign(MESSAGE).unwrap();
        assert!(verifier(key.public()).verifies(signature.method, MESSAGE, &signature.bytes), "{name}");
    }
}

#[test]
fn an_ed25519_key_is_written_as_notary_has_it() {
    let pkcs8 = key("ed25519").to_pkcs8();
    // 1.3.6.1.4.1.11591.15.1, then 96 bytes: the public key, the seed, the public key.
    let prefix = [
        0x30, 0x72, 0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f,
        0x01, 0x04, 0x60,
    ];
    let (start, bytes) = pkcs8.split_at(prefix.len());
    assert_eq!(start, prefix);
    assert_eq!(bytes.len(), 96);
    assert_eq!(bytes[..32], bytes[64..]);
}

#[test]
fn the_version_and_a_missing_public_key_do_not_matter() {
    let key = key("p256");
    let Secret::Ecdsa { scalar, .. } = &key.secret else { panic!("an EC key") };
    let build = |version: u8, scalar: &[u8], rest: &[&[u8]]| {
        let mut fields = vec![der::uint(&[1]), der::tlv(der::OCTET_STRING, &[scalar])];
        fields.extend(rest.iter().map(|field| zeroize::Zeroizing::new(field.to_vec())));
        let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_slice()).collect();
        let sec1 = der::tlv(der::SEQUENCE, &fields);
        let algorithm = key.secret.spki().unwrap()[2..23].to_vec();
        PrivateKey::from_pkcs8(&der::tlv(
            der::SEQUENCE,
            &[&der::uint(&[version]), &algorithm, &der::tlv(der::OCTET_STRING, &[&sec1])],
        ))
    };
    assert_eq!(build(0, scalar, &[]).unwrap().id(), key.id());
    assert_eq!(build(1, scalar, &[]).unwrap().id(), key.id());
    let padded = [&[0], scalar.as_slice()].concat();
    assert_eq!(build(1, &padded, &[]).unwrap().id(), key.id());
    let long = [&[1], scalar.as_slice()].concat();
    assert!(matches!(build(0, &long, &[]), Err(KeyFault::Malformed(_))));
    assert!(matches!(build(0, &[0; 32], &[]), Err(KeyFault::Malformed(_))));
    assert!(matches!(build(0, &[0xff; 32], &[]), Err(KeyFault::Malformed(_))));
    let other = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let Secret::Ecdsa { point, .. } = &other.secret else { panic!("an EC key") };
    let stated = der::tlv(der::explicit(1), &[&der::bit_string(point)]);
    assert_eq!(build(0, scalar, &[&stated]).unwrap_err(), KeyFault::Halves);
}

#[test]
fn keys_that_notary_does_not_take_are_refused_by_name() {
    let refused = |pem: &str| PrivateKey::from_pkcs8(&der(pem)).unwrap_err();
    assert_eq!(
        refused(include_str!("../../../tests/data/keys/rsa-1024.pem")),
        KeyFault::Public(KeyError::RsaSize { bits: 1024 })
    );
    assert_eq!(
        refused(include_str!("../../../tests/data/publish/pkcs8/secp256k1.pem")),
        KeyFault::Public(KeyError::Curve("1.3.132.0.10".to_owned()))
    );
    assert_eq!(
        refused(include_str!("../../../tests/data/publish/pkcs8/x25519.pem")),
        KeyFault::Public(KeyError::Algorithm("1.3.101.110".to_owned()))
    );
    assert_eq!(
        refused(include_str!("../../../tests/data/publish/pkcs8/p256-explicit.pem")),
        KeyFault::Public(KeyError::ExplicitCurve)
    );
}

#[test]
fn any_cut_or_flipped_byte_is_an_error_or_a_key_that_is_whole() {
    for (name, _, pem) in ALL {
        let bytes = der(pem);
        for cut in 0..bytes.len() {
            assert!(PrivateKey::from_pkcs8(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
    let bytes = der(EC);
    for i in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[i] ^= 0x40;
        if let Ok(key) = PrivateKey::from_pkcs8(&flipped) {
            let signature = key.sign(MESSAGE).unwrap();
            assert!(verifier(key.public()).verifies(signature.method, MESSAGE, &signature.bytes), "byte {i}");
        }
    }
}

#[test]
fn a_root_certificate_satisfies_the_verifier_for_its_gun_alone() {
    let gun = Gun::new("registry.test/team/app_1").unwrap();
    for (name, keytype, _) in ALL.into_iter().filter(|(name, ..)| *name != "ed25519") {
        let key = key(name);
        let form = key.root_certificate(&gun, now()).unwrap();
        assert_eq!(form.keytype(), format!("{keytype}-x509"));
        let listed = verifier(&form);
        let chain = listed.certificate().unwrap();
        let years = |n: i64| now() + jiff::SignedDuration::from_hours(n * 365 * 24);
        chain.check_leaf(&gun, now()).unwrap();
        chain.check_leaf(&gun, years(10)).unwrap();
        assert!(chain.check_leaf(&gun, years(11)).is_err());
        assert!(chain.check_leaf(&Gun::new("registry.test/team/app_2").unwrap(), now()).is_err());
        assert_eq!(chain.common_name(), Some(gun.as_str()));
        assert_eq!((form.canonical_id(), listed.id()), (key.id(), form.id()));
        assert_ne!(form.id(), key.id());
        let signature = key.sign(MESSAGE).unwrap();
        assert!(listed.verifies(signature.method, MESSAGE, &signature.bytes));
        let again = key.root_certificate(&gun, now()).unwrap();
        assert_ne!(again.id(), form.id(), "each has a serial number of its own");
    }
    assert_eq!(key("ed25519").root_certificate(&gun, now()).unwrap_err(), KeyFault::NoCertificate);
}

#[test]
fn a_root_certificate_is_signed_by_its_own_key() {
    use p384::ecdsa::signature::Verifier as _;
    use ring::signature::{ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use x509_cert::der::Decode as _;

    let gun = Gun::new("registry.test/team/app").unwrap();
    for name in ["p256", "p384", "p521", "rsa"] {
        // In 2045, so that the end of the validity is written in the other form.
        let form = key(name).root_certificate(&gun, "2045-01-01T00:00:00Z".parse().unwrap()).unwrap();
        let bytes = der(&form.to_pem());
        let certificate = x509_cert::Certificate::from_der(&bytes).unwrap();
        // The outer header has four bytes, and so has that of the part that is signed.
        let signed = &bytes[4..][..4 + usize::from(u16::from_be_bytes([bytes[6], bytes[7]]))];
        let key = certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes();
        let signature = certificate.signature().raw_bytes();
        let verifies = match name {
            "p256" => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(signed, signature).is_ok(),
            "rsa" => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed, signature).is_ok()
            }
            "p384" => p384::ecdsa::VerifyingKey::from_sec1_bytes(key)
                .unwrap()
                .verify(signed, &p384::ecdsa::DerSignature::from_bytes(signature).unwrap())
                .is_ok(),
            _ => p521::ecdsa::VerifyingKey::from_sec1_bytes(key)
                .unwrap()
                .verify(signed, &p521::ecdsa::DerSignature::from_bytes(signature).unwrap())
                .is_ok(),
        };
        assert!(verifies, "{name}");
        let not_after = certificate.tbs_certificate().validity().not_after;
        assert_eq!(not_after.to_string(), "2054-12-30T00:00:00Z");
    }
}

#[test]
fn pem_gives_the_id_that_the_verifier_gives() {
    let gun = Gun::new("registry.test/team/app").unwrap();
    for (name, ..) in ALL {
        let key = key(name);
        let pem = key.public().to_pem();
        assert_eq!(&PublicForm::from_pem(&pem).unwrap(), key.public(), "{name}");
        assert_eq!(PublicKey::from_pem(&pem).unwrap().id(), key.id(), "{name}");
        let Ok(certificate) = key.root_certificate(&gun, now()) else { continue };
        let read = PublicForm::from_pem(&certificate.to_pem()).unwrap();
        assert_eq!(read, certificate);
        assert_eq!(read.id(), PublicKey::from_pem(&certificate.to_pem()).unwrap().id());
    }
}

#[test]
fn a_public_key_with_dockers_header_is_read() {
    let docker = include_str!("../../../tests/data/publish/docker/alice.pub");
    assert!(docker.contains("role: alice"), "docker writes a header");
    let form = PublicForm::from_pem(docker).unwrap();
    assert_eq!(
        form.id().to_string(),
        "afe99849cff09f0ca65e0a59936288a9571607d743c9b7d59516993c3b3b830b",
        "the ID that docker gave the key's file"
    );
    assert_eq!(PublicForm::from_pem(&form.to_pem_of("alice")).unwrap(), form);
    assert_eq!(PublicKey::from_pem(&form.to_pem_of("alice")).unwrap().id(), form.id());
}

#[test]
fn a_form_is_the_object_that_its_id_is_the_hash_of() {
    for (name, ..) in ALL {
        let form = key(name).public().clone();
        let canonical = form.to_value().canonical().unwrap();
        assert_eq!(crate::digest::Digest::of(&canonical).as_bytes(), form.id().as_bytes(), "{name}");
    }
}

#[test]
fn nothing_shows_the_secret() {
    let key = key("p256");
    assert_eq!(format!("{key:?}"), format!("PrivateKey {{ id: {}, .. }}", key.id()));
}

#[test]
fn the_scalars_of_all_curves_are_as_long_as_ring_wants_them() {
    for (name, expected, length) in
        [("p256", Curve::P256, 32), ("p384", Curve::P384, 48), ("p521", Curve::P521, 66)]
    {
        let key = key(name);
        let Secret::Ecdsa { curve, scalar, point } = &key.secret else { panic!("an EC key") };
        assert_eq!((*curve, scalar.len(), point.len()), (expected, length, 2 * length + 1));
    }
}
