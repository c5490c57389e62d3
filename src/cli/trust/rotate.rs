//! `tagseal trust rotate`: replaces a key.

mod delegation;
mod holders;

use std::process::ExitCode;

use anyhow::bail;

use super::key_choice;
use super::options::Options;
use super::outcome::Outcome;
use super::pending::PendingOption;
use super::role_arguments;
use super::session::Session;
use crate::cli::repository::Repository;
use crate::publish::operation::Operation;
use crate::tuf::{KeyId, RoleName};

/// Arguments of `tagseal trust rotate`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "tagseal trust rotate [OPTIONS] <root|targets|snapshot|timestamp>... <REPOSITORY>\n       \
                      tagseal trust rotate [OPTIONS] <root|targets> <REPOSITORY> [--threshold <K>] [--add-key <KEY>]... [--remove-key <ID>]...\n       \
                      tagseal trust rotate [OPTIONS] delegation <ROLE> <REPOSITORY>"
)]
pub struct Args {
    /// Whose key (one or several of root, targets, snapshot, timestamp, or delegation ROLE), and then the repository; or the
    /// other way round as notary has it.
    #[arg(required = true, value_name = "ROLE|REPOSITORY")]
    arguments: Vec<String>,
    /// The server makes and keeps the new key: always for timestamp, and for snapshot that is named beside it; as wished for
    /// snapshot alone.
    #[arg(long, short = 'r')]
    server_managed: bool,
    /// The new key. Of root, targets and snapshot: its ID in the trust directory, or a file with it; default: a new one.
    /// Of a delegation: a file with its public key; default: a new one of the signer's name. May be repeated there.
    #[arg(long = "key", short = 'k', value_name = "ID|FILE")]
    keys: Vec<String>,
    #[command(flatten)]
    holders: holders::Holders,
    #[command(flatten)]
    pending: PendingOption,
    #[command(flatten)]
    options: Options,
}

/// Replaces the key.
///
/// # Errors
/// When the arguments cannot be used, or it cannot be published.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let words: Vec<_> = args.arguments.iter().filter(|word| *word != "delegation").cloned().collect();
    let (roles, repository) = role_arguments::split(&words)?;
    let session = Session::open(&args.options)?;
    let mut outcome = match roles.as_slice() {
        roles if args.holders.are_named() => holders::change(args, &session, &repository, roles)?,
        [role] if role.is_delegation() => delegation::rotate(args, &session, &repository, role)?,
        roles => rotate(args, &session, &repository, roles)?,
    };
    if roles.contains(&RoleName::root()) && outcome.is_published() {
        outcome.warn(
            "policies that pin the old root key follow this rotation (rootRotation: Follow); name the new key in them soon, \
             and keep the old one until nobody has the old root any more",
        );
    }
    outcome.print(args.options.output)
}

/// One new root lists all the new keys.
fn rotate(
    args: &Args,
    session: &Session<'_>,
    repository: &Repository,
    roles: &[RoleName],
) -> anyhow::Result<Outcome> {
    for (index, role) in roles.iter().enumerate() {
        if role.is_delegation() {
            bail!(
                "the key of a delegation is rotated by a command of its own: `tagseal trust rotate delegation {role}`"
            );
        }
        if roles[..index].contains(role) {
            bail!("name {role} once");
        }
    }
    if roles.len() > 1 && !args.keys.is_empty() {
        bail!("--key is for one role: rotate {} one by one", list(roles));
    }
    let operations = roles.iter().map(|role| operation(args, session, repository, roles, role));
    let operations = operations.collect::<anyhow::Result<Vec<_>>>()?;
    let published =
        crate::cli::runtime()?.block_on(args.pending.publish(session, repository, &operations))?;
    let keys = if roles.len() == 1 { "key" } else { "keys" };
    let message = format!("Rotated the {} {keys} of {}", list(roles), repository.gun());
    Ok(args.pending.outcome(repository, message, &published))
}

fn operation(
    args: &Args,
    session: &Session<'_>,
    repository: &Repository,
    roles: &[RoleName],
    role: &RoleName,
) -> anyhow::Result<Operation> {
    let is_servers = args.server_managed || roles.contains(&RoleName::timestamp());
    Ok(match role.as_str() {
        "timestamp" if !args.keys.is_empty() => bail!("the timestamp key is the server's: leave out --key"),
        "timestamp" => Operation::RotateServerManaged { role: role.clone() },
        "snapshot" if is_servers && args.keys.is_empty() => {
            Operation::RotateServerManaged { role: role.clone() }
        }
        _ if args.server_managed && !args.keys.is_empty() => {
            bail!("--server-managed and --key exclude each other: the server makes the key")
        }
        _ if args.server_managed => {
            bail!("the server manages timestamp and snapshot keys; {role} is signed here")
        }
        "root" => Operation::RotateRoot { new_key: new_key(args, session, repository, role)? },
        _ => {
            Operation::RotateLocal { role: role.clone(), new_key: new_key(args, session, repository, role)? }
        }
    })
}

/// `snapshot and timestamp`.
fn list(roles: &[RoleName]) -> String {
    let names: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}

fn new_key(
    args: &Args,
    session: &Session<'_>,
    repository: &Repository,
    role: &RoleName,
) -> anyhow::Result<Option<KeyId>> {
    let gun = (*role != RoleName::root()).then(|| repository.gun());
    match args.keys.as_slice() {
        [] => Ok(None),
        [key] => key_choice::choose(session, key, role.as_str(), gun).map(Some),
        _ => bail!("one new {role} key is enough: name --key once"),
    }
}
