//! The webhook server: router, TLS with reload, health.

mod health;
mod router;
mod server;
mod tls;

pub use health::{Gate, Readiness};
pub use router::{MAX_BODY, router};
pub use server::{Limits, serve};
pub use tls::{CertificateError, CertificateFiles, Reload, ServingCertificate};
