//! The one integration-test binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod admission;
mod advice;
mod attacks;
mod chart;
mod cli;
mod conformance;
mod controller;
mod crds;
mod exhaustion;
mod exits;
mod foreign;
mod fuzz_corpus;
mod gitops;
mod imports;
mod krew;
mod limits;
mod limits_table;
mod logs;
mod notary;
mod policy;
mod publish;
mod sandbox;
mod seeds;
mod stopping;
mod support;
mod trust;
mod tuf;

// Here, not in `support`, which the end-to-end suite shares.
#[path = "support/signer/tests.rs"]
mod signer;
