//! The chain of rotations: forwards from a trusted root, and back to one that carries the pin.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::files::body;
use super::super::{Answer, Fetch, FileName, Halt, Update};
use crate::digest::Digest;
use crate::limits::{ROOT_FILE, ROOTS_AT_ONCE, ROOTS_BACKWARDS, ROOTS_FORWARDS};
use crate::tuf::error::{RootMismatch, TufError};
use crate::tuf::lineage::Lineage;
use crate::tuf::role::RoleName;
use crate::tuf::root::{RootCandidate, TrustedRoot};

/// A walk forwards that waits for the next links.
#[derive(Debug)]
pub(super) struct Walk {
    from: Digest,
    /// How far it came.
    trusted: Arc<TrustedRoot>,
    lineage: Lineage,
    chain: BTreeMap<u64, Bytes>,
}

impl Update {
    /// From a trusted root N+1 by N+1, each of exactly that version and signed by its predecessor's threshold (TUF 5.3.4;
    /// Notary's client also takes a newest root of any higher version). Expiry is ignored on the way. Only the last link
    /// and the newest root are held decoded.
    pub(super) fn walk_forwards(
        &mut self,
        from: Arc<TrustedRoot>,
        newest: &RootCandidate,
    ) -> Result<(), Halt> {
        let to = newest.version();
        let first = from.version().saturating_add(1);
        if to < first && newest.is_signed_by(&from, &self.work)? {
            let (version, predecessor) = (to, from.version());
            return Err(TufError::RootMismatch(RootMismatch::NotSuccessor { version, predecessor }).into());
        }
        if to.saturating_sub(first) > ROOTS_FORWARDS {
            let limit = usize::try_from(ROOTS_FORWARDS).unwrap_or(usize::MAX);
            return Err(TufError::TooMany { what: "root rotations", limit }.into());
        }
        let mut walk = match self.roots.walk.take() {
            Some(walk) if walk.from == from.sha256 => walk,
            _ => self.begin(from),
        };
        while walk.trusted.version().saturating_add(1) < to {
            match self.next_link(&walk.trusted, to) {
                Ok(link) => {
                    walk.trusted = link.trust();
                    walk.lineage.add(&walk.trusted);
                    let bytes = self.files.at_hand(walk.trusted.sha256);
                    walk.chain.extend(bytes.map(|bytes| (walk.trusted.version(), bytes.clone())));
                }
                Err(Halt::Need(fetches)) => {
                    self.roots.walk = Some(walk);
                    return Err(Halt::Need(fetches));
                }
                Err(fail) => return Err(fail),
            }
        }
        if !newest.is_signed_by(&walk.trusted, &self.work)? {
            return Err(not_signed(newest, &walk.trusted).into());
        }
        (self.roots.chain, self.roots.lineage) = (walk.chain, walk.lineage);
        Ok(())
    }

    fn begin(&self, from: Arc<TrustedRoot>) -> Walk {
        let mut lineage = self.roots.lineage.clone();
        lineage.add(&from);
        let at_hand = self.files.at_hand(from.sha256);
        let chain = at_hand.map(|bytes| (from.version(), bytes.clone())).into_iter().collect();
        Walk { from: from.sha256, trusted: from, lineage, chain }
    }

    /// The link after `trusted`, signed by it.
    fn next_link(&mut self, trusted: &TrustedRoot, to: u64) -> Result<Arc<RootCandidate>, Halt> {
        let version = trusted.version().saturating_add(1);
        let window = version..to.min(version.saturating_add(ROOTS_AT_ONCE));
        let link = self.link(version, window.clone())?;
        if link.is_signed_by(trusted, &self.work)? {
            return Ok(link);
        }
        if self.files.answer(&link_file(version)).is_none() {
            // The one on disk is of no use: the server's may be.
            self.roots.links.remove(&version);
            let link = self.link(version, window)?;
            if link.is_signed_by(trusted, &self.work)? {
                return Ok(link);
            }
        }
        Err(not_signed(&link, trusted).into())
    }

    /// Back from the newest to one that carries the pin. One that does not list a pinned key is dropped undecoded.
    pub(super) fn walk_backwards(&mut self, to: u64, why: RootMismatch) -> Result<Arc<TrustedRoot>, Halt> {
        let oldest = to.saturating_sub(ROOTS_BACKWARDS - 1).max(1);
        for version in (oldest..to).rev() {
            // Twice as many at once each time: most pins are a rotation or two behind.
            let many = to.saturating_sub(version).min(ROOTS_AT_ONCE);
            let window = oldest.max(version.saturating_sub(many - 1))..version.saturating_add(1);
            let mut bytes = self.link_bytes(version, window.clone())?;
            if self.files.answer(&link_file(version)).is_none() {
                // One on disk may be damaged, and is then not what the server has.
                self.link(version, window.clone())?;
                bytes = self.link_bytes(version, window)?;
            }
            if self.carries(&bytes)?.1.is_ok() {
                return Ok(self.candidate(&bytes)?.trust());
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
        let bytes = self.link_bytes(version, window.clone())?;
        match self.candidate(&bytes) {
            Ok(link) => Ok(link),
            Err(_) if self.work.ended().is_none() && self.files.answer(&link_file(version)).is_none() => {
                // The one on disk is damaged.
                self.roots.links.remove(&version);
                self.link(version, window)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The file that is to be the root of this version, of which no more is known than that it says so itself.
    fn link_bytes(&mut self, version: u64, window: std::ops::Range<u64>) -> Result<Bytes, Halt> {
        if let Some(bytes) = self.roots.links.get(&version).cloned() {
            match RootCandidate::version_of(&bytes, &self.work) {
                Ok(found) if found == version => return Ok(bytes),
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
        if RootCandidate::version_of(&bytes, &self.work)? != version {
            return Err(missing_link(version).into());
        }
        self.roots.links.insert(version, bytes.clone());
        Ok(bytes)
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
    Fetch { file: link_file(version), max_bytes: ROOT_FILE }
}
