//! `tagseal trust key add-external`: a key that a program signs with, because it is in a token or a key service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::files;
use crate::cli::output::{Format, print, print_json};
use crate::cli::passphrases::tell_of_touch;
use crate::cli::repository::Repository;
use crate::cli::trust::key_choice::public_keys;
use crate::cli::trust::options::KeyOptions;
use crate::cli::trust::signer_name::SignerName;
use crate::foreign::Quoted;
use crate::publish::external::{ExternalKey, PATIENCE, Program};
use crate::publish::key_file::KeyHeader;

/// Arguments of `tagseal trust key add-external`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the key is for: root, targets, snapshot, or a signer's name.
    name: String,
    /// The program that signs, with its arguments; no shell reads them. Words are divided by spaces, and those between quotation
    /// marks are one.
    #[arg(long, value_name = "PROGRAM [ARGUMENT…]")]
    command: String,
    /// What the program knows the key by; default: NAME.
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    /// What the program is told besides, as with the notation command. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    plugin_config: Vec<(String, String)>,
    /// The public key, PEM, where the program does not tell it.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Which repository a targets or snapshot key is for.
    #[arg(long, visible_alias = "gun", short = 'g')]
    repository: Option<String>,
    /// How long the program may take for one answer.
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Folder for NAME.pub, of a signer's key; default: the current one.
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
struct Added {
    name: String,
    #[serde(rename = "keyID")]
    key_id: String,
    command: Vec<String>,
    public_key: Option<PathBuf>,
    path: PathBuf,
}

/// Asks the program for the key, has it sign something random, and keeps the reference.
///
/// # Errors
/// When the program fails, or the key is not one that can sign.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let is_signers = !matches!(&*args.name, "root" | "targets" | "snapshot");
    if is_signers {
        args.name.parse::<SignerName>().map_err(anyhow::Error::msg)?;
    }
    let gun = args.repository.as_deref().map(Repository::whole).transpose()?;
    if is_signers || args.name == "root" {
        if gun.is_some() {
            bail!(
                "--repository is for a targets or snapshot key: a root or signer's key is for any repository"
            );
        }
    } else if gun.is_none() {
        bail!("a {} key is for one repository: name it with --repository", args.name);
    }
    let public_file =
        is_signers.then(|| args.dir.clone().unwrap_or_default().join(format!("{}.pub", args.name)));
    if let Some(file) = &public_file
        && file.exists()
    {
        bail!("{} is there already, and nothing is overwritten", file.display());
    }
    let program = Program::new(words(&args.command)?, Duration::from_secs(args.timeout))
        .context("--command names no program")?;
    let given = public_keys(args.public_key.as_slice())?.pop();
    let config: BTreeMap<_, _> = args.plugin_config.iter().cloned().collect();
    let plugin_id = args.key_id.clone().unwrap_or_else(|| args.name.clone());
    let dir = args.keys.open()?;
    let header = KeyHeader { role: Some(args.name.clone()), gun: gun.map(|gun| gun.gun().clone()) };
    tell_of_touch(&args.name, &plugin_id, program.words());
    let key = ExternalKey::describe(program, plugin_id, config, header, given)?;
    if dir.key(&key.id())?.is_some() {
        bail!(
            "the private key {0} is in the trust directory too, and would sign instead: remove it first (`tagseal trust key remove \
             {0}`)",
            key.id()
        );
    }
    if let Some(file) = &public_file {
        files::create(file, &key.public().to_pem(), false)?;
    }
    let path = dir.add_external(&key)?;
    let added = Added {
        name: args.name.clone(),
        key_id: key.id().to_string(),
        command: key.program().words().to_vec(),
        public_key: public_file.map(|file| std::path::absolute(&file).unwrap_or(file)),
        path,
    };
    match args.output {
        Format::Json => print_json(&added)?,
        Format::Text => {
            let shown = key.program().shown();
            let mut text = format!("Added the key {} of {}", added.key_id, added.name);
            text += &format!("\n  signed by {}", Quoted(&shown));
            if let Some(file) = &added.public_key {
                text += &format!("\n  public    {}", file.display());
            }
            print(&text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is not KEY=VALUE".to_owned()),
    }
}

/// The words of a command: divided by white space, but for what stands between quotation marks.
fn words(command: &str) -> anyhow::Result<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in command.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        bail!("--command has a quotation mark that is not closed: {}", Quoted(command));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_divided_by_spaces_and_held_together_by_quotation_marks() {
        let of = |text: &str| words(text).unwrap();
        assert_eq!(of(" a  --b 3 "), ["a", "--b", "3"]);
        assert_eq!(of("'/my programs/sign' \"\" x\"y z\"'!'"), ["/my programs/sign", "", "xy z!"]);
        assert!(of("  ").is_empty());
        assert!(words("a 'b").is_err());
    }
}
