//! Which root is trusted: pins, first use, the chain of rotations (design §2 "Roots").

mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::files::body;
use super::pass::{fetch_root, fetch_timestamp};
use super::{Answer, Halt, Update, UpdateInput};
use crate::digest::Digest;
use crate::tuf::error::{RootMismatch, TufError};
use crate::tuf::lineage::Lineage;
use crate::tuf::metadata::{FileMeta, Metadata};
use crate::tuf::pin::RootRotation;
use crate::tuf::role::RoleName;
use crate::tuf::root::{Carries, RootCandidate, TrustedRoot};
use walk::Walk;

/// So many roots are held decoded: the newest, and the last link of a chain.
const HELD: usize = 2;

/// The root that is trusted so far, and what leads to the next.
#[derive(Debug)]
pub(super) struct Roots {
    /// The newest root that is trusted.
    pub(super) base: Option<Arc<TrustedRoot>>,
    /// Whether `root.json` is to be asked for again, beside the timestamp.
    pub(super) refresh: bool,
    pub(super) local_floors_known: bool,
    /// The older roots that led to the newest.
    pub(super) chain: BTreeMap<u64, Bytes>,
    /// The newest root that is trusted and those that led to it.
    pub(super) lineage: Lineage,
    /// Older roots at hand that verify by themselves, for aught that is known.
    links: BTreeMap<u64, Bytes>,
    /// Whether the local `root` is of no use.
    local_failed: bool,
    /// The root that first use pinned, or that stands for it.
    first_use: Option<Digest>,
    /// The roots that were read last.
    read: Vec<Arc<RootCandidate>>,
    /// What is known of roots that were looked at for a pin: their version, and whether they carry it.
    carrying: BTreeMap<Digest, (u64, Carries)>,
    walk: Option<Walk>,
    /// The newest root that the server offered, whatever it is.
    pub(super) offered: Option<Bytes>,
}

impl Roots {
    pub(super) fn new(input: &UpdateInput) -> Self {
        let known = input.known.as_ref();
        Self {
            base: known.map(|known| Arc::clone(&known.root)),
            refresh: false,
            local_floors_known: false,
            chain: BTreeMap::new(),
            lineage: known.map(|known| known.lineage.clone()).unwrap_or_default(),
            links: input.local_roots.clone(),
            local_failed: false,
            first_use: known.filter(|known| known.root_carries_pin).map(|known| known.root.sha256),
            read: Vec::new(),
            carrying: BTreeMap::new(),
            walk: None,
            offered: None,
        }
    }
}

impl Update {
    /// After a failure under a known root, and unless a snapshot said which root is current: `root.json` once more. It
    /// may come from a cache on the way, so an older one than ours says nothing; nor does a missing one.
    pub(super) fn refresh_root(&mut self) -> Result<(), Halt> {
        if self.roots.base.is_none() || !self.roots.refresh {
            return Ok(());
        }
        let fetch = fetch_root();
        let Some(answer) = self.files.answer(&fetch.file).cloned() else {
            return Err(Halt::Need(self.files.unanswered([fetch_timestamp(), fetch])));
        };
        if answer != Answer::NotFound {
            let offered = body(&answer, &fetch)?;
            self.roots.offered = Some(offered.clone());
            let version = self.candidate(&offered)?.version();
            if self.roots.base.as_ref().is_none_or(|base| version >= base.version()) {
                self.adopt(&offered)?;
            }
        }
        self.roots.refresh = false;
        Ok(())
    }

    /// Finds a first root to trust: the first-use pin, the one on disk, or the server's.
    pub(super) fn establish_root(&mut self) -> Result<(), Halt> {
        if self.roots.base.is_some() {
            return Ok(());
        }
        if self.input.anchors.anchors().is_empty() {
            if let Some(bytes) = self.input.pinned_root.clone() {
                let pinned = self.candidate(&bytes).map_err(|error| TufError::DamagedPin(Box::new(error)))?;
                self.trust(&pinned);
                return Ok(());
            }
            if !self.input.anchors.first_use() {
                return Err(TufError::RootNotPinned.into());
            }
        } else if self.adopt_local_root() {
            return Ok(());
        }
        let fetch = fetch_root();
        let missing = self.files.unanswered([fetch_timestamp(), fetch.clone()]);
        let answer = self.files.answer(&fetch.file).cloned();
        let Some(answer) = answer.filter(|_| missing.is_empty()) else { return Err(Halt::Need(missing)) };
        let timestamp = self.files.answer(&fetch_timestamp().file);
        if answer == Answer::NotFound && timestamp == Some(&Answer::NotFound) && self.floors.is_empty() {
            return Err(TufError::RepositoryNotFound.into());
        }
        let offered = body(&answer, &fetch)?;
        self.roots.offered = Some(offered.clone());
        self.adopt(&offered)
    }

    /// The root that an authenticated snapshot names.
    pub(super) fn follow_root(&mut self, meta: &FileMeta) -> Result<(), Halt> {
        let bytes = self.files.named(&RoleName::root(), meta)?;
        self.roots.offered = Some(bytes.clone());
        self.adopt(&bytes)
    }

    pub(super) fn trusted_root(&self) -> Result<Arc<TrustedRoot>, TufError> {
        self.roots.base.clone().ok_or(TufError::RootNotPinned)
    }

