//! [`Files`]: what came, what is asked for, and the caps.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sha2::{Digest as _, Sha512};

use super::{Answer, Fetch, FileName, Halt};
use crate::digest::Digest;
use crate::limits::{METADATA_FILE, ROOT_FILE, ROOTS_BYTES, UPDATE_BYTES};
use crate::tuf::error::TufError;
use crate::tuf::metadata::FileMeta;
use crate::tuf::role::RoleName;

/// The files of one update.
#[derive(Debug)]
pub(super) struct Files {
    asked: BTreeMap<FileName, u64>,
    /// What came in this pass.
    answers: BTreeMap<FileName, Answer>,
    /// Whatever is at hand, by hash: local files, and what came in either pass.
    by_hash: BTreeMap<Digest, Bytes>,
    /// The same by sha512, for parents that name no sha256, but for those that nobody asked for so yet.
    by_sha512: BTreeMap<[u8; 64], Digest>,
    not_by_sha512: Vec<Digest>,
    /// Bytes that came, in both passes.
    total: u64,
    /// Those of roots.
    roots: u64,
}

impl Files {
    pub(super) fn new<'a>(local: impl Iterator<Item = &'a Bytes>) -> Self {
        let by_hash: BTreeMap<_, _> = local.map(|bytes| (Digest::of(bytes), bytes.clone())).collect();
        Self {
            asked: BTreeMap::new(),
            answers: BTreeMap::new(),
            not_by_sha512: by_hash.keys().copied().collect(),
            by_hash,
            by_sha512: BTreeMap::new(),
            total: 0,
            roots: 0,
        }
    }

    /// Those of the files that are asked for at once: as many as may come, together with what came already, but at
    /// least one. The others are asked for when those are here.
    pub(super) fn ask(&mut self, mut fetches: Vec<Fetch>) -> Vec<Fetch> {
        let mut room = UPDATE_BYTES.saturating_sub(self.total);
        let fits = |fetch: &&Fetch| match room.checked_sub(fetch.max_bytes) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        let fitting = fetches.iter().take_while(fits).count();
        fetches.truncate(fitting.max(1));
        self.asked.extend(fetches.iter().map(|fetch| (fetch.file.clone(), fetch.max_bytes)));
        fetches
    }

    /// Whether no more came than may.
    ///
    /// # Errors
    /// [`TufError::TooMany`].
    pub(super) fn check_total(&self) -> Result<(), TufError> {
        let too_many = |what, limit| {
            Err(TufError::TooMany { what, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
        };
        match () {
            () if self.total > UPDATE_BYTES => too_many("bytes of files", UPDATE_BYTES),
            () if self.roots > ROOTS_BYTES => too_many("bytes of root files", ROOTS_BYTES),
            () => Ok(()),
        }
    }

    pub(super) fn feed(&mut self, file: &FileName, answer: Answer) {
        let Some(max_bytes) = self.asked.remove(file) else { return };
        let answer = match answer {
            Answer::Bytes(bytes) if bytes.len() as u64 > max_bytes => Answer::TooLarge,
            answer => answer,
        };
        if let Answer::Bytes(bytes) = &answer {
            let length = bytes.len() as u64;
            self.total = self.total.saturating_add(length);
            self.roots = self.roots.saturating_add(if file.role == RoleName::root() { length } else { 0 });
        }
        if self.check_total().is_err() {
            // The update is over, and holds nothing more.
            self.answers.clear();
            return;
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
        if self.by_hash.insert(sha256, bytes).is_none() {
            self.not_by_sha512.push(sha256);
        }
    }

    /// The file at hand that a verified parent names.
    pub(super) fn at_hand_as(&mut self, meta: &FileMeta) -> Option<Digest> {
        let sha256 = match meta.sha256 {
            Some(sha256) => sha256,
            None => self.with_sha512(&**meta.sha512.as_ref()?)?,
        };
        let fits = |bytes: &&Bytes| bytes.len() as u64 <= meta.length;
        self.at_hand(sha256).filter(fits).map(|_| sha256)
    }

    /// The file of this sha512. Each file is hashed once, however many are asked for so.
    fn with_sha512(&mut self, sha512: &[u8; 64]) -> Option<Digest> {
        for sha256 in std::mem::take(&mut self.not_by_sha512) {
            if let Some(bytes) = self.by_hash.get(&sha256) {
                self.by_sha512.insert(Sha512::digest(bytes).into(), sha256);
            }
        }
        self.by_sha512.get(sha512).copied()
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
    let max_bytes = if *role == RoleName::root() { ROOT_FILE } else { METADATA_FILE };
    Fetch { file, max_bytes: meta.length.min(max_bytes) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(role: &str, max_bytes: u64) -> Fetch {
        let role = RoleName::parse(role).unwrap();
        Fetch { file: FileName::current(role), max_bytes }
    }

    fn names(fetches: &[Fetch]) -> Vec<&str> {
        fetches.iter().map(|fetch| fetch.file.role.as_str()).collect()
    }

    /// Feeds what was asked for, with so many bytes each.
    fn feed(files: &mut Files, fetches: &[Fetch], length: u64) {
        let bytes = Bytes::from(vec![b' '; usize::try_from(length).unwrap()]);
        fetches.iter().for_each(|fetch| files.feed(&fetch.file, Answer::Bytes(bytes.clone())));
    }

    #[test]
    fn no_more_is_asked_for_at_once_than_may_come() {
        let mut files = Files::new(std::iter::empty());
        let all =
            ["targets", "targets/a", "targets/b", "targets/c", "targets/d"].map(|role| fetch(role, 10 << 20));
        let first = files.ask(all.to_vec());
        assert_eq!(names(&first), ["targets", "targets/a", "targets/b"]);
        // What came is less than what might have come.
        feed(&mut files, &first, 5 << 20);
        let second = files.ask(files.unanswered(all));
        assert_eq!(names(&second), ["targets/c"]);
        feed(&mut files, &second, 10 << 20);
        // One at least: it may be smaller than its parent says.
        assert_eq!(names(&files.ask(vec![fetch("targets/d", 10 << 20)])), ["targets/d"]);
        assert_eq!(files.check_total(), Ok(()));
    }

    #[test]
    fn more_bytes_than_one_update_may_have_end_it_and_are_not_held() {
        let mut files = Files::new(std::iter::empty());
        let role = |n: u64| fetch(&format!("targets/{n}"), METADATA_FILE);
        for n in 0..UPDATE_BYTES / METADATA_FILE {
            let asked = files.ask(vec![role(n)]);
            feed(&mut files, &asked, METADATA_FILE);
        }
        assert_eq!((files.check_total(), files.answers.len()), (Ok(()), 2));
        let asked = files.ask(vec![fetch("timestamp", 1)]);
        feed(&mut files, &asked, 1);
        let error = TufError::TooMany { what: "bytes of files", limit: 32 << 20 };
        assert_eq!((files.check_total(), files.answers.len()), (Err(error), 0));
        // The next pass goes on counting.
        files.forget_answers();
        assert!(files.check_total().is_err());
    }

    #[test]
    fn roots_have_a_smaller_total_of_their_own() {
        let mut files = Files::new(std::iter::empty());
        let root =
            |version| Fetch { file: FileName::by_version(RoleName::root(), version), max_bytes: ROOT_FILE };
        let asked = files.ask((0..ROOTS_BYTES / ROOT_FILE).map(root).collect());
        feed(&mut files, &asked, ROOT_FILE);
        assert_eq!(files.check_total(), Ok(()));
        let asked = files.ask(vec![root(99)]);
        feed(&mut files, &asked, 1);
        let error = TufError::TooMany { what: "bytes of root files", limit: 16 << 20 };
        assert_eq!(files.check_total(), Err(error));
    }

    #[test]
    fn a_file_is_found_by_its_sha512_however_often_it_is_asked_for() {
        let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
        let mut files = Files::new([&one].into_iter());
        let meta = |bytes: &[u8], length| FileMeta {
            sha256: None,
            sha512: Some(Box::new(Sha512::digest(bytes).into())),
            length,
        };
        for _ in 0..2 {
            assert_eq!(files.at_hand_as(&meta(&one, 3)), Some(Digest::of(&one)));
            assert_eq!(files.at_hand_as(&meta(&one, 2)), None, "it is longer than its parent says");
            assert_eq!(files.at_hand_as(&meta(&two, 3)), None);
        }
        files.keep(Digest::of(&two), two.clone());
        assert_eq!(files.at_hand_as(&meta(&two, 3)), Some(Digest::of(&two)));
        assert_eq!((files.by_sha512.len(), files.not_by_sha512.len()), (2, 0));
    }
}
