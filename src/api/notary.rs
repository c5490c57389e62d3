//! Where trust data is, and how to reach it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RewriteRule;

/// The trust server and how to reach it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotaryServer {
    /// The Notary v1 server's base URL, for example `https://notary.example.com`. Plain http is for loopback hosts only.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(
        validation = Rule::new("self.matches('(?i)^(https://[^/?#@ ]+|http://(localhost|127[.][0-9.]+|[[]::1[]])(:[0-9]+)?)(/.*)?$')")
            .message("write https://HOST[:PORT][/PATH]; http:// is for localhost, 127.0.0.0/8 and [::1] only"),
        validation = Rule::new("!self.contains('@') && !self.contains('?') && !self.contains('#')")
            .message("a trust server's URL has no user, query or fragment; credentials go into spec.notary.credentials")
    )]
    pub server: String,

    /// The certificate authorities that may vouch for the connection. Default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundleSource>,

    /// Whose credentials read trust data. Default: none, anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsSpec>,

    /// What tagseal shows to a trust server that asks for a client certificate. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificateSpec>,

    /// Hosts besides the trust server's and the registry's whose token endpoint may see the credentials, as `host` or
    /// `host:port`. They are sent over https only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 255)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(
        validation = Rule::new("self.all(realm, !realm.contains('/') && !realm.contains('@'))")
            .message("write hosts only, HOST or HOST:PORT, without a scheme or a path")
    )]
    pub token_realms: Vec<String>,

    /// For mirrors: under which name images were signed, where that is not the name that they are pulled by. The first rule
    /// that matches holds. `images` and `roots[].images` look at the name that images are pulled by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub rewrite: Vec<RewriteRule>,
}

/// Certificate authorities, written down here or in a config map.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.inline) != has(self.configMapKeyRef)")
        .message("write exactly one of inline and configMapKeyRef")
)]
pub struct CaBundleSource {
    /// PEM certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 262_144))]
    pub inline: Option<String>,

    /// A key of a config map that holds PEM certificates. The config map is in the policy's own namespace; for a
    /// ClusterTrustPolicy in tagseal's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKey>,
}

/// A key of a config map.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKey {
    /// The config map's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Whose credentials read trust data.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.imagePullSecrets) != has(self.secretRef)")
        .message("write exactly one of imagePullSecrets and secretRef")
)]
pub struct CredentialsSpec {
    /// The pod's own: those of its `imagePullSecrets` and of its service account that are for the image's registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_secrets: Option<bool>,

    /// A secret of the type kubernetes.io/dockerconfigjson. It is in the policy's own namespace; for a
    /// ClusterTrustPolicy in tagseal's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
}

/// What is shown to a trust server that asks for a client certificate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateSpec {
    /// A secret of the type kubernetes.io/tls (`tls.crt`, `tls.key`). It is in the policy's own namespace; for a
    /// ClusterTrustPolicy in tagseal's.
    pub secret_ref: SecretName,
}

/// A secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// The secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
