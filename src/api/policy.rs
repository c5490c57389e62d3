//! `ClusterTrustPolicy` and `TrustPolicy`: one shared spec, two kinds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DigestReferences, Freshness, ImageScope, Mutation, NotaryServer, RequiredDelegation, Root, RootRotation,
    SupersededDigests, TrustPolicyStatus, ValidationAction,
};

/// What must be signed, by whom, and what happens to images that are not. The policy covers the namespaces that
/// `namespaceSelector` selects.
///
/// All policies with the action Deny that match an image must pass, and must yield the same digest. Policies that only
/// warn or audit are judged apart and never deny.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "tagseal.dev",
    version = "v1alpha1",
    kind = "ClusterTrustPolicy",
    plural = "clustertrustpolicies",
    shortname = "ctp",
    category = "tagseal",
    status = "TrustPolicyStatus",
    derive = "PartialEq",
    doc = "ClusterTrustPolicy seals images to the digests that their publishers signed, in every namespace that it selects.",
    printcolumn = r#"{"name":"Actions","type":"string","jsonPath":".spec.validationActions","description":"What happens to images that do not pass"}"#,
    printcolumn = r#"{"name":"Server","type":"string","jsonPath":".spec.notary.server","description":"The trust server"}"#,
    printcolumn = r#"{"name":"Mutation","type":"string","jsonPath":".spec.mutation","description":"Where digests are written","priority":1}"#,
    printcolumn = r#"{"name":"Repositories","type":"integer","jsonPath":".status.repositories","description":"Repositories that it rests on"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status","description":"Whether it compiled and found its CA and credentials"}"#,
    printcolumn = r#"{"name":"Fresh","type":"string","jsonPath":".status.conditions[?(@.type=='TrustDataFresh')].status","description":"Whether the trust server answers and what it answers verifies"}"#,
    printcolumn = r#"{"name":"Enforced","type":"string","jsonPath":".status.conditions[?(@.type=='Enforced')].status","description":"Whether the API server asks tagseal about images","priority":1}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason","description":"Why it is or is not ready","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.roots) && size(self.roots) > 0) || (has(self.firstUse) && self.firstUse == 'Trust')")
        .message("name at least one root, or set firstUse to Trust").field_path(".roots")
)]
pub struct ClusterTrustPolicySpec {
    /// The namespaces that the policy covers, by their labels. Without it, every namespace that tagseal covers.
    /// An empty selector selects every one as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,

    /// What happens when a repository is met for which none of `roots` vouches. Trust pins the root that the trust server
    /// shows first, for good: a later root is trusted only when the pinned one leads to it. The pin is kept in a
    /// TrustedRepository; deleting that resets it. Deny refuses the image (RootNotPinned).
    #[serde(default)]
    pub first_use: FirstUse,

    /// What both kinds share.
    #[serde(flatten)]
    pub policy: PolicySpec,
}

/// What must be signed in one namespace, by whom, and what happens to images that are not.
///
/// It applies in addition to every ClusterTrustPolicy that covers the namespace, so it can only tighten. It may name only
/// trust servers that a ClusterTrustPolicy names or that tagseal was started with (`--trust-servers`).
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "tagseal.dev",
    version = "v1alpha1",
    kind = "TrustPolicy",
    plural = "trustpolicies",
    shortname = "tp",
    category = "tagseal",
    namespaced,
    status = "TrustPolicyStatus",
    derive = "PartialEq",
    doc = "TrustPolicy seals images to the digests that their publishers signed, in its own namespace. It tightens what cluster policies ask, and never loosens it.",
    printcolumn = r#"{"name":"Actions","type":"string","jsonPath":".spec.validationActions","description":"What happens to images that do not pass"}"#,
    printcolumn = r#"{"name":"Server","type":"string","jsonPath":".spec.notary.server","description":"The trust server"}"#,
    printcolumn = r#"{"name":"Mutation","type":"string","jsonPath":".spec.mutation","description":"Where digests are written","priority":1}"#,
    printcolumn = r#"{"name":"Repositories","type":"integer","jsonPath":".status.repositories","description":"Repositories that it rests on"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status","description":"Whether it compiled and found its CA and credentials"}"#,
    printcolumn = r#"{"name":"Fresh","type":"string","jsonPath":".status.conditions[?(@.type=='TrustDataFresh')].status","description":"Whether the trust server answers and what it answers verifies"}"#,
    printcolumn = r#"{"name":"Enforced","type":"string","jsonPath":".status.conditions[?(@.type=='Enforced')].status","description":"Whether the API server asks tagseal about images","priority":1}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason","description":"Why it is or is not ready","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.roots) && size(self.roots) > 0")
        .message("name at least one root").field_path(".roots"),
    validation = Rule::new("duration(self.freshness.revalidateAfter) >= duration('10s')")
        .message("a TrustPolicy has trust data checked every 10s at most").field_path(".freshness.revalidateAfter")
)]
pub struct TrustPolicySpec {
    /// What both kinds share.
    #[serde(flatten)]
    pub policy: PolicySpec,
}

