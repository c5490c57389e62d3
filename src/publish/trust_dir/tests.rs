//! Tests of trust directories: the layouts of all versions, permissions, and death at every point of a commit.

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

#[test]
fn folders_are_made_for_their_owner_alone() {
    let (_temp, dir) = folder();
    let (id, file) = new_key(header("root", None));
    let path = dir.add_key(&id, &file).unwrap();
    assert_eq!(path, dir.path().join("private").join(format!("{id}.key")));
    let lock = dir.lock(&gun()).unwrap();
    lock.commit(&[(RoleName::parse("targets/a").unwrap(), Bytes::from_static(b"{}"))]).unwrap();
    let metadata = dir.path().join("tuf/registry.test/team/app/metadata");
    for folder in [
        dir.path(),
        &dir.path().join("private"),
        &dir.path().join("tuf"),
        &metadata,
        &metadata.join("targets"),
    ] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&metadata.join("targets/a.json")), 0o600);
}

#[test]
fn keys_are_found_sorted_and_removed() {
    let (_temp, dir) = folder();
    assert_eq!(dir.keys().unwrap(), []);
    let mut expected = Vec::new();
    for header in [
        header("targets", Some("b/b")),
        header("targets", Some("a/a")),
        header("root", None),
        header("alice", None),
    ] {
        let (id, file) = new_key(header.clone());
        expected.push(StoredKey { id, header, path: dir.add_key(&id, &file).unwrap() });
    }
    expected.reverse();
    expected[2..].sort_by(|a, b| a.header.gun.cmp(&b.header.gun));
    assert_eq!(dir.keys().unwrap(), expected);
    let id = expected[0].id;
    let file = dir.key(&id).unwrap().unwrap();
    assert_eq!(file.open(Some(&Passphrase::new("right".to_owned()))).unwrap().id(), id);
    dir.add_key(&id, &file).unwrap();
    dir.remove_key(&id).unwrap();
    assert!(dir.key(&id).unwrap().is_none());
    assert_eq!(dir.keys().unwrap(), expected[1..]);
    let error = dir.remove_key(&id).unwrap_err();
    assert_eq!(error.message, format!("has no key {id}"));
}

#[test]
fn what_is_not_named_like_a_key_is_none() {
    let (_temp, dir) = folder();
    let (id, file) = new_key(header("root", None));
    dir.add_key(&id, &file).unwrap();
    let private = dir.path().join("private");
    for name in [
        "notes.key",
        "README",
        &format!("._{id}.key"),
        &format!("{id}.key.tagseal-new"),
        &format!("{id}x.key"),
    ] {
        fs::write(private.join(name), "no key").unwrap();
    }
    fs::create_dir(private.join("old")).unwrap();
    symlink("nowhere", private.join(format!("{}.key", KeyId::of("a", "b")))).unwrap();
    assert_eq!(dir.keys().unwrap().len(), 1);
}

#[test]
fn keys_of_the_layouts_before_0_4_have_their_role_and_repository() {
    for (version, gun, passphrase, releases) in [
        ("0.1", "docker.com/notary0.1/samplerepo", "randompass", false),
        ("0.3", "docker.com/notary0.3/tst", "password", true),
    ] {
        let (_temp, dir) = old_layout(version);
        let keys = dir.keys().unwrap();
        let headers: Vec<_> = keys.iter().map(|key| key.header.clone()).collect();
        let mut expected =
            vec![header("root", None), header("snapshot", Some(gun)), header("targets", Some(gun))];
        if releases {
            expected.push(header("targets/releases", None));
        }
        assert_eq!(headers, expected, "{version}");
        for key in keys {
            let file = dir.key(&key.id).unwrap().unwrap();
            assert_eq!(file.header(), &key.header);
            let opened = file.open(Some(&Passphrase::new(passphrase.to_owned()))).unwrap();
            assert_eq!(opened.id(), key.id);
            dir.remove_key(&key.id).unwrap();
        }
        assert_eq!(dir.keys().unwrap(), []);
    }
}

