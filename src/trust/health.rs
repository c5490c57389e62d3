//! [`RepositoryHealth`]: whether the trust data of a repository is fresh, and which policies asked for it.

use std::sync::Arc;

use jiff::Timestamp;

use super::core::Core;
use super::entry::{Entry, Served};
use super::error::Refusal;
use super::maintain::is_in_use;
use super::resolution::roles_of;
use crate::digest::Digest;
use crate::image::ImageReference;
use crate::policy::{Demand, PolicyId, TrustServer};
use crate::tuf::{Gun, RoleName};

/// What conditions say of one repository in use: one that verified, or one that could not.
#[derive(Debug, Clone)]
pub struct RepositoryHealth {
    /// Its trust server.
    pub server: Arc<TrustServer>,
    /// Its name there.
    pub gun: Gun,
    /// The fingerprint of the anchors that it is trusted by.
    pub anchors: Digest,
    /// Who asked for it.
    pub asked: Vec<Asked>,
    /// What verified last; `None`: nothing ever did, here or on disk.
    pub confirmed: Option<Confirmed>,
    /// Why it cannot be refreshed, and since when.
    pub trouble: Option<(Refusal, Timestamp)>,
}

/// That a policy asked for a repository.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The policy.
    pub policy: Arc<PolicyId>,
    /// One of the images that it was asked for: whether the policy as it stands today still leads here can be seen by it.
    pub image: Arc<ImageReference>,
}

/// A set that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// When its server last vouched for it.
    pub at: Timestamp,
    /// The base role that expired first, beyond the tolerance for clocks, and when: nothing is served any more.
    pub expired: Option<(RoleName, Timestamp)>,
}

impl RepositoryHealth {
    /// Whether `demand` is answered from this repository's data. Mirrors the key of the cache (design §4 "Cache").
    pub fn answers(&self, demand: &Demand) -> bool {
        let is_server =
            |server: &TrustServer| server.url == demand.server.url && server.ca_pem == demand.server.ca_pem;
        self.gun == demand.gun && is_server(&self.server) && self.anchors == demand.anchors.fingerprint()
    }
}

/// What is in memory, for metrics.
#[derive(Debug)]
pub struct Survey {
    /// The repositories in use, as [`super::Resolver::health`] has them.
    pub in_use: Vec<Surveyed>,
    /// How many repositories verified, in use or not.
    pub verified: usize,
    /// How many never did.
    pub unverified: usize,
}

/// A repository in use.
#[derive(Debug)]
pub struct Surveyed {
    /// How it does.
    pub health: RepositoryHealth,
    served: Option<Arc<Served>>,
}

impl Surveyed {
    /// The role that expires first among those that `demand` rests on and that a publisher must sign anew, and when. Servers
    /// renew timestamp and snapshot when they have expired, so nobody need be told.
    pub fn renewal(&self, demand: &Demand) -> Option<(RoleName, Timestamp)> {
        let repository = &self.served.as_ref()?.repository;
        let with_parents = |role: &RoleName| std::iter::successors(Some(role.clone()), RoleName::parent);
        let roles = [RoleName::root(), RoleName::targets()].into_iter();
        let roles = roles.chain(roles_of(demand).flat_map(with_parents));
        let expiries = roles.filter_map(|role| {
            let (_, expires) = repository.version_and_expiry(&role)?;
            Some((role, expires))
        });
        expiries.min_by_key(|(_, expires)| *expires)
    }
}

impl Core {
    /// The repositories in use. Those whose first look-up is under way are not there yet, nor those that only a dry run
    /// saw: what nobody pinned nothing rests on.
    pub(super) fn health(&self) -> Vec<RepositoryHealth> {
        self.survey().in_use.into_iter().map(|surveyed| surveyed.health).collect()
    }

    pub(super) fn survey(&self) -> Survey {
        let now = self.clock.now();
        let entries = self.entries.all();
        let verified = entries.iter().filter(|entry| entry.is_known()).count();
        let in_use = entries.iter().filter(|entry| is_in_use(entry, now));
        let in_use = in_use.filter_map(|entry| self.surveyed(entry, now)).collect();
        Survey { in_use, verified, unverified: entries.len() - verified }
    }

    fn surveyed(&self, entry: &Entry, now: Timestamp) -> Option<Surveyed> {
        let served = entry.served().filter(|served| served.pinned);
        let health = self.health_of(entry, served.as_deref(), now)?;
        Some(Surveyed { health, served })
    }

    fn health_of(&self, entry: &Entry, served: Option<&Served>, now: Timestamp) -> Option<RepositoryHealth> {
        let trouble = entry.trouble.load().as_ref().map(|trouble| (trouble.refusal.clone(), trouble.since));
        let confirmed = served.and_then(|served| {
            let at = served.vouched?.at();
            let (repository, skew) = (&served.repository, self.config.clock_skew);
            let has_expired = repository.usable(&RoleName::targets(), now, skew).is_err();
            Some(Confirmed { at, expired: has_expired.then(|| repository.earliest_expiry([])) })
        });
        (confirmed.is_some() || trouble.is_some()).then(|| RepositoryHealth {
            server: Arc::clone(&entry.key.server),
            gun: entry.key.gun.clone(),
            anchors: entry.key.anchors,
            asked: entry.asked(),
            confirmed,
            trouble,
        })
    }
}
