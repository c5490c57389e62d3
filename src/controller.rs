//! Watches the cluster: policies, exemptions, namespaces, the objects that policies name, and pull secrets.
//!
//! What comes out is a [`PolicySnapshot`](crate::policy::PolicySnapshot) in a `watch` channel, which the webhook reads;
//! the two never meet (design §5).

mod apart;
mod apply;
mod certificates;
mod compiler;
mod condition;
mod coverage;
mod events;
mod exemptions;
mod figures;
mod follow;
mod in_force;
mod leader;
mod live_objects;
mod mirror;
mod names;
mod namespaces;
mod news;
mod pace;
mod policies;
mod pull_rights;
mod pull_secrets;
mod reader;
mod references;
mod remembered;
mod repeated;
mod report;
mod repositories;
mod reread;
mod retries;
mod rounds;
mod status;
mod trouble;
mod trust_data;
mod warm_up;
mod watched;

pub use certificates::{CertificateOptions, Certificates, Lifetimes};
pub use coverage::{ClusterPods, NOT_ENDED};
pub use events::{EventWriter, Events, Notice};
pub use exemptions::{ExemptionStatuses, ExemptionUses};
pub use figures::PolicyFiguresWatch;
pub use in_force::{Enforcement, Expected, InForce, InForceOptions, Lapse, LapseReason, MatchCondition};
pub use leader::{Election, ElectionOptions, Leadership};
pub use live_objects::ClusterObjects;
pub use namespaces::Namespaces;
pub use policies::{PolicyWatch, PolicyWatchOptions};
pub use pull_rights::PullSecretRemarks;
pub use pull_secrets::ClusterCredentials;
pub use reader::{Basis, ClusterReader, Listed, Named, ReadError, Right};
pub use repositories::{ClusterState, Inventory, Known, RecordedState};
pub use rounds::Rounds;
pub use status::PolicyStatuses;
pub use trust_data::TrustData;
pub use warm_up::WarmUp;
