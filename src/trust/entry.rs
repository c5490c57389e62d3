//! [`Entry`]: what is held of one repository: its verified set, its grants, its refreshes.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;

use super::error::Refusal;
use super::flight::Flights;
use super::grant::Grants;
use super::health::Asked;
use super::history::{Absences, Holdings};
use super::moment::{Moment, Since};
use super::resolution::{Evidences, roles_of};
use super::state::{OtherRecord, RepositoryKey, Revision, TrustRecord};
use crate::digest::Digest;
use crate::image::ImageReference;
use crate::policy::{Demand, Freshness, PolicyId, TrustServer};
use crate::tuf::{Anchors, Gun, RoleName, TrustedRepository};

/// Roles beyond this many are not added to what an entry loads: policies name a handful.
const MAX_WANTED: usize = 256;

/// Policies beyond this many push out the one that was noted first.
const MAX_ASKED: usize = 1024;

/// What verified data is kept by: server, its authorities, GUN, anchors (design §4 "Cache"). Never credentials.
#[derive(Debug, Clone)]
pub(super) struct EntryKey {
    pub(super) server: Arc<TrustServer>,
    pub(super) gun: Gun,
    /// `Anchors::fingerprint`.
    pub(super) anchors: Digest,
}

impl EntryKey {
    /// What trust state calls it.
    pub(super) fn state_key(&self) -> RepositoryKey {
        RepositoryKey { server: self.server.url.to_string(), gun: self.gun.clone(), anchors: self.anchors }
    }

    /// Whether it is made of these.
    pub(super) fn is_of(&self, server: &Arc<TrustServer>, gun: &Gun, anchors: Digest) -> bool {
        let same_server = Arc::ptr_eq(&self.server, server)
            || (self.server.url == server.url && self.server.ca_pem == server.ca_pem);
        self.anchors == anchors && self.gun == *gun && same_server
    }
}

impl PartialEq for EntryKey {
    fn eq(&self, other: &Self) -> bool {
        self.is_of(&other.server, &other.gun, other.anchors)
    }
}

impl Eq for EntryKey {}

impl Hash for EntryKey {
    /// Not the authorities: they are long, and two of them for one server are rare.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.server.url.as_str().hash(state);
        self.gun.hash(state);
        self.anchors.hash(state);
    }
}

/// A verified set that answers questions.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) repository: Arc<TrustedRepository>,
    /// When the request was sent by which the server last vouched for it. `None`: a seed, whose age nobody knows.
    pub(super) vouched: Option<Vouched>,
    /// Whether the root is pinned by policy or by a pin that is written down. A dry run leaves it open.
    pub(super) pinned: bool,
    pub(super) evidences: Evidences,
}

impl Served {
    pub(super) fn new(repository: Arc<TrustedRepository>, vouched: Option<Vouched>, pinned: bool) -> Self {
        Self { repository, vouched, pinned, evidences: Evidences::default() }
    }
}

/// When the server last vouched for a set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vouched {
    /// This process asked.
    Here(Moment),
    /// An earlier process did, says the disk.
    Before(Since),
}

impl Vouched {
    pub(super) fn at(&self) -> Timestamp {
        match self {
            Self::Here(moment) => moment.wall,
            Self::Before(since) => since.at,
        }
    }

    /// How long ago that was.
    pub(super) fn age(&self, now: &Moment) -> SignedDuration {
        match self {
            Self::Here(moment) => Since::from(*moment).age(now),
            Self::Before(since) => since.age(now),
        }
    }
}

/// Why the last refresh failed, and since when they do.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) refusal: Refusal,
    /// The delegation that it is about, where it is about one.
    pub(super) role: Option<RoleName>,
    pub(super) since: Timestamp,
    pub(super) last: Timestamp,
}

/// The record as last seen, and its revision.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pub(super) record: TrustRecord,
    pub(super) revision: Option<Revision>,
    /// What other records of the GUN say.
    pub(super) others: Arc<[OtherRecord]>,
    /// How often the repository had been reset when it was read.
    pub(super) resets: u64,
}

impl Recorded {
    /// Whether an admin has reset the repository since, if this is what trust state has `now`: the record was deleted, made
    /// anew or not, or pins another root.
    pub(super) fn was_reset(&self, now: &Self) -> bool {
        let is_gone = self.revision.is_some() && now.revision.is_none();
        let pin = |recorded: &Self| recorded.record.pin.as_ref().map(|pin| pin.sha256);
        is_gone || self.was_made_anew(now) || pin(self).is_some() && pin(self) != pin(now)
    }

    /// Whether the record of `now` is another one, which took this one's place.
    pub(super) fn was_made_anew(&self, now: &Self) -> bool {
        let both = self.revision.as_ref().zip(now.revision.as_ref());
        both.is_some_and(|(before, now)| now.is_of_another_record(before))
    }
}

/// How often trust in a repository was reset.
#[derive(Debug, Default)]
struct Resets {
    count: u64,
    /// So many of them have yet to clear the disk.
    clearing: usize,
}

