//! [`Recording`]: answers from a folder, in the place of trust servers.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::{List, RecordingError, Sha256, failed, path};
use crate::digest::Digest;
use crate::source::{BoxFuture, MetadataSource, SourceError, SourceRequest};
use crate::store::{Tree, trees};
use crate::tuf::{FileName, RoleName, Selector};

/// Answers from a folder alone: no server is asked, and no credentials are shown.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    /// `None`: the folder is a cache directory, or a tree that notary or docker left.
    list: Option<List>,
    /// What to do where something is not there.
    advice: String,
}

impl Recording {
    /// Opens a folder. `advice` says what to do where something is not there.
    ///
    /// # Errors
    /// [`RecordingError`] where there is no folder, or its list cannot be read.
    pub fn open(folder: &Path, advice: impl Into<String>) -> Result<Self, RecordingError> {
        let list = List::read(folder)?;
        match std::fs::metadata(folder) {
            Ok(kind) if kind.is_dir() => {}
            Ok(_) => return Err(failed(folder, std::io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RecordingError::Missing { path: folder.display().to_string() });
            }
            Err(error) => return Err(failed(folder, error)),
        }
        Ok(Self { folder: folder.to_owned(), list, advice: advice.into() })
    }

    /// When the oldest of it was recorded. `None`: nobody knows.
    pub fn recorded(&self) -> Option<Timestamp> {
        self.list.as_ref()?.repositories.iter().map(|repository| repository.recorded).min()
    }

    fn answer(&self, request: &SourceRequest<'_>) -> Result<Option<Bytes>, SourceError> {
        match &self.list {
            Some(list) => self.listed(list, request),
            None => self.cached(request).map(Some),
        }
    }

    fn listed(&self, list: &List, request: &SourceRequest<'_>) -> Result<Option<Bytes>, SourceError> {
        let (server, gun, file) = (request.server.url.as_str(), request.gun, &request.fetch.file);
        let mut repositories = list.repositories.iter();
        let repository =
            repositories.find(|repository| repository.server == server && repository.gun == gun.as_str());
        let file_name = file.to_string();
        if let Some(failure) = repository.and_then(|repository| repository.errors.get(&file_name)) {
            return Err(failure.into());
        }
        let answer = repository.and_then(|repository| repository.answers.get(&file_name));
        match answer.ok_or_else(|| self.lacking(request))? {
            None => Ok(None),
            Some(Sha256(sha256)) => {
                self.read(&path(&self.folder, gun, &file.role, *sha256), request).map(Some)
            }
        }
    }

    fn read(&self, path: &Path, request: &SourceRequest<'_>) -> Result<Bytes, SourceError> {
        let mut bytes = Vec::new();
        let max_bytes = request.fetch.max_bytes;
        let file = std::fs::File::open(path);
        let read = file.and_then(|file| file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes));
        if let Err(error) = read {
            let message = format!("{} cannot be read ({error}); {}", path.display(), self.advice);
            return Err(SourceError::Unreachable { message });
        }
        if bytes.len() as u64 > max_bytes {
            let message = format!("{} has more than {max_bytes} bytes", path.display());
            return Err(SourceError::Invalid { message });
        }
        Ok(bytes.into())
    }

    /// A file of a cache directory. What such a folder lacks, the server may have: it says nothing about that.
    fn cached(&self, request: &SourceRequest<'_>) -> Result<Bytes, SourceError> {
        let trees = trees(&self.folder, request.gun);
        let timestamp = |tree: &Tree| tree.files.get(&RoleName::timestamp()).cloned();
        if trees.iter().any(|tree| timestamp(tree) != trees.first().and_then(timestamp)) {
            let message = format!(
                "{} holds several states of {}, of several servers or times; {}",
                self.folder.display(),
                request.gun,
                self.advice
            );
            return Err(SourceError::Unreachable { message });
        }
        let found = trees.iter().find_map(|tree| in_tree(tree, &request.fetch.file));
        let found = found.ok_or_else(|| self.lacking(request))?;
        match found.len() as u64 > request.fetch.max_bytes {
            true => Err(SourceError::Invalid { message: format!("{} is too large", request.fetch.file) }),
            false => Ok(found),
        }
    }

    fn lacking(&self, request: &SourceRequest<'_>) -> SourceError {
        let folder = self.folder.display();
        let message =
            format!("no server is asked, and {folder} does not have {}; {}", request.fetch.file, self.advice);
        SourceError::Unreachable { message }
    }
}

fn in_tree(tree: &Tree, file: &FileName) -> Option<Bytes> {
    let all = || tree.files.values().chain(tree.roots.values());
    let found = match file.selector {
        Selector::Current => tree.files.get(&file.role),
        Selector::Hash(sha256) => all().find(|bytes| Digest::of(bytes) == sha256),
        Selector::Version(version) if file.role == RoleName::root() => {
            let newest = tree.root().filter(|root| self::version(root) == Some(version));
            tree.roots.get(&version).or(newest)
        }
        Selector::Version(_) => None,
    };
    found.cloned()
}

fn version(file: &[u8]) -> Option<u64> {
    let file: Value = serde_json::from_slice(file).ok()?;
    file.pointer("/signed/version")?.as_u64()
}

impl MetadataSource for Recording {
    fn fetch<'a>(&'a self, request: SourceRequest<'a>) -> BoxFuture<'a, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move { self.answer(&request) })
    }
}
