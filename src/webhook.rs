//! The webhook server: router, TLS with reload, health.

mod caller;
mod health;
mod router;
mod server;
mod tls;

pub use health::Readiness;
pub use router::{MAX_BODY, router};
pub use server::{Limits, serve};
pub use tls::{
    CertificateError, CertificateFiles, ClientAuthority, HandedCertificate, Reload, ServingCertificate, Tls,
};
