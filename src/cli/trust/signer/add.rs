//! `tagseal trust signer add`: lets somebody sign.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::repository::Repository;
use crate::cli::trust::key_choice::{self, public_keys};
use crate::cli::trust::options::Options;
use crate::cli::trust::pending::PendingOption;
use crate::cli::trust::session::Session;
use crate::cli::trust::several::Several;
use crate::cli::trust::signer_name::SignerName;
use crate::publish::key::PublicForm;
use crate::publish::operation::Operation;
use crate::tuf::{KeyId, RoleName};

/// Arguments of `tagseal trust signer add`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signer's public key, or certificate: a PEM file. May be repeated.
    #[arg(long = "key", required = true, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// The signer's name.
    name: SignerName,
    /// The repositories, each with its registry.
    #[arg(required = true, value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// The root key of a repository that is made: its ID in the trust directory, or a file; default: the one that is there, or a
    /// new one.
    #[arg(long, value_name = "ID|FILE")]
    root_key: Option<String>,
    #[command(flatten)]
    pending: PendingOption,
    #[command(flatten)]
    options: Options,
}

/// Adds the signer to each repository; one that has no trust data is initialised first, as docker does.
///
/// # Errors
/// When the arguments cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let keys = public_keys(&args.keys)?;
    let repositories: Vec<_> =
        args.repositories.iter().map(|text| Repository::whole(text)).collect::<anyhow::Result<_>>()?;
    args.pending.check_one(&repositories)?;
    let session = Session::open(&args.options)?;
    let root_key = key_choice::root_key(&session, args.root_key.as_deref())?;
    let operations = operations(root_key, &args.name, &keys)?;
    let runtime = crate::cli::runtime()?;
    let mut several = Several::new(args.options.output);
    for repository in &repositories {
        let published = runtime.block_on(args.pending.publish(&session, repository, &operations));
        let outcome = published.map(|published| {
            let done = match published.roles.is_empty() {
                true => format!("Nothing was changed: {} signs", args.name),
                false => format!("Added the signer {} to", args.name),
            };
            let message = format!("{done} {}", repository.gun());
            args.pending.outcome(repository, message, &published)
        });
        several.add(repository, outcome);
    }
    several.finish()
}

/// What docker does for a signer: a role of its own, and its keys in the role that docker pulls from; both for all
/// paths, both by one signature (Notary v1, "Publishing").
fn operations(
    root_key: Option<KeyId>,
    name: &SignerName,
    keys: &[PublicForm],
) -> anyhow::Result<[Operation; 3]> {
    let delegate = |role: RoleName| Operation::Delegate {
        role,
        keys: keys.to_vec(),
        threshold: None,
        paths: vec![String::new()],
    };
    let init = Operation::Init { root_key, snapshot_key_is_local: false };
    Ok([init, delegate(name.role().clone()), delegate(SignerName::releases()?)])
}
