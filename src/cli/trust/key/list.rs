//! `tagseal trust key list`: the keys of the trust directory.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::output::{Format, print, print_json, table};
use crate::cli::trust::options::KeyOptions;
use crate::foreign::{Foreign, Quoted};

/// Arguments of `tagseal trust key list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    keys: KeyOptions,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Serialize)]
struct Key {
    role: Option<String>,
    repository: Option<String>,
    #[serde(rename = "keyID")]
    key_id: String,
    path: PathBuf,
    /// The program that signs, where the private half is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
}

/// Lists the keys. Nothing is decrypted.
///
/// # Errors
/// When the trust directory cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let keys = args.keys.open()?.keys()?.into_iter().map(|key| Key {
        role: key.header.role,
        repository: key.header.gun.map(|gun| gun.to_string()),
        key_id: key.id.to_string(),
        path: key.path,
        command: key.external.map(|key| key.program().words().to_vec()),
    });
    let keys: Vec<_> = keys.collect();
    match args.output {
        Format::Json => print_json(&keys)?,
        Format::Text if keys.is_empty() => print("No keys"),
        Format::Text => {
            let row = |key: &Key| {
                let or_none = |text: &Option<String>| {
                    text.as_deref().map_or_else(|| "-".to_owned(), |text| Foreign(text).to_string())
                };
                vec![
                    or_none(&key.role),
                    or_none(&key.repository),
                    key.key_id.clone(),
                    match &key.command {
                        Some(words) => format!("signed by {}", Quoted(&words.join(" "))),
                        None => key.path.display().to_string(),
                    },
                ]
            };
            let rows: Vec<_> = keys.iter().map(row).collect();
            print(&table(&["ROLE", "REPOSITORY", "KEY ID", "LOCATION"], &rows));
        }
    }
    Ok(ExitCode::SUCCESS)
}
