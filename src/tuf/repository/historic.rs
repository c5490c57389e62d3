//! [`HistoricTargets`]: an older file of a role, vouched for by tagseal's own record.

use super::{RoleSigner, Slot};
use crate::digest::Digest;
use crate::tuf::envelope::Envelope;
use crate::tuf::error::TufError;
use crate::tuf::metadata::{Metadata, RoleKeys, Targets};
use crate::tuf::paths::Paths;
use crate::tuf::role::RoleName;
use crate::tuf::verify::{Expiry, Verified, verify, verify_recorded};
use crate::tuf::work::Work;

/// What an older file of a role listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoricTargets {
    version: u64,
    /// Sorted by name.
    targets: Vec<(Box<str>, Digest)>,
    signers: Vec<RoleSigner>,
}

impl HistoricTargets {
    /// `slot` is what the role is now; without it nothing is listed and nobody signed.
    pub(super) fn decode(
        slot: Option<&Slot>,
        role: &RoleName,
        recorded: Digest,
        bytes: &[u8],
        work: &Work,
    ) -> Result<Self, TufError> {
        work.take(0)?;
        let (nobody, nothing) = (RoleKeys { keys: [].into(), threshold: 1 }, Paths::default());
        let (keys, paths) = slot.map_or((&nobody, &nothing), |slot| (&slot.keys, &slot.paths));
        Self::read(&verify_recorded(role, recorded, bytes, keys, work)?, paths, work)
    }

    /// The file that a server keeps as `version` of a role, and that nobody here saw when it was current: enough of the
    /// role's present keys must vouch for it. Keys that were taken away since might be whose work it undid.
    pub(super) fn decode_unseen(
        slot: Option<&Slot>,
        role: &RoleName,
        version: u64,
        bytes: &[u8],
        work: &Work,
    ) -> Result<Self, TufError> {
        work.take(0)?;
        let slot = slot.ok_or_else(|| TufError::NoValidSignature { role: role.clone() })?;
        let envelope = Envelope::parse(role, bytes, work)?;
        let file: Verified<Targets> = verify(role, &envelope, &slot.keys, version, Expiry::AtUse)?;
        let actual = file.common().version;
        if actual != version {
            let what = format!("it is version {actual}, and version {version} was asked for");
            return Err(TufError::Malformed { role: role.clone(), what });
        }
        Self::read(&file, &slot.paths, work)
    }

    fn read(file: &Verified<Targets>, paths: &Paths, work: &Work) -> Result<Self, TufError> {
        work.take(file.targets().count() as u64 * paths.comparisons())?;
        let targets = file.targets().filter(|target| paths.cover(target.name));
        Ok(Self {
            version: file.common().version,
            targets: targets.filter_map(|t| Some((t.name.into(), t.digest?))).collect(),
            signers: file.signers().to_vec(),
        })
    }

    /// Roughly how many bytes of memory it takes.
    pub fn memory(&self) -> usize {
        let names: usize = self.targets.iter().map(|(name, _)| name.len()).sum();
        names
            + size_of_val(self.targets.as_slice())
            + size_of_val(self.signers.as_slice())
            + size_of::<Self>()
    }

    /// What it says of one tag alone.
    #[must_use]
    pub fn only(&self, tag: &str) -> Self {
        let targets = self.digest(tag).map(|digest| (tag.into(), digest)).into_iter().collect();
        Self { targets, signers: self.signers.clone(), ..*self }
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Which of the role's *present* keys signed it. Empty when every signer was removed since.
    pub fn signers(&self) -> &[RoleSigner] {
        &self.signers
    }

    /// The digest that it listed under `tag`.
    pub fn digest(&self, tag: &str) -> Option<Digest> {
        let found = self.targets.binary_search_by(|(name, _)| (**name).cmp(tag)).ok()?;
        self.targets.get(found).map(|(_, digest)| *digest)
    }

    /// The tags that it listed with this digest.
    pub fn tags_of(&self, digest: Digest) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(move |(_, d)| *d == digest).map(|(name, _)| &**name)
    }
}

/// What is read of an older file depends on this of `slot`: who may sign, under which key IDs, how many of them must, and for
/// which paths.
pub(super) fn basis(slot: Option<&Slot>) -> Digest {
    let mut parts = Vec::new();
    if let Some(slot) = slot {
        for path in slot.paths.iter() {
            part(&mut parts, path.as_bytes());
        }
        slot.keys.keys.iter().for_each(|key| part(&mut parts, &key.basis()));
        part(&mut parts, &slot.keys.threshold.to_be_bytes());
        part(&mut parts, &slot.paths.iter().len().to_be_bytes());
    }
    Digest::of(&parts)
}

/// With its length before it, so that no two lists of parts look alike.
fn part(parts: &mut Vec<u8>, bytes: &[u8]) {
    parts.extend(bytes.len().to_be_bytes());
    parts.extend(bytes);
}
