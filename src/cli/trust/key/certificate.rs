//! `tagseal trust key certificate`: the certificate by which a root key is listed for a repository.
//!
//! Notary lists root keys by certificates that name the repository, and looks at no signature on them. That only its holder
//! can make one is wanted all the same: so nobody becomes a holder who has not the key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::files;
use crate::cli::output::print;
use crate::cli::repository::Repository;
use crate::cli::trust::key_choice::find;
use crate::cli::trust::options::KeyOptions;
use crate::clock::{Clock as _, SystemClock};
use crate::publish::publisher::{PublishError, root_certificate};

/// Arguments of `tagseal trust key certificate`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tagseal trust key certificate [OPTIONS] --output <FILE> [ID|NAME] <REPOSITORY>")]
pub struct Args {
    /// The key (its ID, the beginning of it, or the role or signer's name that it alone has), and then the repository, with its
    /// registry. Without a key: the root key that is here, or a new one.
    #[arg(required = true, num_args = 1..=2, value_name = "ID|NAME|REPOSITORY")]
    arguments: Vec<String>,
    /// The file to write. Nothing is overwritten.
    #[arg(long, short = 'o', value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    keys: KeyOptions,
}

/// Writes the certificate.
///
/// # Errors
/// When there is no such key, or the file is there.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (key, repository) = match args.arguments.as_slice() {
        [key, repository] => (Some(key), repository),
        [repository] => (None, repository),
        _ => bail!("name a key and a repository"),
    };
    let repository = Repository::whole(repository)?;
    let output = args.output.display();
    if args.output.exists() {
        // Before anybody is asked for a passphrase.
        bail!("{output} is there already, and nothing is overwritten: name another file");
    }
    let dir = args.keys.open()?;
    let named = key.map(|key| find(&dir, key)).transpose()?.map(|stored| stored.id);
    let (gun, passphrases) = (repository.gun(), args.keys.passphrases());
    let (certificate, is_new) = match root_certificate((&dir, &passphrases), gun, named, SystemClock.now()) {
        Err(PublishError::SeveralRootKeys { keys }) => {
            let ids: Vec<String> = keys.iter().map(ToString::to_string).collect();
            bail!("several root keys are here: name one of {} before the repository", ids.join(", "))
        }
        made => made?,
    };
    files::create(&args.output, &certificate.to_pem(), false).context("no certificate was written")?;
    let (id, new) = (certificate.canonical_id(), if is_new { "new " } else { "" });
    print(&format!(
        "Wrote a certificate of the {new}root key {id} for {gun} to {output}\n  hand it to whoever has the root keys of {gun} now: \
         `tagseal trust rotate root {gun} --add-key FILE`"
    ));
    if is_new {
        print("  back the key up with `tagseal trust key backup`");
    }
    Ok(ExitCode::SUCCESS)
}
