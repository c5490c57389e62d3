//! `tagseal trust delegation add`: delegates a role, or adds to one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use crate::cli::repository::Repository;
use crate::cli::trust::key_choice::public_keys;
use crate::cli::trust::options::Options;
use crate::cli::trust::pending::PendingOption;
use crate::cli::trust::role_arguments;
use crate::cli::trust::session::Session;
use crate::publish::operation::Operation;
use crate::tuf::RoleName;

/// Arguments of `tagseal trust delegation add`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tagseal trust delegation add [OPTIONS] <ROLE> <REPOSITORY>")]
pub struct Args {
    /// The role (targets/NAME, targets/NAME/NAME), and then the repository; or, as notary has it, the repository, the
    /// role, and files with keys.
    #[arg(required = true, value_name = "ROLE|REPOSITORY")]
    arguments: Vec<String>,
    /// A public key, or certificate, that may sign: a PEM file. May be repeated.
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// How many of the role's keys have to sign; default: as it is, 1 for a new role.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    threshold: Option<u64>,
    /// What the names of tags that it may list begin with. May be repeated, or separated by commas; default for a new
    /// role: everything.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    paths: Vec<String>,
    /// Everything, as notary has it.
    #[arg(long, conflicts_with = "paths")]
    all_paths: bool,
    /// As notary has it; every command publishes at once.
    #[arg(long, short = 'p', hide = true)]
    publish: bool,
    #[command(flatten)]
    pending: PendingOption,
    #[command(flatten)]
    options: Options,
}

/// Delegates the role.
///
/// # Errors
/// When the arguments cannot be used, or it cannot be published.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (role, repository, mut files) = arguments(&args.arguments)?;
    files.splice(0..0, args.keys.iter().cloned());
    let keys = public_keys(&files)?;
    let session = Session::open(&args.options)?;
    let runtime = crate::cli::runtime()?;
    let mut paths = args.paths.clone();
    if args.all_paths {
        paths.push(String::new());
    }
    if paths.is_empty()
        && !keys.is_empty()
        && !runtime.block_on(is_delegated(&session, &repository, &role))?
    {
        paths.push(String::new());
    }
    if keys.is_empty() && paths.is_empty() && args.threshold.is_none() {
        bail!("nothing to add: name --key, --paths or --threshold");
    }
    let operation = Operation::Delegate { role: role.clone(), keys, threshold: args.threshold, paths };
    let published = runtime.block_on(args.pending.publish(&session, &repository, &[operation]))?;
    let message = format!("Delegated {role} of {}", repository.gun());
    args.pending.outcome(&repository, message, &published).print(args.options.output)
}

/// Whether the role is delegated now. What cannot be read says itself why when it is published to.
async fn is_delegated(
    session: &Session<'_>,
    repository: &Repository,
    role: &RoleName,
) -> anyhow::Result<bool> {
    Ok(session.read(repository).await?.delegates(role))
}

/// `ROLE REPOSITORY`, or notary's `REPOSITORY ROLE FILE…`.
fn arguments(arguments: &[String]) -> anyhow::Result<(RoleName, Repository, Vec<PathBuf>)> {
    let is_role = |text: &String| RoleName::parse(text).is_ok();
    let at = match arguments {
        [first, second, ..] if is_role(second) && !is_role(first) => 2,
        _ => arguments.len().min(2),
    };
    let (named, files) = arguments.split_at(at);
    let (roles, repository) = role_arguments::split(named)?;
    match roles.as_slice() {
        [role] if role.is_delegation() => {
            Ok((role.clone(), repository, files.iter().map(PathBuf::from).collect()))
        }
        [role] => bail!("{role} is no delegation role: they are called targets/NAME"),
        _ => bail!("name one role and one repository"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> String {
        let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
        match arguments(&words) {
            Ok((role, repository, files)) => format!("{role} | {} | {files:?}", repository.gun()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn arguments_stand_as_here_or_as_with_notary() {
        assert_eq!(read("targets/qa r.test/web"), "targets/qa | r.test/web | []");
        assert_eq!(
            read("r.test/web targets/qa a.pem b.crt"),
            "targets/qa | r.test/web | [\"a.pem\", \"b.crt\"]"
        );
        assert_eq!(read("targets r.test/web"), "targets is no delegation role: they are called targets/NAME");
    }
}
