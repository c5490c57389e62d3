//! Several holders of the root's key, or of the repository key: adds and removes keys, and says how many have to sign.

use std::path::Path;

use anyhow::bail;

use super::Args;
use crate::cli::repository::{Repository, read};
use crate::cli::trust::key_choice::{choose, find, public_keys};
use crate::cli::trust::outcome::Outcome;
use crate::cli::trust::session::Session;
use crate::publish::operation::{KeyToAdd, Operation};
use crate::tuf::{KeyId, RoleName};

/// The fewest digits of an ID that count: as docker shows it.
const MIN_DIGITS: usize = 7;

/// Who holds the keys of the root or of `targets`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Holders {
    /// How many of the keys of root or targets have to sign; default: as it is.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    threshold: Option<u64>,
    /// A key to add to those of root or targets, which stay: one of the trust directory (its ID or name), a file with a private
    /// key, or the public half of somebody else's: for root a certificate, as `tagseal trust key certificate` writes it. May be
    /// repeated.
    #[arg(long = "add-key", value_name = "ID|FILE")]
    add: Vec<String>,
    /// A key to take out of root or targets, by its ID or the beginning of it. May be repeated.
    #[arg(long = "remove-key", value_name = "ID")]
    remove: Vec<String>,
}

impl Holders {
    /// Whether anything is to be changed about them.
    pub(super) fn are_named(&self) -> bool {
        self.threshold.is_some() || !self.add.is_empty() || !self.remove.is_empty()
    }
}

/// Changes who holds the keys of one role.
pub(super) fn change(
    args: &Args,
    session: &Session<'_>,
    repository: &Repository,
    roles: &[RoleName],
) -> anyhow::Result<Outcome> {
    let [role] = roles else {
        bail!("--threshold, --add-key and --remove-key are for one role: change root and targets one by one");
    };
    if role.is_delegation() {
        bail!(
            "the keys and the threshold of a delegation are changed by `tagseal trust delegation add {role} {0}` and `tagseal \
             trust delegation remove {role} {0}`",
            repository.gun()
        );
    }
    if *role != RoleName::root() && *role != RoleName::targets() {
        bail!(
            "--threshold, --add-key and --remove-key are for root and targets: a server signs {role} with one key"
        );
    }
    if !args.keys.is_empty() || args.server_managed {
        bail!(
            "--key replaces the one key of a role, and --server-managed gives it to the server: leave them out with --threshold, \
             --add-key and --remove-key"
        );
    }
    let runtime = crate::cli::runtime()?;
    let remove = match args.holders.remove.as_slice() {
        [] => Vec::new(),
        given => runtime.block_on(key_ids(session, repository, role, given))?,
    };
    let add = args.holders.add.iter().map(|key| to_add(session, repository, role, key));
    let add = add.collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(id) = add.iter().map(id_of).find(|id| remove.contains(id)) {
        bail!(
            "{id} is to be added and removed: say one of the two (a new certificate of a key takes the place of its old one by itself)"
        );
    }
    let operation =
        Operation::ChangeKeys { role: role.clone(), threshold: args.holders.threshold, add, remove };
    let published = runtime.block_on(args.pending.publish(session, repository, &[operation]))?;
    let gun = repository.gun();
    let message = match published.roles.iter().any(|(published, _)| *published == RoleName::root()) {
        true => format!("Changed the {role} keys of {gun}"),
        false => format!(
            "Nothing was changed: the {role} keys of {gun}, and how many of them have to sign, are that already"
        ),
    };
    Ok(args.pending.outcome(repository, message, &published))
}

fn id_of(key: &KeyToAdd) -> KeyId {
    match key {
        KeyToAdd::Held(id) => *id,
        KeyToAdd::Given(key) => key.canonical_id(),
    }
}

/// A key of the trust directory, a file with a private key (which goes into it first), or a file with a public half.
fn to_add(
    session: &Session<'_>,
    repository: &Repository,
    role: &RoleName,
    text: &str,
) -> anyhow::Result<KeyToAdd> {
    let path = Path::new(text);
    if !path.is_file() {
        return Ok(KeyToAdd::Held(find(&session.dir, text)?.id));
    }
    if read(path)?.contains("PRIVATE KEY-----") {
        let gun = (*role != RoleName::root()).then(|| repository.gun());
        return Ok(KeyToAdd::Held(choose(session, text, role.as_str(), gun)?));
    }
    match public_keys(&[path])?.pop() {
        Some(key) => Ok(KeyToAdd::Given(key)),
        None => bail!("{text} has no key"),
    }
}

/// The IDs of keys of the role that are given in full, or by their beginning.
async fn key_ids(
    session: &Session<'_>,
    repository: &Repository,
    role: &RoleName,
    given: &[String],
) -> anyhow::Result<Vec<KeyId>> {
    if let Ok(ids) = given.iter().map(|id| KeyId::from_hex(id)).collect::<Result<Vec<_>, _>>() {
        return Ok(ids);
    }
    let read = session.read(repository).await?;
    let known = match *role == RoleName::root() {
        true => read.root().key_ids(),
        false => read.role(role).map(|role| role.key_ids()).unwrap_or_default(),
    };
    let full = |given: &String| {
        let lower = given.to_ascii_lowercase();
        let found: Vec<_> = known.iter().filter(|id| id.to_string().starts_with(&lower)).collect();
        match found.as_slice() {
            [id] if lower.len() >= MIN_DIGITS => Ok(**id),
            _ => bail!(
                "{given:?} is {} key of {role}: its keys are {}",
                match found.as_slice() {
                    [] => "no",
                    [_] => "too short for a",
                    _ => "more than one",
                },
                known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        }
    };
    given.iter().map(full).collect()
}
