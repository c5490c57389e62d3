//! What verifying metadata takes: the slowest honest repository in time, hostile files in memory.
//!
//! `cargo bench --bench metadata`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![allow(dead_code, reason = "the tests' signer has more than is measured here")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tagseal::tuf::{
    Anchor, Anchors, Answer, Gun, KeyId, RootRotation, Step, TufError, Update, UpdateInput, Updated,
};

use self::support::{ServedFiles, TestKey, TestRepository, image_digest, t};

/// As the binary has it: what is measured is what ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GUN: &str = "registry.example.com/shop/web";
const TAGS: usize = 40_000;
const DELEGATIONS: usize = 200;
const HOSTILE: usize = 5 << 20;

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

fn main() {
    let shapes = [
        ("empty arrays", "[]".to_owned()),
        ("empty objects", "{}".to_owned()),
        ("objects in objects", r#"{"":{}}"#.to_owned()),
        ("an empty string in an object", r#"{"":""}"#.to_owned()),
        ("empty strings", r#""""#.to_owned()),
        ("numbers", "0".to_owned()),
        ("arrays in arrays", format!("{}{}", "[".repeat(60), "]".repeat(60))),
    ];
    // Each in a process of its own: memory that was given back is taken again unseen.
    if let Ok(shape) = std::env::var("HOSTILE_SHAPE") {
        let (name, piece) = shapes.iter().find(|(name, _)| *name == shape).expect("a shape");
        return hostile(name, piece);
    }
    honest();
    for (name, _) in shapes {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(child.env("HOSTILE_SHAPE", name).status().unwrap().success());
    }
}

/// The least time of some updates that verify the slowest honest repository.
fn honest() {
    let mut repository = TestRepository::new(GUN, now());
    let key = TestKey::ecdsa();
    for n in 0..DELEGATIONS {
        repository.delegate(&format!("targets/team-{n}"), &[&key]);
        repository.sign_target(&format!("targets/team-{n}"), "1.0", image_digest("a"));
    }
    for n in 0..TAGS {
        repository.sign_target("targets", &format!("release-2026.11.{n}"), image_digest("a"));
    }
    let files = repository.publish(now());
    let size = files.current("targets").len();
    let mut least = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        drive(&repository, &files).unwrap();
        least = least.min(start.elapsed());
    }
    println!(
        "{TAGS} tags, {DELEGATIONS} delegations, a targets file of {size} bytes: {} ms",
        least.as_millis()
    );
}

/// How much more memory an update takes for a moment whose targets file is mostly this.
fn hostile(name: &str, piece: &str) {
    let mut repository = TestRepository::new(GUN, now());
    let piece = format!("{piece},");
    let file = format!(r#"{{"signed":[{}0],"signatures":[]}}"#, piece.repeat(HOSTILE / piece.len()));
    repository.tamper("targets", |bytes| *bytes = file.into_bytes());
    let files = repository.publish(now());
    let size = files.current("targets").len();
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let before = kibibytes("VmRSS");
    let start = Instant::now();
    let error = drive(&repository, &files).unwrap_err();
    let time = start.elapsed().as_millis();
    let more = kibibytes("VmHWM").saturating_sub(before) * 1024;
    let times = more as f64 / size as f64;
    let error = error.to_string();
    println!("{name}: {} MiB for a moment, {times:.1} times the file, {time} ms ({error:.90})", more >> 20);
}

fn drive(repository: &TestRepository, files: &ServedFiles) -> Result<Updated, TufError> {
    let pin = Anchor::KeyId(KeyId::from_hex(&repository.root_key().canonical_id()).unwrap());
    let anchors = Arc::new(Anchors::new(vec![pin], RootRotation::Follow, false));
    let input = UpdateInput {
        clock_skew: SignedDuration::from_secs(60),
        ..UpdateInput::new(Gun::new(GUN).unwrap(), anchors, now())
    };
    let mut update = Update::new(input);
    loop {
        match update.step() {
            Step::Done(result) => return result,
            Step::Fetch(fetches) => {
                for fetch in fetches {
                    let found = files.get(&fetch.file.to_string());
                    let answer = found.map_or(Answer::NotFound, |bytes| Answer::Bytes(bytes.clone()));
                    update.feed(&fetch.file, answer);
                }
            }
        }
    }
}

/// A line of the process's status.
fn kibibytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect(name);
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
