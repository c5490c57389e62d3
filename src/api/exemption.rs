//! `TrustExemption`: images that policies do not judge, for a reason and perhaps until a time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Images that policies do not judge. What the exemption matches counts as matched, so that `--unmatched-images` does not
/// apply to it. Past `until` the exemption is as if it were not there. An exemption that cannot be read exempts nothing.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "tagseal.dev",
    version = "v1alpha1",
    kind = "TrustExemption",
    plural = "trustexemptions",
    shortname = "tex",
    category = "tagseal",
    status = "TrustExemptionStatus",
    derive = "PartialEq",
    doc = "TrustExemption takes images out of the policies' judgement, for a reason and perhaps until a time.",
    printcolumn = r#"{"name":"Until","type":"string","jsonPath":".spec.until","description":"When it ends; empty where it has no end"}"#,
    printcolumn = r#"{"name":"Active","type":"string","jsonPath":".status.conditions[?(@.type=='Active')].status","description":"Whether it exempts anything now"}"#,
    printcolumn = r#"{"name":"Used","type":"integer","jsonPath":".status.used","description":"How many images it let pass"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".spec.reason","description":"Why it is there"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TrustExemptionSpec {
    /// Which images are exempt.
    pub images: ExemptImages,

    /// The namespaces in which they are exempt, by their labels. Without it, every namespace; an empty selector selects every
    /// one as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,

    /// Where in a pod they are exempt. Default: everywhere. `[ephemeralContainers]` is for debug containers alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub sites: Option<Vec<ImageSite>>,

    /// The policies that do not judge them: a ClusterTrustPolicy by its name, a TrustPolicy as `NAMESPACE/NAME`. Default: all
    /// policies. Policies that are not named judge the images as ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 317)),
        extend("x-kubernetes-list-type" = "set")
    )]
    #[x_kube(
        validation = Rule::new("self.all(name, name.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?$'))")
            .message("name a ClusterTrustPolicy by its name, and a TrustPolicy as NAMESPACE/NAME")
    )]
    pub policies: Option<Vec<String>>,

    /// When the exemption ends, RFC 3339, for example `2026-12-04T17:00:00Z`. From that moment on its images are judged again.
    /// Default: it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("format" = "date-time"))]
    pub until: Option<String>,

    /// Why it is there. It stands in the log and in the audit log beside every image that it lets pass.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("self.matches('[^[:space:]]')").message("say why the images are exempt")
    )]
    pub reason: String,
}

/// Patterns over `registry/repository[:tag]`, as policies have them. They match what is sure: runtimes ignore the tag beside a
/// digest, so a tag says nothing about a reference by digest.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExemptImages {
    /// The images that are exempt: those that match any of these. A pattern with a tag exempts no reference by digest.
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub include: Vec<String>,

    /// Images that are judged all the same. A pattern with a tag takes every reference by digest of its repositories out of
    /// the exemption.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub exclude: Vec<String>,
}

/// A list of a pod spec that holds images.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ImageSite {
    #[allow(missing_docs)]
    InitContainers,
    #[allow(missing_docs)]
    Containers,
    #[allow(missing_docs)]
    EphemeralContainers,
    #[allow(missing_docs)]
    Volumes,
}

/// What tagseal says of an exemption.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrustExemptionStatus {
    /// `Active`: it exempts what it matches; False for one that is past its end or cannot be read. `Expired`: it is past its
    /// end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The generation of the exemption that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// How many images it let pass, as far as tagseal counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub used: Option<i64>,

    /// When it last let one pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,
}

impl TrustExemptionStatus {
    /// The type of the condition that says whether an exemption exempts anything.
    pub const ACTIVE: &'static str = "Active";

    /// The type of the condition that says whether it is past its end.
    pub const EXPIRED: &'static str = "Expired";
}
