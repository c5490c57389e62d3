//! `tagseal trust init`: gives a repository trust data.

use std::process::ExitCode;

use super::key_choice;
use super::options::Options;
use super::outcome::Outcome;
use super::session::Session;
use super::token_key;
use crate::cli::repository::Repository;
use crate::publish::operation::Operation;

/// Arguments of `tagseal trust init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository, with its registry.
    repository: String,
    /// The root key: its ID in the trust directory, a file, or a pkcs11: URI; default: the one that is
    /// there, or a new one, in the token that TAGSEAL_PKCS11 names if it does.
    #[arg(long, visible_alias = "rootkey", value_name = "ID|FILE|URI")]
    root_key: Option<String>,
    /// Sign the snapshot with a key of this machine, as `notary init` does. Every signer needs that key then; without
    /// this the server has it, as with docker.
    #[arg(long)]
    local_snapshot: bool,
    /// As notary has it; every command publishes at once.
    #[arg(long, short = 'p', hide = true)]
    publish: bool,
    #[command(flatten)]
    options: Options,
}

/// Makes the repository, if the server has none.
///
/// # Errors
/// When it cannot be made.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let repository = Repository::whole(&args.repository)?;
    let session = Session::open(&args.options)?;
    let root_key = match args.root_key.as_deref() {
        None => token_key::configured(&session)?,
        named => key_choice::root_key(&session, named)?,
    };
    let operation = Operation::Init { root_key, snapshot_key_is_local: args.local_snapshot };
    let published = crate::cli::runtime()?.block_on(session.publish(&repository, &[operation]))?;
    let gun = repository.gun();
    let message = match (published.is_new, published.roles.is_empty()) {
        (true, _) => format!("Initialised {gun}"),
        (false, true) => format!("{gun} has trust data already; nothing was changed"),
        (false, false) => format!("{gun} has trust data already; what ended soon was renewed"),
    };
    Outcome::new(&repository, message, &published).print(args.options.output)
}
