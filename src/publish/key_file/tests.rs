//! Tests of key files: what notary, its older versions, docker and OpenSSL wrote is read, and what is written they read.

use std::path::{Path, PathBuf};

use super::*;
use crate::publish::key::Algorithm;
use crate::tuf::PublicKey;

const MESSAGE: &[u8] = b"what an envelope's signatures cover";

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/publish").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned())
}

fn right() -> Passphrase {
    passphrase("correct horse")
}

fn parse(name: &str) -> KeyFile {
    KeyFile::parse(&data(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The IDs that notary itself gave the keys.
fn notarys_ids() -> Vec<(String, String)> {
    let line = |line: &str| line.split_once(' ').map(|(name, id)| (name.to_owned(), id.to_owned())).unwrap();
    data("notary/ids.txt").lines().map(line).collect()
}

fn signs(key: &PrivateKey) -> bool {
    let signature = key.sign(MESSAGE).unwrap();
    let verifier = PublicKey::from_metadata(key.public().keytype(), key.public().public()).unwrap();
    verifier.verifies(signature.method, MESSAGE, &signature.bytes)
}

fn targets() -> KeyHeader {
    KeyHeader { role: Some("targets".to_owned()), gun: Some(Gun::new("registry.test/team/app").unwrap()) }
}

#[test]
fn keys_of_every_type_that_notary_wrote_open_to_the_id_that_it_gave_them() {
    assert_eq!(notarys_ids().len(), 5);
    for (name, id) in notarys_ids() {
        let file = parse(&format!("notary/{name}.key"));
        assert!(file.is_encrypted());
        assert_eq!(file.header(), &targets());
        let key = file.open(Some(&right())).unwrap();
        assert_eq!(key.id().to_string(), id, "{name}");
        assert!(signs(&key), "{name}");

        let file = parse(&format!("notary/{name}-clear.key"));
        assert!(!file.is_encrypted());
        assert_eq!(file.open(None).unwrap().id().to_string(), id, "{name}");
        assert_eq!(
            file.open(Some(&right())).unwrap().id().to_string(),
            id,
            "a passphrase too many does no harm"
        );
    }
}

#[test]
fn keys_of_every_type_that_notary_wrote_before_0_6_open() {
    for (name, id) in notarys_ids() {
        let file = parse(&format!("notary/{name}-legacy.key"));
        assert!(file.is_encrypted());
        assert_eq!(file.header().role.as_deref(), Some("targets"));
        assert_eq!(file.open(Some(&right())).unwrap().id().to_string(), id, "{name}");
        let file = parse(&format!("notary/{name}-legacy-clear.key"));
        assert!(!file.is_encrypted());
        assert_eq!(file.open(None).unwrap().id().to_string(), id, "{name}");
    }
}

#[test]
fn keys_of_the_first_notary_versions_open() {
    let tuf = "private/tuf_keys/docker.com";
    for (path, id) in [
        (
            "notary/0.1/private/root_keys/ID_root.key",
            "d0c623c8e70c70d42a8a8125c44a8598588b3f6e31d5c21a83cbc338dfde8a68",
        ),
        (
            "notary/0.3/private/root_keys/ID.key",
            "f4eaf871a74aa3b3a0ff95cef2455a1e4d461639f5625418e76756fc5c948690",
        ),
        (
            &format!("notary/0.1/{tuf}/notary0.1/samplerepo/ID_targets.key"),
            "7fc757801b9bab4ec9e35bfe7a6b61668ff6f4c81b5632af19e6c728ab799599",
        ),
        (
            &format!("notary/0.3/{tuf}/notary0.3/tst/ID.key"),
            "85559599cf3cf681ff193f432a7ca6d128182bd1cfa8ede2c70761deac8bc2dc",
        ),
        (
            "notary/0.3/private/tuf_keys/ID.key",
            "fa842f66cac2dc898677a8660789dcff0e3b0b93b73f8952491f6493199936d3",
        ),
    ] {
        let password = if path.starts_with("notary/0.1") { "randompass" } else { "password" };
        let key = parse(&path.replace("ID", id)).open(Some(&passphrase(password))).unwrap();
        assert_eq!(key.id().to_string(), id);
    }
}

#[test]
fn a_key_of_dockers_is_read() {
    let id = "afe99849cff09f0ca65e0a59936288a9571607d743c9b7d59516993c3b3b830b";
    let file = parse(&format!("docker/{id}.key"));
    assert_eq!(file.header(), &KeyHeader { role: Some("alice".to_owned()), gun: None });
    assert_eq!(file.open(Some(&passphrase("delepass1"))).unwrap().id().to_string(), id);
}

#[test]
fn what_openssl_writes_is_read_and_what_is_not_read_says_why() {
    let id = parse("pkcs8/p256.pem").open(None).unwrap().id();
    for name in ["sha256-5000", "sha512", "aes128", "legacy-aes128", "legacy-aes192"] {
        let file = parse(&format!("openssl/{name}.key"));
        assert_eq!(file.open(Some(&right())).unwrap().id(), id, "{name}");
        assert_eq!(
            file.open(Some(&passphrase("wrong"))).unwrap_err(),
            KeyFileError::WrongPassphrase,
            "{name}"
        );
    }
    assert!(signs(&parse("openssl/with-parameters.key").open(None).unwrap()));
    for (name, word) in [
        ("scrypt", "scrypt"),
        ("pbes1", "openssl pkcs8 -topk8"),
        ("des3", "openssl pkcs8 -topk8"),
        ("legacy-des3", "DES-EDE3-CBC"),
        ("too-many-rounds", "10000001 rounds"),
    ] {
        let error = parse(&format!("openssl/{name}.key")).open(Some(&right())).unwrap_err();
        let KeyFileError::Malformed(message) = &error else { panic!("{name}: {error}") };
        assert!(message.contains(word), "{name}: {message}");
    }
}

#[test]
fn a_wrong_passphrase_is_told_apart() {
    for name in ["p256", "rsa", "ed25519", "p256-legacy", "rsa-legacy", "ed25519-legacy"] {
        let file = parse(&format!("notary/{name}.key"));
        assert_eq!(file.open(None).unwrap_err(), KeyFileError::Encrypted, "{name}");
        // Some of so many wrong passphrases give a padding that fits.
        for i in 0..if name.ends_with("legacy") { 600 } else { 20 } {
            let error = file.open(Some(&passphrase(&format!("wrong {i}")))).unwrap_err();
            assert_eq!(error, KeyFileError::WrongPassphrase, "{name} {i}");
        }
        assert_eq!(file.open(Some(&passphrase(""))).unwrap_err(), KeyFileError::WrongPassphrase, "{name}");
    }
}

#[test]
fn a_key_that_was_encrypted_and_is_no_good_is_not_blamed_on_the_passphrase() {
    let weak = Block::all(include_str!("../../../tests/data/keys/rsa-1024.pem")).unwrap().remove(0);
    let body = Zeroizing::new(cipher::seal_pbes2(&weak.body, b"correct horse").unwrap());
    let block = Block { label: "ENCRYPTED PRIVATE KEY".to_owned(), headers: Vec::new(), body };
    let error = KeyFile::from_block(block).unwrap().open(Some(&right())).unwrap_err();
    assert!(
        matches!(error, KeyFileError::Key(KeyFault::Public(crate::tuf::KeyError::RsaSize { bits: 1024 }))),
        "{error}"
    );
}

#[test]
fn sealing_and_opening_gives_the_same_key() {
    for (name, id) in notarys_ids() {
        let key = parse(&format!("notary/{name}-clear.key")).open(None).unwrap();
        let sealed = KeyFile::seal(&key, targets(), Some(&right())).unwrap();
        let read = KeyFile::parse(sealed.pem()).unwrap();
        assert_eq!(read.header(), &targets());
        assert_eq!(read.open(Some(&right())).unwrap().id().to_string(), id);
        assert_eq!(read.open(Some(&passphrase("wrong"))).unwrap_err(), KeyFileError::WrongPassphrase);
        let clear = KeyFile::seal(&key, targets(), None).unwrap();
        assert!(!clear.is_encrypted());
        assert_eq!(KeyFile::parse(clear.pem()).unwrap().open(None).unwrap().id().to_string(), id);
    }
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let seal = || KeyFile::seal(&key, targets(), Some(&right())).unwrap();
    assert_ne!(seal().pem(), seal().pem(), "salt and IV are new each time");
    assert_eq!(
        KeyFile::seal(&key, targets(), Some(&passphrase(""))).unwrap_err(),
        KeyFileError::EmptyPassphrase
    );
}

#[test]
fn the_encryption_is_notarys_but_for_salt_and_iv() {
    let key = parse("notary/p256-clear.key").open(None).unwrap();
    let algorithm = |file: &KeyFile| {
        let mut bytes = file.block.body[..].to_vec();
        // SEQUENCE, then the AlgorithmIdentifier of 75 bytes: OIDs, salt at 32, rounds, OIDs, IV at the end.
        bytes[3 + 32..3 + 40].fill(0);
        bytes[3 + 59..3 + 75].fill(0);
        bytes[3..3 + 75].to_vec()
    };
    let sealed = KeyFile::seal(&key, targets(), Some(&right())).unwrap();
    let theirs = parse("notary/p256.key");
    assert_eq!(algorithm(&sealed), algorithm(&theirs));
    let headers = |file: &KeyFile| file.pem().lines().take(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(headers(&sealed), headers(&theirs));
}

#[test]
fn files_are_written_back_as_notary_wrote_them() {
    for (name, _) in notarys_ids() {
        for form in ["", "-clear", "-legacy", "-legacy-clear"] {
            let name = format!("notary/{name}{form}.key");
            assert_eq!(parse(&name).pem(), data(&name), "{name}");
        }
    }
}

#[test]
fn headers_change_and_the_key_stays() {
    let file = parse("notary/p256-legacy.key");
    let header = KeyHeader { role: Some("alice\nDEK-Info: x".to_owned()), gun: None };
    let changed = KeyFile::parse(file.with_header(header).pem()).unwrap();
    assert_eq!(changed.header().role.as_deref(), Some("alice DEK-Info: x"), "a name cannot add headers");
    assert_eq!(changed.open(Some(&right())).unwrap().id(), file.open(Some(&right())).unwrap().id());
    let exported = file.with_path(Some("some/where"));
    assert_eq!(KeyFile::parse(exported.pem()).unwrap().path(), Some("some/where"));
    assert_eq!(exported.with_path(None).pem(), file.pem());
}

#[test]
fn an_export_is_read_as_several_files() {
    let text = data("notary/p256.key") + &data("notary/rsa-legacy.key");
    assert_eq!(KeyFile::parse_all(&text).unwrap().len(), 2);
    assert!(matches!(KeyFile::parse(&text), Err(KeyFileError::Malformed(_))));
}

#[test]
fn a_file_under_the_name_of_another_key_does_not_open() {
    let expected = KeyId::of("ecdsa", "");
    let file = parse("notary/p256.key").expecting(expected);
    let found = parse("notary/p256-clear.key").open(None).unwrap().id();
    assert_eq!(file.open(Some(&right())).unwrap_err(), KeyFileError::OtherKey { expected, found });
}

#[test]
fn what_is_no_key_file_says_so() {
    let why = |text: &str| match KeyFile::parse(text).unwrap_err() {
        KeyFileError::Malformed(why) => why,
        other => panic!("{other}"),
    };
    assert_eq!(why(""), "it has no PEM block");
    assert_eq!(why(&data("docker/alice.pub")), "its PEM block is a \"PUBLIC KEY\"");
    assert_eq!(why("-----BEGIN PRIVATE KEY-----\nAA"), "a PEM block does not end");
    assert_eq!(
        why("-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n"),
        "a PEM block is not standard base64"
    );
    assert_eq!(why(&"x".repeat(MAX_KEY_FILE_BYTES + 1)), "it is too large");
    let twice = data("notary/p256.key").replace("role: targets\n", "role: targets\nrole: root\n");
    assert_eq!(why(&twice), "the header \"role\" stands there twice");
}

#[test]
fn no_cut_or_flipped_byte_panics() {
    let text = data("notary/p256-legacy.key");
    for i in (0..text.len()).step_by(3) {
        let mut bytes = text.as_bytes().to_vec();
        bytes[i] ^= 1;
        if let Ok(file) = KeyFile::parse(&String::from_utf8_lossy(&bytes)) {
            let _ = file.open(Some(&right()));
        }
        if let Ok(file) = KeyFile::parse(&text[..i]) {
            let _ = file.open(Some(&right()));
        }
    }
}

#[test]
fn nothing_shows_a_key_in_clear() {
    let shown = format!("{:?}", parse("notary/p256-clear.key"));
    assert!(shown.starts_with("KeyFile { header: KeyHeader { role: Some(\"targets\")"), "{shown}");
    assert!(!shown.contains("MIG"), "{shown}");
}

/// OpenSSL reads what is written, once the headers are gone (Notary v1, "Layout").
#[test]
fn openssl_reads_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for (name, _) in notarys_ids().into_iter().filter(|(name, _)| name != "ed25519") {
        let key = parse(&format!("notary/{name}-clear.key")).open(None).unwrap();
        let sealed = KeyFile::seal(&key, KeyHeader::default(), Some(&right())).unwrap();
        let path: PathBuf = dir.path().join(&name);
        std::fs::write(&path, sealed.pem()).unwrap();
        let said = std::process::Command::new("openssl")
            .args(["pkey", "-passin", "pass:correct horse", "-pubout", "-in"])
            .arg(&path)
            .output()
            .expect("openssl is needed");
        assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stderr));
        assert_eq!(String::from_utf8(said.stdout).unwrap(), key.public().to_pem(), "{name}");
    }
}
