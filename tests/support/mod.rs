//! What the tests share: a signer of Notary v1 repositories and fakes for everything the resolver reaches.
//!
//! ```text
//! let (alice, bob) = (TestKey::ecdsa(), TestKey::p384());
//! let mut repository = TestRepository::new("registry.example.com/shop/web", t("2026-11-21T12:00:00Z"));
//! repository.delegate("targets/releases", &[&alice, &bob]).sign_target("targets/releases", "1.4", image_digest("a"));
//! let files = repository.publish(t("2026-11-21T12:00:00Z"));
//! let source = FakeSource::new();
//! source.serve(SERVER, repository.gun(), &files);
//! ```

#![allow(dead_code, unused_imports, reason = "each test uses a part of this")]

pub mod awkward;
pub mod credentials;
pub mod deal;
pub mod demand;
pub mod log;
pub mod manifests;
pub mod metrics;
pub mod moves;
pub mod past;
pub mod random;
pub mod schemas;
pub mod served;
pub mod shop;
pub mod signer;
pub mod source;
pub mod state;
pub mod time;
pub mod trust_server;
pub mod uploads;

pub use credentials::FakeCredentials;
pub use demand::{DemandBuilder, SERVER, demand};
pub use log::Log;
pub use metrics::Page;
pub use signer::{
    CertificateSpec, ServedFiles, SignatureForm, TestCa, TestKey, TestRepository, image_digest,
};
pub(crate) use signer::{hex, sha256};
pub use source::{FakeSource, Fault, Gate};
pub use state::FakeState;
pub use time::{days, hours, minutes, seconds, t};
