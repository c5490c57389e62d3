//! What is moved: the repository as its old server has it, verified, and the root keys that it had before.

use std::collections::BTreeSet;

use super::super::Publisher;
use super::super::draft::{Base, Draft, malformed};
use super::super::keys::Keys;
use super::super::read::{Local, base_of};
use super::MoveError;
use crate::limits::ROOT_FILE;
use crate::publish::document::{Keyring, Root, unverified_version};
use crate::publish::publisher::PublishError;
use crate::tuf::{Fetch, FileName, RoleName};

/// What is moved.
pub(super) struct Origin {
    pub(super) base: Base,
    pub(super) draft: Draft,
    /// The roots of versions 1 to the present one, as the new server is to have them: the content of the present one, under
    /// the root keys that the old server's root of that version had.
    pub(super) roots: Vec<Root>,
    /// The oldest version of the root whose holders can follow.
    pub(super) followed_from: u64,
}

impl Origin {
    /// Reads the repository, and its former root keys.
    ///
    /// # Errors
    /// [`MoveError`] when it cannot be read, or its root key is not here.
    pub(super) async fn read(
        publisher: &Publisher<'_>,
        local: &Local,
        max_uploads: u64,
    ) -> Result<Self, MoveError> {
        let gun = publisher.remote.gun();
        let now = publisher.clock.now();
        let read = publisher.read_repository(local, &[], now).await?;
        let read = read.ok_or_else(|| PublishError::NotInitialised { gun: gun.clone() })?;
        let base = base_of(read, local, now)?;
        let draft = Draft::of(base.clone())?;
        let keys = Keys::new(publisher.dir, publisher.passphrases, gun);
        let ring = draft.root.keyring(&RoleName::root());
        let here = keys.held(&ring.canonical_ids())?;
        if (here.len() as u64) < ring.threshold {
            let (gun, keys) = (gun.clone(), ring.canonical_ids());
            return Err(MoveError::RootKeysMissing { gun, threshold: ring.threshold, keys, here });
        }
        if draft.root.has_expired_certificate(now) {
            return Err(MoveError::CertificateExpired { gun: gun.clone() });
        }
        // The new server takes each of its roots in an upload of its own.
        let version = draft.root.0.version();
        if version >= max_uploads {
            let (gun, uploads) = (gun.clone(), version.saturating_add(1));
            return Err(MoveError::TooManyRoots { gun, version, uploads, limit: max_uploads });
        }
        let mut origin = Self { base, followed_from: draft.root.0.version(), roots: Vec::new(), draft };
        origin.read_roots(publisher, &keys).await?;
        Ok(origin)
    }

    /// From the present root backwards, as long as all the keys that a root lists are here. Nothing but the root keys is taken
    /// from a former root, which nobody has verified.
    async fn read_roots(&mut self, publisher: &Publisher<'_>, keys: &Keys<'_>) -> Result<(), MoveError> {
        let role = RoleName::root();
        let (present, now) = (self.draft.root.clone(), publisher.clock.now());
        let present_ring = present.keyring(&role);
        let mut newer = present.clone();
        let mut roots = vec![present.clone()];
        let mut is_followed = true;
        for version in (1..present.0.version()).rev() {
            if is_followed {
                let file = FileName::by_version(role.clone(), version);
                let found = publisher.remote.fetch(&Fetch { file, max_bytes: ROOT_FILE }).await;
                let found = found.map_err(PublishError::Remote)?.and_then(|bytes| Root::read(&bytes).ok());
                let usable = match found {
                    Some(root) if is_same(&root.keyring(&role), &present_ring) => Some(present.clone()),
                    Some(root) => {
                        let ids = root.keyring(&role).canonical_ids();
                        let all_here = !ids.is_empty() && keys.held(&ids)?.len() == ids.len();
                        let counts = root.keyring(&role).threshold <= ids.len() as u64;
                        let is_usable = all_here && counts && !root.has_expired_certificate(now);
                        is_usable.then(|| with_root_keys_of(&present, &root)).transpose()?
                    }
                    None => None,
                };
                match usable {
                    Some(root) => {
                        newer = root;
                        self.followed_from = version;
                    }
                    None => is_followed = false,
                }
            }
            roots.push(newer.clone());
        }
        roots.reverse();
        self.roots = roots;
        Ok(())
    }

    /// The root of this version at the new server, without its keys and its number.
    pub(super) fn root(&self, version: u64) -> &Root {
        let index = usize::try_from(version.saturating_sub(1)).unwrap_or(usize::MAX);
        self.roots.get(index).unwrap_or(&self.draft.root)
    }

    /// Its root, as it is.
    pub(super) fn version(&self) -> u64 {
        self.draft.root.0.version()
    }

    /// The version of a file.
    pub(super) fn version_of(&self, role: &RoleName) -> u64 {
        self.base.files.get(role).and_then(|bytes| unverified_version(bytes)).unwrap_or(0)
    }

    /// `targets` and the delegation roles that are moved.
    pub(super) fn moved(&self, leave_out: &[RoleName]) -> BTreeSet<RoleName> {
        let is_left = |role: &RoleName| {
            leave_out
                .iter()
                .any(|left| left == role || role.as_str().starts_with(&format!("{}/", left.as_str())))
        };
        let roles = self.draft.targets.keys().filter(|role| !is_left(role));
        roles.cloned().collect()
    }

    /// Those of them that no server takes, and why.
    pub(super) fn unacceptable(&self, moved: &BTreeSet<RoleName>) -> Vec<(RoleName, &'static str)> {
        let what = |role: &RoleName| match () {
            () if self.base.unsigned.contains(role) => Some("not signed by its present keys"),
            () if self.base.expired.contains(role) => Some("expired"),
            () => None,
        };
        moved.iter().filter_map(|role| Some((role.clone(), what(role)?))).collect()
    }
}

/// Whether two rings are of the same keys, in whatever certificates.
pub(super) fn is_same(one: &Keyring, other: &Keyring) -> bool {
    let ids = |ring: &Keyring| ring.canonical_ids().into_iter().collect::<BTreeSet<_>>();
    one.threshold == other.threshold && ids(one) == ids(other)
}

fn with_root_keys_of(present: &Root, former: &Root) -> Result<Root, PublishError> {
    let mut root = present.clone();
    root.take_root_keys(former).map_err(malformed(&RoleName::root()))?;
    Ok(root)
}
