//! A loop that drives an update from files in memory, and records what it was asked for.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tagseal::tuf::{
    Anchor, Anchors, Answer, FileName, Gun, KeyId, RoleName, RootRotation, Step, TrustedRepository, TufError,
    Update, UpdateInput, Updated,
};

use crate::support::{ServedFiles, TestKey, TestRepository, image_digest, t};

/// The clock tolerance of these tests.
pub const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// The repository of tests that need no other.
pub const GUN: &str = "registry.example.com/shop/web";

/// When they take place.
pub fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

/// A repository with one tag, not yet published.
pub fn repository() -> TestRepository {
    let mut repository = TestRepository::new(GUN, now());
    repository.sign_target("targets", "1.4", image_digest("a"));
    repository
}

/// What somebody who pins its root key makes of it.
pub fn update(repository: &TestRepository) -> Driven {
    drive(input(GUN, &[repository.root_key()], now()), from(repository.files()))
}

/// What came of a driven update.
pub struct Driven {
    pub result: Result<Updated, TufError>,
    /// The files asked for, by name; one list a step.
    pub steps: Vec<Vec<String>>,
    /// The most bytes that a step's files could have together.
    pub most_at_once: u64,
    /// The bytes that came.
    pub bytes: usize,
    /// The steps of work that it took.
    pub work: u64,
}

impl Driven {
    /// The repository.
    pub fn repository(&self) -> Arc<TrustedRepository> {
        Arc::clone(&self.result.as_ref().expect("an update that verifies").repository)
    }

    /// The error.
    pub fn error(&self) -> &TufError {
        self.result.as_ref().expect_err("an update that fails")
    }

    /// All files asked for, in order.
    pub fn asked(&self) -> Vec<&str> {
        self.steps.iter().flatten().map(String::as_str).collect()
    }
}

/// Runs an update to its end.
pub fn drive(input: UpdateInput, mut serve: impl FnMut(&FileName) -> Answer) -> Driven {
    let mut update = Update::new(input);
    let mut steps = Vec::new();
    let (mut most_at_once, mut bytes) = (0, 0);
    loop {
        match update.step() {
            Step::Done(result) => {
                return Driven { result, steps, most_at_once, bytes, work: update.steps() };
            }
            Step::Fetch(fetches) => {
                assert!(!fetches.is_empty() && steps.len() < 200, "it goes on for ever: {fetches:?}");
                steps.push(fetches.iter().map(|fetch| fetch.file.to_string()).collect());
                most_at_once = most_at_once.max(fetches.iter().map(|fetch| fetch.max_bytes).sum());
                for fetch in fetches {
                    let answer = serve(&fetch.file);
                    bytes += if let Answer::Bytes(bytes) = &answer { bytes.len() } else { 0 };
                    update.feed(&fetch.file, answer);
                }
            }
        }
    }
}

/// Answers from `files`; what is not there is a 404.
pub fn from(files: &ServedFiles) -> impl FnMut(&FileName) -> Answer + use<> {
    let files = files.clone();
    move |file| files.get(&file.to_string()).map_or(Answer::NotFound, |bytes| Answer::Bytes(bytes.clone()))
}

/// As [`from`], but for these answers.
pub fn but(files: &ServedFiles, answers: &[(&str, Answer)]) -> impl FnMut(&FileName) -> Answer + use<> {
    let answers: Vec<_> = answers.iter().map(|(name, answer)| ((*name).to_owned(), answer.clone())).collect();
    let mut rest = from(files);
    move |file| {
        let name = file.to_string();
        let found = answers.iter().find(|(path, _)| *path == name).map(|(_, answer)| answer.clone());
        found.unwrap_or_else(|| rest(file))
    }
}

/// An update of `gun` that wants every role, pinned to `keys`.
pub fn input(gun: &str, keys: &[&TestKey], now: Timestamp) -> UpdateInput {
    let anchors =
        keys.iter().map(|key| Anchor::KeyId(KeyId::from_hex(&key.canonical_id()).unwrap())).collect();
    input_with(gun, Anchors::new(anchors, RootRotation::Follow, false), now)
}

/// An update of `gun` that wants every role.
pub fn input_with(gun: &str, anchors: Anchors, now: Timestamp) -> UpdateInput {
    UpdateInput { clock_skew: SKEW, ..UpdateInput::new(Gun::new(gun).unwrap(), Arc::new(anchors), now) }
}

/// Trust on first use, and nothing pinned.
pub fn first_use() -> Anchors {
    Anchors::new(Vec::new(), RootRotation::Follow, true)
}

/// The role of this name.
pub fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

/// The file of `role` in `files`, as bytes.
pub fn current(files: &ServedFiles, role: &str) -> Bytes {
    files.current(role).clone()
}
