//! The update as a machine without I/O.
//!
//! [`Update::step`] runs the pass from its start each time: every stage either has what it needs, or halts and says
//! what it needs. A file is asked for by hash alone, and only by a hash that a verified parent names; `root.json` and
//! `timestamp.json` are the two exceptions, older roots by version, and files of which the parent names a sha512 alone.

mod files;
mod floors;
mod pass;
mod roles;
mod root_keys;
mod roots;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::error::TufError;
use super::key::KeyIdentities;
use super::pin::Anchors;
use super::repository::TrustedRepository;
use super::role::{Gun, RoleName};
use super::stop::Stop;
use super::work::{Ended, Work};
use crate::digest::Digest;
use files::Files;
use floors::KnownFloors;
use pass::Pass;
pub use root_keys::RootKeys;
use roots::Roots;

/// A file of a repository on the trust server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName {
    /// The role.
    pub role: RoleName,
    /// Which of its files.
    pub selector: Selector,
}

impl FileName {
    /// `ROLE.json`
    pub fn current(role: RoleName) -> Self {
        Self { role, selector: Selector::Current }
    }

    /// `ROLE.SHA256.json`
    pub fn by_hash(role: RoleName, sha256: Digest) -> Self {
        Self { role, selector: Selector::Hash(sha256) }
    }

    /// `N.ROLE.json`
    pub fn by_version(role: RoleName, version: u64) -> Self {
        Self { role, selector: Selector::Version(version) }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = &self.role;
        match &self.selector {
            Selector::Current => write!(f, "{role}.json"),
            Selector::Hash(sha256) => write!(f, "{role}.{}.json", sha256.hex()),
            Selector::Version(version) => write!(f, "{version}.{role}.json"),
        }
    }
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
    pub signers: KeyIdentities,
}

/// The floors of a repository's roles.
pub type Floors = BTreeMap<RoleName, Floor>;

/// Who remembers a newer version than the one that was offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FloorsAbove {
    /// Whether the repository's own floors do.
    pub own: bool,
    /// Which of [`UpdateInput::others`] do.
    pub others: Vec<usize>,
}

/// What an update starts from.
#[derive(Debug, Clone)]
pub struct UpdateInput {
    /// The repository.
    pub gun: Gun,
    /// What its root is pinned to.
    pub anchors: Arc<Anchors>,
    /// The verified set from before, if there is one. Its roles are used again, its versions are floors.
    pub known: Option<Arc<TrustedRepository>>,
    /// The root that first use pinned, as bytes; only looked at where `anchors` has no pins and `known` is `None`.
    /// It must verify by itself (its expiry and its certificates' are ignored), else [`TufError::DamagedPin`].
    pub pinned_root: Option<Bytes>,
    /// Unverified files at hand (disk cache), the newest root under `root`. Used in place of a download where a
    /// verified parent names their hash; what of them verifies are floors too. A damaged one is a miss.
    pub local: BTreeMap<RoleName, Bytes>,
    /// Unverified older roots at hand by version, for the chain from a pin to the newest root.
    pub local_roots: BTreeMap<u64, Bytes>,
    /// The floors.
    pub floors: Floors,
    /// The floors of other records of the GUN, under whatever anchors and from whichever server: one holds only while its
    /// record is about this repository, and the file that set it would still meet the role's present keys and threshold.
    pub others: Vec<Arc<Floors>>,
    /// The delegation roles to load, their ancestors included; `None` loads every reachable one (`inspect`).
    /// One that turns out not to be delegated is simply not there.
    pub wanted: Option<BTreeSet<RoleName>>,
    /// Whether a *timestamp* that cannot be had (404, no answer) falls back to the known or local one within its
    /// expiry. On the local one the floors are not held: floors judge servers, not our own disk.
    pub timestamp_fallback: bool,
    /// The time of the judgement.
    pub now: Timestamp,
    /// Tolerance for clocks when expiry is judged (`--clock-skew`, 60 s by default).
    pub clock_skew: SignedDuration,
    /// Ends the update early, with [`TufError::Stopped`].
    pub stop: Stop,
}

impl UpdateInput {
    /// Of somebody who knows nothing yet, wants every role, and has no tolerance for clocks.
    pub fn new(gun: Gun, anchors: Arc<Anchors>, now: Timestamp) -> Self {
        Self {
            gun,
            anchors,
            known: None,
            pinned_root: None,
            local: BTreeMap::new(),
            local_roots: BTreeMap::new(),
            floors: Floors::new(),
            others: Vec::new(),
            wanted: None,
            timestamp_fallback: false,
            now,
            clock_skew: SignedDuration::ZERO,
            stop: Stop::default(),
        }
    }
}

/// What the machine wants next.
#[derive(Debug)]
pub enum Step {
    /// Fetch these, at once and in any order, and [`Update::feed`] each.
    Fetch(Vec<Fetch>),
    /// Over. Asked again, it says the same again.
    Done(Result<Updated, TufError>),
}

