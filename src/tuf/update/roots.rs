//! Which root is trusted: pins, first use, the chain of rotations (design §2 "Roots").

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::files::body;
use super::pass::{fetch_root, fetch_timestamp};
use super::{Answer, Fetch, FileName, Halt, Update, UpdateInput};
use crate::digest::Digest;
use crate::limits::METADATA_FILE;
use crate::tuf::error::{RootMismatch, TufError};
use crate::tuf::lineage::Lineage;
use crate::tuf::metadata::FileMeta;
use crate::tuf::pin::RootRotation;
use crate::tuf::role::RoleName;
use crate::tuf::root::{RootCandidate, TrustedRoot};

/// How many roots, the newest included, are looked at backwards for one that carries the pin.
const MAX_BACKWARDS: u64 = 64;

/// How many rotations are followed forwards from a trusted root. Each must be signed by the one before it.
const MAX_FORWARDS: u64 = 1024;

/// How many links are asked for at once on the way forwards.
const WINDOW: u64 = 16;

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
    pub(super) read: BTreeMap<Digest, Arc<RootCandidate>>,
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
            read: BTreeMap::new(),
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
            let candidate = self.offered(&body(&answer, &fetch)?)?;
            if self.roots.base.as_ref().is_none_or(|base| candidate.version() >= base.version()) {
                self.adopt(&candidate)?;
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
        let candidate = self.offered(&body(&answer, &fetch)?)?;
        self.adopt(&candidate)
    }

    /// The root that an authenticated snapshot names.
    pub(super) fn follow_root(&mut self, meta: &FileMeta) -> Result<(), Halt> {
        let bytes = self.files.named(&RoleName::root(), meta)?;
        let candidate = self.offered(&bytes)?;
        self.adopt(&candidate)
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
        let adopted = self.candidate(&bytes).map_err(Halt::Fail).and_then(|local| self.adopt(&local));
        self.roots.local_failed = adopted.is_err();
        if adopted.is_err() {
            self.roots.base = None;
            self.roots.chain.clear();
            self.roots.lineage = Lineage::default();
        }
        adopted.is_ok()
    }

    /// Reads a root that verifies by itself, once.
    fn candidate(&mut self, bytes: &Bytes) -> Result<Arc<RootCandidate>, TufError> {
        let sha256 = Digest::of(bytes);
        if let Some(read) = self.roots.read.get(&sha256) {
            return Ok(Arc::clone(read));
        }
        let candidate = Arc::new(RootCandidate::read(bytes, &self.input.gun)?);
        self.files.keep(sha256, bytes.clone());
        self.roots.read.insert(sha256, Arc::clone(&candidate));
        Ok(candidate)
    }

    /// As [`Self::candidate`], of what the server says is the newest root.
    fn offered(&mut self, bytes: &Bytes) -> Result<Arc<RootCandidate>, TufError> {
        self.roots.offered = Some(bytes.clone());
        self.candidate(bytes)
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
    fn adopt(&mut self, newest: &Arc<RootCandidate>) -> Result<(), Halt> {
        let anchors = Arc::clone(&self.input.anchors);
        let carries = match anchors.anchors().is_empty() {
            true => None,
            false => Some(newest.carries(&anchors, &self.input.gun, self.input.now)),
        };
        match (self.roots.base.clone(), carries) {
            (Some(base), _) if base.sha256 == newest.sha256() => return Ok(()),
            (Some(base), _) if newest.version() < base.version() => {
                let (version, floor) = (newest.version(), base.version());
                return Err(TufError::Rollback { role: RoleName::root(), version, floor }.into());
            }
            (base, Some(Ok(()))) => {
                if !base.is_some_and(|base| newest.is_signed_by(&base)) {
                    // The pin alone vouches for it: nothing is known of what led to it.
                    self.roots.lineage = Lineage::default();
                }
            }
            (None, None) => {}
            (_, Some(Err(why))) if !self.follows() => return Err(TufError::RootMismatch(why).into()),
            (Some(base), _) => self.walk_forwards(base, newest)?,
            (None, Some(Err(why))) => {
                let pinned = self.walk_backwards(newest, why)?;
                self.walk_forwards(pinned, newest)?;
            }
        }
        self.trust(newest);
        Ok(())
    }

    /// From a trusted root N+1 by N+1, each of exactly that version and signed by its predecessor's threshold (TUF 5.3.4;
    /// Notary's client also takes a newest root of any higher version). Expiry is ignored on the way.
    fn walk_forwards(&mut self, from: Arc<TrustedRoot>, newest: &RootCandidate) -> Result<(), Halt> {
        let to = newest.version();
        let first = from.version().saturating_add(1);
        if to < first && newest.is_signed_by(&from) {
            let (version, predecessor) = (to, from.version());
            return Err(TufError::RootMismatch(RootMismatch::NotSuccessor { version, predecessor }).into());
        }
        if to.saturating_sub(first) > MAX_FORWARDS {
            let limit = usize::try_from(MAX_FORWARDS).unwrap_or(usize::MAX);
            return Err(TufError::TooMany { what: "root rotations", limit }.into());
        }
        let mut lineage = self.roots.lineage.clone();
        lineage.add(&from);
        let mut trusted = from;
        let mut chain = BTreeMap::new();
        if let Some(bytes) = self.files.at_hand(trusted.sha256) {
            chain.insert(trusted.version(), bytes.clone());
        }
        for version in first..to {
            let window = version..to.min(version.saturating_add(WINDOW));
            let mut link = self.link(version, window.clone())?;
            if !link.is_signed_by(&trusted) && self.files.answer(&link_file(version)).is_none() {
                // The one on disk is of no use: the server's may be.
                self.roots.links.remove(&version);
                link = self.link(version, window)?;
            }
            if !link.is_signed_by(&trusted) {
                return Err(not_signed(&link, &trusted).into());
            }
            trusted = link.trust();
            lineage.add(&trusted);
            chain.extend(self.files.at_hand(trusted.sha256).map(|bytes| (version, bytes.clone())));
        }
        if !newest.is_signed_by(&trusted) {
            return Err(not_signed(newest, &trusted).into());
        }
        (self.roots.chain, self.roots.lineage) = (chain, lineage);
        Ok(())
    }

    /// Back from the newest to one that carries the pin.
    fn walk_backwards(
        &mut self,
        newest: &RootCandidate,
        why: RootMismatch,
    ) -> Result<Arc<TrustedRoot>, Halt> {
        let to = newest.version();
        let oldest = to.saturating_sub(MAX_BACKWARDS - 1).max(1);
        for version in (oldest..to).rev() {
            // Twice as many at once each time: most pins are a rotation or two behind.
            let many = to.saturating_sub(version);
            let window = oldest.max(version.saturating_sub(many - 1))..version.saturating_add(1);
            let link = self.link(version, window)?;
            if link.carries(&self.input.anchors, &self.input.gun, self.input.now).is_ok() {
                return Ok(link.trust());
            }
        }
        Err(TufError::RootMismatch(match why {
            RootMismatch::NoPinnedKey { .. } if oldest < to => {
                RootMismatch::NoPinnedAncestor { oldest, newest: to }
            }
            why => why,
        })
        .into())
    }

    /// The root of this version: from disk, or from the server, asked for with the others of the window. A file that holds
    /// another version is not it.
    fn link(&mut self, version: u64, window: std::ops::Range<u64>) -> Result<Arc<RootCandidate>, Halt> {
        if let Some(bytes) = self.roots.links.get(&version).cloned() {
            match self.candidate(&bytes) {
                Ok(link) if link.version() == version => return Ok(link),
                _ => self.roots.links.remove(&version),
            };
        }
        let fetch = fetch_link(version);
        let bytes = match self.files.answer(&fetch.file) {
            None => {
                let fetches = window.filter(|v| !self.roots.links.contains_key(v)).map(fetch_link);
                return Err(Halt::Need(self.files.unanswered(fetches)));
            }
            Some(Answer::NotFound) => return Err(missing_link(version).into()),
            Some(answer) => body(answer, &fetch)?,
        };
        let link = self.candidate(&bytes)?;
        if link.version() != version {
            return Err(missing_link(version).into());
        }
        self.roots.links.insert(version, bytes);
        Ok(link)
    }
}

fn not_signed(root: &RootCandidate, predecessor: &TrustedRoot) -> TufError {
    let (version, predecessor) = (root.version(), predecessor.version());
    TufError::RootMismatch(RootMismatch::NotSignedByPredecessor { version, predecessor })
}

fn missing_link(version: u64) -> TufError {
    TufError::RootMismatch(RootMismatch::MissingLink { version })
}

fn link_file(version: u64) -> FileName {
    FileName::by_version(RoleName::root(), version)
}

fn fetch_link(version: u64) -> Fetch {
    Fetch { file: link_file(version), max_bytes: METADATA_FILE }
}
