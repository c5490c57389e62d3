//! [`read`]: from the paths that a user names to the files that are read, each once.

#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::place::Problem;
use super::source::{FileRole, SourceFile};
use super::tree::Tree;

/// A file has no more bytes.
const MAX_FILE: u64 = 64 << 20;
/// All files together have no more bytes.
const MAX_TOTAL: u64 = 256 << 20;

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Input {
    /// The files that are YAML: in the order in which they were named, those of a folder by name.
    pub files: Vec<SourceFile>,
    /// Where each of `files` came from.
    pub sources: Vec<Source>,
    /// What could not be read, or is not YAML. It hides no other file.
    pub problems: Vec<Problem>,
    /// What was left out.
    pub notices: Vec<String>,
}

/// Where a file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    StandardInput,
    /// The paths that were named and are this file: one, but where there are hard links.
    Paths(Vec<PathBuf>),
}

/// A file that was named or found.
struct Found {
    name: String,
    role: FileRole,
    source: Source,
}

/// Reads `paths`, and `helm_values` as values of a Helm chart. `stdin` is read where a path is `-`.
pub fn read(paths: &[PathBuf], helm_values: &[PathBuf], stdin: impl Read) -> Input {
    let mut finder = Finder::default();
    for path in paths {
        finder.add(path, FileRole::Manifest);
    }
    for path in helm_values {
        finder.add(path, FileRole::HelmValues);
    }
    let Finder { found, mut input, .. } = finder;
    let mut stdin = Some(stdin);
    let mut left = MAX_TOTAL;
    for Found { name, role, source } in found {
        let bytes = match &source {
            Source::StandardInput => stdin.take().map_or(Ok(Vec::new()), |stdin| bounded(stdin, left)),
            Source::Paths(paths) => match paths.first() {
                Some(path) => File::open(path).and_then(|file| bounded(file, left)),
                None => Ok(Vec::new()),
            },
        };
        let problem = |place, message| Problem { file: name.clone(), place, message };
        match bytes.map(|bytes| {
            left = left.saturating_sub(bytes.len() as u64);
            Tree::parse_bytes(&bytes)
        }) {
            Ok(Ok((text, tree))) => {
                input.files.push(SourceFile { name, role, text, tree });
                input.sources.push(source);
            }
            Ok(Err(errors)) => {
                input
                    .problems
                    .extend(errors.into_iter().map(|error| problem(Some(error.place), error.message)));
            }
            Err(error) => input.problems.push(problem(None, cannot_read(&error))),
        }
    }
    input
}

fn cannot_read(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

fn bounded(from: impl Read, left: u64) -> io::Result<Vec<u8>> {
    let limit = MAX_FILE.min(left);
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit {
        return Ok(bytes);
    }
    let message = match limit == MAX_FILE {
        true => format!("more than {} MiB", MAX_FILE >> 20),
        false => {
            format!("with this file there are more than {} MiB in all; name fewer files", MAX_TOTAL >> 20)
        }
    };
    Err(io::Error::other(message))
}

/// Finds files, each once.
#[derive(Default)]
struct Finder {
    found: Vec<Found>,
    /// By device and inode, the index in `found`.
    known: HashMap<(u64, u64), usize>,
    has_stdin: bool,
    input: Input,
}

impl Finder {
    /// Adds a path that the user named.
    fn add(&mut self, path: &Path, role: FileRole) {
        let name = path.display().to_string();
        if path == Path::new("-") {
            if !std::mem::replace(&mut self.has_stdin, true) {
                self.found.push(Found { name, role, source: Source::StandardInput });
            }
            return;
        }
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() && role == FileRole::HelmValues => {
                self.problem(name, "is a folder; --helm-values takes files".to_owned());
            }
            Ok(metadata) if metadata.is_dir() => self.add_folder(path),
            Ok(metadata) => self.add_file(path, &metadata, role),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.problem(name, "there is no such file or folder".to_owned());
            }
            Err(error) => self.problem(name, cannot_read(&error)),
        }
    }

    /// Adds a file, unless it is known. One that is named as values of a chart is that, wherever else it was found.
    fn add_file(&mut self, path: &Path, metadata: &Metadata, role: FileRole) {
        let index = *self.known.entry((metadata.dev(), metadata.ino())).or_insert(self.found.len());
        match self.found.get_mut(index) {
            None => {
                let source = Source::Paths(vec![path.to_owned()]);
                self.found.push(Found { name: path.display().to_string(), role, source });
            }
            Some(found) => {
                if role == FileRole::HelmValues {
                    found.role = role;
                }
                if let Source::Paths(paths) = &mut found.source {
                    paths.push(path.to_owned());
                }
            }
        }
    }

    fn problem(&mut self, file: String, message: String) {
        self.input.problems.push(Problem { file, place: None, message });
    }
}
