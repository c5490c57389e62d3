//! One pass of an update: root, timestamp, snapshot, roles (Notary v1, client verification, "Update").

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::files::body;
use super::{Answer, Fetch, FileName, Floor, Floors, FloorsAbove, Halt, Update, Updated};
use crate::digest::Digest;
use crate::limits::{ROOT_FILE, TIMESTAMP_FILE};
use crate::tuf::envelope::Envelope;
use crate::tuf::error::TufError;
use crate::tuf::lineage::Present;
use crate::tuf::metadata::{Metadata, RoleKeys, Snapshot, Targets, Timestamp};
use crate::tuf::repository::{File, Slot, TrustedRepository};
use crate::tuf::role::RoleName;
use crate::tuf::root::TrustedRoot;
use crate::tuf::verify::{Expiry, Verified, check_expiry, check_version, verify};
use crate::tuf::work::Work;

/// What this pass has verified so far.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) timestamp: Option<Arc<File<Timestamp>>>,
    pub(super) snapshot: Option<Arc<File<Snapshot>>>,
    pub(super) slots: BTreeMap<RoleName, Arc<Slot>>,
    /// Why the server's own timestamp does not vouch for the set, where it does not.
    fell_back: Option<TufError>,
}

impl Update {
    pub(super) fn run_pass(&mut self) -> Result<Updated, Halt> {
        self.files.check_total()?;
        self.refresh_root()?;
        self.establish_root()?;
        self.learn_local_floors()?;
        loop {
            let root = self.trusted_root()?;
            self.relate_other_records();
            let timestamp = self.timestamp(&root)?;
            let snapshot = self.snapshot(&root, &timestamp)?;
            // "It must checksum the loaded root" (Notary v1, client verification, Update 2).
            if self.files.is_named(&root.name, &snapshot.verified.root, root.sha256)? {
                self.check_newest(&root)?;
                let roles = self.roles(&root, &snapshot)?;
                return Ok(self.finish(root, timestamp, snapshot, roles));
            }
            self.follow_root(&snapshot.verified.root)?;
            // A rotated key vouches for nothing any more: both are judged again by the new root.
            self.pass.timestamp = None;
            self.pass.snapshot = None;
        }
    }

    /// What is asked of the newest root alone.
    fn check_newest(&self, root: &TrustedRoot) -> Result<(), TufError> {
        check_version(&root.name, root.version(), self.floor(&root.name, root.verified.root_keys()))?;
        if !self.any_age {
            root.check_newest(&self.input.gun, self.input.now, self.input.clock_skew)?;
        }
        self.check_rotation(root)
    }

    fn timestamp(&mut self, root: &TrustedRoot) -> Result<Arc<File<Timestamp>>, Halt> {
        if let Some(timestamp) = &self.pass.timestamp {
            return Ok(Arc::clone(timestamp));
        }
        let fetch = fetch_timestamp();
        let name = &fetch.file.role;
        let answer = match self.files.answer(&fetch.file) {
            None => return Err(Halt::Need(vec![fetch])),
            Some(answer) => answer.clone(),
        };
        let timestamp = match answer {
            Answer::NotFound | Answer::Unavailable => self.fall_back(root, &answer, &fetch)?,
            answer => {
                let bytes = body(&answer, &fetch)?;
                let sha256 = Digest::of(&bytes);
                self.files.keep(sha256, bytes);
                let known = self.input.known.as_ref().map(|known| Arc::clone(&known.timestamp));
                self.base_file(root, name, sha256, known)?
            }
        };
        self.pass.timestamp = Some(Arc::clone(&timestamp));
        Ok(timestamp)
    }

    /// Only a *timestamp* that cannot be had falls back to the one from before, within its expiry. Failures to verify
    /// do not.
    fn fall_back(
        &mut self,
        root: &TrustedRoot,
        answer: &Answer,
        fetch: &Fetch,
    ) -> Result<Arc<File<Timestamp>>, TufError> {
        let nothing_known = self.input.known.is_none() && self.floors.is_empty();
        let cause = match answer {
            Answer::NotFound if nothing_known => TufError::RepositoryNotFound,
            _ => match body(answer, fetch) {
                Err(cause) => cause,
                Ok(_) => TufError::Unreachable { file: fetch.file.clone() },
            },
        };
        if !self.input.timestamp_fallback || self.last_pass {
            return Err(cause);
        }
        self.pass.fell_back = Some(cause.clone());
        let name = &fetch.file.role;
        let known = self.input.known.as_ref().map(|known| Arc::clone(&known.timestamp));
        let sha256 = match &known {
            Some(known) => Some(known.sha256),
            None => self.input.local.get(name).map(|bytes| Digest::of(bytes)),
        };
        let before = sha256.and_then(|sha256| self.base_file(root, name, sha256, known).ok());
        before.ok_or(cause)
    }

