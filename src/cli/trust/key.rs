//! `tagseal trust key …`: signing keys, in the trust directory and outside.

mod add_external;
mod certificate;
mod export;
mod files;
mod generate;
mod import;
mod list;
mod load;
mod passwd;
mod remove;

use std::process::ExitCode;

use anyhow::bail;

pub(in crate::cli) use self::files::check_private;
use crate::cli::passphrases::PassphraseSources;
use crate::foreign::Quoted;
use crate::publish::key::PrivateKey;
use crate::publish::key_file::{KeyFile, KeyHeader};
use crate::publish::passphrase::{Ask, Passphrases as _};
use crate::publish::trust_dir::StoredKey;

/// The subcommands of `tagseal trust key`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a signer's key; its public half is written to NAME.pub.
    Generate(generate::Args),
    /// Take a signer's private key from a file.
    Load(load::Args),
    /// Add a key that a program signs with: in a token, or a key service.
    AddExternal(add_external::Args),
    /// List the keys of the trust directory.
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Write the certificate by which a root key is listed for a repository, for whoever adds its holder.
    Certificate(certificate::Args),
    /// Write one key to a file, encrypted as it is.
    Export(export::Args),
    /// Take keys from files that `key export` or `notary key export` wrote, for the roles that they are for.
    Import(import::Args),
    /// Write all keys to one file, each encrypted as it is.
    Backup(export::BackupArgs),
    /// Take the keys of a backup.
    Restore(import::RestoreArgs),
    /// Change a key's passphrase.
    Passwd(passwd::Args),
    /// Delete a private key from the trust directory.
    #[command(visible_alias = "rm")]
    Remove(remove::Args),
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Generate(args) => generate::run(&args),
        Command::Load(args) => load::run(&args),
        Command::AddExternal(args) => add_external::run(&args),
        Command::List(args) => list::run(&args),
        Command::Certificate(args) => certificate::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Backup(args) => export::backup(&args),
        Command::Restore(args) => import::restore(&args),
        Command::Passwd(args) => passwd::run(&args),
        Command::Remove(args) => remove::run(&args),
    }
}

/// Encrypts a key under a new passphrase.
///
/// # Errors
/// When there is no passphrase.
pub(super) fn seal(
    passphrases: &PassphraseSources,
    key: &PrivateKey,
    header: KeyHeader,
) -> anyhow::Result<KeyFile> {
    let ask = Ask {
        role: header.role.as_deref().unwrap_or_default(),
        key_id: key.id(),
        gun: header.gun.as_ref(),
        is_new: true,
        attempt: 1,
    };
    let passphrase = passphrases.passphrase(&ask)?;
    Ok(KeyFile::seal(key, header.clone(), Some(&passphrase))?)
}

/// Refuses to do with an external key what takes its private half.
///
/// # Errors
/// For an external key; `what` completes "so it …".
fn check_is_here(key: &StoredKey, what: &str) -> anyhow::Result<()> {
    match &key.external {
        None => Ok(()),
        Some(external) => bail!(
            "the private half of {} is not here: {} signs with it, so it {what}",
            key.id,
            Quoted(&external.program().shown())
        ),
    }
}

/// `1 key`, `2 keys`.
fn count(keys: usize) -> String {
    format!("{keys} key{}", if keys == 1 { "" } else { "s" })
}
