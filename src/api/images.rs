//! Which images a policy is about, and under which names they were signed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Patterns over `registry/repository[:tag]`, matched segment by segment and anchored at both ends. `*` stands for
/// anything within one segment, `**` for any number of whole segments, none included. A pattern names its registry
/// (`docker.io` for Docker Hub, where one-part names are in `library/`), or is `**`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ImageScope {
    /// The images that the policy covers: those that match any of these. A pattern with a tag covers every reference by
    /// digest of its repositories too, because runtimes ignore the tag beside a digest.
    #[schemars(
        length(min = 1, max = 256),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub include: Vec<String>,

    /// Images that are covered no more. A pattern with a tag takes out no reference by digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub exclude: Vec<String>,
}

/// A name in the registry and the name that its publisher signed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.from.split('*').size() == self.to.split('*').size()")
        .message("to must have the same stars as from, in the same order")
)]
pub struct RewriteRule {
    /// Which images: a pattern without a tag, with at most one `**` and one `*` in a segment.
    #[schemars(length(min = 1, max = 512))]
    pub from: String,

    /// The name that they were signed under. It has the same stars as `from` in the same order, and each takes what its
    /// twin took. It is taken as it stands, so `registry.example.com:443/**` is one way to reach trust data under `:443`.
    #[schemars(length(min = 1, max = 512))]
    pub to: String,
}