/// What both kinds share.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.threshold) || (has(self.requiredDelegations) && self.threshold <= size(self.requiredDelegations))")
        .message("threshold counts requiredDelegations: there must be at least as many").field_path(".threshold"),
    validation = Rule::new("duration(self.supersededDigests.acceptFor) >= duration(self.freshness.revalidateAfter) + duration(self.freshness.revalidateAfter)")
        .message("supersededDigests.acceptFor must be at least twice freshness.revalidateAfter, because replicas see a publish at different moments")
        .field_path(".supersededDigests"),
    validation = Rule::new("duration(self.freshness.maxStaleness) >= duration(self.freshness.revalidateAfter)")
        .message("freshness.maxStaleness must be at least freshness.revalidateAfter").field_path(".freshness")
)]
pub struct PolicySpec {
    /// Which images the policy is about.
    pub images: ImageScope,

    /// Where their trust data is.
    pub notary: NotaryServer,

    /// The root keys that repositories must be rooted in: who may say which keys sign. Any one suffices.
    /// At least one, unless `firstUse` is Trust.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub roots: Vec<Root>,

    /// Whether a root that does not itself carry a pinned key may be trusted because a chain of roots, each signed by its
    /// predecessor, leads to it from one that does. Follow: yes, this is what key rotation means. Deny: no, the newest
    /// root must itself carry a pinned key, and every rotation needs a change of the policy.
    #[serde(default)]
    pub root_rotation: RootRotation,

    /// The delegation roles that must list the tag, all with the same digest. None of them is ever passed over in favour of
    /// `targets`. Without it docker's own rule holds: `targets/releases` where it is delegated, and `targets` for tags that
    /// it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["role"]))]
    pub required_delegations: Option<Vec<RequiredDelegation>>,

    /// How many of the required delegations must list the tag, signed by as many different keys. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub threshold: Option<i32>,

    /// What an image needs that is named by digest alone. Verify: the digest must be signed, under any tag. Allow: it
    /// passes unchecked, as `docker pull` lets it.
    #[serde(default)]
    pub digest_references: DigestReferences,

    /// What happens to digests that were signed once and whose tag has been signed anew since.
    #[serde(default)]
    pub superseded_digests: SupersededDigests,

    /// Where digests are written. Pods: into pods, while workload templates are only checked, so that Git and the live
    /// object stay identical. Workloads: into templates too. None: nowhere, every image must arrive with its digest
    /// (NotSealed otherwise). Of several policies the strictest holds: None before Pods before Workloads. Default: Pods where
    /// the policy denies. A policy that only warns or audits writes nothing, and asks for no digest, unless this is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutation: Option<Mutation>,

    /// What happens to images that do not pass. Deny: refused. Warn: admitted with a warning to the caller. Audit: admitted
    /// with an annotation in the audit log. Deny and Warn cannot be combined.
    #[serde(default = "deny")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(
        validation = Rule::new("!('Deny' in self && 'Warn' in self)")
            .message("Deny and Warn cannot be combined: a denial tells the caller already")
    )]
    pub validation_actions: Vec<ValidationAction>,

    /// How fresh trust data must be.
    #[serde(default)]
    pub freshness: Freshness,
}

fn deny() -> Vec<ValidationAction> {
    vec![ValidationAction::Deny]
}

/// What happens when a repository without a pinned root is met.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstUse {
    #[default]
    #[allow(missing_docs)]
    Deny,
    #[allow(missing_docs)]
    Trust,
}
