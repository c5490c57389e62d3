//! What the scenarios stand on: real processes, clients that read as sentences, and the few fakes for faults.

mod ca;
mod cluster;
mod control_plane;
mod hostile;
mod http;
mod manifests;
mod notary_server;
mod policy;
mod poll;
mod process;
mod proxy;
mod publisher;
mod run;
mod scenario;
mod static_server;
mod suite;
mod tagseal;
mod token_server;
mod verify;
mod webhooks;

pub use ca::Authority;
pub use cluster::Answer;
pub use hostile::{HostileWebhook, Mischief};
pub use http::http_status;
pub use manifests::*;
pub use notary_server::NotaryServer;
pub use policy::Policy;
pub use poll::eventually;
pub use proxy::Proxy;
pub use publisher::{Publisher, Signer, digest_of};
pub use run::RUN;
pub use scenario::Scenario;
pub use static_server::StaticServer;
pub use suite::suite;
pub use tagseal::{TagsealOptions, VALIDATING_ONLY};
pub use token_server::TokenServer;
