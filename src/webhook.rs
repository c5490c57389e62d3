//! The webhook server: router, TLS with reload, health; and the port for metrics.

mod caller;
mod connection;
mod health;
mod intake;
mod liveness;
mod metrics;
mod router;
mod server;
mod stopwatch;
mod strangers;
mod tls;

pub use health::{Gate, Readiness};
pub use liveness::Liveness;
pub use metrics::{metrics_router, serve_metrics};
pub use router::{MAX_BODY, metered_router, policies_router, router};
pub use server::{Limits, serve};
pub use tls::{
    CertificateError, CertificateFiles, ClientAuthority, ClientNames, HandedCertificate, Reload,
    ServingCertificate, Tls,
};
