//! `tagseal trust key passwd`: changes a key's passphrase.

use std::process::ExitCode;

use anyhow::Context as _;

use super::{check_is_here, seal};
use crate::cli::output::print;
use crate::cli::passphrases::{FdSource, PassphraseSources};
use crate::cli::trust::key_choice::find;
use crate::cli::trust::options::KeyOptions;

/// Arguments of `tagseal trust key passwd`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key: its ID, the beginning of it, or the role or signer's name that it alone has.
    #[arg(value_name = "ID|NAME")]
    key: String,
    /// Read the new passphrase from this file descriptor.
    #[arg(long, value_name = "N")]
    new_passphrase_fd: Option<FdSource>,
    #[command(flatten)]
    keys: KeyOptions,
}

/// Encrypts the key under another passphrase. The old one is asked for first.
///
/// # Errors
/// When the key is not there, or a passphrase is missing.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = args.keys.open()?;
    let stored = find(&dir, &args.key)?;
    check_is_here(&stored, "has no passphrase")?;
    let file = dir.key(&stored.id)?.with_context(|| format!("{} is gone", stored.path.display()))?;
    let key = args.keys.passphrases().open_stored(&file, stored.id)?;
    // The variables hold the old one.
    let fds: Vec<_> = args.new_passphrase_fd.iter().cloned().collect();
    let new = PassphraseSources::for_new(&fds);
    dir.add_key(&stored.id, &seal(&new, &key, file.header().clone())?)?;
    print(&format!("Changed the passphrase of {}", stored.id));
    Ok(ExitCode::SUCCESS)
}
