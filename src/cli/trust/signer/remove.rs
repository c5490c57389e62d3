//! `tagseal trust signer remove`: lets somebody sign no more.

use std::process::ExitCode;

use crate::cli::confirm::confirm;
use crate::cli::repository::Repository;
use crate::cli::trust::failure::Refused;
use crate::cli::trust::options::Options;
use crate::cli::trust::outcome::Outcome;
use crate::cli::trust::pending::PendingOption;
use crate::cli::trust::session::Session;
use crate::cli::trust::several::Several;
use crate::cli::trust::signer_name::SignerName;
use crate::publish::operation::Operation;
use crate::publish::publisher::Published;
use crate::tuf::{KeyId, RoleName, TrustedRepository};

/// Arguments of `tagseal trust signer remove`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signer's name.
    #[arg(value_parser = SignerName::existing)]
    name: SignerName,
    /// The repositories, each with its registry.
    #[arg(required = true, value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// Do not ask, also where nobody else signed what docker pulls.
    #[arg(long, short = 'f', visible_alias = "yes")]
    force: bool,
    #[command(flatten)]
    pending: PendingOption,
    #[command(flatten)]
    options: Options,
}

/// Removes the signer from each repository.
///
/// # Errors
/// When the arguments cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repositories: Vec<_> =
        args.repositories.iter().map(|text| Repository::whole(text)).collect::<anyhow::Result<_>>()?;
    args.pending.check_one(&repositories)?;
    let session = Session::open(&args.options)?;
    let runtime = crate::cli::runtime()?;
    let mut several = Several::new(args.options.output);
    for repository in &repositories {
        several.add(repository, runtime.block_on(remove(args, &session, repository)));
    }
    several.finish()
}

async fn remove(args: &Args, session: &Session<'_>, repository: &Repository) -> anyhow::Result<Outcome> {
    let read = session.read(repository).await?;
    let removal = Removal::of(&read, &args.name)?
        .ok_or_else(|| Refused(format!("{} is no signer of {}", args.name, repository.gun())))?;
    if removal.is_the_only_one {
        let (name, gun) = (&args.name, repository.gun());
        return Err(Refused(format!(
            "{name} is the only signer of {gun}, and a role without keys cannot be signed: add another first (`tagseal trust \
             signer add`), give {name} a new key (`tagseal trust rotate delegation targets/{name}`), or let nobody sign but \
             the owner (`tagseal trust delegation remove targets/releases {gun}`, and then this again)"
        ))
        .into());
    }
    if removal.leaves_nothing_released {
        let question = format!(
            "{} alone signed what docker pulls from {}. Without that signature none of its tags can be pulled, until another \
             signer has run `tagseal trust witness targets/releases`. Remove {0} all the same?",
            args.name,
            repository.gun()
        );
        if !confirm(&question, args.force)? {
            let message = format!("Nothing was changed in {}", repository.gun());
            return Ok(Outcome::new(repository, message, &Published::default()));
        }
    }
    let published = args.pending.publish(session, repository, &removal.operations).await?;
    let message = format!("Removed the signer {} from {}", args.name, repository.gun());
    let mut outcome = args.pending.outcome(repository, message, &published).of_removal();
    if removal.leaves_nothing_released && outcome.is_published() {
        outcome.warn(format!(
            "nothing in targets/releases counts now; another signer signs it anew with `tagseal trust witness \
             targets/releases {}`",
            repository.gun()
        ));
    }
    Ok(outcome)
}

/// What removing a signer takes.
struct Removal {
    operations: Vec<Operation>,
    /// Whether too few of those who signed `targets/releases` would be left: docker asks then.
    leaves_nothing_released: bool,
    /// Whether nobody's key would be left in `targets/releases`.
    is_the_only_one: bool,
}

impl Removal {
    /// `None`: there is no such signer.
    fn of(repository: &TrustedRepository, name: &SignerName) -> anyhow::Result<Option<Self>> {
        let releases = SignerName::releases()?;
        let delegated = |role: &RoleName| {
            let targets = repository.role(&RoleName::targets())?;
            targets.delegated().into_iter().find(|delegated| delegated.name == role)
        };
        let Some(signer) = delegated(name.role()) else { return Ok(None) };
        let shared: Vec<KeyId> = match delegated(&releases) {
            Some(releases) => {
                signer.key_ids.iter().copied().filter(|id| releases.key_ids.contains(id)).collect()
            }
            None => Vec::new(),
        };
        let is_the_only_one = delegated(&releases)
            .is_some_and(|releases| releases.key_ids.iter().all(|id| shared.contains(id)));
        let leaves_nothing_released = repository.role(&releases).is_some_and(|releases| {
            let left = releases.signed_by().iter().filter(|by| !shared.contains(&by.key_id)).count();
            (left as u64) < releases.threshold()
        });
        let mut operations = Vec::new();
        if !shared.is_empty() {
            operations.push(Operation::Restrict { role: releases, keys: shared, paths: Vec::new() });
        }
        operations.push(Operation::Undelegate { role: name.role().clone() });
        Ok(Some(Self { operations, leaves_nothing_released, is_the_only_one }))
    }
}
