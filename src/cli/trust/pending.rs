//! `--pending FILE`: what too few keys signed goes from one signer to the next in a file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::outcome::Outcome;
use super::session::Session;
use crate::cli::confirm::confirm;
use crate::cli::repository::Repository;
use crate::limits::PENDING_BYTES;
use crate::publish::operation::Operation;
use crate::publish::pending::Pending;
use crate::publish::publisher::{HandedOn, Lacking, PublishError, Published, Signer};
use crate::tuf::RoleName;

/// Where files of pending signatures are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PendingOption {
    /// Where a role has to be signed by more keys than are here: publish nothing, sign with those that are, and write that to
    /// FILE, for the next signer's `tagseal trust witness ROLE REPOSITORY --pending FILE`, or `tagseal trust sign-offline FILE`
    /// where there is no network.
    #[arg(long, value_name = "FILE")]
    pending: Option<PathBuf>,
}

/// Where files of pending signatures are: the one that is begun, or what several signers made of it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PendingFiles {
    /// What others began: look at it, add the signatures of the keys that are here, and publish it where there are enough; else
    /// write it again. Copies that several signers signed are merged: repeat the option. A file that is not there yet is begun.
    #[arg(long = "pending", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl PendingFiles {
    /// The option of a command that begins something, with the first of the files.
    pub(super) fn first(&self) -> PendingOption {
        PendingOption { pending: self.files.first().cloned() }
    }

    /// What others began, where there is something: all of it, merged.
    ///
    /// # Errors
    /// When a file cannot be read, or they do not go together.
    pub(super) fn read(&self) -> anyhow::Result<Option<Pending>> {
        if let [one] = self.files.as_slice()
            && !one.exists()
        {
            return Ok(None);
        }
        let mut merged: Option<Pending> = None;
        for path in &self.files {
            let pending = read_pending(path)?;
            merged = Some(match merged {
                None => pending,
                Some(merged) => merged.merge(&pending).with_context(|| path.display().to_string())?,
            });
        }
        Ok(merged)
    }
}

/// Reads a file of pending signatures, which somebody else wrote.
///
/// # Errors
/// When it cannot be read, is too large, or is none.
pub(super) fn read_pending(path: &Path) -> anyhow::Result<Pending> {
    let cannot = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(cannot)?;
    let mut text = String::new();
    file.take(PENDING_BYTES + 1).read_to_string(&mut text).with_context(cannot)?;
    Pending::parse(&text).with_context(|| path.display().to_string())
}

/// Writes a file of pending signatures in one step, in the place of the one before.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_pending(path: &Path, pending: &Pending) -> anyhow::Result<()> {
    let beside = path.with_added_extension("new");
    let written = std::fs::write(&beside, pending.to_text()).and_then(|()| std::fs::rename(&beside, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

impl PendingOption {
    /// The file, if it was named.
    pub(super) fn path(&self) -> Option<&Path> {
        self.pending.as_deref()
    }

    /// One file is about one repository.
    ///
    /// # Errors
    /// When several are named beside it.
    pub(super) fn check_one(&self, repositories: &[Repository]) -> anyhow::Result<()> {
        if self.path().is_some() && repositories.len() > 1 {
            bail!(
                "--pending FILE is about one repository: run the command for each of them, with a file of its own"
            );
        }
        Ok(())
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
        write_pending(path, &handed_on.pending)
    }

    /// What became of it: where something is handed on, the outcome says to whom.
    pub(super) fn outcome(&self, repository: &Repository, done: String, published: &Published) -> Outcome {
        let (Some(path), Some(handed_on)) = (self.path(), &published.handed_on) else {
            return Outcome::new(repository, done, published);
        };
        let begun = handed_on.lacking.iter().map(|lacking| {
            format!("{} of {} signatures of {}", lacking.here.len(), lacking.threshold, lacking.role)
        });
        let mut begun = begun.collect::<Vec<_>>();
        begun.dedup();
        let begun = begun.join(", ");
        let message = format!("Begun, and nothing is published yet: {begun}, in {}", path.display());
        let mut outcome = Outcome::new(repository, message, published).handed_on_in(path, handed_on);
        for (index, lacking) in handed_on.lacking.iter().enumerate() {
            let missing = lacking.missing.iter().map(Signer::to_string).collect::<Vec<_>>().join(", ");
            let (path, role, gun) = (path.display(), &lacking.role, repository.gun());
            // The root's keys until now have to sign it, and its new ones; in this order.
            let is_same = |other: Option<&Lacking>| other.is_some_and(|other| other.role == *role);
            let which = match index {
                _ if is_same(handed_on.lacking.get(index + 1)) => " (its keys until now)",
                1.. if is_same(handed_on.lacking.get(index - 1)) => " (its new keys)",
                _ => "",
            };
            let more = lacking.threshold - lacking.here.len() as u64;
            let who = match lacking.missing.len() as u64 == more {
                true => format!("whoever has {missing}{which}"),
                false => format!("{more} of those who have {missing}{which}"),
            };
            let sign = match more {
                1 => "who signs and publishes it",
                _ => "who sign it one after the other, the last of them publishing it,",
            };
            // Keys of base roles are often where no network is.
            let offline = match role.is_delegation() {
                true => "",
                false => "; without a network, `tagseal trust sign-offline FILE` signs it",
            };
            outcome.warn(format!(
                "hand {path} to {who}, {sign} with `tagseal trust witness {role} {gun} --pending FILE`{offline}"
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
        pending: &Pending,
        roles: &[RoleName],
        yes: bool,
    ) -> anyhow::Result<Option<Published>> {
        let path = self.path().unwrap_or(Path::new("the file"));
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
    let signers = if signers.is_empty() { "Nobody".to_owned() } else { signers };
    format!("{signers} signed a new version of {role}. {what}Sign it too?")
}
