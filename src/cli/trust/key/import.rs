//! `tagseal trust key import` and `restore`: keys from files that were exported or backed up.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::trust::options::KeyOptions;

/// Arguments of `tagseal trust key import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// PEM files with private keys, encrypted or not.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the keys are for, where the files do not say: root, targets, snapshot, or a signer's name.
    #[arg(long, short = 'r')]
    role: Option<String>,
    /// Which repository the keys are for, where the files do not say.
    #[arg(long, visible_alias = "gun", short = 'g')]
    repository: Option<String>,
    #[command(flatten)]
    keys: KeyOptions,
}

/// Arguments of `tagseal trust key restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// A file that `key backup` wrote, or a `.tar.gz` of docker's `trust/private`.
    file: PathBuf,
    #[command(flatten)]
    keys: KeyOptions,
}

/// Takes the keys into the trust directory.
///
/// # Errors
/// When a file has no key.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let _ = (&args.files, &args.role, &args.repository, &args.keys);
    todo!()
}

/// Takes all keys of a backup.
///
/// # Errors
/// When it is no backup.
pub fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let _ = (&args.file, &args.keys);
    todo!()
}
