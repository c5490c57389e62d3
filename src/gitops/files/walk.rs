//! What a folder holds.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{FileRole, Finder, cannot_read};

/// Folders are not nested deeper.
const MAX_DEPTH: usize = 100;

impl Finder {
    /// Adds the manifests of a folder that the user named, and of the folders in it.
    pub(super) fn add_folder(&mut self, path: &Path) {
        let (before, told) = (self.found.len(), self.input.problems.len());
        let known = self.known.len();
        let mut folders = HashSet::new();
        let has_any = self.walk(path, 0, &mut folders);
        let is_silent =
            self.found.len() == before && self.known.len() == known && self.input.problems.len() == told;
        if is_silent && !has_any {
            let notice = format!(
                "{}: no file in this folder ends in .yaml, .yml or .json, or is called Kustomization",
                path.display()
            );
            self.input.notices.push(notice);
        }
    }

    /// Whether there is any manifest. `folders` are those that were walked, so that links end.
    fn walk(&mut self, folder: &Path, depth: usize, folders: &mut HashSet<(u64, u64)>) -> bool {
        let entries = match entries(folder, folders) {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(folder.display().to_string(), cannot_read(&error));
                return true;
            }
        };
        if depth > MAX_DEPTH {
            self.problem(
                folder.display().to_string(),
                format!("folders are nested more than {MAX_DEPTH} deep"),
            );
            return true;
        }
        let is_chart = entries.iter().any(|entry| entry.file_name() == Some(OsStr::new("Chart.yaml")));
        let mut has_any = false;
        for path in entries {
            let name = path.file_name().unwrap_or_default();
            let metadata = match path.metadata() {
                Ok(metadata) => metadata,
                // A link that leads nowhere is a manifest that is missing, or nothing of ours.
                Err(error) => {
                    if is_manifest(name) {
                        has_any = true;
                        self.problem(path.display().to_string(), cannot_read(&error));
                    }
                    continue;
                }
            };
            if metadata.is_dir() && is_chart && name == "templates" {
                let notice = format!(
                    "{}: left out: templates of a Helm chart are YAML only once they are rendered; \
                     pipe what helm template prints into -f -, or name the chart's values by --helm-values",
                    path.display()
                );
                self.input.notices.push(notice);
                has_any = true;
            } else if metadata.is_dir() {
                has_any |= self.walk(&path, depth + 1, folders);
            } else if metadata.is_file() && is_manifest(name) {
                has_any = true;
                self.add_file(&path, &metadata, FileRole::Manifest);
            }
        }
        has_any
    }
}

/// The entries of a folder by name, without those that begin with a dot; none of a folder that was walked before.
fn entries(folder: &Path, folders: &mut HashSet<(u64, u64)>) -> io::Result<Vec<PathBuf>> {
    let metadata = folder.metadata()?;
    if !folders.insert((metadata.dev(), metadata.ino())) {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_manifest(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name == b"Kustomization" || [&b".yaml"[..], b".yml", b".json"].iter().any(|end| name.ends_with(end))
}
