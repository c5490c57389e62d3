//! Admission and webhook, in-process: bytes in to bytes out.

mod certificate;
mod tls;