/// All that is held of one repository.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: EntryKey,
    pub(super) anchors: Arc<Anchors>,
    pub(super) state_key: RepositoryKey,
    pub(super) flights: Mutex<Flights>,
    pub(super) grants: Grants,
    pub(super) absences: Absences,
    pub(super) pasts: Holdings,
    pub(super) recorded: ArcSwapOption<Recorded>,
    pub(super) trouble: ArcSwapOption<Trouble>,
    /// Held for the moment in which memory changes because of something that was fetched or read, or is reset.
    resets: Mutex<Resets>,
    /// Held while a refresh is committed: one at a time.
    pub(super) commit: tokio::sync::Mutex<()>,
    /// Disk or state had it before memory did.
    known_before: AtomicBool,
    /// Disk and state were looked at.
    pub(super) recalled: OnceCell<()>,
    /// How many look at disk and state.
    recalling: AtomicU64,
    /// When the disk last heard that the set is current.
    pub(super) noted: AtomicI64,
    served: ArcSwapOption<Served>,
    /// An earlier set with roles that the present one lacks, because they could not be had the last time.
    older: ArcSwapOption<Served>,
    wanted: Mutex<BTreeSet<RoleName>>,
    asked: ArcSwap<Vec<Asked>>,
    used: AtomicI64,
    revalidate_after: AtomicU64,
    max_staleness: AtomicU64,
}

impl Entry {
    pub(super) fn new(key: EntryKey, anchors: Arc<Anchors>, now: Timestamp) -> Self {
        let state_key = key.state_key();
        Self {
            key,
            anchors,
            state_key,
            flights: Mutex::default(),
            grants: Grants::default(),
            absences: Absences::default(),
            pasts: Holdings::default(),
            recorded: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            resets: Mutex::default(),
            commit: tokio::sync::Mutex::default(),
            known_before: AtomicBool::new(false),
            recalled: OnceCell::new(),
            recalling: AtomicU64::new(0),
            noted: AtomicI64::new(i64::MIN),
            served: ArcSwapOption::empty(),
            older: ArcSwapOption::empty(),
            wanted: Mutex::default(),
            asked: ArcSwap::default(),
            used: AtomicI64::new(now.as_second()),
            revalidate_after: AtomicU64::new(u64::MAX),
            max_staleness: AtomicU64::new(u64::MAX),
        }
    }

