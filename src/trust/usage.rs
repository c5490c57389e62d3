//! [`Usage`]: who uses a repository, when it was last used, and what for. No trust data: a reset leaves it alone.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};

use crate::image::ImageReference;
use crate::limits::{ASKING_POLICIES, WANTED_ROLES};
use crate::policy::{Freshness, PolicyId};
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

/// Who uses a repository, when it was last used, and what for.
#[derive(Debug)]
pub(super) struct Usage {
    wanted: Mutex<BTreeSet<RoleName>>,
    asked: ArcSwap<Vec<Asked>>,
    /// In seconds since the epoch.
    used: AtomicI64,
    /// The strictest that was asked for, in seconds.
    revalidate_after: AtomicU64,
    max_staleness: AtomicU64,
}

impl Usage {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            wanted: Mutex::default(),
            asked: ArcSwap::default(),
            used: AtomicI64::new(now.as_second()),
            revalidate_after: AtomicU64::new(u64::MAX),
            max_staleness: AtomicU64::new(u64::MAX),
        }
    }

    /// Notes that the repository is in use, and how fresh its strictest policy wants it.
    pub(super) fn touch(&self, freshness: &Freshness, now: Timestamp) {
        // Stored only where it changes: otherwise the cache line travels with every admission.
        if self.used.load(Ordering::Relaxed) != now.as_second() {
            self.used.store(now.as_second(), Ordering::Relaxed);
        }
        self.keep_fresh(freshness);
    }

    /// Notes that it was used then, here or by another replica.
    pub(super) fn was_used(&self, at: Timestamp) {
        self.used.fetch_max(at.as_second(), Ordering::Relaxed);
    }

    /// Notes how fresh its strictest policy wants it.
    pub(super) fn keep_fresh(&self, freshness: &Freshness) {
        let seconds = |duration: SignedDuration| u64::try_from(duration.as_secs()).unwrap_or(0);
        lower(&self.revalidate_after, seconds(freshness.revalidate_after));
        lower(&self.max_staleness, seconds(freshness.max_staleness));
    }

    /// Notes which policy asked, and for what. A compiled policy hands out one `Arc` of its ID, so that what is known
    /// already costs a look alone.
    pub(super) fn note_asked(&self, policy: &Arc<PolicyId>, image: &ImageReference) {
        if self.asked.load().iter().any(|asked| Arc::ptr_eq(&asked.policy, policy)) {
            return;
        }
        self.asked.rcu(|before| {
            let others = before.iter().filter(|asked| asked.policy != *policy).cloned();
            let mut all: Vec<Asked> = others.collect();
            let same = all.iter().find(|asked| *asked.image == *image);
            let image = same.map_or_else(|| Arc::new(image.clone()), |asked| Arc::clone(&asked.image));
            if all.len() >= ASKING_POLICIES {
                all.remove(0);
            }
            all.push(Asked { policy: Arc::clone(policy), image });
            all
        });
    }

    /// Which policies asked.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.load().to_vec()
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

    /// The strictest freshness that was asked for.
    pub(super) fn freshness(&self) -> Freshness {
        let duration = |seconds: &AtomicU64| {
            SignedDuration::from_secs(i64::try_from(seconds.load(Ordering::Relaxed)).unwrap_or(i64::MAX))
        };
        Freshness {
            revalidate_after: duration(&self.revalidate_after),
            max_staleness: duration(&self.max_staleness),
        }
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

fn lower(value: &AtomicU64, to: u64) {
    if value.load(Ordering::Relaxed) > to {
        value.fetch_min(to, Ordering::Relaxed);
    }
}
