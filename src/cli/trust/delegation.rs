//! `tagseal trust delegation …`: delegation roles of any path, threshold and paths.

mod add;
mod list;
mod remove;

use std::process::ExitCode;

/// The subcommands of `tagseal trust delegation`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Delegate a role, or add keys and paths to one that is delegated.
    Add(add::Args),
    /// Take keys or paths from a role, or delegate it no more.
    #[command(visible_alias = "rm")]
    Remove(remove::Args),
    /// List a repository's delegation roles with their keys and paths.
    #[command(visible_alias = "ls")]
    List(list::Args),
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(args) => add::run(&args),
        Command::Remove(args) => remove::run(&args),
        Command::List(args) => list::run(&args),
    }
}
