//! The update as a machine without I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::error::TufError;
use super::key::KeyIdentity;
use super::pin::Anchors;
use super::role::{Gun, RoleName};
use crate::digest::Digest;

/// A file of a repository on the trust server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName {
    /// The role.
    pub role: RoleName,
    /// Which of its files.
    pub selector: Selector,
}

/// Which file of a role is asked for (Notary v1, HTTP API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// `ROLE.json`
    Current,
    /// `ROLE.SHA256.json`
    Hash(Digest),
    /// `N.ROLE.json`
    Version(u64),
}

/// A download that the update needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The file.
    pub file: FileName,
    /// More than this many bytes are not read.
    pub max_bytes: u64,
}

/// What came of a [`Fetch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The whole body.
    Bytes(Bytes),
    /// The server says that there is no such file (404).
    NotFound,
    /// The body is larger than `max_bytes`: the server's fault.
    TooLarge,
    /// No answer that says anything about the file; the caller keeps the cause.
    Unavailable,
}

/// The lowest version of a role that may still be believed, and who signed it (design §4 "Floors").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// The version.
    pub version: u64,
    /// The keys whose signatures made the file that set the floor valid.
    pub signers: BTreeSet<KeyIdentity>,
}

/// The floors of a repository's roles.
pub type Floors = BTreeMap<RoleName, Floor>;

/// What an update starts from.
#[derive(Debug, Clone)]
pub struct UpdateInput {
    /// The repository.
    pub gun: Gun,
    /// What its root is pinned to.
    pub anchors: Arc<Anchors>,
    /// The verified set from before, if there is one.
    pub known: Option<Arc<TrustedRepository>>,
    /// Unverified files at hand (disk cache), used in place of a download where a verified parent names their hash.
    pub local: BTreeMap<RoleName, Bytes>,
    /// The floors.
    pub floors: Floors,
    /// The delegation roles to load; `None` loads every reachable one (`inspect`).
    pub wanted: Option<BTreeSet<RoleName>>,
    /// The time of the judgement.
    pub now: Timestamp,
    /// Tolerance for clocks when expiry is judged (`--clock-skew`, 60 s by default).
    pub clock_skew: SignedDuration,
}

/// What the machine wants next.
#[derive(Debug)]
pub enum Step {
    /// Fetch these, at once and in any order, and [`Update::feed`] each.
    Fetch(Vec<Fetch>),
    /// Over.
    Done(Result<Arc<TrustedRepository>, TufError>),
}

/// A verified, consistent set of a repository's metadata.
#[derive(Debug)]
pub struct TrustedRepository {}

/// An update under way.
#[derive(Debug)]
pub struct Update {}

impl Update {
    /// Starts an update.
    pub fn new(input: UpdateInput) -> Self {
        let _ = input;
        todo!()
    }

    /// What to do next. Asked again after every file of the last step was fed.
    pub fn step(&mut self) -> Step {
        todo!()
    }

    /// Takes what came of one fetch.
    pub fn feed(&mut self, file: &FileName, answer: Answer) {
        let _ = (file, answer);
        todo!()
    }
}
