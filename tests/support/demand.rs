//! [`DemandBuilder`]: demands as a policy would compile them, with defaults.

use std::num::NonZeroUsize;
use std::sync::Arc;

use jiff::SignedDuration;
use tagseal::policy::{
    CredentialsSource, Demand, DigestReferences, Freshness, Mutation, PolicyId, RequiredDelegation,
    RequiredDelegations, TrustServer,
};
use tagseal::tuf::{Anchor, Anchors, CaBundle, Gun, KeyId, PublicKey, RoleName, RootRotation};

use super::time::{days, hours, seconds};
use super::{TestCa, TestKey, TestRepository};

/// The trust server of demands that name no other.
pub const SERVER: &str = "https://notary.example.com";

/// What `repository` needs by default: its present root key pinned, docker's own rule for delegations, the API's defaults.
pub fn demand(repository: &TestRepository) -> DemandBuilder {
    DemandBuilder::new(repository.gun()).pin(repository.root_key())
}

/// A [`Demand`] in the making.
#[derive(Debug, Clone)]
pub struct DemandBuilder {
    demand: Demand,
    server: TrustServer,
    anchors: Vec<Anchor>,
    rotation: RootRotation,
    first_use: bool,
    delegations: Vec<RequiredDelegation>,
    threshold: Option<NonZeroUsize>,
}

impl DemandBuilder {
    /// A demand for `gun` with no pin yet.
    pub fn new(gun: &str) -> Self {
        let server = server(SERVER);
        let demand = Demand {
            policy: Arc::new(PolicyId { namespace: None, name: "production".to_owned() }),
            server: Arc::new(server.clone()),
            gun: Gun::new(gun).expect("a GUN"),
            anchors: Arc::new(Anchors::new(Vec::new(), RootRotation::default(), false)),
            delegations: None,
            digest_references: DigestReferences::default(),
            accept_for: hours(168),
            mutation: Mutation::default(),
            freshness: Freshness { revalidate_after: seconds(60), max_staleness: days(1) },
            credentials: CredentialsSource::default(),
            tag_covered: true,
        };
        Self {
            demand,
            server,
            anchors: Vec::new(),
            rotation: RootRotation::default(),
            first_use: false,
            delegations: Vec::new(),
            threshold: None,
        }
    }

    /// Another trust server.
    pub fn server(mut self, url: &str) -> Self {
        self.server.url = url.parse().expect("a URL");
        self
    }

    /// The server's authorities.
    pub fn server_ca(mut self, pem: &str) -> Self {
        self.server.ca_pem = Some(pem.into());
        self
    }

    /// Another policy: `name`, or `namespace/name`.
    pub fn policy(mut self, name: &str) -> Self {
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
            None => (None, name.to_owned()),
        };
        self.demand.policy = Arc::new(PolicyId { namespace, name });
        self
    }

    /// Pins this root key too, by canonical key ID.
    pub fn pin(mut self, key: &TestKey) -> Self {
        self.anchors.push(Anchor::KeyId(KeyId::from_hex(&key.canonical_id()).expect("a key ID")));
        self
    }

    /// Pins this root key too, as a public key in PEM.
    pub fn pin_public_key(mut self, key: &TestKey) -> Self {
        let key = PublicKey::from_pem(&key.public_pem()).expect("a public key");
        self.anchors.push(Anchor::PublicKey(key));
        self
    }

    /// Pins this certificate authority too.
    pub fn pin_ca(mut self, ca: &TestCa) -> Self {
        self.anchors.push(Anchor::Ca(CaBundle::from_pem(ca.pem()).expect("a certificate")));
        self
    }

    /// Takes all pins away.
    pub fn without_pins(mut self) -> Self {
        self.anchors.clear();
        self
    }

    /// Trust on first use.
    pub fn first_use(mut self) -> Self {
        self.first_use = true;
        self
    }

    /// `rootRotation: Deny`.
    pub fn deny_root_rotation(mut self) -> Self {
        self.rotation = RootRotation::Deny;
        self
    }

    /// Requires `role`.
    pub fn requires(self, role: &str) -> Self {
        self.requires_signed_by(role, &[])
    }

    /// Requires `role`, itself signed by one of `keys`.
    pub fn requires_signed_by(mut self, role: &str, keys: &[&TestKey]) -> Self {
        let public_keys =
            keys.iter().map(|key| PublicKey::from_pem(&key.public_pem()).expect("a public key")).collect();
        self.delegations
            .push(RequiredDelegation { role: RoleName::parse(role).expect("a role name"), public_keys });
        self
    }

    /// The quorum among the required roles.
    pub fn threshold(mut self, threshold: usize) -> Self {
        self.threshold = NonZeroUsize::new(threshold);
        self
    }

    /// `digestReferences: Allow`.
    pub fn allow_digest_references(mut self) -> Self {
        self.demand.digest_references = DigestReferences::Allow;
        self
    }

    /// `supersededDigests.acceptFor`.
    pub fn accept_for(mut self, duration: SignedDuration) -> Self {
        self.demand.accept_for = duration;
        self
    }

    /// `freshness`.
    pub fn freshness(mut self, revalidate_after: SignedDuration, max_staleness: SignedDuration) -> Self {
        self.demand.freshness = Freshness { revalidate_after, max_staleness };
        self
    }

    /// `mutation`.
    pub fn mutation(mut self, mutation: Mutation) -> Self {
        self.demand.mutation = mutation;
        self
    }

    /// `credentials`.
    pub fn credentials(mut self, credentials: CredentialsSource) -> Self {
        self.demand.credentials = credentials;
        self
    }

    /// A tag beside a digest is not covered by the policy's `include`.
    pub fn tag_not_covered(mut self) -> Self {
        self.demand.tag_covered = false;
        self
    }

    /// The demand.
    pub fn build(&self) -> Demand {
        let mut demand = self.demand.clone();
        demand.server = Arc::new(self.server.clone());
        demand.anchors = Arc::new(Anchors::new(self.anchors.clone(), self.rotation, self.first_use));
        if !self.delegations.is_empty() {
            let delegations = RequiredDelegations::new(self.delegations.clone(), self.threshold);
            demand.delegations = Some(Arc::new(delegations.expect("distinct delegation roles")));
        }
        demand
    }
}

/// A trust server at `url`, without authorities of its own.
pub fn server(url: &str) -> TrustServer {
    TrustServer::at(url.parse().expect("a URL"))
}
