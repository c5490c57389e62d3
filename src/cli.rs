//! The command line: one file a subcommand, each from arguments to configuration to a run.

mod authorities;
mod client_certificate;
mod completions;
mod confirm;
mod connection;
pub mod crd;
pub mod docker_config;
mod durations;
mod from_cluster;
mod inspect;
mod inventory;
mod judging;
mod krm;
mod manifests;
mod notary_auth;
mod output;
pub mod passphrases;
mod pin;
mod policy_files;
mod progress;
mod reading;
mod repository;
pub mod sandbox;
mod serve;
mod settings;
mod sizes;
mod stop;
mod test;
mod trust;
mod usage;
mod verify;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::clock::{ManualClock, SharedClock, SystemClock};

/// Exit status when what was asked about is not trusted.
const DENIED: u8 = 1;
/// Exit status when it could not be decided.
const UNDECIDED: u8 = 2;

/// How a command ends that was about several things: 1 beats 2 beats 0 (design §11).
fn exit_code(is_denied: bool, is_undecided: bool) -> ExitCode {
    match (is_denied, is_undecided) {
        (true, _) => ExitCode::from(DENIED),
        (false, true) => ExitCode::from(UNDECIDED),
        (false, false) => ExitCode::SUCCESS,
    }
}

/// A Kubernetes cluster runs exactly the images that their publishers signed.
#[derive(Debug, Parser)]
#[command(name = "tagseal", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the admission webhook and its controller.
    Serve(Box<serve::Args>),
    /// Show everything on this machine alone: sign, seal, attack, recover.
    Sandbox(sandbox::Args),
    /// Verify images, or those of manifests, against policies, as the cluster would.
    Verify(Box<verify::Args>),
    /// Take stock of a cluster: every image that runs or is declared, and whether it would be admitted.
    Inventory(Box<inventory::Args>),
    /// Write signed digests into manifests, kustomizations and Helm values, and change no other byte.
    Pin(Box<pin::Args>),
    /// Pin or verify a ResourceList, as a function of kustomize and kpt.
    Krm(Box<krm::Args>),
    /// Show a repository's signed tags, its roles and their keys.
    Inspect(Box<inspect::Args>),
    /// Sign images, and manage the keys and roles that sign: what `docker trust` and `notary` did.
    Trust(Box<trust::Args>),
    /// Test policies: what they say of images, against what is expected.
    Test(Box<test::Args>),
    /// Print the custom resource definitions.
    Crd(crd::Args),
    /// Print a shell's completion script.
    Completions(completions::Args),
}

/// Parses the command line and runs the subcommand.
///
/// Exits 0 when all passed, 1 when something was denied, 2 when something could not be decided.
pub fn main() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => return usage::tell(&error),
    };
    // The one TLS provider of the process. A second installation is refused and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Sandbox(args) => sandbox::run(args),
        Command::Verify(args) => verify::run(*args),
        Command::Inventory(args) => inventory::run(&args),
        Command::Pin(args) => pin::run(&args),
        Command::Krm(args) => krm::run(*args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Trust(args) => trust::run(*args),
        Command::Test(args) => test::run(&args),
        Command::Crd(args) => crd::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        output::tell(&output::failure(&error));
        ExitCode::from(UNDECIDED)
    })
}

/// A binary, or a link to it, of this name in `PATH` is what kubectl runs as `kubectl tagseal`.
const PLUGIN: &str = "kubectl-tagseal";

/// Reads the command line. As a plugin of kubectl the command is called as its user calls it, and takes stock of a cluster without
/// being told to.
fn parse(mut arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let program = arguments.first().map(Path::new).and_then(Path::file_stem);
    if program.is_some_and(|program| program == PLUGIN) {
        command = command.bin_name("kubectl tagseal");
        let takes_stock = arguments.get(1).is_some_and(|command| command == "inventory");
        if takes_stock && !arguments.iter().any(|argument| inventory::says_where(argument)) {
            arguments.insert(2, inventory::FROM_CLUSTER.into());
        }
    }
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// The runtime of a command.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// The clock that trust data is judged by: the machine's, or one that stands at `--at`.
fn clock(at: Option<jiff::Timestamp>) -> SharedClock {
    match at {
        Some(at) => Arc::new(ManualClock::at(at)),
        None => Arc::new(SystemClock),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }
}
