//! Key files of `notary` and of tagseal: either uses what the other wrote, of every type, and neither shows them to others.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::Hand::{Notary, Tagseal};
use crate::harness::*;

/// Every file of private keys with its content.
fn key_files(desk: &Desk) -> BTreeMap<String, String> {
    let files = fs::read_dir(desk.trust_dir().join("private")).expect("keys").flatten();
    let file = |file: fs::DirEntry| {
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.path());
        let text = fs::read_to_string(file.path()).expect("a key");
        (file.file_name().to_string_lossy().into_owned(), text)
    };
    files.map(file).collect()
}

#[test]
fn a_trust_directory_that_notary_made_is_used_as_it_is() {
    let desk = Desk::new("keys-of-notary");
    desk.has_signer("alice");
    desk.notary("key import alice.pem --role alice").passes();
    desk.init(Notary);
    desk.delegate(Notary, "targets/releases", &["alice.pub.pem"], "");
    let (keys, files) = (desk.keys(), key_files(&desk));
    assert_eq!(keys.len(), 4);

    desk.sign(Tagseal, &["targets", "targets/releases"], "1");
    desk.witness(Tagseal, "targets/releases");
    assert_eq!((desk.keys(), key_files(&desk)), (keys.clone(), files));
    desk.rotate(Tagseal, "root");
    desk.rotate(Tagseal, "targets");
    desk.rotate(Tagseal, "snapshot");
    assert_eq!(desk.keys().len(), 7);
    assert!(desk.keys().is_superset(&keys));
    desk.sign(Notary, &["targets", "targets/releases"], "2");
    desk.rotate(Notary, "root");
    desk.shows(&[("targets", "1"), ("targets", "2"), ("targets/releases", "1"), ("targets/releases", "2")]);
}

#[test]
fn a_trust_directory_that_tagseal_made_is_used_by_notary_as_it_is() {
    let desk = Desk::new("keys-of-tagseal");
    desk.tagseal("key generate alice").passes();
    desk.init(Tagseal);
    desk.delegate(Tagseal, "targets/releases", &["alice.pub"], "");
    let (keys, files) = (desk.keys(), key_files(&desk));
    assert_eq!(
        keys.iter().map(|key| key.0.as_str()).collect::<Vec<_>>(),
        ["alice", "root", "snapshot", "targets"]
    );
    for (name, text) in &files {
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{name}: {text}");
    }
    for folder in ["", "private", "tuf"] {
        assert_eq!(mode(&desk.trust_dir().join(folder)), 0o700, "{folder}");
    }

    desk.sign(Notary, &["targets", "targets/releases"], "1");
    desk.witness(Notary, "targets/releases");
    assert_eq!((desk.keys(), key_files(&desk)), (keys, files));
    for role in ["root", "targets", "snapshot"] {
        desk.rotate(Notary, role);
    }
    desk.sign(Tagseal, &["targets", "targets/releases"], "2");
    desk.shows(&[("targets", "1"), ("targets", "2"), ("targets/releases", "1"), ("targets/releases", "2")]);
}

#[test]
fn keys_of_every_type_sign_by_either_hand() {
    let desk = Desk::new("key-types");
    desk.init(Notary);
    let mut signed = Vec::new();
    let types = ["p256", "p384", "p521", "rsa", "ed25519"];
    let roles = types
        .map(|kind| (format!("targets/{kind}"), format!("{kind}-by-tagseal"), format!("{kind}-by-notary")));
    for (kind, (role, ours, theirs)) in types.into_iter().zip(&roles) {
        let file = format!("signer-{kind}");
        desk.has_key_files(&file);
        desk.tagseal(&format!("key load {file}.pem --name {kind}")).passes();
        desk.delegate(Tagseal, role, &[&format!("{file}.pub.pem")], "");
        desk.sign(Tagseal, &[role], ours);
        desk.sign(Notary, &[role], theirs);
        signed.extend([(role.as_str(), ours.as_str()), (role.as_str(), theirs.as_str())]);
    }
    desk.shows(&signed);
}

#[test]
fn keys_of_every_type_that_notary_takes_are_used_by_tagseal() {
    let desk = Desk::new("imported-key-types");
    desk.init(Tagseal);
    let mut signed = Vec::new();
    // notary knows Ed25519 keys of its own form alone, so no file of anybody else's.
    let types = ["p256", "p384", "p521", "rsa"];
    let roles = types.map(|kind| (format!("targets/{kind}"), format!("{kind}-1")));
    for (kind, (role, tag)) in types.into_iter().zip(&roles) {
        let file = format!("signer-{kind}");
        desk.has_key_files(&file);
        desk.notary(&format!("key import {file}.pem --role {kind}")).passes();
        desk.delegate(Notary, role, &[&format!("{file}.pub.pem")], "");
        desk.sign(Tagseal, &[role], tag);
        signed.push((role.as_str(), tag.as_str()));
    }
    desk.shows(&signed);
    let listed = desk.keys();
    let delegated = desk.inspection();
    for role in delegated["delegations"].as_array().expect("delegations") {
        let id = role["keyIDs"][0].as_str().expect("a key ID");
        assert!(listed.iter().any(|(_, _, key)| key == id), "{role} by its canonical ID in {listed:?}");
    }
}

