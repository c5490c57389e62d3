//! The custom resources of `tagseal.dev/v1alpha1`. No logic.
//!
//! Doc comments of these types are the user's manual: `kubectl explain clustertrustpolicy.spec`.

mod exemption;
mod images;
mod notary;
mod policy;
mod repository;
mod roots;
mod signing;
mod status;

pub use exemption::{ExemptImages, ImageSite, TrustExemption, TrustExemptionSpec, TrustExemptionStatus};
pub use images::{ImageScope, RewriteRule};
pub use notary::{
    CaBundleSource, ClientCertificateSpec, ConfigMapKey, CredentialsSpec, NotaryServer, SecretName,
};
pub use policy::{
    ClusterTrustPolicy, ClusterTrustPolicySpec, FirstUse, PolicySpec, TrustPolicy, TrustPolicySpec,
};
pub use repository::{
    CurrentRoot, FirstUsePin, PinnedBy, PinnedRoot, RecentVersion, RoleFloor, RoleSigners, TrustedRepository,
    TrustedRepositorySpec, TrustedRepositoryStatus,
};
pub use roots::{Root, RootRotation};
pub use signing::{
    DigestReferences, Freshness, Mutation, RequiredDelegation, SupersededDigests, ValidationAction,
};
pub use status::TrustPolicyStatus;

/// The API group.
pub const GROUP: &str = "tagseal.dev";

/// The version of all kinds.
pub const VERSION: &str = "v1alpha1";

/// What `apiVersion` says.
pub const API_VERSION: &str = "tagseal.dev/v1alpha1";
