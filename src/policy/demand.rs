//! [`Demand`]: what one policy asks of one image, compiled.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::SignedDuration;
use url::Url;

use crate::tuf::{Anchors, Gun, PublicKey, RoleName};

/// Which policy. Cluster policies order before namespaced ones, then by name (design §6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId {
    /// The namespace of a `TrustPolicy`; `None` for a `ClusterTrustPolicy`.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl PolicyId {
    /// As metrics call it: `production`, `shop/web`.
    pub fn label(&self) -> Cow<'_, str> {
        match &self.namespace {
            None => Cow::Borrowed(&self.name),
            Some(namespace) => Cow::Owned(format!("{namespace}/{}", self.name)),
        }
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            None => f.write_str("ClusterTrustPolicy ")?,
            Some(namespace) => {
                ["TrustPolicy ", namespace, "/"].into_iter().try_for_each(|part| f.write_str(part))?
            }
        }
        f.write_str(&self.name)
    }
}

/// A Notary v1 server and how to know it. Part of the cache's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrustServer {
    /// Base URL; may have a path.
    pub url: Url,
    /// PEM of the authorities that may vouch for the connection; system roots without.
    pub ca_pem: Option<Arc<str>>,
    /// Hosts besides the server's and the registry's whose token realm may see pull secrets.
    pub token_realms: Vec<String>,
    /// The secret with the certificate that is shown to the server, if it asks for one.
    pub client_certificate: Option<SecretRef>,
}

impl TrustServer {
    /// The server at this address, with the system's authorities and nothing else.
    pub fn at(url: Url) -> Self {
        Self { url, ca_pem: None, token_realms: Vec::new(), client_certificate: None }
    }
}

/// A secret that a policy names: in the policy's namespace, tagseal's own for a cluster policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Where the credentials for a trust server come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum CredentialsSource {
    /// None: anonymous.
    #[default]
    Anonymous,
    /// The pod's own pull secrets.
    ImagePullSecrets,
    /// A named secret, in the policy's namespace (tagseal's own for a cluster policy).
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// One role that must list the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredDelegation {
    /// The role, below `targets`.
    pub role: RoleName,
    /// One of these must itself have signed the role; empty asks for nothing more.
    pub public_keys: Vec<PublicKey>,
}

/// A non-empty list of required delegations, each role once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredDelegations {
    roles: Vec<RequiredDelegation>,
    threshold: Option<NonZeroUsize>,
}

impl RequiredDelegations {
    /// `None` when `roles` is empty, names a role twice or a base role, or `threshold` is more than their number.
    pub fn new(roles: Vec<RequiredDelegation>, threshold: Option<NonZeroUsize>) -> Option<Self> {
        let distinct: std::collections::BTreeSet<_> = roles.iter().map(|r| &r.role).collect();
        let fits = !roles.is_empty()
            && distinct.len() == roles.len()
            && roles.iter().all(|r| r.role.is_delegation())
            && threshold.is_none_or(|k| k.get() <= roles.len());
        fits.then_some(Self { roles, threshold })
    }

    /// The roles, in the policy's order. Never empty.
    pub fn roles(&self) -> &[RequiredDelegation] {
        &self.roles
    }

    /// How many of the roles, by as many different keys, must list the tag; `None`: all of them.
    pub fn threshold(&self) -> Option<NonZeroUsize> {
        self.threshold
    }
}

/// What a digest without a tag needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DigestReferences {
    /// It must be signed.
    #[default]
    Verify,
    /// It passes unchecked, as `docker pull` does.
    Allow,
}

/// Where digests are written. Ordered: the strictest first (design §11: None, Pods, Workloads).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Mutation {
    /// Nowhere: images must arrive sealed.
    None,
    /// Into pods; templates are checked only.
    #[default]
    Pods,
    /// Into pods and workload templates.
    Workloads,
}

/// What a policy does with what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Refuse.
    Deny,
    /// Tell the caller.
    Warn,
    /// Tell the audit log.
    Audit,
}

/// What a policy does with what it finds: its `validationActions`, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Actions {
    /// Refuse.
    pub deny: bool,
    /// Tell the caller.
    pub warn: bool,
    /// Tell the audit log.
    pub audit: bool,
}

impl Actions {
    /// `Deny` alone: the default, and what is assumed where the actions cannot be read.
    pub const DENY: Self = Self { deny: true, warn: false, audit: false };
}

/// How fresh trust data must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Freshness {
    /// Older than this, one timestamp GET.
    pub revalidate_after: SignedDuration,
    /// Older than this, nothing is served.
    pub max_staleness: SignedDuration,
}

/// What one policy asks of one image.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Whose demand.
    pub policy: Arc<PolicyId>,
    /// Where its trust data is.
    pub server: Arc<TrustServer>,
    /// Under which name, after `rewrite`.
    pub gun: Gun,
    /// What the root is pinned to.
    pub anchors: Arc<Anchors>,
    /// `None`: docker's own rule (`targets/releases`, then `targets`).
    pub delegations: Option<Arc<RequiredDelegations>>,
    /// What digest-only references need.
    pub digest_references: DigestReferences,
    /// How long a superseded digest stays good.
    pub accept_for: SignedDuration,
    /// Where the digest is written.
    pub mutation: Mutation,
    /// How fresh the data must be.
    pub freshness: Freshness,
    /// Whose credentials read it.
    pub credentials: CredentialsSource,
    /// Whether a tag beside a digest is covered by the policy's `include`; an uncovered tag is ignored.
    pub tag_covered: bool,
}
