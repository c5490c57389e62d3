//! The test signer that the integration tests use too: for the faults that a real publisher and server will not show.

#![allow(dead_code, unused_imports)]

#[path = "../tests/support/signer.rs"]
pub mod signer;
#[path = "../tests/support/time.rs"]
pub mod time;

pub use signer::{
    CertificateSpec, ServedFiles, SignatureForm, TestCa, TestKey, TestRepository, image_digest,
};
pub use time::{days, hours, minutes, seconds, t};
