//! The numbers of files that the snapshot does not list, and what has to be certain before one is written over.
//!
//! Storage demands of each file a greater version than its role ever had (Notary v1, "Server rules"). For a file that was
//! read that is the whole protection of those who publish at the same time: the new version is one more than the one that
//! was read, and the server refuses it where somebody else wrote that version meanwhile. A role that was removed and is
//! delegated again has no file to read, and still an old number to exceed. Nothing but its absence from the snapshot tells
//! its old file from one that another signer made after the snapshot was read. So the number counts only where the snapshot
//! is shown to be the newest one after the number was read.

use futures::future::join_all;

use super::Publisher;
use super::draft::Base;
use super::error::PublishError;
use super::read::mends_only_the_root;
use crate::notary::RemoteError;
use crate::publish::document::{Targets, unverified_version};
use crate::publish::operation::Operation;
use crate::tuf::{Fetch, FileName, RoleName};

/// The cap on a file of a role that the snapshot does not list.
const MAX_UNLISTED: u64 = 16 << 20;

/// The cap on a timestamp or snapshot that is asked for to see whether it is there.
const MAX_PROBE: u64 = 16 << 20;

impl Publisher<'_> {
    /// Learns the numbers of the files that the server has of roles without a listed file. Nothing else is read from them,
    /// because nothing vouches for them. `false` where somebody may have published since `base` was read: then it has to be
    /// read again.
    pub(super) async fn former_versions(
        &self,
        base: &mut Base,
        operations: &[Operation],
    ) -> Result<bool, PublishError> {
        if mends_only_the_root(operations) {
            return Ok(true);
        }
        let unlisted = unlisted(base, operations);
        let fetches = unlisted
            .iter()
            .map(|role| Fetch { file: FileName::current(role.clone()), max_bytes: MAX_UNLISTED })
            .collect::<Vec<_>>();
        let came = join_all(fetches.iter().map(|fetch| self.remote.fetch(fetch))).await;
        for (role, came) in unlisted.into_iter().zip(came) {
            if let Some(version) = came?.as_deref().and_then(unverified_version) {
                base.former.insert(role, version);
            }
        }
        Ok(base.former.is_empty() || self.is_newest(base).await?)
    }

    /// Whether the set that was read is still the newest. An answer out of a cache on the way is not taken for that: the
    /// timestamp may come from one, but not the absence of the next snapshot, which nobody asked for before.
    async fn is_newest(&self, base: &Base) -> Result<bool, RemoteError> {
        let (timestamp, snapshot) = (RoleName::timestamp(), RoleName::snapshot());
        let read = base.files.get(&timestamp);
        if self.probe(FileName::current(timestamp)).await?.as_ref() != read {
            return Ok(false);
        }
        let version = base.files.get(&snapshot).and_then(|bytes| unverified_version(bytes));
        match version.and_then(|version| version.checked_add(1)) {
            Some(next) => Ok(self.probe(FileName::by_version(snapshot, next)).await?.is_none()),
            None => Ok(true),
        }
    }

    async fn probe(&self, file: FileName) -> Result<Option<bytes::Bytes>, RemoteError> {
        self.remote.fetch(&Fetch { file, max_bytes: MAX_PROBE }).await
    }
}

/// The roles that have no listed file and may get one.
fn unlisted(base: &Base, operations: &[Operation]) -> Vec<RoleName> {
    let read = base.files.iter().filter(|(role, _)| role.is_delegation() || **role == RoleName::targets());
    let delegated = read.filter_map(|(_, bytes)| Some(Targets::read(bytes).ok()?.delegated())).flatten();
    let about_to_be = operations.iter().filter_map(|operation| match operation {
        Operation::Delegate { role, .. } => Some(role.clone()),
        _ => None,
    });
    let mut unlisted: Vec<RoleName> = delegated
        .chain(about_to_be)
        .filter(|role| role.is_delegation() && !base.files.contains_key(role))
        .collect();
    unlisted.sort();
    unlisted.dedup();
    unlisted
}
