//! What the new server has of the repository already.

use super::super::Publisher;
use super::super::draft::{Base, malformed};
use super::super::read::{Local, base_of};
use super::super::renew::server_has_key;
use super::origin::{Origin, is_same};
use super::{MoveError, Moved, version_in};
use crate::digest::Digest;
use crate::publish::document::Root;
use crate::tuf::RoleName;

/// How the new server stands before a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has no such repository.
    Empty,
    /// An earlier run began.
    Begun,
    /// It has all of it.
    Moved,
}

/// What the new server has, verified under its own root.
pub(super) struct There {
    base: Base,
    root: Root,
}

impl There {
    /// Reads it; `None` where there is nothing.
    pub(super) async fn read(to: &Publisher<'_>) -> Result<Option<Self>, MoveError> {
        let (local, now) = (Local::new(), to.clock.now());
        let at = |error| MoveError::AtServer { server: server_of(to), error: Box::new(error) };
        let Some(read) = to.read_repository(&local, &[], now).await.map_err(at)? else { return Ok(None) };
        let base = base_of(read, &local, now)?;
        let Some(bytes) = base.files.get(&RoleName::root()) else { return Ok(None) };
        let root = Root::read(bytes).map_err(malformed(&RoleName::root()))?;
        Ok(Some(Self { base, root }))
    }

    pub(super) fn version_of(&self, role: &RoleName) -> u64 {
        version_in(&self.base.files, role)
    }

    pub(super) fn hash(&self, role: &RoleName) -> Option<Digest> {
        self.base.hash(role)
    }

    pub(super) fn file(&self, role: &RoleName) -> Option<&bytes::Bytes> {
        self.base.files.get(role)
    }

    /// Whether its snapshot is signed by the keys that sign it at the old server.
    pub(super) fn lists_snapshot_keys_of(&self, origin: &Origin) -> bool {
        let snapshot = RoleName::snapshot();
        is_same(&self.root.keyring(&snapshot), &origin.draft.root.keyring(&snapshot))
    }

    /// Whether the root in the trust directory lists the timestamp key of this server: then it was moved from here.
    pub(super) fn is_followed_here(&self, local: &Local) -> bool {
        let (root, timestamp) = (RoleName::root(), RoleName::timestamp());
        let known = local.iter().find(|(role, _)| *role == root);
        let known = known.and_then(|(_, bytes)| Root::read(bytes).ok());
        known.is_some_and(|known| is_same(&known.keyring(&timestamp), &self.root.keyring(&timestamp)))
    }

    /// What is said where nothing is left to do.
    pub(super) fn done(&self) -> Moved {
        let roles =
            self.base.files.keys().filter(|role| role.is_delegation() || **role == RoleName::targets());
        Moved {
            standing: Standing::Moved,
            uploads: 0,
            roles: roles.map(|role| (role.clone(), self.version_of(role))).collect(),
            renewed: Vec::new(),
            left_out: Vec::new(),
            snapshot_is_local: false,
            followed_from: 1,
            warnings: Vec::new(),
        }
    }

    /// How it stands to what is moved.
    pub(super) async fn standing(
        &self,
        from: &Publisher<'_>,
        to: &Publisher<'_>,
        origin: &Origin,
        moved: &[RoleName],
    ) -> Result<Standing, MoveError> {
        let (gun, servers) = (to.remote.gun(), (server_of(from), server_of(to)));
        let (root, targets) = (RoleName::root(), RoleName::targets());
        if self.hash(&root) == origin.base.hash(&root) {
            return Err(MoveError::SameServer { gun: gun.clone(), from: servers.0, to: servers.1 });
        }
        let expected =
            [origin.root(self.version_of(&root)).keyring(&root), origin.draft.root.keyring(&targets)];
        for (role, ours) in [root, targets].into_iter().zip(expected) {
            let theirs = self.root.keyring(&role);
            if !is_same(&theirs, &ours) {
                return Err(MoveError::Occupied {
                    gun: gun.clone(),
                    from: servers.0.into(),
                    to: servers.1.into(),
                    role,
                    theirs: theirs.canonical_ids().into(),
                    ours: ours.canonical_ids().into(),
                });
            }
        }
        let (mut is_ahead, mut is_behind) = (None, None);
        for role in moved {
            let (theirs, ours) = (self.version_of(role), origin.version_of(role));
            let differs = self.hash(role) != origin.base.hash(role);
            match theirs.cmp(&ours) {
                std::cmp::Ordering::Greater => is_ahead = Some(role),
                std::cmp::Ordering::Less => is_behind = Some(role),
                std::cmp::Ordering::Equal if differs => (is_ahead, is_behind) = (Some(role), Some(role)),
                std::cmp::Ordering::Equal => {}
            }
        }
        if let (Some(role), Some(_)) = (is_ahead, is_behind) {
            let (from, to) = servers;
            return Err(MoveError::Parted { gun: gun.clone(), from, to, role: role.clone() });
        }
        let is_complete = is_behind.is_none() && self.is_last(to, origin).await?;
        if let Some(role) = is_ahead.filter(|_| !is_complete) {
            let (from, to) = servers;
            return Err(MoveError::Parted { gun: gun.clone(), from, to, role: role.clone() });
        }
        Ok(if is_complete { Standing::Moved } else { Standing::Begun })
    }

    /// Whether its root is the one that stays, and its timestamp ahead.
    async fn is_last(&self, to: &Publisher<'_>, origin: &Origin) -> Result<bool, MoveError> {
        let (root, snapshot, timestamp) = (RoleName::root(), RoleName::snapshot(), RoleName::timestamp());
        let ids = self.root.keyring(&snapshot).canonical_ids();
        Ok(self.version_of(&root) > origin.version()
            && self.version_of(&timestamp) > origin.version_of(&timestamp)
            && (self.lists_snapshot_keys_of(origin) || server_has_key(to.remote, &snapshot, &ids).await))
    }
}

/// A server's address, for messages.
pub(super) fn server_of(publisher: &Publisher<'_>) -> String {
    publisher.remote.server().trim_end_matches('/').to_owned()
}
