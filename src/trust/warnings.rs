//! What an answer says beside its digest: what somebody must do soon, and what it rests on.

use jiff::{SignedDuration, Timestamp};

use super::resolution::SignedDigest;
use super::state::RepositoryKey;
use crate::tuf::{Role, RoleName, TrustedRepository};

/// A role that expires sooner than this is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 30);

/// That data older than wanted answers, and why.
pub(super) fn old_data(key: &RepositoryKey, vouched: Option<Timestamp>, why: &str) -> String {
    let since = match vouched {
        Some(vouched) => format!("last confirmed at {vouched}"),
        None => "of unknown age".to_owned(),
    };
    format!("trust data of {} at {} is {since}: {why}", key.gun, key.server)
}

/// Roles whose publisher must sign them anew soon. The server renews timestamp and snapshot, so they are not among these.
pub(super) fn expiring(repository: &TrustedRepository, signed: &SignedDigest, now: Timestamp) -> Vec<String> {
    let roles = relied_on(signed).into_iter().chain([RoleName::root()]);
    roles
        .filter_map(|name| repository.role(&name))
        .filter(|role| role.expires().duration_since(now) < SOON)
        .map(|role| format!("{} of {} expires at {}", role.name(), repository.gun(), role.expires()))
        .collect()
}

/// The versions that an answer rests on.
pub(super) fn versions(repository: &TrustedRepository, signed: &SignedDigest) -> Vec<(RoleName, u64)> {
    let base = [RoleName::root(), RoleName::timestamp(), RoleName::snapshot()];
    let roles = base.into_iter().chain(relied_on(signed));
    roles.filter_map(|name| repository.role(&name).map(|role: Role<'_>| (name, role.version()))).collect()
}

/// `targets`, the roles that signed, and those between.
fn relied_on(signed: &SignedDigest) -> Vec<RoleName> {
    let mut roles = vec![RoleName::targets()];
    for signer in signed.signers() {
        let mut role = Some(signer.role.clone());
        while let Some(name) = role {
            role = name.parent();
            roles.push(name);
        }
    }
    roles.sort();
    roles.dedup();
    roles
}
