//! Trust data: resolver, cache and state. Design §4 in code.
//!
//! | rule of design §4 | file |
//! |---|---|
//! | update, credentials in turn, one role's failure is not all roles' | `refresh` |
//! | floors and pins before anything serves | `commit`, `record` |
//! | whose fault, and by which reason | `fault` |
//! | what suffices, what is waited for, denials confirmed | `answer` |
//! | single-flight | `flight`, `core` |
//! | read grants | `grant` |
//! | unknown repositories do not starve known ones | `entries`, `known`, `budget` |
//! | refreshed ahead | `maintain` |
//! | known repositories are asked for after a start | `warm` |
//! | conditions that name the reason | `health` |
//! | disk, restart during an outage, seeds | `disk`, `recall` |
//! | trust servers' answers in a folder, for tests of policies | `recording` |
//! | which digest is signed (design §2) | `resolution`, `history` |

mod answer;
mod budget;
mod commit;
mod core;
mod disk;
mod docker_auths;
mod driver;
mod entries;
mod entry;
mod error;
mod fault;
mod files;
mod flight;
mod grant;
mod health;
mod history;
mod known;
mod maintain;
mod moment;
mod others;
mod recall;
mod record;
mod recording;
mod refresh;
mod report;
mod resolution;
mod resolver;
mod source;
mod state;
mod status;
mod warm;
mod warnings;

pub use crate::policy::{CredentialsSource, TrustServer};
pub use docker_auths::{AuthEntry, DockerAuths, DockerAuthsError, read_json};
pub use error::{Refusal, Unavailable, Untrusted};
pub use health::{Asked, Confirmed, RepositoryHealth, Survey, Surveyed};
pub use maintain::{IN_USE, Maintenance};
pub use recording::{Recorder, Recording, RecordingError};
pub use report::{Report, ReportQuestion};
pub use resolution::{Evidence, SignedDigest, Signer};
pub use resolver::{Question, Resolved, Resolver, ResolverConfig};
pub use source::{
    Access, BoxFuture, CredentialError, Credentials, FoundCredentials, Grant, ImageName, MetadataSource,
    Secret, SourceError, SourceRequest,
};
pub use state::{
    DiskState, MemoryState, OtherRecord, RepositoryKey, Revision, RoleVersion, RootPin, StateError,
    TrustRecord, TrustState,
};
pub use status::RepositoryStatus;
pub use warm::{Held, Remembered, Warmth};
