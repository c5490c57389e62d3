//! Tests of trust directories: the layouts of all versions, permissions, and death at every point of a commit.

mod keys;
mod killed;
mod sets;

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tempfile::TempDir;

use super::access::check_owner;
use super::*;
use crate::publish::key::{Algorithm, PrivateKey};
use crate::publish::key_file::{KeyFile, KeyFileError};
use crate::publish::passphrase::Passphrase;
use crate::tuf::{Gun, RoleName};

/// In memory where the system has such a folder: these tests sync ten thousand times.
fn folder() -> (TempDir, TrustDir) {
    let memory = Path::new("/dev/shm");
    let temp = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let dir = TrustDir::open(&temp.path().join("trust")).unwrap();
    (temp, dir)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn gun() -> Gun {
    Gun::new("registry.test/team/app").unwrap()
}

fn header(role: &str, gun: Option<&str>) -> KeyHeader {
    KeyHeader { role: Some(role.to_owned()), gun: gun.map(|gun| Gun::new(gun).unwrap()) }
}

fn new_key(header: KeyHeader) -> (KeyId, KeyFile) {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    (key.id(), KeyFile::seal(&key, header, Some(&Passphrase::new("right".to_owned()))).unwrap())
}

/// Copies a tree with the permissions that notary gives, which Git does not keep.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    chmod(to, 0o700);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
            chmod(&to, 0o600);
        }
    }
}

fn old_layout(version: &str) -> (TempDir, TrustDir) {
    let temp = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/publish/notary").join(version);
    copy(&data, &temp.path().join("trust"));
    let dir = TrustDir::open(&temp.path().join("trust")).unwrap();
    (temp, dir)
}

/// Files of these roles, all saying the same.
fn set(roles: &[&str], content: &str) -> Vec<(RoleName, Bytes)> {
    let file = |role: &&str| {
        let bytes = format!("{{\"{role}\":\"{}\"}}", content.repeat(20));
        (RoleName::parse(role).unwrap(), Bytes::from(bytes))
    };
    let mut files: Vec<_> = roles.iter().map(file).collect();
    files.sort();
    files
}

fn old_set() -> Vec<(RoleName, Bytes)> {
    set(&["root", "targets", "snapshot", "timestamp", "targets/a", "targets/a/b", "targets/gone"], "old")
}

fn new_set() -> Vec<(RoleName, Bytes)> {
    set(&["root", "targets", "snapshot", "timestamp", "targets/a", "targets/a/b", "targets/c/d"], "new")
}
