//! Admission and webhook, in-process: bytes in to bytes out.

mod certificate;
mod review;
mod server;
mod tls;
mod world;
