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
    /// As notary has it; the server's data are always deleted too.
    #[arg(long, hide = true)]
    remote: bool,
    #[command(flatten)]
    options: Options,
}

/// Deletes the trust data at the server, and the metadata here. Keys stay.
///
/// # Errors
/// When nobody confirms, or the server refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repository = Repository::whole(&args.repository)?;
    let session = Session::open(&args.options)?;
    let gun = repository.gun();
    let question = format!(
        "Delete all trust data of {gun}, at {} and here? No tag of it is signed any more then.",
        session.server(&repository)?.url
    );
    if !confirm(&question, args.yes)? {
        print("Nothing was deleted");
        return Ok(ExitCode::SUCCESS);
    }
    crate::cli::runtime()?.block_on(session.delete(&repository))?;
    let message = format!("Deleted the trust data of {gun}; its keys are still here");
    Outcome::new(&repository, message, &Published::default()).print(args.options.output)?;
    Ok(ExitCode::SUCCESS)
}
