//! Trust data: the resolver and its cache. Design §4 in code.
//!
//! What is held of a repository is a [`cell::Cell`]: one immutable value behind one pointer. A question is answered by
//! [`decide`](decide::decide), a function of that value, the question and the time, which says what is needed where there
//! is no answer yet; `resolve` satisfies the needs.
//!
//! | rule of design §4 | file |
//! |---|---|
//! | what suffices, what is waited for, denials confirmed | `decide`, `resolve` |
//! | which digest is signed (design §2) | [`resolution`](crate::resolution), `older_files`, `read_older` |
//! | one refresh for all who ask alike | `in_flight`, `refreshing` |
//! | update, credentials in turn, one role's failure is not all roles' | `refresh`, `attempt`, `connection`, `driver` |
//! | floors and pins before anything serves | `commit`, `others`, [`records`](crate::records) |
//! | disk, restart during an outage, seeds | `load`, [`store`](crate::store) |
//! | an admin's reset | `reset` |
//! | read permissions | `permissions` |
//! | unknown repositories do not starve known ones | `table`, `known`, `per_server` |
//! | refreshed ahead | `maintain` |
//! | known repositories are asked for after a start | `warm` |
//! | conditions that name the reason | `health` |

mod attempt;
mod cell;
mod commit;
mod config;
mod connection;
mod contents;
mod core;
mod decide;
mod driver;
mod health;
mod in_flight;
mod incomplete;
mod known;
mod load;
mod maintain;
mod memory;
mod moment;
mod older_files;
mod others;
mod per_server;
mod permissions;
mod plan;
mod question;
mod read_older;
mod refresh;
mod refreshing;
mod report;
mod reset;
mod resolve;
mod resolver;
mod served;
mod status;
mod table;
mod usage;
mod verifier;
mod warm;
mod warnings;

pub use crate::policy::{CredentialsSource, SecretRef, TrustServer};
pub use crate::records::{
    DiskState, MemoryState, OtherRecord, RepositoryKey, Revision, RoleVersion, RootPin, StateError,
    TrustRecord, TrustState,
};
pub use crate::resolution::{Provenance, Refusal, SignedDigest, Signer, Unavailable, Untrusted};
pub use crate::source::{
    Access, AuthEntry, BoxFuture, CertificatePem, ClientCertificates, CredentialError, Credentials,
    DockerAuths, DockerAuthsError, FoundCredentials, ImageName, MetadataSource, NoCredentials, PodIdentity,
    Secret, SourceError, SourceRequest, read_json,
};
pub use config::ResolverConfig;
pub use health::{Confirmed, RepositoryHealth, Survey, Surveyed};
pub use maintain::Maintenance;
pub use question::{Question, Resolved};
pub use report::{Report, ReportQuestion};
pub use resolver::Resolver;
pub use status::RepositoryStatus;
pub use usage::{Asked, IN_USE};
pub use warm::{Held, Remembered, Warmth};
