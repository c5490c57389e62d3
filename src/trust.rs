//! Trust data: resolver, cache and state. Design §4 in code.

mod docker_auths;
mod error;
mod resolver;
mod source;
mod state;

pub use crate::policy::{CredentialsSource, TrustServer};
pub use docker_auths::{DockerAuths, DockerAuthsError};
pub use error::{Refusal, Unavailable, Untrusted};
pub use resolver::{Question, Resolved, Resolver, SignedDigest, Signer};
pub use source::{
    Access, BoxFuture, CredentialError, Credentials, Grant, MetadataSource, Secret, SourceError,
    SourceRequest,
};
pub use state::{RepositoryKey, Revision, RoleVersion, RootPin, StateError, TrustRecord, TrustState};