    fn snapshot(
        &mut self,
        root: &TrustedRoot,
        timestamp: &File<Timestamp>,
    ) -> Result<Arc<File<Snapshot>>, Halt> {
        if let Some(snapshot) = &self.pass.snapshot {
            return Ok(Arc::clone(snapshot));
        }
        let name = RoleName::snapshot();
        let meta = &timestamp.verified.snapshot;
        let known = self.input.known.as_ref().map(|known| Arc::clone(&known.snapshot));
        let sha256 = self.files.identify(&name, meta)?;
        if known.as_ref().is_none_or(|known| known.sha256 != sha256 || !self.same_keys(root, &name)) {
            self.files.named(&name, meta)?;
        }
        let snapshot = self.base_file(root, &name, sha256, known)?;
        self.pass.snapshot = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// The base role's file of this hash: the known one if it is that and its keys are the same, else what is at hand.
    fn base_file<T: Metadata>(
        &self,
        root: &TrustedRoot,
        name: &RoleName,
        sha256: Digest,
        known: Option<Arc<File<T>>>,
    ) -> Result<Arc<File<T>>, TufError> {
        let Some(keys) = root.verified.keys(name) else {
            return Err(TufError::NoValidSignature { role: name.clone() });
        };
        let floor = self.floor(name, keys);
        if let Some(known) = known.filter(|known| known.sha256 == sha256 && self.same_keys(root, name)) {
            check_version(name, known.verified.common().version, floor)?;
            check_expiry(name, known.verified.common().expires, self.input.now, self.input.clock_skew)?;
            return Ok(known);
        }
        let Some(bytes) = self.files.at_hand(sha256) else {
            return Err(TufError::Missing { file: FileName::by_hash(name.clone(), sha256) });
        };
        self.verify_file(name, bytes, keys, self.at_now()).map(Arc::new)
    }

    /// Verifies the bytes as `name`'s file.
    pub(super) fn verify_file<T: Metadata>(
        &self,
        name: &RoleName,
        bytes: &Bytes,
        keys: &RoleKeys,
        expiry: Expiry,
    ) -> Result<File<T>, TufError> {
        let envelope = Envelope::parse(name, bytes, &self.work)?;
        let verified = verify(name, &envelope, keys, self.floor(name, keys), expiry)?;
        Ok(File { name: name.clone(), verified, sha256: Digest::of(bytes), length: bytes.len() as u64 })
    }

    /// The lowest version that may be believed. Floors judge servers, not our own disk (design §4 "Floors").
    pub(super) fn floor(&self, role: &RoleName, keys: &RoleKeys) -> u64 {
        if self.pass.fell_back.is_some() { 0 } else { self.floors.lowest(role, keys, self.present()) }
    }

    fn present(&self) -> Option<Present<'_>> {
        let root = self.roots.base.as_ref()?;
        Some(Present { root: &root.verified, lineage: &self.roots.lineage })
    }

    /// Tells which of the other records are about this repository, as the root that is trusted now has it.
    fn relate_other_records(&mut self) {
        if let Some(root) = &self.roots.base {
            let present = Present { root: &root.verified, lineage: &self.roots.lineage };
            self.floors.relate(root.sha256, present);
        }
    }

    /// Whose floor of `role` is above `version` and holds, after an update that found a rollback.
    pub fn floors_above(&self, role: &RoleName, version: u64) -> FloorsAbove {
        let keys = self.present_keys(role);
        let others =
            keys.zip(self.present()).map(|(keys, present)| self.floors.above(role, version, keys, present));
        let others = others.unwrap_or_default();
        let own = self.input.floors.get(role).filter(|floor| floor.version > version);
        let own = own.is_some_and(|floor| keys.is_some_and(|keys| floor.holds(role, keys)));
        // What memory or local files prove goes with the own record.
        FloorsAbove { own: own || others.is_empty(), others }
    }

    /// The keys that this pass asks for.
    fn present_keys(&self, role: &RoleName) -> Option<&RoleKeys> {
        let root = self.roots.base.as_ref()?;
        root.verified.keys(role).or_else(|| {
            let parent = self.pass.slots.get(&role.parent()?)?.content.as_ref().ok()?;
            Some(&parent.verified.delegation(role)?.keys)
        })
    }

    pub(super) fn at_now(&self) -> Expiry {
        Expiry::At { now: self.input.now, skew: self.input.clock_skew }
    }

    /// Whether the known set's root asks for the same keys of a base role.
    fn same_keys(&self, root: &TrustedRoot, name: &RoleName) -> bool {
        let known = self.input.known.as_ref().and_then(|known| known.root.verified.keys(name));
        known.is_some_and(|known| Some(known) == root.verified.keys(name))
    }

