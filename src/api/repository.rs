//! `TrustedRepository`: what the cluster remembers of a repository, and the inventory of everything that it trusts.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What tagseal remembers of one repository, as long as this object exists: the root that it is pinned to, the versions below
/// which nothing is believed, and which versions were current when. Written by tagseal alone; `status` says what it holds
/// now. Deleting the object resets the repository on every replica: pin, floors, memory and disk. The next pod that asks
/// for one of its images starts anew, under the policies as they are then.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "tagseal.dev",
    version = "v1alpha1",
    kind = "TrustedRepository",
    plural = "trustedrepositories",
    shortname = "trepo",
    category = "tagseal",
    status = "TrustedRepositoryStatus",
    derive = "PartialEq",
    doc = "TrustedRepository is what tagseal remembers of one repository that it trusts. It is written by tagseal alone; deleting it resets the repository.",
    printcolumn = r#"{"name":"Server","type":"string","jsonPath":".spec.server","description":"The trust server"}"#,
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.repository","description":"The repository"}"#,
    printcolumn = r#"{"name":"Root","type":"string","jsonPath":".status.root.version","description":"The version of its root"}"#,
    printcolumn = r#"{"name":"Pinned by","type":"string","jsonPath":".spec.root.pinnedBy","description":"What vouches for the root: the roots of a policy, or first use"}"#,
    printcolumn = r#"{"name":"Pin current","type":"string","jsonPath":".status.conditions[?(@.type=='PinUpToDate')].status","description":"Whether the newest root itself carries the pin","priority":1}"#,
    printcolumn = r#"{"name":"Signers","type":"string","jsonPath":".status.signedBy","description":"The roles that list its tags, with the beginnings of the IDs of the keys that signed them"}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".status.expires","description":"When the first of its roles expires"}"#,
    printcolumn = r#"{"name":"Verified","type":"date","jsonPath":".status.lastVerified","description":"How long ago it verified; written at most hourly"}"#,
    printcolumn = r#"{"name":"OK","type":"string","jsonPath":".status.conditions[?(@.type=='Verified')].status","description":"Whether its server answers and what it answers verifies"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Verified')].reason","description":"Why it does or does not verify","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.server == oldSelf.server && self.repository == oldSelf.repository && self.anchors == oldSelf.anchors")
        .message("which repository this is about cannot change: the object's name is made from it")
)]
pub struct TrustedRepositorySpec {
    /// The trust server's base URL.
    #[schemars(length(min = 1, max = 2048))]
    pub server: String,

    /// The repository's name on the trust server: the full name of the image, without its tag.
    #[schemars(length(min = 1, max = 1024))]
    pub repository: String,

    /// The fingerprint (sha256) of the trust anchors that policies name for it: `roots`, `rootRotation` and `firstUse`. The same
    /// repository under other anchors is another TrustedRepository, with floors of its own.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub anchors: String,

    /// What its root is trusted by.
    pub root: PinnedRoot,

    /// The floor of every role: a version below it is refused (Rollback), for as long as the file that set it would still
    /// meet the role's present keys and threshold. The root's own floor never falls.
    #[serde(default)]
    #[schemars(
        length(max = 1024),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["role"])
    )]
    pub floors: Vec<RoleFloor>,

    /// The recent versions of `targets` and of the delegations, as tagseal itself verified them. By these, a digest whose tag
    /// was signed anew is told from one that was revoked.
    #[serde(default)]
    #[schemars(length(max = 4096), extend("x-kubernetes-list-type" = "atomic"))]
    pub recent: Vec<RecentVersion>,
}

/// What a repository's root is trusted by.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PinnedRoot {
    /// Policy: by the roots that policies name. FirstUse: the root below was the first that the trust server showed, and is
    /// pinned for good.
    pub pinned_by: PinnedBy,

    /// The root that first use pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_use: Option<FirstUsePin>,
}

/// What vouches for a root.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinnedBy {
    #[allow(missing_docs)]
    Policy,
    #[allow(missing_docs)]
    FirstUse,
}

/// A root that first use pinned.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FirstUsePin {
    /// Its version, as a string: a version may have more digits than every reader of JSON keeps.
    #[schemars(regex(pattern = "^(0|[1-9][0-9]{0,19})$"))]
    pub version: String,

    /// The sha256 of its file.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,

    /// The canonical IDs of the keys of its root role.
    #[serde(rename = "keyIDs")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub key_ids: Vec<String>,
}

/// The version below which nothing is believed of a role.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RoleFloor {
    /// The role: `root`, `timestamp`, `snapshot`, `targets` or a delegation such as `targets/releases`.
    #[schemars(length(min = 1, max = 255))]
    pub role: String,

    /// The version, as a string: a version may have more digits than every reader of JSON keeps.
    #[schemars(regex(pattern = "^(0|[1-9][0-9]{0,19})$"))]
    pub version: String,

    /// The keys that signed it, each by the sha256 of what makes it one key whatever its encoding.
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub signers: Vec<String>,
}

/// A version of a role that was current once.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RecentVersion {
    /// The role: `targets` or a delegation such as `targets/releases`.
    #[schemars(length(min = 1, max = 255))]
    pub role: String,

    /// Its version, as a string: a version may have more digits than every reader of JSON keeps.
    #[schemars(regex(pattern = "^(0|[1-9][0-9]{0,19})$"))]
    pub version: String,

    /// The sha256 of its file.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,

    /// When it was first seen current.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub first_seen: Timestamp,

    /// When another file of the role was first seen current. Absent while this one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub superseded: Option<Timestamp>,
}

/// What tagseal holds of a repository now.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrustedRepositoryStatus {
    /// `Verified`: the trust server answers, and what it answers verifies; if not, the reason is that of a denial, and data
    /// that verified before serves within its bounds. `PinUpToDate`: the newest root itself carries the pin; if not, a root
    /// rotation led from the pinned root to it, and the pin should follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The newest root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<CurrentRoot>,

    /// Who signed the roles that list tags, as they are now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1024),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["role"])
    )]
    pub signers: Vec<RoleSigners>,

    /// The same in short: the first roles, each with the beginnings of the IDs of its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub signed_by: Option<String>,

    /// When the first of its roles expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,

    /// The role that expires first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub expires_first: Option<String>,

    /// When its trust server last vouched for it. Written at most hourly; with thousands of repositories, less often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified: Option<Time>,

    /// The day on which a pod last asked for one of its images, whichever replica was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,

    /// One of the images that were asked for: by it, tagseal finds its way back to the policies that ask for this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub image: Option<String>,
}

impl TrustedRepositoryStatus {
    /// The type of the condition that says whether the repository verifies.
    pub const VERIFIED: &'static str = "Verified";

    /// The type of the condition that says whether its newest root itself carries the pin.
    pub const PIN_UP_TO_DATE: &'static str = "PinUpToDate";
}

/// The newest root of a repository.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CurrentRoot {
    /// Its version.
    pub version: String,

    /// The canonical IDs of the keys of its root role: what a policy's `roots` pin.
    #[serde(rename = "keyIDs")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub key_ids: Vec<String>,
}

/// Who signed a role.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RoleSigners {
    /// The role.
    #[schemars(length(min = 1, max = 255))]
    pub role: String,

    /// The IDs of the keys that signed it.
    #[serde(rename = "keyIDs")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub key_ids: Vec<String>,
}
