//! Policies: from spec to what an image must satisfy.

mod demand;
mod reason;

pub use demand::{
    Action, CredentialsSource, Demand, DigestReferences, Freshness, Mutation, PolicyId, RequiredDelegation,
    RequiredDelegations, TrustServer,
};
pub use reason::Reason;
