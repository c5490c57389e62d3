//! `tagseal trust key load`: takes a signer's private key from a file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::{files, seal};
use crate::cli::output::{Format, print, print_json};
use crate::cli::repository::read;
use crate::cli::trust::key_choice::check_certificates;
use crate::cli::trust::options::KeyOptions;
use crate::cli::trust::signer_name::SignerName;
use crate::publish::key_file::{KeyFile, KeyHeader};

/// Arguments of `tagseal trust key load`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// PEM file with the private key, encrypted or not.
    file: PathBuf,
    /// The signer's name.
    #[arg(long, default_value = "signer")]
    name: SignerName,
    #[command(flatten)]
    keys: KeyOptions,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

/// Takes the key into the trust directory, under a passphrase of its own.
///
/// # Errors
/// When it is no key, others may read it, or nobody knows its passphrase.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    files::check_private(&args.file)?;
    let text = read(&args.file)?;
    check_certificates(&text, &args.file)?;
    let file = KeyFile::parse(&text).with_context(|| args.file.display().to_string())?;
    let dir = args.keys.open()?;
    let passphrases = args.keys.passphrases();
    let key = passphrases.open(&file, args.name.as_str(), &args.file)?;
    let header = KeyHeader { role: Some(args.name.to_string()), gun: None };
    let path = dir.add_key(&key.id(), &seal(&passphrases, &key, header)?)?;
    match args.output {
        Format::Json => print_json(&serde_json::json!({
            "name": args.name.to_string(), "keyID": key.id().to_string(), "privateKey": path,
        }))?,
        Format::Text => {
            print(&format!(
                "Loaded the key {} of {}\n  private   {} (encrypted)",
                key.id(),
                args.name,
                path.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
