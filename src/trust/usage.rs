//! [`Usage`]: who uses a repository, when it was last used, and what for. No trust data: a reset leaves it alone.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};

use crate::image::ImageReference;
use crate::limits::{ASKING_POLICIES, WANTED_ROLES};
use crate::policy::{Demand, Freshness, PolicyId};
use crate::tuf::RoleName;

/// Repositories that nobody asked for in this time are left alone.
pub const IN_USE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// That a policy asked for a repository.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The policy.
    pub policy: Arc<PolicyId>,
    /// One of the images that it was asked for: whether the policy as it stands today still leads here can be seen by it.
    pub image: Arc<ImageReference>,
}

/// A policy that leads to the repository.
#[derive(Debug, Clone)]
struct Asker {
    policy: Arc<PolicyId>,
    /// How fresh it wants the data, the strictest of what it asked for.
    freshness: Freshness,
    /// One of the images that it asked for; `None` where that is not known.
    image: Option<Arc<ImageReference>>,
}

/// Who uses a repository, when it was last used, and what for.
#[derive(Debug)]
pub(super) struct Usage {
    wanted: Mutex<BTreeSet<RoleName>>,
    askers: ArcSwap<Vec<Asker>>,
    /// In seconds since the epoch.
    used: AtomicI64,
}

impl Usage {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { wanted: Mutex::default(), askers: ArcSwap::default(), used: AtomicI64::new(now.as_second()) }
    }

    /// Notes that a policy asks for an image now.
    pub(super) fn note_asked(&self, demand: &Demand, image: &ImageReference, now: Timestamp) {
        // Stored only where it changes: otherwise the cache line travels with every admission.
        if self.used.load(Ordering::Relaxed) != now.as_second() {
            self.used.store(now.as_second(), Ordering::Relaxed);
        }
        self.note_policy(demand, Some(image));
    }

    /// Notes that it was used then, here or by another replica.
    pub(super) fn was_used(&self, at: Timestamp) {
        self.used.fetch_max(at.as_second(), Ordering::Relaxed);
    }

    /// Notes that a policy leads here, and for which image, if that is known. A compiled policy hands out one `Arc` of its
    /// ID, so that what is known already costs a look alone.
    pub(super) fn note_policy(&self, demand: &Demand, image: Option<&ImageReference>) {
        let is_known = |asker: &Asker| {
            Arc::ptr_eq(&asker.policy, &demand.policy)
                && asker.image.is_some() >= image.is_some()
                && strictest(asker.freshness, demand.freshness) == asker.freshness
        };
        if self.askers.load().iter().any(is_known) {
            return;
        }
        self.askers.rcu(|before| with_asker(before, demand, image));
    }

    /// Forgets the policies that lead here no longer, by `leads_here`: a policy, and an image that it asked for, if one is
    /// known. What the others asked for beside them is forgotten too: they are asked for as fresh as by default, until they
    /// ask again.
    pub(super) fn keep(&self, leads_here: impl Fn(&PolicyId, Option<&ImageReference>) -> bool) {
        let before = self.askers.load();
        let stays = |asker: &&Asker| leads_here(&asker.policy, asker.image.as_deref());
        let kept: Vec<Asker> = before.iter().filter(stays).cloned().collect();
        if kept.len() == before.len() {
            return;
        }
        let gone = |asker: &Asker| !kept.iter().any(|kept| kept.policy == asker.policy);
        let gone: Vec<Arc<PolicyId>> =
            before.iter().filter(|asker| gone(asker)).map(|asker| Arc::clone(&asker.policy)).collect();
        self.askers.rcu(|now| {
            let mut stay: Vec<Asker> =
                now.iter().filter(|asker| !gone.contains(&asker.policy)).cloned().collect();
            stay.iter_mut().for_each(|asker| asker.freshness = relaxed(asker.freshness));
            stay
        });
    }

    /// Which policies asked, and for what.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let askers = self.askers.load();
        let asked = askers.iter().filter_map(|asker| {
            Some(Asked { policy: Arc::clone(&asker.policy), image: asker.image.clone()? })
        });
        asked.collect()
    }

    /// The namespace whose policies alone lead here, if it is one.
    pub(super) fn only_namespace(&self) -> Option<String> {
        let askers = self.askers.load();
        let namespace = askers.first()?.policy.namespace.as_ref()?;
        let all = askers.iter().all(|asker| asker.policy.namespace.as_ref() == Some(namespace));
        all.then(|| namespace.clone())
    }

    /// When it was last used, in seconds since the epoch.
    pub(super) fn last_used(&self) -> i64 {
        self.used.load(Ordering::Relaxed)
    }

    /// For how long nobody has asked for it.
    pub(super) fn unused(&self, now: Timestamp) -> SignedDuration {
        SignedDuration::from_secs(now.as_second().saturating_sub(self.last_used()))
    }

    /// Whether anybody asked for it within [`IN_USE`].
    pub(super) fn is_in_use(&self, now: Timestamp) -> bool {
        self.unused(now) <= IN_USE
    }

    /// The strictest freshness that policies ask for; `None` where none leads here any more.
    pub(super) fn freshness(&self) -> Option<Freshness> {
        self.askers.load().iter().map(|asker| asker.freshness).reduce(strictest)
    }

    /// All roles that were ever asked for.
    pub(super) fn wanted(&self) -> BTreeSet<RoleName> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn want<'r>(&self, roles: impl IntoIterator<Item = &'r RoleName>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        for role in roles {
            if wanted.len() < WANTED_ROLES {
                wanted.insert(role.clone());
            }
        }
    }
}

/// The askers with this one among them.
fn with_asker(before: &[Asker], demand: &Demand, image: Option<&ImageReference>) -> Vec<Asker> {
    let Demand { policy, freshness, .. } = demand;
    let same_image = |image: &ImageReference| {
        let mut known = before.iter().filter_map(|asker| asker.image.as_ref());
        known.find(|known| ***known == *image).map_or_else(|| Arc::new(image.clone()), Arc::clone)
    };
    let mut new = Asker { policy: Arc::clone(policy), freshness: *freshness, image: image.map(same_image) };
    let mut all = Vec::with_capacity(before.len() + 1);
    for asker in before {
        if asker.policy != *policy {
            all.push(asker.clone());
            continue;
        }
        new.image = new.image.or_else(|| asker.image.clone());
        if Arc::ptr_eq(&asker.policy, policy) {
            // As it stands. An edited one asks anew.
            new.freshness = strictest(new.freshness, asker.freshness);
        }
    }
    if all.len() >= ASKING_POLICIES {
        all.remove(0);
    }
    all.push(new);
    all
}

fn strictest(one: Freshness, other: Freshness) -> Freshness {
    Freshness {
        revalidate_after: one.revalidate_after.min(other.revalidate_after),
        max_staleness: one.max_staleness.min(other.max_staleness),
    }
}

/// As fresh as policies want it by default, or less.
fn relaxed(freshness: Freshness) -> Freshness {
    Freshness {
        revalidate_after: freshness.revalidate_after.max(SignedDuration::from_secs(60)),
        max_staleness: freshness.max_staleness.max(SignedDuration::from_hours(24)),
    }
}
