//! `tagseal trust witness`: signs roles anew, content unchanged.

use std::process::ExitCode;

use super::options::Options;
use super::outcome::Outcome;
use super::role_arguments;
use super::session::Session;
use crate::publish::operation::Operation;

/// Arguments of `tagseal trust witness`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tagseal trust witness [OPTIONS] <ROLE>... <REPOSITORY>")]
pub struct Args {
    /// The roles (targets, targets/NAME), and then the repository.
    #[arg(required = true, value_name = "ROLE|REPOSITORY")]
    arguments: Vec<String>,
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
    let published =
        crate::cli::runtime()?.block_on(session.publish(&repository, &[Operation::Witness { roles }]))?;
    let message = format!("Signed {names} of {} anew", repository.gun());
    Outcome::new(&repository, message, &published).print(args.options.output)?;
    Ok(ExitCode::SUCCESS)
}
