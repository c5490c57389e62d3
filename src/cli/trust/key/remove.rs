//! `tagseal trust key remove`: deletes a private key.

use std::process::ExitCode;

use crate::cli::confirm::confirm;
use crate::cli::output::print;
use crate::cli::trust::key_choice::find;
use crate::cli::trust::options::KeyOptions;
use crate::foreign::Quoted;

/// Arguments of `tagseal trust key remove`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The key: its ID, the beginning of it, or the role or signer's name that it alone has.
    #[arg(value_name = "ID|NAME")]
    key: String,
    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,
    #[command(flatten)]
    keys: KeyOptions,
}

/// Deletes the key file. No repository changes: a key that must not count any more is rotated or taken out there.
///
/// # Errors
/// When it is not there, or nobody confirms.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = args.keys.open()?;
    let stored = find(&dir, &args.key)?;
    let role = stored.header.role.as_deref().unwrap_or("signing");
    let gun = stored.header.gun.as_ref().map(|gun| format!(" of {gun}")).unwrap_or_default();
    let question = format!("Delete the {role} key {}{gun}? Without a backup it is lost.", stored.id);
    let question = match &stored.external {
        None => question,
        Some(external) => format!(
            "Forget the {role} key {}{gun}? It stays where it is, and {} signs with it no more for this trust directory.",
            stored.id,
            Quoted(&external.program().shown())
        ),
    };
    if !confirm(&question, args.yes)? {
        print("Nothing was deleted");
        return Ok(ExitCode::SUCCESS);
    }
    dir.remove_key(&stored.id)?;
    let rest = stored.external.map_or("", |_| "; the key itself stays where it is");
    print(&format!("Deleted {}{rest}", stored.path.display()));
    Ok(ExitCode::SUCCESS)
}
