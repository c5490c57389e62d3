//! `tagseal trust key export` and `backup`: keys to files, each encrypted as it is.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::{check_is_here, count, files};
use crate::cli::output::{print, table};
use crate::cli::trust::key_choice::find;
use crate::cli::trust::options::KeyOptions;
use crate::publish::backup::back_up;
use crate::publish::trust_dir::StoredKey;

/// Arguments of `tagseal trust key export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key: its ID, the beginning of it, or the role or signer's name that it alone has.
    #[arg(value_name = "ID|NAME")]
    key: String,
    /// The file to write. Nothing is overwritten.
    #[arg(long, short = 'o', value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    keys: KeyOptions,
}

/// Arguments of `tagseal trust key backup`.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// The file to write. Nothing is overwritten.
    file: PathBuf,
    #[command(flatten)]
    keys: KeyOptions,
}

/// Writes one key.
///
/// # Errors
/// When the key is not there, or the file is.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = args.keys.open()?;
    let stored = find(&dir, &args.key)?;
    check_is_here(&stored, "cannot be exported: `tagseal trust key backup` keeps what leads to it")?;
    let file = dir.key(&stored.id)?.with_context(|| format!("{} is gone", stored.path.display()))?;
    // As `notary key import` wants it: the path says which key it is before anybody opens it.
    let file = file.with_path(Some(&stored.id.to_string()));
    files::create(&args.output, file.pem(), true)?;
    print(&format!("Wrote the key {} to {}", stored.id, args.output.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes all keys.
///
/// # Errors
/// When there are none, or the file is there.
pub fn backup(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let keys = back_up(&args.keys.open()?, &args.file, false)?;
    let row = |key: &StoredKey| {
        let role = key.header.role.clone().unwrap_or_else(|| "-".to_owned());
        let repository = key.header.gun.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        vec![format!("  {role}"), repository, key.id.to_string()]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    print(&format!("Wrote {} to {}", count(keys.len()), args.file.display()));
    print(&table(&["  ROLE", "REPOSITORY", "KEY ID"], &rows));
    Ok(ExitCode::SUCCESS)
}
