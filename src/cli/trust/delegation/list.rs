//! `tagseal trust delegation list`: a repository's delegation roles.

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::cli::output::{Format, print, print_json, table};
use crate::cli::repository::Repository;
use crate::cli::trust::failure::Refused;
use crate::cli::trust::options::Options;
use crate::cli::trust::session::Session;
use crate::foreign::Foreign;
use crate::tuf::{Delegated, Role, TrustedRepository};

/// Arguments of `tagseal trust delegation list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, with its registry.
    repository: String,
    /// Trust the root that the server shows, where the trust directory knows none.
    #[arg(long)]
    first_use: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Serialize)]
struct Delegation {
    role: String,
    paths: Vec<String>,
    #[serde(rename = "keyIDs")]
    key_ids: Vec<String>,
    threshold: u64,
}

/// Lists the roles, those included that were never published.
///
/// # Errors
/// When the repository cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repository = Repository::whole(&args.repository)?;
    let session = Session::open(&args.options)?;
    if !args.first_use && !session.knows_root_of(&repository)? {
        return Err(Refused(format!(
            "RootNotPinned: {} has no root of {}, and nothing else says which root to trust: compare the root key with what the \
             owner tells you (`tagseal trust inspect --first-use`), then say --first-use",
            session.dir.path().display(),
            repository.gun()
        ))
        .into());
    }
    let read = crate::cli::runtime()?.block_on(session.read(&repository))?;
    let delegations = delegations(&read);
    match args.options.output {
        Format::Json => print_json(&delegations)?,
        Format::Text if delegations.is_empty() => print(&format!("No delegations in {}", repository.gun())),
        Format::Text => {
            let rows: Vec<_> = delegations.iter().flat_map(Delegation::rows).collect();
            print(&table(&["ROLE", "PATHS", "KEY IDS", "THRESHOLD"], &rows));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Also those below a role that expired: who looks may be about to mend that.
fn delegations(repository: &TrustedRepository) -> Vec<Delegation> {
    let roles = repository.roles(Timestamp::MIN, SignedDuration::ZERO);
    let delegation = |delegated: Delegated<'_>| Delegation {
        role: delegated.name.to_string(),
        paths: delegated.paths.iter().map(|&path| path.to_owned()).collect(),
        key_ids: delegated.key_ids.iter().map(ToString::to_string).collect(),
        threshold: delegated.threshold,
    };
    roles.iter().flat_map(Role::delegated).map(delegation).collect()
}

impl Delegation {
    /// One row a key, as notary lists them.
    fn rows(&self) -> Vec<Vec<String>> {
        let paths = match self.paths.as_slice() {
            [] => "none".to_owned(),
            paths => {
                let named = paths.iter().map(|path| match path.is_empty() {
                    true => "\"\" <all paths>".to_owned(),
                    false => Foreign(path).to_string(),
                });
                named.collect::<Vec<_>>().join(",")
            }
        };
        let mut rows: Vec<_> = (self.key_ids.iter())
            .map(|id| vec![String::new(), String::new(), id.clone(), String::new()])
            .collect();
        if rows.is_empty() {
            rows.push(vec![String::new(), String::new(), "-".to_owned(), String::new()]);
        }
        if let Some([role, first_paths, _, threshold]) = rows.first_mut().map(Vec::as_mut_slice) {
            *role = self.role.clone();
            *first_paths = paths;
            *threshold = self.threshold.to_string();
        }
        rows
    }
}
