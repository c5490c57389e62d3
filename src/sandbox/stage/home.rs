//! [`Home`]: the sandbox's folder: a temporary one, or one that stays once the story was played to its end.
//!
//! ```text
//! ca.crt                     the authority of all three servers
//! policy.yaml review.json    what a cluster admin and an API server would have
//! owner/ alice/ qa/ mallory/ trust directories, one for each person; NAME.pub beside them
//! state/                     the webhook's memory: floors
//! tls/ server/               private: the servers' own
//! sandbox.json               in a folder that stays: whether it is whole, and the ports that image names contain
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::error::StageError;

/// What marks a folder as a sandbox's.
const MARK: &str = "sandbox.json";

/// The ports of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The trust server's.
    pub notary: u16,
    /// The registry's.
    pub registry: u16,
    /// The webhook's.
    pub webhook: u16,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Mark {
    finished: bool,
    ports: Ports,
}

/// The folder. What is not whole is removed when this is dropped.
#[derive(Debug)]
pub(super) enum Home {
    Temporary(TempDir),
    Kept(Kept),
}

#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    /// Whether the folder itself was made.
    is_new: bool,
    /// The ports of the sandbox that was played to its end here.
    earlier: Option<Ports>,
    is_whole: AtomicBool,
}

impl Home {
    pub(super) fn open(data_dir: Option<&Path>) -> Result<Self, StageError> {
        match data_dir {
            None => {
                let parent = std::env::temp_dir();
                let made = tempfile::Builder::new().prefix("tagseal-sandbox-").tempdir_in(&parent);
                Ok(Self::Temporary(made.map_err(|error| StageError::io(parent, &error))?))
            }
            Some(path) => Kept::open(path).map(Self::Kept),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(kept) => &kept.path,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.ports().is_some()
    }

    /// The ports that an earlier sandbox had here.
    pub(super) fn ports(&self) -> Option<Ports> {
        match self {
            Self::Temporary(_) => None,
            Self::Kept(kept) => kept.earlier,
        }
    }

    /// Marks the folder before anything is in it, so that what a killed process leaves is known again.
    pub(super) fn begin(&self, ports: Ports) -> Result<(), StageError> {
        match self {
            Self::Kept(kept) if kept.earlier.is_none() => kept.mark(Mark { finished: false, ports }),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&self, ports: Ports) -> Result<(), StageError> {
        if let Self::Kept(kept) = self {
            kept.mark(Mark { finished: true, ports })?;
            kept.is_whole.store(true, Ordering::Release);
        }
        Ok(())
    }
}

impl Kept {
    fn open(path: &Path) -> Result<Self, StageError> {
        let is_new = match fs::read_dir(path) {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_dir(path)?;
                true
            }
            Err(error) => return Err(StageError::io(path, &error)),
        };
        let path = path.canonicalize().map_err(|error| StageError::io(path, &error))?;
        let mut kept = Self { path, is_new, earlier: None, is_whole: AtomicBool::new(false) };
        match kept.read_mark()? {
            Some(mark) if mark.finished => {
                kept.earlier = Some(mark.ports);
                kept.is_whole.store(true, Ordering::Release);
            }
            // A sandbox was killed here.
            Some(_) => kept.clear(),
            None if kept.is_empty()? => {}
            None => {
                // Not ours: nothing in it may be removed.
                kept.is_whole.store(true, Ordering::Release);
                return Err(StageError::Folder {
                    path: kept.path.clone(),
                    message: "there are files in it that no sandbox made: choose a new or an empty folder"
                        .to_owned(),
                });
            }
        }
        Ok(kept)
    }

    fn read_mark(&self) -> Result<Option<Mark>, StageError> {
        let path = self.path.join(MARK);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| StageError::Folder {
                path,
                message: format!("it is damaged ({error}): remove the folder, or choose another"),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StageError::io(path, &error)),
        }
    }

    fn is_empty(&self) -> Result<bool, StageError> {
        let mut entries = fs::read_dir(&self.path).map_err(|error| StageError::io(&self.path, &error))?;
        Ok(entries.next().is_none())
    }

    fn mark(&self, mark: Mark) -> Result<(), StageError> {
        let text = serde_json::to_vec(&mark).map_err(|error| StageError::Story(error.to_string()))?;
        write(&self.path.join(MARK), &text)
    }

    /// Removes everything in it; the mark last, so that the folder is known again however far this comes.
    fn clear(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name() != MARK {
                let path = entry.path();
                let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            }
        }
        let _ = fs::remove_file(self.path.join(MARK));
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.is_whole.load(Ordering::Acquire) {
            self.clear();
            if self.is_new {
                let _ = fs::remove_dir(&self.path);
            }
        }
    }
}

/// Makes a folder for its owner alone.
pub(super) fn make_dir(path: &Path) -> Result<(), StageError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| StageError::io(path, &error))
}

/// Writes a file for its owner alone.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| StageError::io(path, &error))
}