    /// What local files prove is a floor: their signatures count, their expiry does not matter.
    fn learn_local_floors(&mut self) -> Result<(), TufError> {
        let Some(root) = self.roots.base.clone() else { return Ok(()) };
        if self.input.known.is_some() || std::mem::replace(&mut self.roots.local_floors_known, true) {
            return Ok(());
        }
        let mut floors = Floors::new();
        self.learn::<Timestamp>(&root, RoleName::timestamp(), &mut floors)?;
        self.learn::<Snapshot>(&root, RoleName::snapshot(), &mut floors)?;
        let mut parents: BTreeMap<RoleName, Verified<Targets>> = BTreeMap::new();
        // Sorted by name: parents come before their children.
        for (name, bytes) in &self.input.local {
            let parent = name.parent().and_then(|parent| parents.get(&parent));
            let keys = match name.as_str() {
                "targets" => root.verified.keys(name),
                _ => parent.and_then(|parent| parent.delegation(name)).map(|delegation| &delegation.keys),
            };
            let Some(keys) = keys else { continue };
            if let Some(verified) = prove(name, bytes, keys, &self.work)? {
                floors.insert(name.clone(), floor_of(&verified));
                parents.insert(name.clone(), verified);
            }
        }
        self.floors.extend(floors);
        Ok(())
    }

    fn learn<T: Metadata>(
        &self,
        root: &TrustedRoot,
        name: RoleName,
        floors: &mut Floors,
    ) -> Result<(), TufError> {
        let local = self.input.local.get(&name).zip(root.verified.keys(&name));
        let Some((bytes, keys)) = local else { return Ok(()) };
        if let Some(verified) = prove::<T>(&name, bytes, keys, &self.work)? {
            floors.insert(name, floor_of(&verified));
        }
        Ok(())
    }

    fn finish(
        &mut self,
        root: Arc<TrustedRoot>,
        timestamp: Arc<File<Timestamp>>,
        snapshot: Arc<File<Snapshot>>,
        roles: BTreeMap<RoleName, Arc<Slot>>,
    ) -> Updated {
        let root_carries_pin = self.carries_pin(&root);
        let gun = self.input.gun.clone();
        let root = (root, root_carries_pin, self.roots.lineage.clone());
        let new = TrustedRepository::new(gun, root, timestamp, snapshot, roles);
        let known = self.input.known.clone();
        let hash_in = |set: &TrustedRepository, name: &RoleName| match name.as_str() {
            "root" => Some(set.root.sha256),
            "timestamp" => Some(set.timestamp.sha256),
            "snapshot" => Some(set.snapshot.sha256),
            _ => set.roles.get(name).map(|slot| slot.sha256),
        };
        let base = [RoleName::root(), RoleName::timestamp(), RoleName::snapshot()];
        let files = base.iter().chain(new.roles.keys()).filter_map(|name| {
            let sha256 = hash_in(&new, name)?;
            let had = known.as_ref().and_then(|known| hash_in(known, name)) == Some(sha256);
            (!had).then(|| self.files.at_hand(sha256).map(|bytes| (name.clone(), bytes.clone())))?
        });
        let files = files.collect();
        let repository = match known {
            Some(known) if same(&known, &new) => known,
            _ => Arc::new(new),
        };
        let roots = std::mem::take(&mut self.roots.chain).into_iter().collect();
        Updated { repository, files, roots, fell_back: self.pass.fell_back.take() }
    }
}

/// Whether two sets share every file.
fn same(a: &TrustedRepository, b: &TrustedRepository) -> bool {
    Arc::ptr_eq(&a.root, &b.root)
        && a.root_carries_pin == b.root_carries_pin
        && Arc::ptr_eq(&a.timestamp, &b.timestamp)
        && Arc::ptr_eq(&a.snapshot, &b.snapshot)
        && a.roles.len() == b.roles.len()
        && a.roles.iter().all(|(name, slot)| b.roles.get(name).is_some_and(|other| Arc::ptr_eq(slot, other)))
}

/// Whether a local file verifies.
///
/// # Errors
/// The end of the work.
fn prove<T: Metadata>(
    name: &RoleName,
    bytes: &Bytes,
    keys: &RoleKeys,
    work: &Work,
) -> Result<Option<Verified<T>>, TufError> {
    let verified = Envelope::parse(name, bytes, work)
        .and_then(|envelope| verify(name, &envelope, keys, 0, Expiry::AtUse));
    work.unless_ended(verified)
}

fn floor_of<T: Metadata>(verified: &Verified<T>) -> Floor {
    let signers = verified.signers().iter().map(|signer| signer.identity).collect();
    Floor { version: verified.common().version, signers }
}

pub(super) fn fetch_timestamp() -> Fetch {
    Fetch { file: FileName::current(RoleName::timestamp()), max_bytes: TIMESTAMP_FILE }
}

pub(super) fn fetch_root() -> Fetch {
    Fetch { file: FileName::current(RoleName::root()), max_bytes: ROOT_FILE }
}
