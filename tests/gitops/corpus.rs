//! The awkward files of `tests/data/gitops/corpus`, through the binary.

mod reports;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::awkward::{Case, STDIN, World};

/// Set to a part of a case's name, it runs these cases alone.
const ONLY: &str = "TAGSEAL_CASE";

#[test]
fn every_awkward_file_becomes_what_it_must() {
    let world = World::new(env!("CARGO_BIN_EXE_tagseal"));
    let only = std::env::var(ONLY).unwrap_or_default();
    let cases: Vec<_> = world.cases().into_iter().filter(|case| case.name.contains(&only)).collect();
    assert!(cases.len() >= 120 || !only.is_empty(), "{} cases", cases.len());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = run(&world, case) {
                        failed.lock().unwrap().insert(&case.name, what);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let told: Vec<_> = failed.iter().map(|(name, what)| format!("## {name}\n{what}\n")).collect();
    assert!(told.is_empty(), "{} of {} cases:\n{}", told.len(), cases.len(), told.join("\n"));
}

fn run(world: &World, case: &Case) -> Result<(), String> {
    let folder = world.folder(&case.name);
    lay_out(&folder, case);
    let unpinned = look(&folder);
    let is_pinned = case.changes() && case.exit == 0;
    let told = |what: &str, output: &Output| {
        let [out, err] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        format!("{what}\n  {}\n--- stdout\n{out}--- stderr\n{err}", case.arguments.join(" "))
    };
    let output = world.run(&folder, case, &[], false);
    if output.status.code() != Some(case.exit) {
        return Err(told(&format!("exit {:?}, expected {}", output.status.code(), case.exit), &output));
    }
    files_are(&folder, case, &unpinned).map_err(|what| told(&what, &output))?;
    if let Some(input) = case.files.iter().find(|file| file.name == STDIN)
        && case.arguments[0] == "pin"
    {
        let expected: &[u8] = if case.exit == 0 { &input.after } else { b"" };
        if output.stdout != expected {
            return Err(told("standard output is not the file", &output));
        }
    }
    for (kind, text) in &case.expectations {
        reports::holds(kind, text, &output).map_err(|what| told(&what, &output))?;
    }
    if is_pinned {
        let pinned = look(&folder);
        let again = world.run(&folder, case, &["--check"], true);
        let ended = (again.status.code(), look(&folder) == pinned);
        if ended != (Some(0), true) {
            return Err(told(&format!("a second time: (exit, nothing changed) {ended:?}"), &again));
        }
    }
    Ok(())
}

fn lay_out(folder: &Path, case: &Case) {
    for file in case.files.iter().filter(|file| file.name != STDIN) {
        let path = folder.join(&file.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match (&file.link, &file.hard) {
            (Some(target), _) => symlink(target, &path).unwrap(),
            (_, Some(target)) => fs::hard_link(folder.join(target), &path).unwrap(),
            _ => fs::write(&path, &file.before).unwrap(),
        }
        if let Some(mode) = file.mode {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// What tells a file from one that was written anew.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    inode: u64,
    written: (i64, i64),
    content: Vec<u8>,
}

fn look(folder: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let content = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let written = (metadata.mtime(), metadata.mtime_nsec());
            seen.insert(
                path.strip_prefix(folder).unwrap().to_owned(),
                Seen { inode: metadata.ino(), written, content },
            );
        }
    }
    seen
}

/// Whether the folder holds what the case says, and untouched what does not change.
fn files_are(folder: &Path, case: &Case, before: &BTreeMap<PathBuf, Seen>) -> Result<(), String> {
    let now = look(folder);
    let names = |seen: &BTreeMap<PathBuf, Seen>| seen.keys().cloned().collect::<Vec<_>>();
    if names(&now) != names(before) {
        return Err(format!("files: {:?}, expected {:?}", names(&now), names(before)));
    }
    for file in case.files.iter().filter(|file| file.name != STDIN) {
        let (was, is) = (&before[Path::new(&file.name)], &now[Path::new(&file.name)]);
        if file.link.is_some() || file.before == file.after {
            if was != is {
                return Err(format!("{} was written:\n{}", file.name, String::from_utf8_lossy(&is.content)));
            }
        } else if is.content != file.after {
            let [expected, is] =
                [&file.after, &is.content].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            return Err(format!("{} is\n{is:?}\nexpected\n{expected:?}", file.name));
        }
        if let Some(mode) = file.mode {
            let is = fs::metadata(folder.join(&file.name)).unwrap().mode() & 0o7777;
            if is != mode {
                return Err(format!("{} has the mode {is:o}, expected {mode:o}", file.name));
            }
        }
    }
    Ok(())
}
