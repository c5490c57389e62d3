//! The embedded Notary server over HTTP, with uploads by the independent signer.

mod disk;
mod lies;
mod refusals;
mod serving;
mod signing;
mod world;
