//! [`Files`]: what came, what is asked for, and the caps.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sha2::{Digest as _, Sha512};

use super::{Answer, Fetch, FileName, Halt};
use crate::digest::Digest;
use crate::limits::METADATA_FILE;
use crate::tuf::error::TufError;
use crate::tuf::metadata::FileMeta;
use crate::tuf::role::RoleName;

/// The cap on all files of one update together.
const MAX_TOTAL: usize = 256 << 20;

/// The files of one update.
#[derive(Debug)]
pub(super) struct Files {
    asked: BTreeMap<FileName, u64>,
    /// What came in this pass.
    answers: BTreeMap<FileName, Answer>,
    /// Whatever is at hand, by hash: local files, and what came in either pass.
    by_hash: BTreeMap<Digest, Bytes>,
    total: usize,
}

impl Files {
    pub(super) fn new<'a>(local: impl Iterator<Item = &'a Bytes>) -> Self {
        let by_hash = local.map(|bytes| (Digest::of(bytes), bytes.clone())).collect();
        Self { asked: BTreeMap::new(), answers: BTreeMap::new(), by_hash, total: 0 }
    }

    pub(super) fn ask(&mut self, fetches: &[Fetch]) {
        self.asked.extend(fetches.iter().map(|fetch| (fetch.file.clone(), fetch.max_bytes)));
    }

    pub(super) fn feed(&mut self, file: &FileName, answer: Answer) {
        let Some(max_bytes) = self.asked.remove(file) else { return };
        let answer = match answer {
            Answer::Bytes(bytes) if bytes.len() as u64 > max_bytes => Answer::TooLarge,
            answer => answer,
        };
        if let Answer::Bytes(bytes) = &answer {
            self.total = self.total.saturating_add(bytes.len());
        }
        self.answers.insert(file.clone(), answer);
    }

    /// Starts a new pass: everything that is not named by hash is asked for again.
    pub(super) fn forget_answers(&mut self) {
        self.asked.clear();
        self.answers.clear();
    }

    pub(super) fn answer(&self, file: &FileName) -> Option<&Answer> {
        self.answers.get(file)
    }

    /// Those of `fetches` that were not answered yet.
    pub(super) fn unanswered(&self, fetches: impl IntoIterator<Item = Fetch>) -> Vec<Fetch> {
        let mut seen = BTreeSet::new();
        fetches
            .into_iter()
            .filter(|fetch| !self.answers.contains_key(&fetch.file) && seen.insert(fetch.file.clone()))
            .collect()
    }

    /// The file of this hash, wherever it is from.
    pub(super) fn at_hand(&self, sha256: Digest) -> Option<&Bytes> {
        self.by_hash.get(&sha256)
    }

    /// Keeps a file that came, for the disk cache.
    pub(super) fn keep(&mut self, sha256: Digest, bytes: Bytes) {
        self.by_hash.insert(sha256, bytes);
    }

    /// The file at hand that a verified parent names.
    pub(super) fn at_hand_as(&self, meta: &FileMeta) -> Option<Digest> {
        let fits = |bytes: &Bytes| bytes.len() as u64 <= meta.length;
        match meta.sha256 {
            Some(sha256) => self.at_hand(sha256).filter(|bytes| fits(bytes)).map(|_| sha256),
            None => {
                let mut files = self.by_hash.iter();
                files.find(|(_, bytes)| fits(bytes) && has_sha512(meta, bytes)).map(|(sha256, _)| *sha256)
            }
        }
    }

    /// Whether the file of this hash is the one that a verified parent names.
    pub(super) fn is_named(
        &self,
        role: &RoleName,
        meta: &FileMeta,
        sha256: Digest,
    ) -> Result<bool, TufError> {
        let bytes = self.at_hand(sha256);
        match meta.sha256 {
            Some(named) if named != sha256 => Ok(false),
            Some(_) => bytes.map_or(Ok(()), |bytes| check_sha512(role, meta, bytes)).map(|()| true),
            None => Ok(bytes.is_some_and(|bytes| has_sha512(meta, bytes))),
        }
    }

    /// The sha256 of the file that a verified parent names. Where the parent names no sha256, that takes the file.
    pub(super) fn identify(&mut self, role: &RoleName, meta: &FileMeta) -> Result<Digest, Halt> {
        match meta.sha256 {
            Some(sha256) => Ok(sha256),
            None => self.named(role, meta).map(|bytes| Digest::of(&bytes)),
        }
    }

    /// The file that a verified parent names.
    pub(super) fn named(&mut self, role: &RoleName, meta: &FileMeta) -> Result<Bytes, Halt> {
        if let Some(bytes) = self.at_hand_as(meta).and_then(|sha256| self.at_hand(sha256)) {
            let bytes = bytes.clone();
            check_sha512(role, meta, &bytes)?;
            return Ok(bytes);
        }
        let fetch = fetch_named(role, meta);
        let bytes = match self.answer(&fetch.file) {
            None => return Err(Halt::Need(vec![fetch])),
            Some(answer) => body(answer, &fetch)?,
        };
        if self.total > MAX_TOTAL {
            return Err(TufError::TooMany { what: "bytes of metadata", limit: MAX_TOTAL }.into());
        }
        let actual = Digest::of(&bytes);
        if let Some(expected) = meta.sha256.filter(|expected| *expected != actual) {
            return Err(TufError::HashMismatch { role: role.clone(), expected, actual }.into());
        }
        check_sha512(role, meta, &bytes)?;
        self.keep(actual, bytes.clone());
        Ok(bytes)
    }
}

/// How a file that a verified parent names is asked for. Servers find files by their sha256 alone: where the parent names
/// none, the current file is asked for, as Notary's client does it.
pub(super) fn fetch_named(role: &RoleName, meta: &FileMeta) -> Fetch {
    let file = match meta.sha256 {
        Some(sha256) => FileName::by_hash(role.clone(), sha256),
        None => FileName::current(role.clone()),
    };
    Fetch { file, max_bytes: meta.length.min(METADATA_FILE) }
}

/// The body of an answer, or what its absence means where the file must be there.
pub(super) fn body(answer: &Answer, fetch: &Fetch) -> Result<Bytes, TufError> {
    let file = || fetch.file.clone();
    match answer {
        Answer::Bytes(bytes) => Ok(bytes.clone()),
        Answer::NotFound => Err(TufError::Missing { file: file() }),
        Answer::TooLarge => Err(TufError::TooLarge { file: file(), max_bytes: fetch.max_bytes }),
        Answer::Unavailable => Err(TufError::Unreachable { file: file() }),
    }
}

/// All known hashes must match (Notary v1, Metadata).
fn check_sha512(role: &RoleName, meta: &FileMeta, bytes: &[u8]) -> Result<(), TufError> {
    match meta.sha512.is_none() || has_sha512(meta, bytes) {
        true => Ok(()),
        false => Err(TufError::Malformed {
            role: role.clone(),
            what: "its sha512 is not the one that its parent names".to_owned(),
        }),
    }
}

/// Whether a sha512 is named, and is that of `bytes`.
fn has_sha512(meta: &FileMeta, bytes: &[u8]) -> bool {
    meta.sha512.as_ref().is_some_and(|sha512| Sha512::digest(bytes)[..] == sha512[..])
}
