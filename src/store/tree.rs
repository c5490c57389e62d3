//! [`Tree`]: the files of one repository in notary's own layout.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;

use crate::digest::Digest;
use crate::limits::METADATA_FILE;
use crate::tuf::RoleName;

/// More files than this are not read.
const MAX_FILES: usize = 4096;

/// Roles nested deeper than this are not read.
const MAX_DEPTH: usize = 34;

/// The files of one repository. Unverified.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// By role.
    pub(crate) files: BTreeMap<RoleName, Bytes>,
    /// Older roots by version.
    pub(crate) roots: BTreeMap<u64, Bytes>,
}

impl Tree {
    /// Reads a `metadata` directory. What cannot be read is not there.
    pub(super) fn read(directory: &Path) -> Self {
        let mut tree = Self::default();
        tree.read_below(directory, "", 0);
        tree
    }

    /// The delegation roles.
    pub(crate) fn delegations(&self) -> std::collections::BTreeSet<RoleName> {
        self.files.keys().filter(|role| role.is_delegation()).cloned().collect()
    }

    pub(crate) fn root(&self) -> Option<&Bytes> {
        self.files.get(&RoleName::root())
    }

    /// The bytes of all files.
    pub(crate) fn size(&self) -> usize {
        self.files.values().chain(self.roots.values()).map(Bytes::len).sum()
    }

    /// The root with this hash, current or older.
    pub(crate) fn root_with(&self, sha256: Digest) -> Option<&Bytes> {
        self.root().into_iter().chain(self.roots.values()).find(|bytes| Digest::of(bytes) == sha256)
    }

    fn read_below(&mut self, directory: &Path, prefix: &str, depth: usize) {
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let path = entry.path();
            if path.is_dir() && depth < MAX_DEPTH {
                self.read_below(&path, &format!("{prefix}{name}/"), depth + 1);
            } else if let Some(stem) = name.strip_suffix(".json")
                && self.files.len() + self.roots.len() < MAX_FILES
            {
                self.read_file(&path, &format!("{prefix}{stem}"));
            }
        }
    }

    fn read_file(&mut self, path: &Path, name: &str) {
        let version = name.strip_suffix(".root").and_then(|version| version.parse().ok());
        if let Some(version) = version {
            read_capped(path).map(|bytes| self.roots.insert(version, bytes));
        } else if let Ok(role) = RoleName::parse(name) {
            read_capped(path).map(|bytes| self.files.insert(role, bytes));
        }
    }
}

fn read_capped(path: &Path) -> Option<Bytes> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(METADATA_FILE + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= METADATA_FILE).then(|| bytes.into())
}
