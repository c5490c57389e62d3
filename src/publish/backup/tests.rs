//! Tests of backups: round trips with `tar` itself, and archives that want more than keys.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::publish::key::{Algorithm, PrivateKey};
use crate::publish::key_file::KeyHeader;
use crate::publish::passphrase::Passphrase;
use crate::publish::trust_dir::WritePoint;
use crate::tuf::Gun;

fn folder() -> (TempDir, TrustDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = TrustDir::open(&temp.path().join("trust")).unwrap();
    (temp, dir)
}

fn new_key(role: &str) -> (KeyId, KeyFile) {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let gun = (role == "targets").then(|| Gun::new("registry.test/app").unwrap());
    let header = KeyHeader { role: Some(role.to_owned()), gun };
    (key.id(), KeyFile::seal(&key, header, Some(&Passphrase::new("right".to_owned()))).unwrap())
}

fn with_keys() -> (TempDir, TrustDir) {
    let (temp, dir) = folder();
    for role in ["root", "targets", "alice"] {
        let (id, file) = new_key(role);
        dir.add_key(&id, &file).unwrap();
    }
    (temp, dir)
}

fn texts(dir: &TrustDir) -> Vec<(KeyId, String)> {
    let text = |key: StoredKey| (key.id, dir.key(&key.id).unwrap().unwrap().pem().to_owned());
    dir.keys().unwrap().into_iter().map(text).collect()
}

fn ids(dir: &TrustDir) -> Vec<KeyId> {
    let mut ids: Vec<_> = dir.keys().unwrap().into_iter().map(|key| key.id).collect();
    ids.sort();
    ids
}

/// An archive of these entries.
fn archive(at: &Path, entries: &[(&str, tar::EntryType, &[u8])]) -> PathBuf {
    let path = at.join("made.tar");
    let mut archive = tar::Builder::new(File::create(&path).unwrap());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        // Written as it is: `set_path` refuses what these tests are about.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.finish().unwrap();
    path
}

