//! [`TrustState`]: floors, first-use pins and the record of what was current. Async, compare-and-swap (design §11).

pub(crate) mod change;
mod disk;
mod document;
mod memory;
mod recorded;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::disk::DiskState;
pub use self::memory::MemoryState;
pub(crate) use self::recorded::Recorded;
use crate::digest::Digest;
use crate::source::BoxFuture;
use crate::tuf::{Floors, Gun, KeyId, RoleName};

/// What one record of state is about: one per (server, GUN, trust anchors).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryKey {
    /// The trust server's base URL.
    pub server: String,
    /// The repository.
    pub gun: Gun,
    /// `Anchors::fingerprint`.
    pub anchors: Digest,
}

/// The root that a repository is pinned to by first use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPin {
    /// The version of the root that was pinned.
    pub version: u64,
    /// The sha256 of its file.
    pub sha256: Digest,
    /// The canonical IDs of the keys of its root role.
    pub key_ids: Vec<KeyId>,
}

/// A version of a role that was current once, as tagseal itself verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleVersion {
    /// The role.
    pub role: RoleName,
    /// Its version.
    pub version: u64,
    /// The sha256 of its file.
    pub sha256: Digest,
    /// When it was first seen current.
    pub first_seen: Timestamp,
    /// When another file of the role was first seen current; `None` while it is.
    pub superseded: Option<Timestamp>,
}

/// All that is remembered about a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustRecord {
    /// The first-use pin, where first use made one.
    pub pin: Option<RootPin>,
    /// The floor of every role.
    pub floors: Floors,
    /// Recent versions of `targets` and the delegations.
    pub recent: Vec<RoleVersion>,
}

/// What another record of a GUN says: one under other anchors, or of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherRecord {
    /// Which one.
    pub key: RepositoryKey,
    /// Its floors.
    pub floors: Arc<Floors>,
}

/// The version of a stored [`TrustRecord`], for compare-and-swap. `None` in [`TrustState::store`] means "none yet".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Which record: one that was deleted and made anew is another one, and what rested on the old one was reset.
    pub record: String,
    /// Its version. Opaque.
    pub version: String,
}

impl Revision {
    /// Whether it is of another record than `other`.
    pub fn is_of_another_record(&self, other: &Self) -> bool {
        self.record != other.record
    }
}

/// Why state could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Somebody else wrote first: load again and merge.
    #[error("the record was changed meanwhile")]
    Conflict,
    /// It could not be read or written.
    #[error("{0}")]
    Unavailable(String),
}

/// Where trust state lives: memory, disk, or the cluster.
pub trait TrustState: Send + Sync + std::fmt::Debug {
    /// The record and its revision; `None` where there is none, which must be certain: of one that was there before, it says
    /// that somebody deleted it.
    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>>;

    /// The floors of the other records of `key`'s GUN: what was seen of a GUN counts for whoever asks for it later, as far as
    /// the keys agree. `is_new` says that `key` has no record yet. Then all of them must be known, or it is an error; else
    /// those that cannot be read are left out, because the record has taken over what they said when it was made.
    fn others<'a>(
        &'a self,
        key: &'a RepositoryKey,
        is_new: bool,
    ) -> BoxFuture<'a, Result<Vec<OtherRecord>, StateError>> {
        let _ = (key, is_new);
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// What an admin calls the record of `key`, as in "delete …"; `None` where it cannot be deleted.
    fn name_of(&self, key: &RepositoryKey) -> Option<String> {
        let _ = key;
        None
    }

    /// Whether records outlive the process. Then one that is gone was deleted, which is the way to reset a repository
    /// (design §2), and one that is not there says nothing otherwise.
    fn is_lasting(&self) -> bool {
        true
    }

    /// Writes the record if its revision is still `expected`.
    fn store<'a>(
        &'a self,
        key: &'a RepositoryKey,
        expected: Option<&'a Revision>,
        record: &'a TrustRecord,
    ) -> BoxFuture<'a, Result<Revision, StateError>>;
}