    /// Notes that the entry is in use, and how fresh its strictest policy wants it.
    pub(super) fn touch(&self, freshness: &Freshness, now: Timestamp) {
        raise_or_lower(&self.used, now.as_second());
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

    /// Notes which policy asked, and for what. Every admission comes by, so what is known already costs a look alone: a
    /// compiled policy hands out one `Arc` of its ID.
    pub(super) fn note_asked(&self, policy: &Arc<PolicyId>, image: &ImageReference) {
        if self.asked.load().iter().any(|asked| Arc::ptr_eq(&asked.policy, policy)) {
            return;
        }
        self.asked.rcu(|before| {
            let others = before.iter().filter(|asked| asked.policy != *policy).cloned();
            let mut all: Vec<Asked> = others.collect();
            let same = all.iter().find(|asked| *asked.image == *image);
            let image = same.map_or_else(|| Arc::new(image.clone()), |asked| Arc::clone(&asked.image));
            if all.len() >= MAX_ASKED {
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

    pub(super) fn last_used(&self) -> i64 {
        self.used.load(Ordering::Relaxed)
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

    /// Whether the root is trusted because it came first.
    pub(super) fn is_first_use(&self) -> bool {
        self.anchors.anchors().is_empty()
    }

    /// Whether first use has pinned a root, as far as is known here.
    pub(super) fn has_pin(&self) -> bool {
        self.recorded.load().as_ref().is_some_and(|recorded| recorded.record.pin.is_some())
    }

    /// Notes that disk or state has it, so that it counts as known before anything of it is in memory.
    pub(super) fn note_known(&self) {
        self.known_before.store(true, Ordering::Relaxed);
    }

    /// Whether the repository has verified before, here or elsewhere.
    pub(super) fn is_known(&self) -> bool {
        self.known_before.load(Ordering::Relaxed)
            || self.served.load().is_some()
            || self.recorded.load().as_ref().is_some_and(|recorded| !recorded.record.floors.is_empty())
    }

    /// Marks that disk and state are looked at, as long as it lives.
    pub(super) fn recalling(self: &Arc<Self>) -> Recalling {
        self.recalling.fetch_add(1, Ordering::Relaxed);
        Recalling(Arc::clone(self))
    }

    /// Whether neither a refresh nor a look at disk and state is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.recalling.load(Ordering::Relaxed) == 0
            && self.flights.lock().unwrap_or_else(PoisonError::into_inner).is_idle()
    }

    /// As [`Self::served`], for a look.
    pub(super) fn newest(&self) -> impl Deref<Target = Option<Arc<Served>>> {
        self.served.load()
    }

    pub(super) fn served(&self) -> Option<Arc<Served>> {
        self.served.load_full()
    }

    /// The set that knows about the roles of a demand, the newest first; else the newest. And whether it does.
    pub(super) fn served_for(&self, demand: &Demand) -> Option<(Arc<Served>, bool)> {
        let newest = self.served.load_full()?;
        if newest.repository.covers(roles_of(demand)) {
            return Some((newest, true));
        }
        let older = self.older.load_full().filter(|older| older.repository.covers(roles_of(demand)));
        Some(older.map_or((newest, false), |older| (older, true)))
    }

    /// Serves `new` from now on. `known` is what its update started from: where another refresh came in between, the
    /// later set stays.
    pub(super) fn install(&self, new: Served, known: Option<&Arc<Served>>) {
        let present = self.served.load_full();
        if let Some(present) = &present {
            let since = known.is_none_or(|known| !Arc::ptr_eq(&known.repository, &present.repository));
            if since && timestamp_version(&present.repository) > timestamp_version(&new.repository) {
                return;
            }
            self.keep_older(present, &new);
        }
        self.served.store(Some(Arc::new(new)));
    }

    /// Keeps the present set beside `new` where it knows about roles that `new` lacks, for who asks for these. That
    /// neither ever knew about another role, which some policy names in vain, does not matter.
    fn keep_older(&self, present: &Arc<Served>, new: &Served) {
        let covers = |set: &Served, role: &RoleName| set.repository.covers([role]);
        let wanted = self.wanted();
        let lacked: Vec<_> = wanted.iter().filter(|role| !covers(new, role)).collect();
        let of = |set: &Served| lacked.iter().filter(|role| covers(set, role)).count();
        let in_older = self.older.load().as_ref().map_or(0, |older| of(older));
        if !Arc::ptr_eq(&present.repository, &new.repository) && of(present) >= in_older.max(1) {
            self.older.store(Some(Arc::clone(present)));
        } else if in_older == 0 {
            self.older.store(None);
        }
    }

    /// How often it was reset. What was fetched or read before the next one rests on what was to be forgotten.
    pub(super) fn resets(&self) -> u64 {
        self.lock_resets().count
    }

    /// Does `then`, unless the repository was reset since `resets`. `false`: it was.
    pub(super) fn unless_reset(&self, resets: u64, then: impl FnOnce()) -> bool {
        let now = self.lock_resets();
        let is_current = now.count == resets;
        if is_current {
            then();
        }
        is_current
    }

    /// Forgets what is verified: an admin reset the repository. The disk is not read until it is cleared.
    pub(super) fn reset(self: &Arc<Self>) -> Clearing {
        let mut resets = self.lock_resets();
        resets.count += 1;
        resets.clearing += 1;
        self.known_before.store(false, Ordering::Relaxed);
        self.served.store(None);
        self.older.store(None);
        self.recorded.store(None);
        self.trouble.store(None);
        self.noted.store(i64::MIN, Ordering::Relaxed);
        self.grants.clear();
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).forget_failures();
        Clearing(Arc::clone(self))
    }

    /// Whether what is held rests on another record than `gone`.
    pub(super) fn rests_on_another(&self, gone: &str) -> bool {
        let recorded = self.recorded.load();
        let revision = recorded.as_ref().and_then(|recorded| recorded.revision.as_ref());
        revision.is_some_and(|revision| revision.record != gone)
    }

    /// Whether the disk has what was reset.
    pub(super) fn is_clearing(&self) -> bool {
        self.lock_resets().clearing > 0
    }

    fn lock_resets(&self) -> MutexGuard<'_, Resets> {
        self.resets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All roles that were ever asked for.
    pub(super) fn wanted(&self) -> BTreeSet<RoleName> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn want(&self, roles: &[RoleName]) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        for role in roles {
            if wanted.len() < MAX_WANTED {
                wanted.insert(role.clone());
            }
        }
    }
}

/// Disk and state of an entry are being looked at.
#[derive(Debug)]
pub(super) struct Recalling(Arc<Entry>);

impl Drop for Recalling {
    fn drop(&mut self) {
        self.0.recalling.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An entry was reset, and its disk is not cleared yet.
#[derive(Debug)]
pub(super) struct Clearing(Arc<Entry>);

impl Deref for Clearing {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.0
    }
}

impl Drop for Clearing {
    fn drop(&mut self) {
        self.0.lock_resets().clearing -= 1;
    }
}

fn timestamp_version(repository: &TrustedRepository) -> u64 {
    repository.role(&RoleName::timestamp()).map_or(0, |role| role.version())
}

fn lower(value: &AtomicU64, to: u64) {
    if value.load(Ordering::Relaxed) > to {
        value.fetch_min(to, Ordering::Relaxed);
    }
}

/// Stores a value that mostly does not change, without making the cache line travel.
fn raise_or_lower(value: &AtomicI64, to: i64) {
    if value.load(Ordering::Relaxed) != to {
        value.store(to, Ordering::Relaxed);
    }
}
