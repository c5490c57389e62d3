//! Watches the cluster: policies, namespaces, the objects that policies name, and pull secrets.
//!
//! What comes out is a [`PolicySnapshot`] in a `watch` channel, which the webhook reads; the two never meet
//! (design §5).

mod mirror;
mod namespaces;
mod policies;
mod pull_secrets;
mod references;
mod status;

pub use namespaces::Namespaces;
pub use policies::{PolicyWatch, PolicyWatchOptions};
pub use pull_secrets::ClusterCredentials;
