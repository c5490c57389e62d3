//! What an answer says beside its digest: what somebody must do soon, and what it rests on.

use jiff::{SignedDuration, Timestamp};

use super::resolution::SignedDigest;
use crate::tuf::{RoleName, TrustedRepository};

/// A role that expires sooner than this is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 30);

/// That data older than wanted answers, and why. The reason stands early: the API server cuts warnings.
pub(super) fn old_data(vouched: Option<Timestamp>, why: &str) -> String {
    let since = match vouched {
        Some(vouched) => format!("last confirmed at {}", vouched.strftime("%Y-%m-%dT%H:%M:%SZ")),
        None => "of unknown age".to_owned(),
    };
    format!("older trust data answers, {since}: {why}")
}

/// What an answer rests on: the base roles, the roles that signed and those between.
pub(super) struct Basis<'a> {
    repository: &'a TrustedRepository,
    /// Each once: the base roles but `targets`, then what the publisher signs, sorted.
    roles: Vec<(RoleName, u64, Timestamp)>,
}

impl<'a> Basis<'a> {
    pub(super) fn of(repository: &'a TrustedRepository, signed: &SignedDigest) -> Self {
        let mut roles: Vec<(RoleName, u64, Timestamp)> = Vec::with_capacity(8);
        let mut add = |name: RoleName| {
            let is_new = roles.iter().all(|(known, ..)| *known != name);
            if let Some((version, expires)) = repository.version_and_expiry(&name).filter(|_| is_new) {
                roles.push((name, version, expires));
            }
        };
        [RoleName::root(), RoleName::timestamp(), RoleName::snapshot()].into_iter().for_each(&mut add);
        for signer in signed.signers() {
            std::iter::successors(Some(signer.role.clone()), RoleName::parent).for_each(&mut add);
        }
        if let Some(signed) = roles.get_mut(3..) {
            signed.sort_unstable();
        }
        Self { repository, roles }
    }

    /// Roles whose publisher must sign them anew soon. The server renews timestamp and snapshot, so they are not among
    /// these.
    pub(super) fn expiring(&self, now: Timestamp) -> Vec<String> {
        let soon = now.saturating_add(SOON).unwrap_or(Timestamp::MAX);
        let is_renewed = |name: &RoleName| matches!(name.as_str(), "timestamp" | "snapshot");
        let expiring = self.roles.iter().filter(|(name, _, expires)| *expires < soon && !is_renewed(name));
        let gun = self.repository.gun();
        expiring.map(|(name, _, expires)| format!("{name} of {gun} expires at {expires}")).collect()
    }

    /// The versions that the answer rests on.
    pub(super) fn versions(self) -> Vec<(RoleName, u64)> {
        self.roles.into_iter().map(|(name, version, _)| (name, version)).collect()
    }
}
