//! Applying operations to a draft.

pub(super) mod adopt;
mod delegations;
mod holders;
mod rotation;
mod targets;

use std::collections::BTreeMap;

use super::draft::{Draft, malformed};
use super::error::PublishError;
use super::keys::Keys;
use super::renew::RENEWED_DAYS;
use super::{StillListed, server_key};
use crate::digest::Digest;
use crate::notary::Remote;
use crate::publish::document::root::BaseKeys;
use crate::publish::document::{Root, Snapshot, Targets};
use crate::publish::key::PublicForm;
use crate::publish::operation::Operation;
use crate::tuf::{KeyId, RoleName};

/// What applying takes, and what it leaves behind, whatever becomes of the draft.
pub(super) struct Workshop<'a> {
    pub(super) remote: &'a Remote,
    pub(super) keys: Keys<'a>,
    /// Keys that the server made for an operation: applied once more, it takes the same one.
    pub(super) server_keys: BTreeMap<usize, PublicForm>,
    pub(super) now: jiff::Timestamp,
    pub(super) warnings: Vec<String>,
    pub(super) still_listed: Vec<StillListed>,
    /// Whether roles may be signed by too few keys, to go on to another signer.
    pub(super) may_lack: bool,
}

impl Workshop<'_> {
    /// Applies one operation; `index` is its place among the operations. There is no draft before a repository is made.
    pub(super) async fn apply(
        &mut self,
        draft: &mut Option<Draft>,
        index: usize,
        operation: &Operation,
    ) -> Result<(), PublishError> {
        if let Operation::Init { root_key, snapshot_key_is_local } = operation {
            if draft.is_none() {
                *draft = Some(self.init(index, *root_key, *snapshot_key_is_local).await?);
            }
            return Ok(());
        }
        let gun = self.remote.gun();
        let draft = draft.as_mut().ok_or_else(|| PublishError::NotInitialised { gun: gun.clone() })?;
        match operation {
            // What ends is looked at when the other operations are applied.
            Operation::Init { .. } | Operation::Renew { .. } => Ok(()),
            Operation::AddTarget { roles, name, digest, length } => {
                self.add_target(draft, roles, name, *digest, *length)
            }
            Operation::RemoveTarget { roles, name: Some(name) } => self.remove_target(draft, roles, name),
            Operation::RemoveTarget { roles, name: None } => self.remove_targets(draft, roles),
            Operation::Delegate { role, keys, threshold, paths } => {
                delegations::delegate(draft, role, keys, *threshold, paths)
            }
            Operation::Restrict { role, keys, paths } => delegations::restrict(draft, role, keys, paths),
            Operation::Undelegate { role } => delegations::undelegate(draft, role),
            Operation::Witness { roles, looked_at } => {
                roles.iter().try_for_each(|role| self.witness(draft, role, looked_at))
            }
            Operation::Adopt { role, file, looked_at } => self.adopt(draft, role, file, looked_at),
            Operation::ChangeKeys { role, threshold, add, remove } => {
                self.change_keys(draft, role, *threshold, (add, remove))
            }
            Operation::RotateRoot { new_key } => self.rotate_root(draft, index, *new_key),
            Operation::RotateLocal { role, new_key } => self.rotate_local(draft, index, role, *new_key),
            Operation::RotateServerManaged { role } => self.rotate_server_managed(draft, index, role).await,
        }
    }

    async fn init(
        &mut self,
        index: usize,
        root_key: Option<KeyId>,
        snapshot_key_is_local: bool,
    ) -> Result<Draft, PublishError> {
        let (root, targets) = (RoleName::root(), RoleName::targets());
        let (snapshot, timestamp) = (RoleName::snapshot(), RoleName::timestamp());
        // The server is asked first: nothing is left behind where it cannot be reached.
        let timestamp_key = server_key(&timestamp, &self.remote.server_key(&timestamp).await?)?;
        let snapshot_key = match snapshot_key_is_local {
            true => None,
            false => Some(server_key(&snapshot, &self.remote.server_key(&snapshot).await?)?),
        };
        let root_key = match root_key {
            Some(id) => Some(id),
            None => self.keys.only_root()?,
        };
        let root_key = self.root_certificate(index, root_key)?;
        let targets_key = self.keys.make(index, &targets)?.public().clone();
        let snapshot_key = match snapshot_key {
            Some(key) => key,
            None => self.keys.make(index, &snapshot)?.public().clone(),
        };
        let keys = BaseKeys {
            root: &root_key,
            targets: &targets_key,
            snapshot: &snapshot_key,
            timestamp: &timestamp_key,
        };
        let root = Root::new(&keys).map_err(malformed(&root))?;
        let mut draft = Draft::new(root, snapshot_key_is_local.then(Snapshot::new));
        draft.targets.insert(targets, Targets::new());
        Ok(draft)
    }

    /// The root once more, with new certificates for those of its keys that are here and whose certificates end soon.
    fn witness_root(&mut self, draft: &mut Draft) -> Result<(), PublishError> {
        draft.root.0.touch();
        self.renew_certificates(draft, self.in_days(RENEWED_DAYS))
    }

    fn witness(
        &mut self,
        draft: &mut Draft,
        role: &RoleName,
        looked_at: &[Digest],
    ) -> Result<(), PublishError> {
        if *role == RoleName::root() {
            return self.witness_root(draft);
        }
        check_lists_targets(role, "a witness")?;
        draft.witness(role)?;
        let file = draft.base.hash(role).filter(|_| draft.base.unsigned.contains(role));
        if let Some(sha256) = file {
            let listed = draft.targets.get(role).map(Targets::listing).unwrap_or_default();
            if !looked_at.contains(&sha256) {
                return Err(PublishError::NotLookedAt { role: role.clone(), sha256, listed });
            }
            self.warnings.push(format!(
                "{role} was not signed by its present keys, and was signed as it is, with what it lists: {}",
                listed.join(", ")
            ));
        }
        Ok(())
    }
}

/// Whether the role is one whose file lists targets.
fn check_lists_targets(role: &RoleName, operation: &'static str) -> Result<(), PublishError> {
    match *role == RoleName::targets() || role.is_delegation() {
        true => Ok(()),
        false => Err(PublishError::WrongRole {
            operation,
            takes: "targets and delegation roles",
            role: role.clone(),
        }),
    }
}
