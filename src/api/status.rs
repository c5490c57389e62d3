//! What tagseal says of a policy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What tagseal says of a policy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrustPolicyStatus {
    /// `Ready`: the policy compiled, and its certificate authorities and credentials were found. A policy that is not ready
    /// denies what it could match (InvalidPolicy). `TrustDataFresh`: the trust server answers, and what it answers
    /// verifies; if not, the reason is that of a denial, and data that verified before serves until
    /// `freshness.maxStaleness` or its own expiry. Unknown before any image was asked for. `Enforced`: the API server asks tagseal
    /// about all images that it should; if not, webhook configurations or definitions were deleted or changed, and the message
    /// says how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The generation of the policy that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// How many repositories the policy rests on: those that verified and were asked for in the last 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub repositories: Option<i64>,
}

impl TrustPolicyStatus {
    /// The type of the condition that says whether a policy works.
    pub const READY: &'static str = "Ready";

    /// The type of the condition that says whether its trust data is fresh.
    pub const TRUST_DATA_FRESH: &'static str = "TrustDataFresh";

    /// The type of the condition that says whether the API server asks tagseal about images.
    pub const ENFORCED: &'static str = "Enforced";
}
