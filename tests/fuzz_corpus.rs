//! The inputs in `fuzz/corpus/`, through the same functions that the fuzzers run.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use tagseal::tuf::RoleName;
use tagseal::tuf::canonical::parse;

use self::targets::TARGETS;
use self::targets::repository::{GENUINE, RELEASES, SIGNED, now, update};

/// All of it is kept small, so that it is read by people too.
const MOST_BYTES: u64 = 1 << 20;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// What a folder holds, without extensions.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let stem = |entry: std::fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| stem(entry.unwrap())).collect()
}

fn files(target: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder("corpus").join(target)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer_and_there_are_no_others() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("corpus")), targets);
    assert_eq!(names(&folder("fuzz_targets")), targets);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in &targets {
        assert!(manifest.contains(&format!("name = \"{target}\"\n")), "fuzz/Cargo.toml has no {target}");
    }
    let all = targets.iter().flat_map(|target| files(target));
    assert!(all.map(|file| file.metadata().unwrap().len()).sum::<u64>() < MOST_BYTES);
}

/// Else the targets would assert nothing behind a signature.
#[test]
fn the_repository_of_the_targets_verifies_and_its_files_are_in_the_corpus() {
    let repository = update(&GENUINE).unwrap().repository;
    let releases = RoleName::parse(RELEASES).unwrap();
    let role = repository.usable(&releases, now(), jiff::SignedDuration::ZERO).unwrap();
    let listed: Vec<_> = role.targets().map(|target| (target.name, target.digest.to_string())).collect();
    assert_eq!(listed, [("1.4", SIGNED.to_owned())]);
    let read = |target: &str| std::fs::read(folder("corpus").join(target).join("genuine")).unwrap();
    assert_eq!(read("envelope"), GENUINE["timestamp"]);
    for (role, file) in &*GENUINE {
        let target = if *role == RELEASES { "delegation" } else { role };
        assert_eq!(Some(&parse(&read(target)).unwrap()), parse(file).unwrap().get("signed"), "{role}");
    }
}

#[test]
fn every_input_of_the_corpus_passes_its_target() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let files = files(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let input = std::fs::read(&file).unwrap();
            if catch_unwind(|| target(&input)).is_err() {
                failed.push(file);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