/// What came of an update that verified.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The new set. The very `Arc` that was known when nothing changed.
    pub repository: Arc<TrustedRepository>,
    /// The files that verified in this update and were not part of `known`, for the disk cache.
    pub files: Vec<(RoleName, Bytes)>,
    /// The older roots that led to the newest, by version, for the disk cache.
    pub roots: Vec<(u64, Bytes)>,
    /// `None` when the server's own timestamp vouches for the set; else why it does not ([`TufError::Unreachable`]
    /// or [`TufError::Missing`]): the set rests on the known or local timestamp.
    pub fell_back: Option<TufError>,
}

/// An update under way.
#[derive(Debug)]
pub struct Update {
    input: UpdateInput,
    files: Files,
    roots: Roots,
    floors: KnownFloors,
    pass: Pass,
    /// Whether nothing is too old: see [`Self::for_publishing`].
    any_age: bool,
    /// Whether this is the pass after a failure: its failure is final.
    last_pass: bool,
    work: Work,
    done: Option<Result<Updated, TufError>>,
}

/// Why a pass does not go on.
#[derive(Debug)]
enum Halt {
    /// It needs these files first.
    Need(Vec<Fetch>),
    /// It failed.
    Fail(TufError),
}

impl From<Ended> for Halt {
    fn from(ended: Ended) -> Self {
        Self::Fail(ended.into())
    }
}

impl From<TufError> for Halt {
    fn from(error: TufError) -> Self {
        Self::Fail(error)
    }
}

impl Update {
    /// Starts an update.
    pub fn new(input: UpdateInput) -> Self {
        Self {
            files: Files::new(input.local.values()),
            roots: Roots::new(&input),
            floors: KnownFloors::new(&input),
            pass: Pass::default(),
            any_age: false,
            last_pass: false,
            work: Work::under(&input.stop),
            done: None,
            input,
        }
    }

    /// Starts an update by somebody who is about to publish, and renews what expired: no file and no root certificate is too
    /// old (`clock_skew` does not matter). All else is judged as ever. What comes of it is for editing, and for nothing that
    /// rests on its being fresh.
    pub fn for_publishing(input: UpdateInput) -> Self {
        let input = UpdateInput { clock_skew: SignedDuration::MAX, ..input };
        Self { any_age: true, ..Self::new(input) }
    }

    /// What to do next. Asked again after every file of the last step was fed.
    ///
    /// Any failure to verify triggers one refresh of the root and one more pass from the timestamp, so that a rotated
    /// key or a publish in between is never an error; the second failure is final (design §4 "Update").
    pub fn step(&mut self) -> Step {
        loop {
            if let Some(done) = &self.done {
                return Step::Done(done.clone());
            }
            match self.work.take(0).map_err(Halt::from).and_then(|()| self.run_pass()) {
                Ok(updated) => self.done = Some(Ok(updated)),
                Err(Halt::Need(fetches)) => {
                    return Step::Fetch(self.files.ask(fetches));
                }
                Err(Halt::Fail(error))
                    if self.last_pass || self.work.ended().is_some() || is_final(&error) =>
                {
                    self.done = Some(Err(self.explain(error)));
                }
                Err(Halt::Fail(_)) => {
                    self.last_pass = true;
                    self.roots.refresh = self.pass.snapshot.is_none();
                    self.pass = Pass::default();
                    self.files.forget_answers();
                }
            }
        }
    }

    /// Takes what came of one fetch. A file that was not asked for is ignored.
    pub fn feed(&mut self, file: &FileName, answer: Answer) {
        self.files.feed(file, answer);
    }

    /// The steps of work that it took so far, as [`crate::limits::WORK_STEPS`] counts them.
    pub fn steps(&self) -> u64 {
        self.work.steps()
    }

    /// Where a role's signatures or expiry fail under a root that is itself past its time, the root is the reason.
    fn explain(&self, error: TufError) -> TufError {
        use TufError::{Expired, NoValidSignature, ThresholdNotMet};
        let (now, skew) = (self.input.now, self.input.clock_skew);
        match (&error, &self.roots.base) {
            (Expired { .. } | NoValidSignature { .. } | ThresholdNotMet { .. }, Some(root))
                if !self.any_age =>
            {
                root.check_newest(&self.input.gun, now, skew).err().unwrap_or(error)
            }
            _ => error,
        }
    }
}

/// Whether one more pass cannot help: nothing failed to verify, or it may not cost more.
fn is_final(error: &TufError) -> bool {
    match error {
        TufError::Unreachable { .. }
        | TufError::Stopped
        | TufError::RepositoryNotFound
        | TufError::RootNotPinned
        | TufError::DamagedPin(_) => true,
        TufError::Missing { file } => *file == FileName::current(RoleName::timestamp()),
        _ => false,
    }
}
