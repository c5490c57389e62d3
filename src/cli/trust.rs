//! `tagseal trust`: the publisher's commands, as `docker trust` and `notary` had them; one file a subcommand.

mod accepted;
mod delegation;
mod delete;
mod export;
mod failure;
mod init;
mod inspect;
mod key;
mod key_choice;
mod move_to;
mod options;
mod outcome;
mod pending;
mod promote;
mod renew;
mod revoke;
mod role_arguments;
mod rotate;
mod session;
mod several;
mod sign;
mod sign_offline;
mod signer;
mod signer_name;
mod token_key;
mod witness;

use std::process::ExitCode;

pub(super) use self::key::check_private;
use clap::Subcommand;

/// Arguments of `tagseal trust`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, load, list, back up and restore signing keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Give a repository trust data: a root, and a key that signs its tags.
    Init(init::Args),
    /// Add and remove those who sign a repository's tags.
    #[command(subcommand)]
    Signer(signer::Command),
    /// Add, change and remove delegation roles of any path.
    #[command(subcommand)]
    Delegation(delegation::Command),
    /// Sign a tag.
    Sign(sign::Args),
    /// Take back the signature of a tag, or of all tags of a repository.
    Revoke(revoke::Args),
    /// Replace a key.
    Rotate(rotate::Args),
    /// Sign roles anew, content unchanged: after a key change, or before they expire.
    Witness(witness::Args),
    /// Sign what others began, on a machine without a network.
    SignOffline(sign_offline::Args),
    /// Sign anew what ends soon and has its keys here, and say who else must; for a timer.
    Renew(renew::Args),
    /// Show a repository's signed tags, its signers and their keys.
    #[command(visible_alias = "view")]
    Inspect(Box<inspect::Args>),
    /// Move a repository to another trust server, with its root key alone.
    Move(move_to::Args),
    /// Sign under another name what is signed under one: after a registry or a repository moved.
    Promote(promote::Args),
    /// Print every signed image, as JSON or as commands that sign it with other tools.
    Export(export::Args),
    /// Delete a repository's trust data at the server and here; keys stay.
    Delete(delete::Args),
}

/// Runs the subcommand. Exits 0 when it is done, 1 when the server or a policy refused, 2 when it could not be done.
///
/// # Errors
/// When it could not be done.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let outcome = match args.command {
        Command::Key(command) => key::run(command),
        Command::Init(args) => init::run(&args),
        Command::Signer(command) => signer::run(command),
        Command::Delegation(command) => delegation::run(command),
        Command::Sign(args) => sign::run(&args),
        Command::Revoke(args) => revoke::run(&args),
        Command::Rotate(args) => rotate::run(&args),
        Command::Witness(args) => witness::run(&args),
        Command::SignOffline(args) => sign_offline::run(&args),
        Command::Renew(args) => renew::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Move(args) => move_to::run(&args),
        Command::Promote(args) => promote::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Delete(args) => delete::run(&args),
    };
    outcome.or_else(failure::exit_code)
}