#[test]
fn a_key_under_another_keys_name_does_not_open() {
    let (_temp, dir) = folder();
    let (id, _) = new_key(header("root", None));
    let (other, file) = new_key(header("root", None));
    dir.add_key(&id, &file).unwrap();
    let error = dir.key(&id).unwrap().unwrap().open(Some(&Passphrase::new("right".to_owned()))).unwrap_err();
    assert_eq!(error, KeyFileError::OtherKey { expected: id, found: other });
}

#[test]
fn keys_that_others_may_read_are_refused_with_the_command_that_helps() {
    let (_temp, dir) = folder();
    let (id, file) = new_key(header("root", None));
    let path = dir.add_key(&id, &file).unwrap();
    for bad in [0o640, 0o604, 0o620, 0o666] {
        chmod(&path, bad);
        let error = dir.key(&id).unwrap_err();
        assert_eq!(error.path, path);
        assert!(
            error.message.contains(&format!("(mode {bad:04o}): `chmod 600 {}`", path.display())),
            "{error}"
        );
        assert_eq!(dir.keys().unwrap_err(), error);
    }
    chmod(&path, 0o400);
    assert!(dir.key(&id).unwrap().is_some(), "less is no harm");
}

#[test]
fn folders_of_keys_that_others_may_enter_are_refused_with_the_command_that_helps() {
    let (_temp, dir) = folder();
    let (id, file) = new_key(header("root", None));
    dir.add_key(&id, &file).unwrap();
    let private = dir.path().join("private");
    for bad in [0o750, 0o701, 0o770] {
        chmod(&private, bad);
        let error = TrustDir::open(dir.path()).unwrap_err();
        assert!(error.message.contains(&format!("`chmod 700 {}`", private.display())), "{error}");
        assert_eq!(dir.key(&id).unwrap_err(), error);
        assert_eq!(dir.add_key(&id, &file).unwrap_err(), error);
    }
    let (_temp, old) = old_layout("0.3");
    let inner = old.path().join("private/tuf_keys/docker.com");
    chmod(&inner, 0o755);
    assert_eq!(old.keys().unwrap_err().path, inner);
}

#[test]
fn a_trust_directory_that_others_may_change_is_refused_and_one_that_they_may_see_is_not() {
    let (_temp, dir) = folder();
    chmod(dir.path(), 0o755);
    TrustDir::open(dir.path()).unwrap();
    for bad in [0o775, 0o702, 0o1777] {
        chmod(dir.path(), bad);
        let error = TrustDir::open(dir.path()).unwrap_err();
        assert!(error.message.contains(&format!("`chmod go-w {}`", dir.path().display())), "{error}");
    }
}

#[test]
fn metadata_that_others_may_change_is_refused() {
    let (_temp, dir) = folder();
    let lock = dir.lock(&gun()).unwrap();
    lock.commit(&set(&["root"], "old")).unwrap();
    let root = dir.path().join("tuf/registry.test/team/app/metadata/root.json");
    chmod(&root, 0o644);
    assert_eq!(lock.metadata().unwrap(), set(&["root"], "old"));
    chmod(&root, 0o664);
    assert_eq!(lock.metadata().unwrap_err().path, root);
}

#[test]
fn only_the_owner_of_the_directory_and_root_put_keys_there() {
    let path = Path::new("private/x.key");
    assert_eq!(check_owner(path, 1000, 1000), Ok(()));
    assert_eq!(check_owner(path, 0, 1000), Ok(()));
    let error = check_owner(path, 1001, 1000).unwrap_err();
    assert!(error.message.contains("`chown 1000 private/x.key`"), "{error}");
    check_owner(path, 1001, 0).unwrap_err();
}

