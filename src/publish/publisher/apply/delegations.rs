//! Delegating: a role is what its parent says of it.

use crate::publish::key::PublicForm;
use crate::publish::publisher::draft::{Draft, covers, malformed};
use crate::publish::publisher::error::PublishError;
use crate::tuf::{KeyId, RoleName};

pub(super) fn delegate(
    draft: &mut Draft,
    role: &RoleName,
    keys: &[PublicForm],
    threshold: Option<u64>,
    paths: &[String],
) -> Result<(), PublishError> {
    let parent = parent(role)?;
    let allowed = draft.paths(&parent);
    if let Some(path) = paths.iter().find(|path| !covers(&allowed, path)) {
        return Err(PublishError::PathNotAllowed { role: parent, name: path.clone(), paths: allowed });
    }
    let file = draft.edit(&parent)?;
    let broken = malformed(&parent);
    file.delegate(role).map_err(&broken)?;
    for key in keys {
        file.add_key(role, key).map_err(&broken)?;
    }
    let mut all = file.paths(role).unwrap_or_default();
    for path in paths {
        if !all.contains(path) {
            all.push(path.clone());
        }
    }
    file.set_paths(role, &all).map_err(&broken)?;
    if let Some(threshold) = threshold {
        file.set_threshold(role, threshold.max(1)).map_err(&broken)?;
    }
    check_threshold(draft, role)
}

pub(super) fn restrict(
    draft: &mut Draft,
    role: &RoleName,
    keys: &[KeyId],
    paths: &[String],
) -> Result<(), PublishError> {
    let parent = parent(role)?;
    let keyring = draft.keyring(role).ok_or_else(|| PublishError::NotDelegated { role: role.clone() })?;
    if let Some(id) = keys.iter().find(|id| !keyring.has(**id)) {
        let keys = keyring.canonical_ids();
        return Err(PublishError::KeyNotInRole { role: role.clone(), id: *id, keys });
    }
    let file = draft.edit(&parent)?;
    let broken = malformed(&parent);
    let gone = keyring.keys.iter().filter(|key| keys.contains(&key.id) || keys.contains(&key.canonical));
    let gone: Vec<String> = gone.map(|key| key.id.to_string()).collect();
    if !gone.is_empty() {
        file.remove_keys(role, &gone).map_err(&broken)?;
    }
    let mut left = file.paths(role).unwrap_or_default();
    if let Some(path) = paths.iter().find(|path| !left.contains(path)) {
        let (role, path) = (role.clone(), path.clone());
        return Err(PublishError::PathNotInRole { role, path, paths: left });
    }
    left.retain(|path| !paths.contains(path));
    file.set_paths(role, &left).map_err(&broken)?;
    check_threshold(draft, role)
}

pub(super) fn undelegate(draft: &mut Draft, role: &RoleName) -> Result<(), PublishError> {
    let parent = parent(role)?;
    if draft.keyring(role).is_none() {
        return Err(PublishError::NotDelegated { role: role.clone() });
    }
    draft.edit(&parent)?.undelegate(role).map_err(malformed(&parent))?;
    draft.forget(role)
}

fn parent(role: &RoleName) -> Result<RoleName, PublishError> {
    role.parent().ok_or_else(|| PublishError::WrongRole {
        operation: "delegating",
        takes: "roles below targets",
        role: role.clone(),
    })
}

/// A role that nobody could sign is a mistake.
fn check_threshold(draft: &Draft, role: &RoleName) -> Result<(), PublishError> {
    let keyring = draft.keyring(role).ok_or_else(|| PublishError::NotDelegated { role: role.clone() })?;
    let keys = keyring.canonical_ids().len() as u64;
    match keyring.threshold {
        threshold if threshold > keys => {
            Err(PublishError::TooFewKeys { role: role.clone(), keys, threshold })
        }
        _ => Ok(()),
    }
}
