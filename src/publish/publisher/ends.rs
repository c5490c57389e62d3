//! When the roles of a repository end, and who can renew them.

use jiff::Timestamp;

use super::Publisher;
use super::draft::{Draft, malformed};
use super::error::PublishError;
use super::keys::Keys;
use super::read::base_of;
use super::renew::server_has_key;
use crate::publish::document::{Document, Keyring, Root, Targets};
use crate::publish::trust_dir::TrustDir;
use crate::tuf::{Gun, KeyId, RoleName};

/// When a role ends, and who can renew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEnd {
    /// The role.
    pub role: RoleName,
    /// When it expires.
    pub expires: Timestamp,
    /// Who renews it.
    pub renewer: Renewer,
}

/// Who can renew a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewer {
    /// This trust directory: enough of its keys are here.
    Here,
    /// The trust server: the key is its own.
    Server,
    /// Others.
    Others {
        /// How many keys have to sign.
        threshold: u64,
        /// How many keys are needed beside those that are here.
        more: u64,
        /// The canonical IDs of the keys that are elsewhere.
        keys: Vec<KeyId>,
    },
    /// Nobody in passing: its present keys did not sign what it lists, so somebody has to look at that first.
    Witness,
}

impl Publisher<'_> {
    /// When each role of the repository ends, as the server has it now: root, `targets`, delegations that were ever signed,
    /// snapshot, timestamp. Nothing is written.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn ends(&self) -> Result<Vec<RoleEnd>, PublishError> {
        let (gun, now) = (self.remote.gun(), self.clock.now());
        let (local, read) = self.read_published(now).await?;
        let timestamp = read.repository.version_and_expiry(&RoleName::timestamp());
        let draft = Draft::of(base_of(read, &local, now)?)?;
        let keys = Keys::new(self.dir, self.passphrases, gun);
        let (root, snapshot) = (RoleName::root(), RoleName::snapshot());
        let mut ends = vec![end(&keys, root.clone(), &draft.root.0, &draft.root.keyring(&root))?];
        for (role, file) in &draft.targets {
            let Some(ring) = draft.keyring(role) else { continue };
            let mut end = end(&keys, role.clone(), &file.0, &ring)?;
            if !draft.is_vouched_for(role) {
                end.renewer = Renewer::Witness;
            }
            ends.push(end);
        }
        if let Some(file) = &draft.snapshot {
            let ring = draft.root.keyring(&snapshot);
            let mut end = end(&keys, snapshot.clone(), &file.0, &ring)?;
            if end.renewer != Renewer::Here
                && server_has_key(self.remote, &snapshot, &ring.canonical_ids()).await
            {
                end.renewer = Renewer::Server;
            }
            ends.push(end);
        }
        let timestamp = timestamp.map(|(_, expires)| (RoleName::timestamp(), expires));
        ends.extend(timestamp.map(|(role, expires)| RoleEnd { role, expires, renewer: Renewer::Server }));
        Ok(ends)
    }
}

fn end(keys: &Keys<'_>, role: RoleName, file: &Document, ring: &Keyring) -> Result<RoleEnd, PublishError> {
    let ids = ring.canonical_ids();
    let held = keys.held(&ids)?;
    let renewer = match ring.threshold.saturating_sub(held.len() as u64) {
        0 => Renewer::Here,
        more => Renewer::Others {
            threshold: ring.threshold,
            more,
            keys: ids.into_iter().filter(|id| !held.contains(id)).collect(),
        },
    };
    // What does not say when it ends does not verify.
    Ok(RoleEnd { role, expires: file.expires().unwrap_or(Timestamp::MIN), renewer })
}

/// Whether the trust directory has a key of the repository, as far as its metadata here tells.
///
/// # Errors
/// [`PublishError`] when the trust directory or its metadata cannot be read.
pub fn has_keys_of(dir: &TrustDir, gun: &Gun) -> Result<bool, PublishError> {
    let mut listed: Vec<KeyId> = Vec::new();
    for (role, bytes) in dir.metadata(gun)? {
        if role == RoleName::root() {
            let root = Root::read(&bytes).map_err(malformed(&role))?;
            let base = [RoleName::root(), RoleName::targets(), RoleName::snapshot()];
            listed.extend(base.iter().flat_map(|role| root.keyring(role).canonical_ids()));
        } else if role.is_delegation() || role == RoleName::targets() {
            let file = Targets::read(&bytes).map_err(malformed(&role))?;
            let rings = file.delegated().into_iter().filter_map(|role| file.keyring(&role));
            listed.extend(rings.flat_map(|ring| ring.canonical_ids()));
        }
    }
    Ok(dir.keys()?.iter().any(|key| listed.contains(&key.id)))
}
