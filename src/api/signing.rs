//! Who must have signed, what counts as current, and what happens to the rest.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A delegation role that must list the tag.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RequiredDelegation {
    /// The role, for example `targets/releases` or `targets/qa`.
    #[schemars(length(min = 9, max = 255))]
    #[x_kube(
        validation = Rule::new("self.matches('^targets(/[-a-z0-9_]+)+$')")
            .message("a delegation role is targets/NAME, where NAME has lower-case letters, digits, '-', '_' and '/'")
    )]
    pub role: String,

    /// Public keys, PEM (`PUBLIC KEY` or `CERTIFICATE`). One of them must itself have signed the role: that it is a member
    /// of the role is not enough. Default: any valid signature of the role will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 16_384)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub public_keys: Option<Vec<String>>,
}

/// What a reference by digest alone needs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestReferences {
    #[default]
    #[allow(missing_docs)]
    Verify,
    #[allow(missing_docs)]
    Allow,
}

/// Digests whose tag has been signed anew since.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SupersededDigests {
    /// How long a digest stays good after its tag was signed anew with another one, for example `168h`. At least twice
    /// `freshness.revalidateAfter`. A digest whose tag or whose signer was removed is refused at once.
    #[serde(default = "one_week")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) <= duration('87600h')")
            .message("write a duration in hours, minutes and seconds, for example 168h or 1h30m; at most 87600h")
    )]
    pub accept_for: String,
}

/// Where digests are written.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    #[allow(missing_docs)]
    Pods,
    #[allow(missing_docs)]
    Workloads,
    #[allow(missing_docs)]
    None,
}

/// What happens to an image that does not pass.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidationAction {
    #[allow(missing_docs)]
    Deny,
    #[allow(missing_docs)]
    Warn,
    #[allow(missing_docs)]
    Audit,
}

/// How fresh trust data must be. Of several policies the strictest holds.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// Trust data older than this is checked against the server's timestamp before it serves, for example `60s`.
    /// A publish is honoured within this time.
    #[serde(default = "one_minute")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('1s')")
            .message("write a duration of at least 1s in hours, minutes and seconds, for example 60s")
    )]
    pub revalidate_after: String,

    /// How long verified trust data serves while the trust server does not answer, for example `24h`. It never serves past
    /// its own expiry.
    #[serde(default = "one_day")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) <= duration('87600h')")
            .message("write a duration in hours, minutes and seconds, for example 24h; at most 87600h")
    )]
    pub max_staleness: String,
}

impl Default for SupersededDigests {
    fn default() -> Self {
        Self { accept_for: one_week() }
    }
}

impl Default for Freshness {
    fn default() -> Self {
        Self { revalidate_after: one_minute(), max_staleness: one_day() }
    }
}

fn one_week() -> String {
    "168h".to_owned()
}

fn one_minute() -> String {
    "60s".to_owned()
}

fn one_day() -> String {
    "24h".to_owned()
}
