//! `tagseal completions`: a shell's completion script.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Arguments of `tagseal completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// None: printing to a closed pipe ends the process.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    clap_complete::generate(args.shell, &mut super::Cli::command(), "tagseal", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
