//! `tagseal trust key import` and `restore`: keys from files that were exported or backed up.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::{count, files, seal};
use crate::cli::output::print;
use crate::cli::passphrases::PassphraseSources;
use crate::cli::repository::{Repository, read};
use crate::cli::trust::options::KeyOptions;
use crate::foreign::Quoted;
use crate::publish::backup;
use crate::publish::key_file::{KeyFile, KeyHeader};
use crate::tuf::KeyId;

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

/// Takes the keys into the trust directory, all or none of a file that cannot be read.
///
/// # Errors
/// When a file has no key, nobody can tell what a key is for, or another key file of the same ID is here.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = args.keys.open()?;
    let passphrases = args.keys.passphrases();
    let gun = args.repository.as_deref().map(Repository::whole).transpose()?;
    let mut keys = Vec::new();
    for path in &args.files {
        files::check_private(path)?;
        let parsed = KeyFile::parse_all(&read(path)?).with_context(|| path.display().to_string())?;
        for file in parsed {
            let header = header(args, gun.as_ref(), &file, path)?;
            keys.push(identify(&passphrases, &file, header, path)?);
        }
    }
    for (id, file) in &keys {
        if dir.key(id)?.is_some_and(|here| here.pem() != file.pem()) {
            bail!(
                "the key {id} is here already, under another passphrase or for another role: remove it first (`tagseal trust key \
                 remove {id}`) if the file is the one to keep"
            );
        }
    }
    for (id, file) in &keys {
        dir.add_key(id, file)?;
        print(&format!("Imported the {} key {id}", file.header().role.as_deref().unwrap_or("signing")));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the key is for: as its file says, else as the command line does.
fn header(args: &Args, gun: Option<&Repository>, file: &KeyFile, path: &Path) -> anyhow::Result<KeyHeader> {
    let role = file.header().role.clone().or_else(|| args.role.clone());
    let Some(role) = role else {
        bail!(
            "{} does not say what its key is for: name --role root, targets, snapshot, or a signer",
            path.display()
        );
    };
    let gun = file.header().gun.clone().or_else(|| gun.map(|repository| repository.gun().clone()));
    if matches!(role.as_str(), "targets" | "snapshot") && gun.is_none() {
        bail!("{} does not say which repository its {role} key is for: name --repository", path.display());
    }
    Ok(KeyHeader { role: Some(role), gun })
}

/// The key's ID and the file to keep. An encrypted key that says its ID stays closed, as with notary: it opens later only if
/// it is that key. Any other is opened; one in clear gets a passphrase.
fn identify(
    passphrases: &PassphraseSources,
    file: &KeyFile,
    header: KeyHeader,
    path: &Path,
) -> anyhow::Result<(KeyId, KeyFile)> {
    let named = file.path().and_then(id_in).filter(|_| file.is_encrypted());
    if let Some(id) = named {
        return Ok((id, file.with_header(header).with_path(None)));
    }
    let role = header.role.clone().unwrap_or_default();
    let key = passphrases.open(file, &role, path)?;
    let sealed = match file.is_encrypted() {
        true => file.with_header(header).with_path(None),
        false => seal(passphrases, &key, header)?,
    };
    Ok((key.id(), sealed))
}

/// The ID in a `path` header: the last part, without the role that old layouts put behind it.
fn id_in(path: &str) -> Option<KeyId> {
    let name = path.rsplit('/').next()?;
    KeyId::from_hex(name.split_once('_').map_or(name, |(id, _)| id)).ok()
}

/// Takes all keys of a backup.
///
/// # Errors
/// When it is no backup, or another key file of the same ID is here; nothing is taken then.
pub fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let restored = backup::restore(&args.keys.open()?, &args.file)?;
    print(&format!(
        "Restored {} from {}",
        count(restored.added.len() + restored.external.len()),
        args.file.display()
    ));
    restored.added.iter().for_each(|id| print(&format!("  {id}")));
    for key in &restored.external {
        print(&format!("  {} (signed by {})", key.id(), Quoted(&key.program().shown())));
    }
    if !restored.present.is_empty() {
        print(&format!("  and {} that were here already", count(restored.present.len())));
    }
    Ok(ExitCode::SUCCESS)
}
