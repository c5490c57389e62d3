//! What an answer says beside its digest: what somebody must do soon, and what it rests on.

use jiff::{SignedDuration, Timestamp};

use super::resolution::SignedDigest;
use super::state::RepositoryKey;
use crate::tuf::{RoleName, TrustedRepository};

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

/// What an answer rests on: `targets`, the roles that signed, those between, and the base roles. Each once.
pub(super) struct Basis<'a> {
    repository: &'a TrustedRepository,
    /// The base roles that the server renews, and the root.
    base: [RoleName; 3],
    /// What the publisher signs.
    signed: Vec<RoleName>,
}

impl<'a> Basis<'a> {
    pub(super) fn of(repository: &'a TrustedRepository, signed: &SignedDigest) -> Self {
        let mut roles = vec![RoleName::targets()];
        for signer in signed.signers() {
            let mut next = Some(signer.role.clone());
            while let Some(role) = next.filter(|role| !roles.contains(role)) {
                next = role.parent();
                roles.push(role);
            }
        }
        roles.sort_unstable();
        let base = [RoleName::root(), RoleName::timestamp(), RoleName::snapshot()];
        Self { repository, base, signed: roles }
    }

    /// Roles whose publisher must sign them anew soon. The server renews timestamp and snapshot, so they are not among
    /// these.
    pub(super) fn expiring(&self, now: Timestamp) -> Vec<String> {
        let [root, ..] = &self.base;
        let roles = self.signed.iter().chain([root]).filter_map(|name| self.repository.role(name));
        roles
            .filter(|role| role.expires().duration_since(now) < SOON)
            .map(|role| format!("{} of {} expires at {}", role.name(), self.repository.gun(), role.expires()))
            .collect()
    }

    /// The versions that the answer rests on.
    pub(super) fn versions(self) -> Vec<(RoleName, u64)> {
        let roles = self.base.into_iter().chain(self.signed);
        roles
            .filter_map(|name| self.repository.role(&name).map(|role| role.version()).map(|v| (name, v)))
            .collect()
    }
}
