//! A repository's set of files: whole, one writer, nothing else touched.

use super::*;

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
    let impatient = dir.clone().with_patience(Duration::ZERO);
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