#[test]
fn keys_go_from_one_trust_directory_to_another_by_either_hand() {
    let desk = Desk::new("key-files");
    desk.tagseal("key generate alice").passes();
    desk.init(Tagseal);
    desk.delegate(Tagseal, "targets/releases", &["alice.pub"], "");
    let keys = desk.keys();

    // tagseal exports, notary imports.
    let theirs = desk.neighbour("notary");
    for (role, _, id) in &keys {
        desk.tagseal(&format!("key export {id} --output notary/{role}.pem")).passes();
        assert_eq!(mode(&theirs.folder().join(format!("{role}.pem"))), 0o600);
        theirs.notary(&format!("key import {role}.pem")).passes();
    }
    assert_eq!((theirs.keys(), key_files(&theirs)), (keys.clone(), key_files(&desk)));
    theirs.sign(Notary, &["targets", "targets/releases"], "1");

    // notary exports, tagseal imports.
    let ours = desk.neighbour("tagseal");
    desk.notary("key export --output tagseal/keys.pem").passes();
    set_mode(&ours.folder().join("keys.pem"), 0o600);
    ours.tagseal("key import keys.pem").passes();
    assert_eq!((ours.keys(), key_files(&ours)), (keys.clone(), key_files(&desk)));
    ours.sign(Tagseal, &["targets", "targets/releases"], "2");
    ours.shows(&[("targets", "1"), ("targets", "2"), ("targets/releases", "1"), ("targets/releases", "2")]);

    // A backup holds them all, and is nobody's but its owner's.
    let restored = desk.neighbour("restored");
    desk.tagseal("key backup restored/backup").passes();
    assert_eq!(mode(&restored.folder().join("backup")), 0o600);
    restored.tagseal("key restore backup").passes();
    assert_eq!((restored.keys(), key_files(&restored)), (keys, key_files(&desk)));
    restored.sign(Tagseal, &["targets"], "3");
    restored.sign(Notary, &["targets"], "4");
    let again = desk.tagseal("key backup restored/backup").fails(2);
    assert_eq!(again, "tagseal: restored/backup exists already: name another file, or remove it first\n");
}

#[test]
fn a_wrong_passphrase_is_named_with_its_key_and_changes_nothing() {
    let desk = Desk::new("passphrases");
    desk.init(Notary);
    desk.sign(Notary, &["targets"], "1");
    let targets = desk.keys_of("targets")[0].clone();
    let sign = "sign WEB:2 --digest sha256:0000000000000000000000000000000000000000000000000000000000000000 --size 1";

    let wrong = desk.clone().with_variable("NOTARY_TARGETS_PASSPHRASE", "wrong");
    let expected = format!(
        "tagseal: the targets key {targets} is encrypted: what NOTARY_TARGETS_PASSPHRASE has is not the passphrase of \
         repository key with ID {} ({})\n",
        &targets[..7],
        desk.gun()
    );
    assert_eq!(wrong.tagseal(sign).fails(2), expected);
    let silent = desk.clone().with_variable("NOTARY_TARGETS_PASSPHRASE", "");
    let said = silent.tagseal(sign).fails(2);
    for part in [
        &targets,
        "NOTARY_TARGETS_PASSPHRASE",
        "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
        "--passphrase-fd",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    desk.shows(&[("targets", "1")]);
    // From a descriptor; docker's variable counts before notary's.
    let given = format!("sign WEB:2 --digest {} --size 1 --passphrase-fd targets=0", digest_of("2"));
    wrong.tagseal_told(&given, &format!("{PASSPHRASE}\n")).passes();
    let docker = wrong.with_variable("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", PASSPHRASE);
    docker.sign(Tagseal, &["targets"], "3");
    desk.shows(&[("targets", "1"), ("targets", "2"), ("targets", "3")]);
}

#[test]
fn what_others_may_read_is_refused_with_the_command_that_mends_it() {
    let desk = Desk::new("permissions");
    desk.init(Notary);
    let private = desk.trust_dir().join("private");
    let key = private.join(format!("{}.key", desk.keys_of("targets")[0]));
    let sign = format!("sign WEB:1 --digest {} --size 1", digest_of("1"));
    for (path, open, closed) in [(&key, 0o644, 0o600), (&private, 0o755, 0o700)] {
        set_mode(path, open);
        let path = path.display();
        let expected = format!(
            "tagseal: {path}: others than its owner may use it (mode {open:04o}): `chmod {closed:o} {path}`\n"
        );
        assert_eq!(desk.tagseal(&sign).fails(2), expected);
        set_mode(std::path::Path::new(&path.to_string()), closed);
    }
    desk.has_signer("alice");
    set_mode(&desk.folder().join("alice.pem"), 0o640);
    assert_eq!(
        desk.tagseal("key load alice.pem --name alice").fails(2),
        "tagseal: others may read the private key alice.pem: run `chmod 600 alice.pem` first\n"
    );
    desk.tagseal(&sign).passes();
    desk.shows(&[("targets", "1")]);
}