#[test]
fn what_is_backed_up_is_restored() {
    let (temp, dir) = with_keys();
    let path = temp.path().join("keys.tar.gz");
    assert_eq!(back_up(&dir, &path, false).unwrap(), dir.keys().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let (_other, empty) = folder();
    assert_eq!(restore(&empty, &path).unwrap(), Restored { added: ids(&dir), ..Default::default() });
    assert_eq!(texts(&empty), texts(&dir));
    assert_eq!(restore(&empty, &path).unwrap(), Restored { present: ids(&dir), ..Default::default() });
}

#[test]
fn an_archive_is_not_replaced_unasked() {
    let (temp, dir) = with_keys();
    let path = temp.path().join("keys.tar.gz");
    fs::write(&path, "precious").unwrap();
    assert_eq!(back_up(&dir, &path, false).unwrap_err(), BackupError::Exists { path: path.clone() });
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    back_up(&dir, &path, true).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let (_other, empty) = folder();
    assert_eq!(restore(&empty, &path).unwrap().added, ids(&dir));
}

#[test]
fn a_trust_directory_without_keys_gives_no_archive() {
    let (temp, dir) = folder();
    let path = temp.path().join("keys.tar.gz");
    let error = back_up(&dir, &path, false).unwrap_err();
    assert_eq!(error, BackupError::NoKeys { path: dir.path().to_owned() });
    assert!(!path.exists());
}

fn tar(args: &[&str], at: &Path) {
    let said = Command::new("tar").args(args).current_dir(at).output().expect("tar is needed");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn what_dockers_documentation_has_people_make_is_restored() {
    let (temp, dir) = with_keys();
    for (number, args) in
        [["-zcf", "../a.tar.gz", "private"], ["-cf", "../b.tar", "./private"]].iter().enumerate()
    {
        tar(args, dir.path());
        let (_other, empty) = folder();
        let archive = temp.path().join(["a.tar.gz", "b.tar"][number]);
        assert_eq!(restore(&empty, &archive).unwrap().added, ids(&dir), "{args:?}");
        assert_eq!(texts(&empty), texts(&dir));
    }
}

#[test]
fn an_archive_of_the_whole_path_to_the_keys_is_restored() {
    let (temp, dir) = with_keys();
    // As `tar -zcvf keys.tar.gz ~/.docker/trust/private` leaves it; a user may be called private too.
    let at = temp.path().join("home/private/.docker/trust");
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::rename(dir.path(), &at).unwrap();
    tar(&["-zcf", "whole.tar.gz", "home/private/.docker/trust/private"], temp.path());
    let (_other, empty) = folder();
    let restored = restore(&empty, &temp.path().join("whole.tar.gz")).unwrap();
    let dir = TrustDir::open(&at).unwrap();
    assert_eq!(restored.added, ids(&dir));
    assert_eq!(texts(&empty), texts(&dir));
}

#[test]
fn tar_restores_what_is_backed_up() {
    let (temp, dir) = with_keys();
    back_up(&dir, &temp.path().join("keys.tar.gz"), false).unwrap();
    let (_other, empty) = folder();
    let path = temp.path().join("keys.tar.gz");
    tar(&["-zxf", path.to_str().unwrap()], empty.path());
    assert_eq!(texts(&empty), texts(&dir));
}

#[test]
fn keys_of_old_layouts_are_restored_into_todays() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/publish/notary");
    for (version, count) in [("0.1", 3), ("0.3", 4)] {
        let (temp, dir) = folder();
        let path = temp.path().join("old.tar.gz");
        tar(&["-zcf", path.to_str().unwrap(), "private"], &data.join(version));
        assert_eq!(restore(&dir, &path).unwrap().added.len(), count);
        for key in dir.keys().unwrap() {
            assert_eq!(key.path, dir.path().join("private").join(format!("{}.key", key.id)));
            assert!(key.header.role.is_some(), "the role is in the file now");
        }
    }
}

#[test]
fn entries_that_are_no_keys_are_refused_and_nothing_is_written() {
    use tar::EntryType::{Directory, Fifo, Link, Regular, Symlink};
    let (id, file) = new_key("root");
    let good = format!("private/{id}.key");
    let evil = format!("../{id}.key");
    let absolute = format!("/private/{id}.key");
    let inside = format!("private/../private/{id}.key");
    let elsewhere = format!("other/{id}.key");
    let deep = format!("private/other/{id}.key");
    let pem = file.pem().as_bytes();
    for (name, kind, content, message) in [
        (&*evil, Regular, pem, "leads out of the archive"),
        (&*absolute, Regular, pem, "leads out of the archive"),
        (&*inside, Regular, pem, "leads out of the archive"),
        ("../private", Directory, b"", "leads out of the archive"),
        (&*elsewhere, Regular, pem, "is not in the folder `private`"),
        (&*deep, Regular, pem, "is not named like a key"),
        ("private/notes.txt", Regular, pem, "is not named like a key"),
        ("private/abc.key", Regular, pem, "is not named like a key"),
        (&*good, Symlink, b"", "is neither a file nor a folder"),
        (&*good, Link, b"", "is neither a file nor a folder"),
        (&*good, Fifo, b"", "is neither a file nor a folder"),
        (
            &*good,
            Regular,
            b"no key",
            "is no key file: it is no private key that docker or notary wrote: it has no PEM block",
        ),
    ] {
        let (temp, dir) = folder();
        let (other, another) = new_key("alice");
        let first = format!("private/{other}.key");
        let path =
            archive(temp.path(), &[(&first, Regular, another.pem().as_bytes()), (name, kind, content)]);
        let expected =
            BackupError::Entry { path: path.clone(), entry: name.to_owned(), message: message.to_owned() };
        assert_eq!(restore(&dir, &path).unwrap_err(), expected);
        assert_eq!(dir.keys().unwrap(), [], "{name}");
    }
}

#[test]
fn what_other_programs_leave_in_the_folder_is_skipped() {
    use tar::EntryType::{Directory, Regular};
    let (temp, dir) = folder();
    let (id, file) = new_key("root");
    let good = format!("./private/{id}.key");
    let (finder, torn) = (format!("private/._{id}.key"), format!("private/{id}.key.tagseal-new"));
    let path = archive(
        temp.path(),
        &[
            ("private/", Directory, b""),
            (&finder, Regular, b"attributes"),
            (&torn, Regular, b"half"),
            (&good, Regular, file.pem().as_bytes()),
            (&good, Regular, file.pem().as_bytes()),
        ],
    );
    assert_eq!(restore(&dir, &path).unwrap().added, [id]);
}

#[test]
fn a_key_with_two_contents_is_refused() {
    let (temp, dir) = folder();
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let seal =
        |role: &str| KeyFile::seal(&key, KeyHeader { role: Some(role.to_owned()), gun: None }, None).unwrap();
    let name = format!("private/{}.key", key.id());
    let (one, two) = (seal("alice"), seal("bob"));
    let regular = tar::EntryType::Regular;
    let path = archive(
        temp.path(),
        &[(&name, regular, one.pem().as_bytes()), (&name, regular, two.pem().as_bytes())],
    );
    let error = restore(&dir, &path).unwrap_err();
    assert!(
        matches!(&error, BackupError::Entry { message, .. } if message == "is there twice, with two contents"),
        "{error}"
    );

    dir.add_key(&key.id(), &two).unwrap();
    let (other, another) = new_key("root");
    let path = archive(
        temp.path(),
        &[
            (&name, regular, one.pem().as_bytes()),
            (&format!("private/{other}.key"), regular, another.pem().as_bytes()),
        ],
    );
    assert_eq!(restore(&dir, &path).unwrap_err(), BackupError::Conflict { id: key.id() });
    assert_eq!(texts(&dir), [(key.id(), two.pem().to_owned())]);
}

#[test]
fn archives_that_are_torn_or_endless_are_refused() {
    let (temp, dir) = with_keys();
    let path = temp.path().join("keys.tar.gz");
    back_up(&dir, &path, false).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (_other, empty) = folder();
    for cut in [0, 1, 2, bytes.len() / 2, bytes.len() - 9] {
        fs::write(&path, &bytes[..cut]).unwrap();
        restore(&empty, &path).unwrap_err();
    }
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = tar::Header::new_gnu();
    header.set_path("private/").unwrap();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(10 << 30);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..65 {
        bomb.write_all(&zeros).unwrap();
    }
    fs::write(&path, bomb.finish().unwrap()).unwrap();
    let error = restore(&empty, &path).unwrap_err();
    assert_eq!(error, BackupError::Archive { path, message: "it is too large".to_owned() });
    assert_eq!(empty.keys().unwrap(), []);
}

#[test]
fn a_restore_that_fails_midway_takes_back_what_it_wrote() {
    let (temp, dir) = with_keys();
    let path = temp.path().join("keys.tar.gz");
    back_up(&dir, &path, false).unwrap();
    let (_other, empty) = folder();
    let (first, second) = (ids(&dir)[0], ids(&dir)[1]);
    let second = format!("{second}.key");
    let failing = empty.clone().observed(move |point: &WritePoint<'_>| {
        let is_second = point.path.ends_with(&second) && point.step == "rename";
        if is_second { Err(io::Error::other("the disk is full")) } else { Ok(()) }
    });
    let error = restore(&failing, &path).unwrap_err();
    assert!(error.to_string().ends_with("cannot rename it: the disk is full"), "{error}");
    assert!(empty.key(&first).unwrap().is_none());
    assert_eq!(empty.keys().unwrap(), []);
}
