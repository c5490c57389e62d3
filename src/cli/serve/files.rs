//! [`PolicyFolder`]: `--policies DIR`, read again when a file changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::cli::policy_files::{self, FilesError};
use crate::policy::{PolicySnapshot, SetOptions};
use crate::telemetry::Heartbeat;

/// The YAML files of a folder, as one policy set.
pub(super) struct PolicyFolder {
    folder: PathBuf,
    system_namespace: String,
    options: SetOptions,
    snapshots: watch::Sender<PolicySnapshot>,
    /// The files as they were looked at last, good or bad.
    seen: Vec<(String, String)>,
    /// Why the folder cannot be read at present, as it was told.
    unreadable: Option<String>,
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
        let mut opened =
            Self { folder, system_namespace, options, snapshots, seen: Vec::new(), unreadable: None };
        let files = opened.read()?;
        let count = opened.publish(files)?;
        if count == 0 {
            tracing::warn!(
                folder = %opened.folder.display(),
                "there are no policies in the folder: every image is unmatched"
            );
        } else {
            tracing::info!(folder = %opened.folder.display(), policies = count, "policies in force");
        }
        Ok(opened)
    }

    /// Looks at the files `every` so often, for ever.
    pub(super) async fn watch(mut self, every: Duration, heartbeat: Heartbeat) {
        loop {
            heartbeat.beat();
            tokio::time::sleep(every).await;
            self.look();
        }
    }

    /// Looks at the files once. Files that cannot be read or do not compile change nothing: the set that serves goes on, and
    /// the log says once what is wrong.
    fn look(&mut self) {
        let folder = self.folder.display().to_string();
        match self.read() {
            Ok(files) => {
                if self.unreadable.take().is_some() {
                    tracing::info!(folder, "policies can be read again");
                }
                if files == self.seen {
                    return;
                }
                match self.publish(files) {
                    Ok(policies) => tracing::info!(folder, policies, "policies changed"),
                    Err(error) => {
                        let error = error.to_string();
                        tracing::error!(folder, error, "changed policies refused, the old ones go on");
                    }
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                if self.unreadable.as_ref() != Some(&error) {
                    tracing::error!(folder, error, "policies cannot be read, the old ones go on");
                    self.unreadable = Some(error);
                }
            }
        }
    }

    fn read(&self) -> anyhow::Result<Vec<(String, String)>> {
        let unreadable = || format!("cannot read the policy folder {}", self.folder.display());
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            // A link that leads nowhere is read, and fails: a policy that is lost is not to be passed over.
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            if is_yaml && !path.is_dir() {
                paths.push(path);
            }
        }
        paths.sort();
        policy_files::read(&paths)
    }

    /// Publishes these files as one set; says how many policies are in it.
    fn publish(&mut self, files: Vec<(String, String)>) -> Result<usize, FilesError> {
        let set = policy_files::compile(&files, &self.system_namespace, self.options.clone());
        self.seen = files;
        let set = set?;
        let mut policies = 0;
        for (policy, errors) in set.policies() {
            policies += 1;
            for error in errors {
                let (policy, field, error) = (policy.id(), error.field, error.message);
                tracing::warn!(%policy, field, error, "invalid policy: it denies what it could match");
            }
            for warning in policy.warnings() {
                tracing::warn!(policy = %policy.id(), warning, "policy has a warning");
            }
        }
        self.snapshots.send_replace(PolicySnapshot::Synced(Arc::new(set)));
        Ok(policies)
    }
}

#[cfg(test)]
mod tests;
