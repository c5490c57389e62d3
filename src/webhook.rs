//! The webhook server: router, TLS with reload, health.

mod health;
mod router;
mod server;
mod tls;

pub use health::Readiness;
pub use router::{MAX_BODY, policies_router, router};
pub use server::{Limits, serve};
pub use tls::{CertificateError, CertificateFiles, Reload, ServingCertificate};
