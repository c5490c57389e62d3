//! [`RepositoryHealth`]: whether the trust data of a repository is fresh, and which policies asked for it.

use std::sync::Arc;

use jiff::Timestamp;

use super::cell::Cell;
use super::core::Core;
use super::served::Served;
use super::usage::Asked;
use crate::digest::Digest;
use crate::policy::{Demand, TrustServer};
use crate::resolution::{Refusal, roles_of};
use crate::store::is_same;
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

/// A set that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// When its server last vouched for it.
    pub at: Timestamp,
    /// The base role that expired first, beyond the tolerance for clocks, and when: nothing is served any more.
    pub expired: Option<(RoleName, Timestamp)>,
}

impl RepositoryHealth {
    /// Whether `demand` is answered from this repository's data.
    pub fn answers(&self, demand: &Demand) -> bool {
        is_same(
            (&self.server, &self.gun, self.anchors),
            (&demand.server, &demand.gun, demand.anchors.fingerprint()),
        )
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

/// The repositories in use. Those whose first look-up is under way are not there yet, nor those that only a dry run saw:
/// what nobody pinned nothing rests on.
pub(super) fn health(core: &Core) -> Vec<RepositoryHealth> {
    survey(core).in_use.into_iter().map(|surveyed| surveyed.health).collect()
}

/// What is in memory.
pub(super) fn survey(core: &Core) -> Survey {
    let now = core.clock.now();
    let cells = core.repositories.all();
    let verified = cells.iter().filter(|cell| cell.contents().is_known()).count();
    let in_use = cells.iter().filter(|cell| cell.usage.is_in_use(now));
    let in_use = in_use.filter_map(|cell| surveyed(core, cell, now)).collect();
    Survey { in_use, verified, unverified: cells.len() - verified }
}

fn surveyed(core: &Core, cell: &Cell, now: Timestamp) -> Option<Surveyed> {
    let contents = cell.contents();
    let served = contents.pinned().cloned();
    let trouble = contents.failing.as_ref().map(|failing| (failing.refusal.clone(), failing.since));
    let confirmed = served.as_ref().and_then(|served| {
        let at = served.vouched?.at();
        let (repository, skew) = (&served.repository, core.config.clock_skew);
        let has_expired = repository.usable(&RoleName::targets(), now, skew).is_err();
        Some(Confirmed { at, expired: has_expired.then(|| repository.earliest_expiry([])) })
    });
    let is_worth_saying = confirmed.is_some() || trouble.is_some();
    let health = is_worth_saying.then(|| RepositoryHealth {
        server: Arc::clone(&cell.key.server),
        gun: cell.key.gun.clone(),
        anchors: cell.key.anchors.fingerprint(),
        asked: cell.usage.asked(),
        confirmed,
        trouble,
    })?;
    Some(Surveyed { health, served })
}
