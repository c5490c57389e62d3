//! Reading a repository in order to write: verified as the resolver does it, but that nothing is refused for its age.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use jiff::Timestamp;

use super::Publisher;
use super::draft::Base;
use super::error::PublishError;

use crate::notary::RemoteError;
use crate::publish::document::Root;
use crate::publish::operation::Operation;
use crate::tuf::{
    Anchors, Answer, FileName, RoleName, RootRotation, Step, TufError, Update, UpdateInput, Updated,
};

/// What the trust directory has of a repository.
pub(super) type Local = Vec<(RoleName, Bytes)>;

impl Publisher<'_> {
    /// Reads the repository; `None` where the server has none. The root in the trust directory is the one that is trusted,
    /// and what else verifies there is not to be rolled back.
    pub(super) async fn read(
        &self,
        local: &Local,
        operations: &[Operation],
    ) -> Result<Option<Base>, PublishError> {
        let now = self.clock.now();
        let read = self.read_repository(local, operations, now).await?;
        read.map(|updated| base_of(updated, local, now)).transpose()
    }

    /// What the server has, verified.
    pub(super) async fn read_repository(
        &self,
        local: &Local,
        operations: &[Operation],
        now: Timestamp,
    ) -> Result<Option<Updated>, PublishError> {
        let update = Update::for_publishing(self.input(local, operations, now));
        let mut causes = Vec::new();
        match self.drive(update, &mut causes).await {
            Ok(updated) => Ok(Some(updated)),
            Err(TufError::RepositoryNotFound) => Ok(None),
            Err(TufError::Missing { file }) if file == FileName::current(RoleName::timestamp()) => Ok(None),
            Err(TufError::DamagedPin(error)) => {
                let (gun, path) = (self.remote.gun().clone(), self.dir.path().to_owned());
                Err(PublishError::DamagedRoot { gun, path, error })
            }
            Err(error) => Err(match causes.pop() {
                Some(cause) => self.unanswered(local, now, cause),
                None => PublishError::Untrusted { gun: self.remote.gun().clone(), error: error.into() },
            }),
        }
    }

    /// A server cannot renew its timestamp under a root that expired, and says no more than that it is at fault.
    fn unanswered(&self, local: &Local, now: Timestamp, cause: RemoteError) -> PublishError {
        let root = local.iter().find(|(role, _)| *role == RoleName::root());
        let expires = root.and_then(|(_, bytes)| Root::read(bytes).ok()?.0.expires());
        match (expires, cause) {
            (Some(expires), cause @ RemoteError::Rejected(_)) if expires < now => {
                let (gun, cause) = (self.remote.gun().clone(), cause.to_string());
                PublishError::RootExpired { gun, expires, cause }
            }
            (_, cause) => PublishError::Remote(cause),
        }
    }

    fn input(&self, local: &Local, operations: &[Operation], now: Timestamp) -> UpdateInput {
        let root = local.iter().find(|(role, _)| *role == RoleName::root()).map(|(_, bytes)| bytes.clone());
        // A server that lost its timestamp key, or whose root expired, may have no timestamp to build on. What is mended with a
        // new root is; anything else would sign anew what may have been revoked since, as often as a server withholds it.
        let timestamp_fallback = mends_only_the_root(operations);
        let anchors = Anchors::new(Vec::new(), RootRotation::Follow, root.is_none());
        UpdateInput {
            pinned_root: root,
            local: local.iter().cloned().collect(),
            timestamp_fallback,
            ..UpdateInput::new(self.remote.gun().clone(), Arc::new(anchors), now)
        }
    }

    async fn drive(&self, mut update: Update, causes: &mut Vec<RemoteError>) -> Result<Updated, TufError> {
        loop {
            match update.step() {
                Step::Done(done) => return done,
                Step::Fetch(fetches) => {
                    let came = join_all(fetches.iter().map(|fetch| self.remote.fetch(fetch))).await;
                    for (fetch, came) in fetches.iter().zip(came) {
                        let answer = match came {
                            Ok(Some(bytes)) => Answer::Bytes(bytes),
                            Ok(None) => Answer::NotFound,
                            Err(cause) => {
                                causes.push(cause);
                                Answer::Unavailable
                            }
                        };
                        update.feed(&fetch.file, answer);
                    }
                }
            }
        }
    }
}

/// Whether no operation is about more than a new root.
pub(super) fn mends_only_the_root(operations: &[Operation]) -> bool {
    let mends_root = |operation: &_| {
        matches!(operation, Operation::RotateRoot { .. } | Operation::RotateServerManaged { .. })
    };
    !operations.is_empty() && operations.iter().all(mends_root)
}

/// What was read, as edits start from it.
pub(super) fn base_of(updated: Updated, local: &Local, now: Timestamp) -> Result<Base, PublishError> {
    let repository = &updated.repository;
    let mut base = Base { files: updated.files.into_iter().collect(), ..Base::default() };
    for role in base.files.keys() {
        match repository.role(role) {
            Some(verified) => {
                let signers = verified.signed_by().iter().map(|signer| signer.key_id).collect();
                base.signers.insert(role.clone(), signers);
                if verified.expires() < now {
                    base.expired.insert(role.clone());
                }
            }
            None => {
                base.unsigned.insert(role.clone());
            }
        }
    }
    if let Some(root) = base.files.get(&RoleName::root()) {
        let root = Root::read(root).map_err(super::draft::malformed(&RoleName::root()))?;
        base.root_keys = Some(root.keyring(&RoleName::root()));
    }
    if !local.iter().any(|(role, _)| *role == RoleName::root()) {
        base.first_use = repository.root().signed_by().iter().map(|signer| signer.key_id).collect();
    }
    Ok(base)
}
