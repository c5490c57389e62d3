//! Death at every point of a commit, a recovery, a removal and a key's write; and what a power failure would lose.

use super::*;

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
