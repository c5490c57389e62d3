//! tagseal seals image tags to the digests that their publishers signed.
//!
//! The map of the modules is in `docs/ARCHITECTURE.md`; which module may import which is held by `tests/imports.rs`.

pub mod admission;
pub mod api;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod digest;
mod files;
pub mod foreign;
pub mod gitops;
pub mod image;
pub mod limits;
pub mod notary;
pub mod policy;
pub mod pool;
pub mod publish;
#[cfg(test)]
#[path = "../tests/support/random.rs"]
mod random;
pub mod recording;
mod records;
mod resolution;
pub mod sandbox;
#[cfg(test)]
#[path = "../tests/support/schemas.rs"]
mod schemas;
mod source;
mod store;
pub mod telemetry;
pub mod trust;
pub mod tuf;
pub mod webhook;
