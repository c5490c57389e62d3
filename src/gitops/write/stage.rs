//! Everything that can fail is done beside the files, before the first of them changes.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use tempfile::{Builder, TempPath};

use super::attributes;
use super::folders::{PREFIX, RANDOM, SUFFIX};
use super::{Staged, Target};
use crate::gitops::place::Problem;

/// Writes the new files beside the old, and keeps the old where more than one file changes.
pub(super) fn all(targets: Vec<Target<'_>>) -> Result<Vec<Staged<'_>>, Vec<Problem>> {
    let may_come_back = targets.len() > 1;
    let mut staged: Vec<Staged<'_>> = Vec::new();
    let mut problems = Vec::new();
    let mut new_files: Vec<Option<std::path::PathBuf>> = Vec::new();
    for target in targets {
        let first = target.link_of.and_then(|index| new_files.get(index).cloned().flatten());
        match one(&target, first.as_deref(), may_come_back) {
            Ok((new, old)) => {
                new_files.push(Some(new.to_path_buf()));
                staged.push(Staged { target, new, old });
            }
            Err(message) => {
                new_files.push(None);
                problems.push(target.problem(message));
            }
        }
    }
    if problems.is_empty() { Ok(staged) } else { Err(problems) }
}

/// The new file, and the old one under another name.
fn one(
    target: &Target<'_>,
    first: Option<&Path>,
    may_come_back: bool,
) -> Result<(TempPath, Option<TempPath>), String> {
    let metadata =
        fs::symlink_metadata(&target.path).map_err(|error| format!("cannot be read again: {error}"))?;
    may_be_written(&target.path, &metadata)?;
    let folder = target.path.parent().ok_or("has no folder")?;
    let failed = |error: io::Error| {
        format!(
            "cannot be written: a new file beside it, in {}, failed: {error}; no file was changed",
            folder.display()
        )
    };
    let link = first.and_then(|first| linked(first, folder).ok());
    let new = match link {
        Some(new) => new,
        None => written(target.after, (&target.path, &metadata)).map_err(failed)?,
    };
    let keep = || linked(&target.path, folder).or_else(|_| written(target.before, (&target.path, &metadata)));
    let old = may_come_back.then(keep).transpose().map_err(failed)?;
    Ok((new, old))
}

/// Whether the file may be written. Its mode counts for everybody: root, whom no mode stops, is told too.
fn may_be_written(path: &Path, metadata: &Metadata) -> Result<(), String> {
    if metadata.mode() & 0o222 == 0 {
        return Err("is read-only; make it writable, or leave it out; no file was changed".to_owned());
    }
    let folder = path.parent().unwrap_or(path);
    if fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o222 == 0) {
        return Err(format!("its folder {} is read-only; no file was changed", folder.display()));
    }
    match OpenOptions::new().write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot be written: {error}; no file was changed")),
    }
}

fn builder<'a>() -> Builder<'a, 'a> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

/// Another name for a file.
fn linked(file: &Path, folder: &Path) -> io::Result<TempPath> {
    Ok(builder().make_in(folder, |path| fs::hard_link(file, path))?.into_temp_path())
}

/// A new file beside the old, with its mode, its extended attributes and, where that is allowed, its owner.
fn written(text: &str, (path, old): (&Path, &Metadata)) -> io::Result<TempPath> {
    let mut file = builder().tempfile_in(path.parent().unwrap_or(path))?;
    file.write_all(text.as_bytes())?;
    keep_owner(file.as_file(), old);
    attributes::keep(path, file.as_file())?;
    file.as_file().set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    file.as_file().sync_all()?;
    Ok(file.into_temp_path())
}

/// Only root may give files away, and members of a group to that group; for all others the new file is theirs.
fn keep_owner(file: &File, old: &Metadata) {
    let Ok(new) = file.metadata() else { return };
    if new.uid() != old.uid() {
        let _ = fchown(file, Some(old.uid()), None);
    }
    if new.gid() != old.gid() {
        let _ = fchown(file, None, Some(old.gid()));
    }
}
