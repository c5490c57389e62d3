//! Trust state in the cluster: one `TrustedRepository` a repository, shared by all replicas.

mod conflicts;
mod edits;
mod outages;
pub mod replica;
mod resets;
mod shared;
mod status;
