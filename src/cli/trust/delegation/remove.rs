//! `tagseal trust delegation remove`: takes from a role, or the role itself.

use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::cli::confirm::confirm;
use crate::cli::output::print;
use crate::cli::repository::Repository;
use crate::cli::trust::options::Options;
use crate::cli::trust::pending::PendingOption;
use crate::cli::trust::role_arguments;
use crate::cli::trust::session::Session;
use crate::publish::operation::Operation;
use crate::tuf::{KeyId, RoleName};

/// Arguments of `tagseal trust delegation remove`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tagseal trust delegation remove [OPTIONS] <ROLE> <REPOSITORY>")]
pub struct Args {
    /// The role (targets/NAME, targets/NAME/NAME), and then the repository, or the other way round as notary has it.
    #[arg(required = true, value_name = "ROLE|REPOSITORY")]
    arguments: Vec<String>,
    /// A key to take out, by its ID or the beginning of it; the role stays. May be repeated.
    #[arg(long = "key", value_name = "ID")]
    keys: Vec<String>,
    /// A path prefix to take out; the role stays. May be repeated, or separated by commas.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    paths: Vec<String>,
    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    pending: PendingOption,
    #[command(flatten)]
    options: Options,
}

/// Takes keys or paths from the role; without either, takes the role away.
///
/// # Errors
/// When the arguments cannot be used, or it cannot be published.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (roles, repository) = role_arguments::split(&args.arguments)?;
    let [role] = roles.as_slice() else { bail!("name one role and one repository") };
    if !role.is_delegation() {
        bail!("{role} is no delegation role: they are called targets/NAME");
    }
    let gun = repository.gun();
    let session = Session::open(&args.options)?;
    let runtime = crate::cli::runtime()?;
    let (operation, message) = if args.keys.is_empty() && args.paths.is_empty() {
        let question = format!("Delegate {role} of {gun} no more? What it signed will not count.");
        if !confirm(&question, args.yes)? {
            print("Nothing was changed");
            return Ok(ExitCode::SUCCESS);
        }
        (Operation::Undelegate { role: role.clone() }, format!("{role} of {gun} is delegated no more"))
    } else {
        let keys = match args.keys.as_slice() {
            [] => Vec::new(),
            keys => runtime.block_on(key_ids(&session, &repository, role, keys))?,
        };
        let paths = args.paths.clone();
        (Operation::Restrict { role: role.clone(), keys, paths }, format!("Restricted {role} of {gun}"))
    };
    let published = runtime.block_on(args.pending.publish(&session, &repository, &[operation]))?;
    args.pending.outcome(&repository, message, &published).of_removal().print(args.options.output)
}

/// The IDs of keys that are given in full, or by their beginning.
async fn key_ids(
    session: &Session<'_>,
    repository: &Repository,
    role: &RoleName,
    given: &[String],
) -> anyhow::Result<Vec<KeyId>> {
    if let Ok(ids) = given.iter().map(|id| KeyId::from_hex(id)).collect::<Result<Vec<_>, _>>() {
        return Ok(ids);
    }
    let read = session.read(repository).await?;
    let parent = role.parent().and_then(|parent| read.role(&parent));
    let delegated = parent.into_iter().flat_map(|parent| parent.delegated());
    let known = delegated.into_iter().find(|delegated| delegated.name == role).map(|found| found.key_ids);
    let known = known.with_context(|| format!("{role} of {} is not delegated", repository.gun()))?;
    let full = |given: &String| {
        let lower = given.to_ascii_lowercase();
        let found: Vec<_> = known.iter().filter(|id| id.to_string().starts_with(&lower)).collect();
        match found.as_slice() {
            [id] => Ok(**id),
            _ => bail!(
                "{given:?} is {} key of {role}: its keys are {}",
                if found.is_empty() { "no" } else { "more than one" },
                known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        }
    };
    given.iter().map(full).collect()
}
