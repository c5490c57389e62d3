//! `tagseal trust delete`: deletes a repository's trust data.

use std::process::ExitCode;

use super::options::Options;
use super::outcome::Outcome;
use super::session::Session;
use crate::cli::confirm::confirm;
use crate::cli::output::print;
use crate::cli::repository::Repository;
use crate::publish::publisher::Published;

/// Arguments of `tagseal trust delete`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, with its registry.
    repository: String,
    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    /// Delete it at the server alone, as after a move to another one.
    #[arg(long)]
    keep_local: bool,
    /// As notary has it; the server's data are always deleted too.
    #[arg(long, hide = true)]
    remote: bool,
    #[command(flatten)]
    options: Options,
}

/// Deletes the trust data at the server, and the metadata here unless they are to be kept. Keys stay.
///
/// # Errors
/// When nobody confirms, or the server refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repository = Repository::whole(&args.repository)?;
    let session = Session::open(&args.options)?;
    let gun = repository.gun();
    let server = session.server(&repository)?.url.clone();
    let (question, message) = match args.keep_local {
        true => (
            format!(
                "Delete all trust data of {gun} at {server}? No tag of it is signed there any more then."
            ),
            format!("Deleted the trust data of {gun} at {server}; its metadata and keys are still here"),
        ),
        false => (
            format!(
                "Delete all trust data of {gun}, at {server} and here? No tag of it is signed any more then."
            ),
            format!("Deleted the trust data of {gun}; its keys are still here"),
        ),
    };
    if !confirm(&question, args.yes)? {
        print("Nothing was deleted");
        return Ok(ExitCode::SUCCESS);
    }
    crate::cli::runtime()?.block_on(session.delete(&repository, args.keep_local))?;
    Outcome::new(&repository, message, &Published::default()).print(args.options.output)?;
    Ok(ExitCode::SUCCESS)
}
