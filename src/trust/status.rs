//! [`RepositoryStatus`]: what conditions, metrics and the inventory say of a repository.

use std::sync::Arc;

use jiff::Timestamp;

use super::cell::Cell;
use super::core::Core;
use crate::image::ImageReference;
use crate::records::RepositoryKey;
use crate::resolution::Refusal;
use crate::tuf::{KeyId, RoleName};

/// What is known of one repository that verified, under a root that is pinned by policy or by a pin that is written down.
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
    /// The canonical IDs of the keys of its root role.
    pub root_key_ids: Vec<KeyId>,
    /// Whether the root carries a pin itself; if not, the policy's pin is out of date.
    pub root_carries_pin: bool,
    /// Who signed each role.
    pub signers: Vec<(RoleName, Vec<KeyId>)>,
    /// Why it cannot be refreshed, and since when.
    pub trouble: Option<(Refusal, Timestamp)>,
    /// When it was last asked for.
    pub last_used: Timestamp,
    /// One of the images that it was asked for.
    pub image: Option<Arc<ImageReference>>,
}

/// What is known of every repository that verified.
pub(super) fn status(core: &Core) -> Vec<RepositoryStatus> {
    core.repositories.all().iter().filter_map(|cell| status_of(cell)).collect()
}

fn status_of(cell: &Cell) -> Option<RepositoryStatus> {
    let contents = cell.contents();
    let served = contents.pinned()?;
    let repository = &served.repository;
    let roles: Vec<RoleName> = repository.floors().into_keys().collect();
    let signers = roles.iter().filter_map(|name| {
        let ids = repository.role(name)?.signed_by().iter().map(|signer| signer.key_id);
        Some((name.clone(), ids.collect()))
    });
    let failing = contents.failing.as_ref();
    Some(RepositoryStatus {
        key: cell.state_key.clone(),
        last_verified: served.vouched.map(|vouched| vouched.at()),
        earliest_expiry: repository.earliest_expiry(&roles),
        root_version: repository.root().version(),
        root_key_ids: repository.root().key_ids(),
        root_carries_pin: repository.root_carries_pin(),
        signers: signers.collect(),
        trouble: failing.map(|failing| (failing.refusal.clone(), failing.since)),
        last_used: Timestamp::from_second(cell.usage.last_used()).unwrap_or(Timestamp::MIN),
        image: cell.usage.asked().first().map(|asked| Arc::clone(&asked.image)),
    })
}
