//! [`write`]: files get their new texts, all of them or none.
//!
//! Each new text is written to a file beside the old one and made durable; then every file is read once more, and only if all are
//! as they were does the new one take the place of the old, by a rename. A process that is killed leaves each file old or new; what
//! it left beside them the next run removes, under a lock of the folder that ends with the process that holds it.

mod attributes;
mod folders;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use self::folders::Folders;
use super::place::Problem;

/// A file whose text changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replacement<'a> {
    /// The file, as messages name it.
    pub name: &'a str,
    /// Its paths: one, but where hard links of one file were named. Symbolic links stay.
    pub paths: &'a [PathBuf],
    /// What it held when it was read.
    pub before: &'a str,
    /// What it is to hold.
    pub after: &'a str,
}

/// One path that a new file takes the place of.
struct Target<'a> {
    name: &'a str,
    /// Without symbolic links.
    path: PathBuf,
    before: &'a str,
    after: &'a str,
    /// Of which of the targets it is a hard link, by index.
    link_of: Option<usize>,
}

/// A target, and what stands ready beside it.
struct Staged<'a> {
    target: Target<'a>,
    new: TempPath,
    /// The old file under another name, where it may have to come back.
    old: Option<TempPath>,
}

/// Gives the files their new texts.
///
/// # Errors
/// Everything that stands against it, by file. No file has changed then, unless the message says so.
pub fn write(replacements: &[Replacement<'_>]) -> Result<(), Vec<Problem>> {
    let targets = targets(replacements)?;
    let folders = Folders::lock(targets.iter().filter_map(|target| target.path.parent()));
    folders.clean();
    let staged = stage::all(targets)?;
    let problems: Vec<Problem> =
        staged.iter().filter_map(|staged| staged.target.is_unchanged().err()).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    rename_all(staged)?;
    folders.sync().map_err(|(folder, error)| {
        let message = format!(
            "the files of this folder are written, but may be lost if the machine stops now: {error}"
        );
        vec![Problem { file: folder.display().to_string(), place: None, message }]
    })
}

/// Removes what a process that was killed left beside these files.
pub fn clean<'a>(paths: impl IntoIterator<Item = &'a Path>) {
    let real: Vec<PathBuf> = paths.into_iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    Folders::lock(real.iter().filter_map(|path| path.parent())).clean();
}

/// The paths that are written, each once.
fn targets<'a>(replacements: &[Replacement<'a>]) -> Result<Vec<Target<'a>>, Vec<Problem>> {
    let (mut targets, mut problems) = (Vec::new(), Vec::new());
    let mut known = BTreeSet::new();
    for Replacement { name, paths, before, after } in replacements {
        let first = targets.len();
        for path in *paths {
            if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
                // A pipe, as in `-f <(…)`, or a folder that took its place.
                let message =
                    "is no regular file, so it cannot be written; pipe it into -f -, or name the file itself";
                problems.push(problem(name, message.to_owned()));
                continue;
            }
            match fs::canonicalize(path) {
                Ok(path) if known.insert(path.clone()) => {
                    let link_of = (targets.len() > first).then_some(first);
                    targets.push(Target { name, path, before, after, link_of });
                }
                Ok(_) => {}
                Err(error) => problems.push(problem(name, format!("is not there any more: {error}"))),
            }
        }
    }
    if problems.is_empty() { Ok(targets) } else { Err(problems) }
}

impl Target<'_> {
    fn problem(&self, message: impl Into<String>) -> Problem {
        problem(self.name, message.into())
    }

    /// Whether the file holds what it held when it was read.
    fn is_unchanged(&self) -> Result<(), Problem> {
        let again = "nothing was written; run the command again";
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(self.problem(format!(
                    "is no file any more: it was replaced while images were judged; {again}"
                )));
            }
            Ok(_) => {}
            Err(error) => return Err(self.problem(format!("cannot be read again: {error}; {again}"))),
        }
        match fs::read(&self.path) {
            Ok(bytes) if bytes == self.before.as_bytes() => Ok(()),
            Ok(_) => {
                Err(self.problem(format!("was changed by somebody else while images were judged; {again}")))
            }
            Err(error) => Err(self.problem(format!("cannot be read again: {error}; {again}"))),
        }
    }
}

/// What tells a file from another, and its content from a later one.
fn identity(path: &Path) -> io::Result<(u64, u64, u64, i64, i64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Renames all, or puts back what was renamed.
fn rename_all(staged: Vec<Staged<'_>>) -> Result<(), Vec<Problem>> {
    let identities: Vec<_> = staged.iter().map(|staged| identity(&staged.target.path).ok()).collect();
    let mut done: Vec<(Target<'_>, Option<TempPath>)> = Vec::new();
    for (Staged { target, new, old }, seen) in staged.into_iter().zip(identities) {
        let renamed = match identity(&target.path).ok() == seen {
            true => new.persist(&target.path).map_err(|error| format!("cannot be replaced: {}", error.error)),
            false => Err("was changed by somebody else while files were written".to_owned()),
        };
        if let Err(message) = renamed {
            let mut problems = vec![target.problem(format!("{message}; no file was changed"))];
            problems.extend(put_back(done));
            if problems.len() > 1 {
                problems[0].message = message;
            }
            return Err(problems);
        }
        done.push((target, old));
    }
    Ok(())
}

/// Puts back the old files; what cannot be put back is a problem.
fn put_back(done: Vec<(Target<'_>, Option<TempPath>)>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (target, old) in done.into_iter().rev() {
        let back = match old {
            Some(old) => old.persist(&target.path).map_err(|error| error.error.to_string()),
            None => Err("it was not kept".to_owned()),
        };
        if let Err(why) = back {
            problems.push(target.problem(format!(
                "has its new content already, and the old one could not be put back: {why}"
            )));
        }
    }
    problems
}

fn problem(file: &str, message: String) -> Problem {
    Problem { file: file.to_owned(), place: None, message }
}
