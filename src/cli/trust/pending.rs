//! `--pending FILE`: what too few keys signed goes from one signer to the next in a file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::outcome::Outcome;
use super::session::Session;
use crate::cli::confirm::confirm;
use crate::cli::repository::{Repository, read};
use crate::publish::operation::Operation;
use crate::publish::pending::Pending;
use crate::publish::publisher::{HandedOn, PublishError, Published, Signer};
use crate::tuf::RoleName;

/// Where files of pending signatures are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PendingOption {
    /// Where a role has to be signed by more keys than are here: publish nothing, sign with those that are, and write that to
    /// FILE, for the next signer's `tagseal trust witness ROLE REPOSITORY --pending FILE`.
    #[arg(long, value_name = "FILE")]
    pending: Option<PathBuf>,
}

impl PendingOption {
    /// The file, if it was named.
    pub(super) fn path(&self) -> Option<&Path> {
        self.pending.as_deref()
    }

    /// Applies the operations and publishes, or begins what others sign besides.
    ///
    /// # Errors
    /// When it cannot be published, or the file is there already.
    pub(super) async fn publish(
        &self,
        session: &Session<'_>,
        repository: &Repository,
        operations: &[Operation],
    ) -> anyhow::Result<Published> {
        let Some(path) = self.path() else { return session.publish(repository, operations).await };
        if path.exists() {
            bail!("{} is there already, and nothing is overwritten: name another file", path.display());
        }
        let published = session.begin(repository, operations).await?;
        self.write(published.handed_on.as_ref())?;
        Ok(published)
    }

    /// Writes what is handed on, if anything is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, handed_on: Option<&HandedOn>) -> anyhow::Result<()> {
        let Some((path, handed_on)) = self.path().zip(handed_on) else { return Ok(()) };
        let written = std::fs::write(path, handed_on.pending.to_text());
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// What became of it: where something is handed on, the outcome says to whom.
    pub(super) fn outcome(&self, repository: &Repository, done: String, published: &Published) -> Outcome {
        let (Some(path), Some(handed_on)) = (self.path(), &published.handed_on) else {
            return Outcome::new(repository, done, published);
        };
        let begun = handed_on.lacking.iter().map(|lacking| {
            format!("{} of {} signatures of {}", lacking.here.len(), lacking.threshold, lacking.role)
        });
        let begun = begun.collect::<Vec<_>>().join(", ");
        let message = format!("Begun, and nothing is published yet: {begun}, in {}", path.display());
        let mut outcome = Outcome::new(repository, message, published).handed_on_in(path, handed_on);
        for lacking in &handed_on.lacking {
            let missing = lacking.missing.iter().map(Signer::to_string).collect::<Vec<_>>().join(", ");
            outcome.warn(format!(
                "hand {} to whoever has {missing}, who signs and publishes it with `tagseal trust witness {} {} --pending FILE`",
                path.display(),
                lacking.role,
                repository.gun()
            ));
        }
        outcome
    }

    /// Adds signatures to what another signer began, after a look at it; publishes it if there are enough.
    ///
    /// # Errors
    /// When the file is of another repository or other roles, or it cannot be published. `None`: whoever was asked said no.
    pub(super) fn add_signatures(
        &self,
        session: &Session<'_>,
        repository: &Repository,
        path: &Path,
        roles: &[RoleName],
        yes: bool,
    ) -> anyhow::Result<Option<Published>> {
        let pending = Pending::parse(&read(path)?).with_context(|| path.display().to_string())?;
        if pending.gun != *repository.gun() {
            bail!("{} is about {}, and not about {}", path.display(), pending.gun, repository.gun());
        }
        if let Some(role) = roles.iter().find(|role| !pending.files.contains_key(*role)) {
            bail!("{} is not about {role}", path.display());
        }
        let runtime = crate::cli::runtime()?;
        let mut looked_at = Vec::new();
        loop {
            let operations: Vec<Operation> = (pending.files.iter())
                .map(|(role, file)| Operation::Adopt {
                    role: role.clone(),
                    file: file.clone(),
                    looked_at: looked_at.clone(),
                })
                .collect();
            let error = match runtime.block_on(session.begin(repository, &operations)) {
                Ok(published) => {
                    self.write(published.handed_on.as_ref())?;
                    return Ok(Some(published));
                }
                Err(error) => error,
            };
            let Some(PublishError::PendingNotLookedAt { role, sha256, changes, signed_by }) =
                error.downcast_ref()
            else {
                return Err(error);
            };
            if !confirm(&question(role, changes, signed_by), yes)? {
                return Ok(None);
            }
            looked_at.push(*sha256);
        }
    }
}

/// What another signer asks for is shown before anybody signs it.
fn question(role: &RoleName, changes: &[String], signed_by: &[Signer]) -> String {
    let signers = signed_by.iter().map(Signer::to_string).collect::<Vec<_>>().join(", ");
    let lines: String = changes.iter().map(|line| format!("  {line}\n")).collect();
    let what =
        if changes.is_empty() { "It changes nothing.\n".to_owned() } else { format!("It changes:\n{lines}") };
    format!("{signers} signed a new version of {role}. {what}Sign it too?")
}