#[test]
fn symbolic_links_to_keys_are_refused() {
    let (temp, dir) = folder();
    let (id, file) = new_key(header("root", None));
    let path = dir.add_key(&id, &file).unwrap();
    let moved = temp.path().join("moved.key");
    fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    let error = dir.key(&id).unwrap_err();
    assert!(error.message.starts_with("is a symbolic link"), "{error}");
    dir.add_key(&id, &file).unwrap();
    assert!(!path.is_symlink(), "writing the key replaces the link");
    let private = dir.path().join("private");
    fs::rename(&private, temp.path().join("elsewhere")).unwrap();
    symlink(temp.path().join("elsewhere"), &private).unwrap();
    assert_eq!(dir.keys().unwrap_err().path, private);
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

#[test]
fn a_commit_replaces_the_whole_set_and_leaves_the_rest_alone() {
    let (_temp, dir) = folder();
    let repository = dir.path().join("tuf/registry.test/team/app");
    let changes = repository.join("changelist");
    fs::create_dir_all(&changes).unwrap();
    fs::write(changes.join("1.change"), "notary's").unwrap();
    let lock = dir.lock(&gun()).unwrap();
    assert_eq!(lock.metadata().unwrap(), []);
    lock.commit(&old_set()).unwrap();
    assert_eq!(lock.metadata().unwrap(), old_set());
    lock.commit(&new_set()).unwrap();
    assert_eq!(lock.metadata().unwrap(), new_set());
    drop(lock);
    let other = dir.lock(&Gun::new("registry.test/team").unwrap()).unwrap();
    assert_eq!(other.metadata().unwrap(), []);
    let lock = dir.lock(&gun()).unwrap();
    lock.remove().unwrap();
    assert_eq!(lock.metadata().unwrap(), []);
    assert!(!repository.join("metadata").exists());
    assert_eq!(fs::read_to_string(changes.join("1.change")).unwrap(), "notary's");
    let left: Vec<_> = entries(&repository).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(left, ["changelist", "metadata.tagseal-lock"]);
}

#[test]
fn a_repository_whose_name_ends_in_metadata_is_left_alone() {
    let (_temp, dir) = folder();
    let inner = Gun::new("registry.test/team/app/metadata").unwrap();
    dir.lock(&inner).unwrap().commit(&old_set()).unwrap();
    let lock = dir.lock(&gun()).unwrap();
    assert_eq!(lock.metadata().unwrap(), []);
    lock.commit(&new_set()).unwrap();
    lock.remove().unwrap();
    assert_eq!(dir.lock(&inner).unwrap().metadata().unwrap(), old_set());
}

#[test]
fn a_repository_has_one_writer() {
    let (_temp, dir) = folder();
    let impatient = TrustDir { lock_tries: 0, ..dir.clone() };
    let lock = dir.lock(&gun()).unwrap();
    let error = impatient.lock(&gun()).unwrap_err();
    assert_eq!(error.path, dir.path().join("tuf/registry.test/team/app/metadata.tagseal-lock"));
    assert!(error.message.contains("another tagseal is publishing registry.test/team/app"), "{error}");
    impatient.lock(&Gun::new("registry.test/other").unwrap()).unwrap();
    drop(lock);
    impatient.lock(&gun()).unwrap();
}

#[test]
fn a_list_of_a_later_version_is_not_guessed_at() {
    let (_temp, dir) = folder();
    let next = dir.path().join("tuf/registry.test/team/app/metadata.tagseal-next");
    for list in ["tagseal 2\nroot\n", "tagseal 1\nroot\n../evil\n", ""] {
        fs::create_dir_all(&next).unwrap();
        fs::write(next.join("tagseal-list"), list).unwrap();
        let error = dir.lock(&gun()).unwrap_err();
        assert!(
            error.message.contains(&format!("remove the folder {}", next.display())),
            "{list:?}: {error}"
        );
    }
}

fn old_set() -> Vec<(RoleName, Bytes)> {
    set(&["root", "targets", "snapshot", "timestamp", "targets/a", "targets/a/b", "targets/gone"], "old")
}

fn new_set() -> Vec<(RoleName, Bytes)> {
    set(&["root", "targets", "snapshot", "timestamp", "targets/a", "targets/a/b", "targets/c/d"], "new")
}

/// A hook that lets `allowed` steps pass and fails every one after them, as a killed process takes no further step.
fn dying_after(allowed: u64) -> (impl Fn(&WritePoint<'_>) -> io::Result<()>, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = taken.clone();
    let hook = move |_: &WritePoint<'_>| {
        if counter.fetch_add(1, Ordering::Relaxed) < allowed {
            return Ok(());
        }
        Err(io::Error::other("killed"))
    };
    (hook, taken)
}

/// What notary and docker see of the set: the files in `metadata`.
fn seen(dir: &TrustDir) -> BTreeMap<String, String> {
    fn walk(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
        for entry in entries(folder).unwrap() {
            let name = format!("{prefix}{}", entry.name);
            if entry.is_dir {
                walk(&entry.path, &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read_to_string(entry.path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&dir.path().join("tuf/registry.test/team/app/metadata"), "", &mut found);
    found
}

/// Checks that every file is whole, of the old set or of the new one, and that there is a root.
fn assert_whole_files(dir: &TrustDir, point: &str) {
    let seen = seen(dir);
    assert!(seen.contains_key("root.json"), "{point}: no root");
    for (name, content) in &seen {
        let role = RoleName::parse(name.strip_suffix(".json").unwrap()).unwrap();
        let is_of = |set: Vec<(RoleName, Bytes)>| set.contains(&(role.clone(), Bytes::from(content.clone())));
        assert!(is_of(old_set()) || is_of(new_set()), "{point}: {name} is {content}");
    }
    if seen.get("timestamp.json").is_some_and(|content| content.contains("new")) {
        let others = ["root.json", "snapshot.json", "targets.json", "targets/c/d.json"];
        assert!(
            others.iter().all(|name| seen[*name].contains("new")),
            "{point}: the timestamp is not the last"
        );
    }
}

/// What is there after the next process took the lock; nothing else is left behind.
fn recovered(dir: &TrustDir) -> Vec<(RoleName, Bytes)> {
    let lock = dir.lock(&gun()).unwrap();
    let repository = dir.path().join("tuf/registry.test/team/app");
    let left: Vec<_> = entries(&repository).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(left, ["metadata", "metadata.tagseal-lock"]);
    lock.metadata().unwrap()
}

/// A directory with the old set, and a commit of the new one that died after so many steps; `None` once it did not die.
fn died_after(steps: u64) -> Option<(TempDir, TrustDir)> {
    let (temp, dir) = folder();
    dir.lock(&gun()).unwrap().commit(&old_set()).unwrap();
    let (hook, _) = dying_after(steps);
    let died = dir.clone().observed(hook).lock(&gun()).unwrap().commit(&new_set()).is_err();
    died.then_some((temp, dir))
}

#[test]
fn a_commit_killed_at_any_point_leaves_the_old_set_or_the_new_one() {
    let mut outcomes = Vec::new();
    while let Some((_temp, dir)) = died_after(outcomes.len() as u64) {
        let point = format!("killed after {} steps", outcomes.len());
        assert_whole_files(&dir, &point);
        let files = recovered(&dir);
        assert!(files == old_set() || files == new_set(), "{point}: {files:?}");
        outcomes.push(files == new_set());
        dir.lock(&gun()).unwrap().commit(&old_set()).unwrap();
        assert_eq!(recovered(&dir), old_set(), "{point}: the next commit works as ever");
    }
    assert!(outcomes.len() > 50, "only {} points", outcomes.len());
    assert!(outcomes.is_sorted(), "once the new set counts, it stays: {outcomes:?}");
    assert!(!outcomes[0] && outcomes[outcomes.len() - 1], "both happen");
}

/// How many steps a commit takes up to the one that makes it count, and with it.
fn steps_until_it_counts() -> u64 {
    let (_temp, dir) = folder();
    dir.lock(&gun()).unwrap().commit(&old_set()).unwrap();
    let counts = Arc::new(AtomicU64::new(0));
    let into = counts.clone();
    let observed = dir.observed(move |point: &WritePoint<'_>| {
        if point.step == "rename" && point.path.ends_with("tagseal-list") {
            into.store(point.number + 1, Ordering::Relaxed);
        }
        Ok(())
    });
    observed.lock(&gun()).unwrap().commit(&new_set()).unwrap();
    counts.load(Ordering::Relaxed)
}

#[test]
fn a_recovery_killed_at_any_point_is_finished_by_the_next() {
    // Around the point from which on the new set counts, and in the midst of the moves.
    let counts = steps_until_it_counts();
    for steps in [counts - 1, counts, counts + 6] {
        let expected = if steps < counts { old_set() } else { new_set() };
        for further in 0.. {
            let (_temp, dir) = died_after(steps).unwrap();
            let (hook, _) = dying_after(further);
            let outcome = dir.clone().observed(hook).lock(&gun()).map(drop);
            assert_whole_files(&dir, &format!("{steps} and {further} steps"));
            assert_eq!(recovered(&dir), expected, "{steps} and {further} steps");
            if outcome.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_removal_killed_at_any_point_leaves_all_or_nothing() {
    let mut outcomes = Vec::new();
    loop {
        let (_temp, dir) = folder();
        dir.lock(&gun()).unwrap().commit(&old_set()).unwrap();
        let (hook, _) = dying_after(outcomes.len() as u64);
        let died = dir.clone().observed(hook).lock(&gun()).unwrap().remove().is_err();
        let files = dir.lock(&gun()).unwrap().metadata().unwrap();
        assert!(files == old_set() || files.is_empty(), "{files:?}");
        outcomes.push(files.is_empty());
        if !died {
            break;
        }
    }
    assert!(outcomes.is_sorted() && !outcomes[0], "{outcomes:?}");
}

#[test]
fn a_key_write_killed_at_any_point_leaves_no_half_a_key() {
    for steps in 0.. {
        let (_temp, dir) = folder();
        let (id, file) = new_key(header("root", None));
        let (hook, _) = dying_after(steps);
        let outcome = dir.clone().observed(hook).add_key(&id, &file);
        if let Some(read) = dir.key(&id).unwrap() {
            assert_eq!(read.pem(), file.pem());
        } else {
            assert!(outcome.is_err());
        }
        assert!(dir.keys().unwrap().len() <= 1);
        dir.add_key(&id, &file).unwrap();
        assert_eq!(dir.key(&id).unwrap().unwrap().pem(), file.pem());
        if outcome.is_ok() {
            break;
        }
    }
}

#[test]
fn write_points_are_numbered_from_zero() {
    let (_temp, dir) = folder();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let dir = dir.observed(move |point: &WritePoint<'_>| {
        into.lock().unwrap().push((point.number, point.step));
        Ok(())
    });
    let (id, file) = new_key(header("root", None));
    dir.add_key(&id, &file).unwrap();
    let steps = ["make", "sync", "make", "write", "write", "sync", "rename", "sync"];
    let expected: Vec<_> = (0..).zip(steps).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// What a power failure would lose: names and contents that were not synced. The list is what makes a commit count.
#[test]
fn everything_new_is_synced_before_it_counts() {
    let (_temp, dir) = folder();
    dir.lock(&gun()).unwrap().commit(&old_set()).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let observed = dir.observed(move |point: &WritePoint<'_>| {
        into.lock().unwrap().push((point.step, point.path.to_owned()));
        Ok(())
    });
    observed.lock(&gun()).unwrap().commit(&new_set()).unwrap();
    let seen = seen.lock().unwrap();
    let counts =
        seen.iter().position(|(step, path)| *step == "rename" && path.ends_with("tagseal-list")).unwrap();
    let (before, after) = seen.split_at(counts);
    let made: Vec<_> = before.iter().filter(|(step, _)| *step == "make").collect();
    assert_eq!(made.len(), 7 + 1 + 4, "seven roles, the list, four folders");
    for (_, path) in made {
        let last = |wanted: &str| before.iter().rposition(|(step, p)| *step == wanted && p == path);
        assert!(last("sync") > last("make") && last("sync") > last("write"), "{}", path.display());
    }
    let synced = |path: &str| after.iter().rposition(|(step, p)| *step == "sync" && p.ends_with(path));
    let moved =
        after.iter().rposition(|(step, p)| *step == "rename" && p.ends_with("metadata/targets/c/d.json"));
    assert!(synced("metadata/targets/c") > moved, "names are synced after the moves");
    let forgotten = after.iter().position(|(step, p)| *step == "remove" && p.ends_with("tagseal-list"));
    assert!(synced("metadata/targets/c") < forgotten, "and before the list is removed");
}
