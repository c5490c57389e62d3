//! The webhook server: router, TLS with reload, health.

mod health;

mod server;
mod tls;

pub use health::Readiness;

pub use server::{Limits, serve};
pub use tls::{CertificateError, CertificateFiles, Reload, ServingCertificate};
