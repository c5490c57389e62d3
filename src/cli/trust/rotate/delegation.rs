//! Replaces the keys of a delegation role; of a signer, those in the role that docker pulls from too.

use std::path::Path;

use anyhow::bail;

use super::Args;
use crate::cli::repository::Repository;
use crate::cli::trust::failure::Refused;
use crate::cli::trust::key::seal;
use crate::cli::trust::key_choice::public_keys;
use crate::cli::trust::outcome::Outcome;
use crate::cli::trust::session::Session;
use crate::cli::trust::signer_name::SignerName;
use crate::publish::key::{Algorithm, PrivateKey, PublicForm};
use crate::publish::key_file::KeyHeader;
use crate::publish::operation::Operation;
use crate::tuf::{KeyId, RoleName, TrustedRepository};

/// Puts new keys in the place of all that the role has, and signs the role anew where one of them is here.
pub(super) fn rotate(
    args: &Args,
    session: &Session<'_>,
    repository: &Repository,
    role: &RoleName,
) -> anyhow::Result<Outcome> {
    if args.server_managed {
        bail!("the server manages timestamp and snapshot keys; {role} is signed by its signers");
    }
    let runtime = crate::cli::runtime()?;
    let read = runtime.block_on(session.read(repository))?;
    let Some(old) = keys_of(&read, role) else {
        return Err(Refused(format!("{role} of {} is not delegated", repository.gun())).into());
    };
    let (new, made) = new_keys(args, session, role)?;
    let new_ids: Vec<KeyId> = new.iter().map(PublicForm::canonical_id).collect();
    let mut held = false;
    for id in &new_ids {
        held |= session.dir.key(id)?.is_some();
    }
    let mut operations = Vec::new();
    let mut affected = Vec::new();
    for (role, old) in replaced(&read, role, old)? {
        let out = old.iter().filter(|id| !new_ids.contains(id)).copied().collect();
        let paths = Vec::new();
        operations.push(Operation::Delegate {
            role: role.clone(),
            keys: new.clone(),
            threshold: None,
            paths,
        });
        operations.push(Operation::Restrict { role: role.clone(), keys: out, paths: Vec::new() });
        if read.snapshot_lists(&role) {
            affected.push(role);
        }
    }
    if held && !affected.is_empty() {
        operations.push(Operation::Witness { roles: affected.clone(), looked_at: Vec::new() });
    }
    let mut published = runtime.block_on(args.pending.publish(session, repository, &operations))?;
    published.new_keys.extend(made.map(|id| (SignerName::of_key(role).to_owned(), id)));
    let message = format!("Rotated the keys of {role} of {}", repository.gun());
    let mut outcome = args.pending.outcome(repository, message, &published);
    if !held && !affected.is_empty() {
        let roles = affected.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        outcome.warn(format!(
            "what the old keys signed does not count any more, until whoever has a new one signs it anew with `tagseal trust \
             witness {roles} {}`",
            repository.gun()
        ));
    }
    Ok(outcome)
}

/// The roles in which the keys are replaced, each with those that go: the role itself, and for a signer's role
/// `targets/releases`, as far as it has these keys.
fn replaced(
    repository: &TrustedRepository,
    role: &RoleName,
    old: Vec<KeyId>,
) -> anyhow::Result<Vec<(RoleName, Vec<KeyId>)>> {
    let releases = SignerName::releases()?;
    let mut replaced = vec![(role.clone(), old.clone())];
    if role.parent() == Some(RoleName::targets())
        && *role != releases
        && let Some(keys) = keys_of(repository, &releases)
    {
        let shared: Vec<_> = keys.into_iter().filter(|id| old.contains(id)).collect();
        if !shared.is_empty() {
            replaced.push((releases, shared));
        }
    }
    Ok(replaced)
}

/// The keys that were named, or a new one of the signer's name.
fn new_keys(
    args: &Args,
    session: &Session<'_>,
    role: &RoleName,
) -> anyhow::Result<(Vec<PublicForm>, Option<KeyId>)> {
    if !args.keys.is_empty() {
        let files: Vec<_> = args.keys.iter().map(Path::new).collect();
        return Ok((public_keys(&files)?, None));
    }
    let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
    let header = KeyHeader { role: Some(SignerName::of_key(role).to_owned()), gun: None };
    session.dir.add_key(&key.id(), &seal(&session.passphrases, &key, header)?)?;
    Ok((vec![key.public().clone()], Some(key.id())))
}

fn keys_of(repository: &TrustedRepository, role: &RoleName) -> Option<Vec<KeyId>> {
    let parent = repository.role(&role.parent()?)?;
    let found = parent.delegated().into_iter().find(|delegated| delegated.name == role);
    found.map(|delegated| delegated.key_ids)
}
