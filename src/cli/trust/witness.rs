//! `tagseal trust witness`: signs roles anew, content unchanged.

use std::process::ExitCode;

use super::options::Options;
use super::pending::PendingFiles;
use super::role_arguments;
use super::session::Session;
use crate::cli::confirm::confirm;
use crate::cli::output::print;
use crate::publish::operation::Operation;
use crate::publish::publisher::PublishError;
use crate::tuf::RoleName;

/// Arguments of `tagseal trust witness`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tagseal trust witness [OPTIONS] <ROLE>... <REPOSITORY>")]
pub struct Args {
    /// The roles (root, targets, targets/NAME), and then the repository.
    #[arg(required = true, value_name = "ROLE|REPOSITORY")]
    arguments: Vec<String>,
    /// Do not ask, also where what a role lists is not signed by its present keys.
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    pending: PendingFiles,
    #[command(flatten)]
    options: Options,
}

/// Signs the roles anew: after a key of theirs changed, or before they expire.
///
/// # Errors
/// When no key for one of them is here, or it cannot be published.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (roles, repository) = role_arguments::split(&args.arguments)?;
    let session = Session::open(&args.options)?;
    let names = roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let option = args.pending.first();
    if let Some(pending) = args.pending.read()? {
        let added = option.add_signatures(&session, &repository, &pending, &roles, args.yes)?;
        let Some(published) = added else {
            print("Nothing was changed");
            return Ok(ExitCode::SUCCESS);
        };
        let message = format!("Signed and published what was begun of {}", repository.gun());
        return option.outcome(&repository, message, &published).print(args.options.output);
    }
    let runtime = crate::cli::runtime()?;
    let mut looked_at = Vec::new();
    let published = loop {
        let operation = Operation::Witness { roles: roles.clone(), looked_at: looked_at.clone() };
        let error = match runtime.block_on(option.publish(&session, &repository, &[operation])) {
            Ok(published) => break published,
            Err(error) => error,
        };
        let Some(PublishError::NotLookedAt { role, sha256, listed }) = error.downcast_ref() else {
            return Err(error);
        };
        if !confirm(&question(role, listed), args.yes)? {
            print("Nothing was changed");
            return Ok(ExitCode::SUCCESS);
        }
        looked_at.push(*sha256);
    };
    let message = format!("Signed {names} of {} anew", repository.gun());
    option.outcome(&repository, message, &published).print(args.options.output)
}

/// What the keys of a role do not vouch for is shown before anybody signs it: the server could have put it there.
fn question(role: &RoleName, listed: &[String]) -> String {
    let lines: String = listed.iter().map(|line| format!("  {line}\n")).collect();
    let what =
        if listed.is_empty() { "It lists no tags.\n".to_owned() } else { format!("It lists:\n{lines}") };
    format!(
        "What {role} lists is not signed by its present keys. {what}Is all of it right, and to be signed as it is?"
    )
}
