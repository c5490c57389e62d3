//! The one integration-test binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod crds;
mod policy;
mod support;
