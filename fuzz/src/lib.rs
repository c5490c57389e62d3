//! The fuzz targets: functions of bytes that nobody vouches for, each of which asserts what holds for all of them.
//!
//! The fuzzers in `fuzz_targets/` run them, and `tests/fuzz_corpus.rs` includes this file and replays `corpus/` through
//! the same functions.

pub mod admission;
pub mod canonical;
pub mod docker_config;
pub mod envelope;
pub mod image;
pub mod key_file;
pub mod metadata;
pub mod pin;
pub mod policy;
pub mod policy_review;
pub mod repository;
mod review;

/// Runs a target on an input. It panics if a property does not hold.
pub type Target = fn(&[u8]);

/// Every target, by the name of its fuzzer and of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 14] = [
    ("admission", admission::run),
    ("canonical", canonical::run),
    ("delegation", metadata::delegation),
    ("docker_config", docker_config::run),
    ("envelope", envelope::run),
    ("image", image::run),
    ("key_file", key_file::run),
    ("pin", pin::run),
    ("policy", policy::run),
    ("policy_review", policy_review::run),
    ("root", metadata::root),
    ("snapshot", metadata::snapshot),
    ("targets", metadata::targets),
    ("timestamp", metadata::timestamp),
];
