//! The suite against real components: kube-apiserver, kube-controller-manager, etcd, kubectl, notary-server and the
//! `notary` CLI, with tagseal as its release binary (design §9).
//!
//! `make e2e` builds what it needs and runs it. One control plane, one trust server and one tagseal serve the whole run;
//! every test has a namespace and repositories of its own, and its policies cover nothing else.

// What fails here fails the test that asked for it, with a message; nothing comes from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;
mod scenarios;

// The test signer of the integration tests: for the faults that a real publisher and server will not show.
#[allow(dead_code, unused_imports)]
#[path = "../tests/support"]
mod support {
    pub mod awkward;
    pub mod deal;
    pub mod manifests;
    pub mod metrics;
    pub mod moves;
    pub mod past;
    pub mod random;
    pub mod schemas;
    pub mod served;
    pub mod shop;
    pub mod signer;
    pub mod time;
    pub mod trust_server;
    pub mod uploads;

    pub use metrics::Page;
    pub use signer::*;
    pub use time::*;
}
