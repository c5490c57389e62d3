//! Admission and webhook, in-process: bytes in to bytes out.

mod callers;
pub mod certificate;
mod claims;
mod field;
mod liveness;
mod log;
mod many;
mod metrics;
mod policies;
pub mod review;
mod router;
pub mod server;
mod tls;
mod trust;
mod verdicts;
pub mod world;
