//! `tagseal trust signer …`: those who sign a repository's tags.

mod add;
mod remove;

use std::process::ExitCode;

/// The subcommands of `tagseal trust signer`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Let somebody sign: delegates targets/NAME, and adds the keys to targets/releases.
    Add(add::Args),
    /// Let somebody sign no more.
    #[command(visible_alias = "rm")]
    Remove(remove::Args),
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(args) => add::run(&args),
        Command::Remove(args) => remove::run(&args),
    }
}
