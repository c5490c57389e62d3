//! Files that are written whole or not at all, and that only their owner reads.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes a directory, and those above it, for the owner alone (0700).
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// As [`create_dir`], and on disk when it returns: what is written into a directory outlives a crash only where its name does.
pub(crate) fn create_dir_synced(path: &Path) -> io::Result<()> {
    create_dir_and(path, |directory| fs::File::open(directory)?.sync_all())
}

/// `sync` is called with the directory of each one that was made, the innermost first.
fn create_dir_and(path: &Path, mut sync: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|path| !is_here(path)).collect();
    create_dir(path)?;
    missing.into_iter().try_for_each(|made| sync(directory_of(made)))
}

fn is_here(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.exists()
}

/// The directory in which `path` is, or is to be.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Replaces the file at `path` (0600) in one step.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, |_| Ok(()))
}

/// As [`write`], unless the file holds these bytes already: reading a file costs less than replacing it.
pub(crate) fn write_changed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if holds(path, bytes) { Ok(()) } else { write(path, bytes) }
}

/// Whether the file at `path` holds exactly these bytes. One that cannot be read does not.
pub(crate) fn holds(path: &Path, bytes: &[u8]) -> bool {
    // Of a file of another length, which may be of any length, nothing is read.
    let is_as_long = fs::metadata(path).is_ok_and(|file| file.len() == bytes.len() as u64);
    is_as_long && fs::read(path).is_ok_and(|held| held == bytes)
}

/// As [`write`], and on disk when it returns: what must outlive a crash.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, fs::File::sync_all)?;
    fs::File::open(directory_of(path))?.sync_all()
}

fn replace(path: &Path, bytes: &[u8], sync: impl FnOnce(&fs::File) -> io::Result<()>) -> io::Result<()> {
    let (temporary, mut file) = create_beside(path)?;
    let written = (|| {
        file.write_all(bytes)?;
        sync(&file)?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the first.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A new file beside `path`. What a process that crashed has left there is stepped over: in a container the next one
/// has the same number.
fn create_beside(path: &Path) -> io::Result<(PathBuf, fs::File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        match options.open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_behind_stands_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        for number in 0..4096 {
            let left = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
            fs::write(left, "half").unwrap();
        }
        write_synced(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn every_directory_that_is_made_is_synced_into_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let (var, lib, state) = (
            directory.path().join("var"),
            directory.path().join("var/lib"),
            directory.path().join("var/lib/state"),
        );
        let make = |path: &Path| {
            let mut synced = Vec::new();
            create_dir_and(path, |made_in| {
                assert!(made_in.exists());
                synced.push(made_in.to_owned());
                Ok(())
            })
            .unwrap();
            synced
        };
        assert_eq!(make(&lib), [var, directory.path().to_owned()]);
        assert_eq!(make(&state), [lib]);
        assert_eq!(make(&state), Vec::<PathBuf>::new());
        assert_eq!(directory_of(Path::new("state")), Path::new("."));
        let failing = create_dir_and(&state.join("more"), |_| Err(io::Error::other("disk is gone")));
        assert_eq!(failing.unwrap_err().to_string(), "disk is gone");
        create_dir_synced(&state.join("even/more")).unwrap();
    }
}
