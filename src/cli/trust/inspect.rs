//! `tagseal trust inspect`: `tagseal inspect`, which knows the roots of the trust directory.

use std::process::ExitCode;

use super::options::KeyOptions;
use crate::cli::inspect;
use crate::cli::reading::seeded_by;

/// Arguments of `tagseal trust inspect`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    inspect: inspect::Args,
    #[command(flatten)]
    keys: KeyOptions,
    /// As docker has it: text is what is printed anyway.
    #[arg(long, hide = true)]
    pretty: bool,
}

/// Shows the repository. Where no root is named, the one that the trust directory knows is the pin.
///
/// # Errors
/// When the arguments cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.inspect.has_cache() {
        return inspect::run(&args.inspect);
    }
    let (folder, config) = seeded_by(&args.keys.path()?)?;
    let outcome = inspect::show(&args.inspect, &args.inspect.tolerant(config));
    drop(folder);
    outcome
}
