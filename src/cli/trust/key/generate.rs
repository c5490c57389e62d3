//! `tagseal trust key generate`: a signer's key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use super::{files, seal};
use crate::cli::output::{Format, print, print_json};
use crate::cli::trust::options::KeyOptions;
use crate::cli::trust::signer_name::SignerName;
use crate::publish::key::{Algorithm, PrivateKey};
use crate::publish::key_file::KeyHeader;

/// Arguments of `tagseal trust key generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signer's name.
    name: SignerName,
    /// Folder for NAME.pub; default: the current one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyOptions,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    name: String,
    #[serde(rename = "keyID")]
    key_id: String,
    public_key: PathBuf,
    private_key: PathBuf,
}

/// Makes the key.
///
/// # Errors
/// When it cannot be made or written, or there is a NAME.pub already.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let public_key = args.dir.clone().unwrap_or_default().join(format!("{}.pub", args.name));
    if public_key.exists() {
        // Before anybody is asked for a passphrase.
        bail!("{} is there already, and nothing is overwritten", public_key.display());
    }
    let dir = args.keys.open()?;
    let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
    let header = KeyHeader { role: Some(args.name.to_string()), gun: None };
    let file = seal(&args.keys.passphrases(), &key, header)?;
    files::create(&public_key, &key.public().to_pem(), false)?;
    let private_key = dir.add_key(&key.id(), &file)?;
    let generated = Generated {
        name: args.name.to_string(),
        key_id: key.id().to_string(),
        public_key: std::path::absolute(&public_key).unwrap_or(public_key),
        private_key,
    };
    match args.output {
        Format::Json => print_json(&generated)?,
        Format::Text => print(&format!(
            "Made the key {} of {}\n  private   {} (encrypted)\n  public    {}",
            generated.key_id,
            generated.name,
            generated.private_key.display(),
            generated.public_key.display()
        )),
    }
    Ok(ExitCode::SUCCESS)
}
