//! Keys and folders: the layouts of all versions, and who may read and change them.

use super::*;

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
        expected.push(StoredKey { id, header, path: dir.add_key(&id, &file).unwrap(), external: None });
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
