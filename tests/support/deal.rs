//! Building operations in few words.

use tagseal::digest::Digest;
use tagseal::publish::key::PublicForm;
use tagseal::publish::operation::{Operation, SigningRoles};
use tagseal::publish::publisher::PublishError;
use tagseal::tuf::{KeyId, RoleName};

pub fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub fn init() -> Operation {
    Operation::Init { root_key: None, snapshot_key_is_local: false }
}

pub fn init_with_snapshot() -> Operation {
    Operation::Init { root_key: None, snapshot_key_is_local: true }
}

fn these(roles: &[&str]) -> SigningRoles {
    match roles {
        [] => SigningRoles::Docker,
        roles => SigningRoles::These(roles.iter().map(|name| role(name)).collect()),
    }
}

/// Without roles: by docker's rule. The digest is that of the content.
pub fn add(name: &str, content: &str, roles: &[&str]) -> Operation {
    Operation::AddTarget {
        roles: these(roles),
        name: name.to_owned(),
        digest: Digest::of(content.as_bytes()),
        length: content.len() as u64,
    }
}

pub fn remove(name: &str, roles: &[&str]) -> Operation {
    Operation::RemoveTarget { roles: these(roles), name: Some(name.to_owned()) }
}

pub fn remove_all(roles: &[&str]) -> Operation {
    Operation::RemoveTarget { roles: these(roles), name: None }
}

pub fn delegate(name: &str, keys: &[&PublicForm], threshold: Option<u64>, paths: &[&str]) -> Operation {
    let keys = keys.iter().copied().cloned().collect();
    Operation::Delegate { role: role(name), keys, threshold, paths: strings(paths) }
}

pub fn restrict(name: &str, keys: &[KeyId], paths: &[&str]) -> Operation {
    Operation::Restrict { role: role(name), keys: keys.to_vec(), paths: strings(paths) }
}

pub fn undelegate(name: &str) -> Operation {
    Operation::Undelegate { role: role(name) }
}

pub fn witness(names: &[&str]) -> Operation {
    Operation::Witness { roles: names.iter().map(|name| role(name)).collect(), looked_at: Vec::new() }
}

pub fn rotate_root() -> Operation {
    Operation::RotateRoot { new_key: None }
}

pub fn rotate_local(name: &str) -> Operation {
    Operation::RotateLocal { role: role(name), new_key: None }
}

pub fn rotate_server_managed(name: &str) -> Operation {
    Operation::RotateServerManaged { role: role(name) }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Has witnesses look at what the publisher asks them to look at; whether that is what it asks.
pub fn look(operations: &mut [Operation], error: &PublishError) -> bool {
    let PublishError::NotLookedAt { sha256, .. } = error else { return false };
    for operation in operations {
        if let Operation::Witness { looked_at, .. } = operation {
            looked_at.push(*sha256);
        }
    }
    true
}
