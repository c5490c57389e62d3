//! What repositories must be rooted in.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A root key that vouches for repositories: exactly one of `keyID`, `publicKey`, `certificate` and `ca`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.keyID), has(self.publicKey), has(self.certificate), has(self.ca)].filter(there, there).size() == 1")
        .message("write exactly one of keyID, publicKey, certificate and ca")
)]
pub struct Root {
    /// The canonical ID of a root key: 64 lower-case hexadecimal digits, as `tagseal inspect` and `notary key list` show it.
    /// It is the same for every repository that the key is the root of.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    #[x_kube(
        validation = Rule::new("self.matches('^[0-9a-f]{64}$')")
            .message("a canonical key ID has 64 lower-case hexadecimal digits")
    )]
    pub key_id: Option<String>,

    /// A root public key, PEM (`PUBLIC KEY`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16_384))]
    pub public_key: Option<String>,

    /// A root certificate, PEM (`CERTIFICATE`). The key in it is what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub certificate: Option<String>,

    /// Certificate authorities, PEM. The leaf certificate of the repository's root key must chain to one of them and name the
    /// repository. Extended key usages are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub ca: Option<String>,

    /// The part of the policy's images that this root vouches for: patterns without tags, over the name that images are
    /// pulled by. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub images: Option<Vec<String>>,
}

/// Whether rotated roots are followed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootRotation {
    #[default]
    #[allow(missing_docs)]
    Follow,
    #[allow(missing_docs)]
    Deny,
}
