//! The command line: one file a subcommand, each from arguments to configuration to a run.

pub mod docker_config;

use std::process::ExitCode;

/// Parses the command line and runs the subcommand.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
