//! [`CacheKey`]: what verified data is kept by.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::digest::Digest;
use crate::policy::{Demand, TrustServer};
use crate::records::RepositoryKey;
use crate::tuf::{Anchors, Gun};

/// What verified data is kept by: server, its authorities, GUN, anchors (design §4 "Cache"). Never credentials.
#[derive(Debug, Clone)]
pub(crate) struct CacheKey {
    pub(crate) server: Arc<TrustServer>,
    pub(crate) gun: Gun,
    pub(crate) anchors: Arc<Anchors>,
}

impl CacheKey {
    /// What answers `demand` is kept by.
    pub(crate) fn of(demand: &Demand) -> Self {
        let (server, gun) = (Arc::clone(&demand.server), demand.gun.clone());
        Self { server, gun, anchors: Arc::clone(&demand.anchors) }
    }

    /// What trust state calls it.
    pub(crate) fn state_key(&self) -> RepositoryKey {
        let (server, anchors) = (self.server.url.to_string(), self.anchors.fingerprint());
        RepositoryKey { server, gun: self.gun.clone(), anchors }
    }

    /// Whether what is kept by this answers `demand`.
    pub(crate) fn answers(&self, demand: &Demand) -> bool {
        is_same(
            (&self.server, &self.gun, self.anchors.fingerprint()),
            (&demand.server, &demand.gun, demand.anchors.fingerprint()),
        )
    }

    /// Whether the root is trusted because it came first.
    pub(crate) fn is_first_use(&self) -> bool {
        self.anchors.anchors().is_empty()
    }
}

/// Whether two (server, GUN, anchors) are one to the cache. Of a server, its address and authorities count, and the certificate
/// that is shown there: who shows another one may read other things.
pub(crate) fn is_same(
    (server, gun, anchors): (&Arc<TrustServer>, &Gun, Digest),
    (other_server, other_gun, other_anchors): (&Arc<TrustServer>, &Gun, Digest),
) -> bool {
    let is_server = Arc::ptr_eq(server, other_server)
        || (server.url == other_server.url
            && server.ca_pem == other_server.ca_pem
            && server.client_certificate == other_server.client_certificate);
    anchors == other_anchors && gun == other_gun && is_server
}

impl PartialEq for CacheKey {
    fn eq(&self, other: &Self) -> bool {
        is_same(
            (&self.server, &self.gun, self.anchors.fingerprint()),
            (&other.server, &other.gun, other.anchors.fingerprint()),
        )
    }
}

impl Eq for CacheKey {}

impl Hash for CacheKey {
    /// Not the authorities: they are long, and two of them for one server are rare.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.server.url.as_str().hash(state);
        self.gun.hash(state);
        self.anchors.fingerprint().hash(state);
    }
}
