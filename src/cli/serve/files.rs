//! [`PolicyFolder`]: `--policies DIR`, read again when a file changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::cli::policy_files;
use crate::policy::{PolicySnapshot, SetOptions};

/// The YAML files of a folder, as one policy set.
pub(super) struct PolicyFolder {
    folder: PathBuf,
    system_namespace: String,
    options: SetOptions,
    snapshots: watch::Sender<PolicySnapshot>,
    seen: Vec<(String, String)>,
}

impl PolicyFolder {
    /// Reads the folder and publishes its policies.
    ///
    /// # Errors
    /// When a file cannot be read or does not compile: nothing is served by half of the policies.
    pub(super) fn open(
        folder: &Path,
        system_namespace: &str,
        options: SetOptions,
        snapshots: watch::Sender<PolicySnapshot>,
    ) -> anyhow::Result<Self> {
        let (folder, system_namespace) = (folder.to_owned(), system_namespace.to_owned());
        let mut opened = Self { folder, system_namespace, options, snapshots, seen: Vec::new() };
        let files = opened.read()?;
        opened.publish(files)?;
        Ok(opened)
    }

    /// Looks at the files `every` so often, for ever. Files that do not compile change nothing: the set that serves
    /// goes on, and the log says what is wrong.
    pub(super) async fn watch(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            match self.read() {
                Ok(files) if files == self.seen => {}
                Ok(files) => match self.publish(files) {
                    Ok(()) => tracing::info!(folder = %self.folder.display(), "policies read again"),
                    Err(error) => tracing::error!(%error, "changed policies refused, the old ones go on"),
                },
                Err(error) => tracing::error!(
                    error = format!("{error:#}"),
                    "policies cannot be read, the old ones go on"
                ),
            }
        }
    }

    fn read(&self) -> anyhow::Result<Vec<(String, String)>> {
        let unreadable = || format!("cannot read the policy folder {}", self.folder.display());
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            // A mounted config map keeps its own files under names that begin with two dots.
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            if is_yaml && path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        policy_files::read(&paths)
    }

    fn publish(&mut self, files: Vec<(String, String)>) -> anyhow::Result<()> {
        let set = policy_files::compile(&files, &self.system_namespace, self.options.clone());
        // Told once for one content.
        self.seen = files;
        self.snapshots.send_replace(PolicySnapshot::Synced(Arc::new(set?)));
        Ok(())
    }
}
