//! The one integration-test binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod admission;
mod attacks;
mod conformance;
mod controller;
mod crds;
mod imports;
mod limits;
mod notary;
mod policy;
mod publish;
