//! [`RepositoryStatus`]: what conditions, metrics and the inventory say of a repository.

use jiff::Timestamp;

use super::core::Core;
use super::error::Refusal;
use super::state::RepositoryKey;
use crate::tuf::{KeyId, RoleName};

/// What is known of one repository that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryStatus {
    /// Which repository.
    pub key: RepositoryKey,
    /// When its server last vouched for it.
    pub last_verified: Option<Timestamp>,
    /// The role that expires first, and when.
    pub earliest_expiry: (RoleName, Timestamp),
    /// The version of the root.
    pub root_version: u64,
    /// Whether the root carries a pin itself; if not, the policy's pin is out of date.
    pub root_carries_pin: bool,
    /// Who signed each role.
    pub signers: Vec<(RoleName, Vec<KeyId>)>,
    /// Why it cannot be refreshed, and since when.
    pub trouble: Option<(Refusal, Timestamp)>,
}

impl Core {
    pub(super) fn status(&self) -> Vec<RepositoryStatus> {
        let entries = self.entries.all();
        entries
            .iter()
            .filter_map(|entry| {
                let served = entry.served()?;
                let repository = &served.repository;
                let roles: Vec<RoleName> = repository.floors().into_keys().collect();
                let signers = roles.iter().filter_map(|name| {
                    let ids = repository.role(name)?.signed_by().iter().map(|signer| signer.key_id);
                    Some((name.clone(), ids.collect()))
                });
                Some(RepositoryStatus {
                    key: entry.state_key.clone(),
                    last_verified: served.vouched.map(|vouched| vouched.at()),
                    earliest_expiry: repository.earliest_expiry(&roles),
                    root_version: repository.root().version(),
                    root_carries_pin: repository.root_carries_pin(),
                    signers: signers.collect(),
                    trouble: entry
                        .trouble
                        .load()
                        .as_ref()
                        .map(|trouble| (trouble.refusal.clone(), trouble.since)),
                })
            })
            .collect()
    }
}