    /// With rotation denied the newest root must itself carry a pin.
    pub(super) fn check_rotation(&self, root: &TrustedRoot) -> Result<(), TufError> {
        if self.follows() {
            return Ok(());
        }
        root.carries(&self.input.anchors, &self.input.gun, self.input.now).map_err(TufError::RootMismatch)
    }

    /// The root of this hash, if it was among the last that were read.
    pub(super) fn read_root(&self, sha256: Digest) -> Option<&RootCandidate> {
        self.roots.read.iter().find(|read| read.sha256() == sha256).map(|read| &**read)
    }

    pub(super) fn carries_pin(&self, root: &TrustedRoot) -> bool {
        let anchors = &self.input.anchors;
        match anchors.anchors().is_empty() {
            true => self.roots.first_use == Some(root.sha256),
            false => root.carries(anchors, &self.input.gun, self.input.now).is_ok(),
        }
    }

    fn follows(&self) -> bool {
        let anchors = &self.input.anchors;
        anchors.rotation() == RootRotation::Follow || anchors.anchors().is_empty()
    }

    /// Whether the root on disk is trusted, without asking the server for anything.
    fn adopt_local_root(&mut self) -> bool {
        let Some(bytes) = self.input.local.get(&RoleName::root()).cloned() else { return false };
        if self.roots.local_failed {
            return false;
        }
        let adopted = self.adopt(&bytes);
        self.roots.local_failed = adopted.is_err();
        if adopted.is_err() {
            self.roots.base = None;
            self.roots.chain.clear();
            self.roots.lineage = Lineage::default();
        }
        adopted.is_ok()
    }

    /// Reads a root that verifies by itself. The last ones that were read are at hand.
    fn candidate(&mut self, bytes: &Bytes) -> Result<Arc<RootCandidate>, TufError> {
        let sha256 = Digest::of(bytes);
        if let Some(read) = self.roots.read.iter().find(|read| read.sha256() == sha256) {
            return Ok(Arc::clone(read));
        }
        let candidate = Arc::new(RootCandidate::read(bytes, &self.input.gun, &self.work)?);
        self.files.keep(sha256, bytes.clone());
        if self.roots.read.len() == HELD {
            self.roots.read.remove(0);
        }
        self.roots.read.push(Arc::clone(&candidate));
        Ok(candidate)
    }

    /// The version of a root, and whether it carries a pin. Of one that does not list a pinned key nothing else is read.
    fn carries(&mut self, bytes: &Bytes) -> Result<(u64, Carries), TufError> {
        let sha256 = Digest::of(bytes);
        if let Some(known) = self.roots.carrying.get(&sha256) {
            return Ok(known.clone());
        }
        let role = RootCandidate::role_of(bytes, &self.work)?;
        let version = role.common().version;
        let carries = match role.lists(&self.input.anchors) {
            false => Err(RootMismatch::NoPinnedKey { version }),
            true => {
                let anchors = Arc::clone(&self.input.anchors);
                self.candidate(bytes)?.carries(&anchors, &self.input.gun, self.input.now)
            }
        };
        self.roots.carrying.insert(sha256, (version, carries.clone()));
        Ok((version, carries))
    }

    fn trust(&mut self, candidate: &RootCandidate) {
        if self.input.anchors.anchors().is_empty() && self.roots.base.is_none() {
            self.roots.first_use = Some(candidate.sha256());
        }
        let root = candidate.trust();
        self.roots.lineage.add(&root);
        self.roots.base = Some(root);
    }

    /// Trusts a root as the newest, or says why not: directly, else by the chain of rotations.
    fn adopt(&mut self, bytes: &Bytes) -> Result<(), Halt> {
        let base = self.roots.base.clone();
        if base.as_ref().is_some_and(|base| base.sha256 == Digest::of(bytes)) {
            return Ok(());
        }
        if let Some(base) = &base {
            let (version, floor) = (self.candidate(bytes)?.version(), base.version());
            if version < floor {
                return Err(TufError::Rollback { role: RoleName::root(), version, floor }.into());
            }
        }
        let carries = match self.input.anchors.anchors().is_empty() {
            true => None,
            false => Some(self.carries(bytes)?),
        };
        match (base, carries) {
            (Some(base), Some((_, Ok(())))) => {
                if !self.candidate(bytes)?.is_signed_by(&base, &self.work)? {
                    // The pin alone vouches for it: nothing is known of what led to it.
                    self.roots.lineage = Lineage::default();
                }
            }
            (None, None) => {}
            (None, Some((_, Ok(())))) => self.roots.lineage = Lineage::default(),
            (_, Some((_, Err(why)))) if !self.follows() => {
                return Err(TufError::RootMismatch(why).into());
            }
            (Some(base), _) => {
                let newest = self.candidate(bytes)?;
                self.walk_forwards(base, &newest)?;
            }
            (None, Some((version, Err(why)))) => {
                let pinned = self.walk_backwards(version, why)?;
                let newest = self.candidate(bytes)?;
                self.walk_forwards(pinned, &newest)?;
            }
        }
        let newest = self.candidate(bytes)?;
        self.trust(&newest);
        Ok(())
    }
}
