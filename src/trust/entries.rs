//! [`Entries`]: the bounded set of repositories in memory. Invented ones cannot push out known ones.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;

use super::entry::{Entry, EntryKey};
use super::moment::Moment;
use super::state::RepositoryKey;
use crate::digest::Digest;
use crate::policy::TrustServer;
use crate::tuf::{Anchors, Gun};

const SHARDS: usize = 16;

/// How long a sweep that found nothing to push out speaks for those after it.
const STAY_FULL: Duration = Duration::from_millis(200);

/// Entries that disk or state knows are added so many at a time; by as many may there be too many for a while.
const KNOWN_AT_A_TIME: usize = 256;

/// The repositories in memory. Reads take a shard's lock for the look-up alone.
#[derive(Debug)]
pub(super) struct Entries {
    shards: [RwLock<Shard>; SHARDS],
    hasher: RandomState,
    /// How many entries may be added until the next sweep.
    room: AtomicI64,
    /// Held while entries are pushed out.
    sweeping: Mutex<Swept>,
    max_known: usize,
    max_unknown: usize,
}

/// What the last look at all entries found.
#[derive(Debug, Default)]
struct Swept {
    /// When a sweep last found nothing to push out.
    full: Option<Moment>,
    /// How many entries that disk or state knows may be added until all are looked at again: thousands come at a start.
    room_for_known: usize,
}

/// The entries whose keys have one hash, by it: mostly one. The hash is computed once, for the shard and for the place in
/// it, and no key is made to look one up.
type Shard = HashMap<u64, Vec<Arc<Entry>>, BuildHasherDefault<AsHashed>>;

/// Takes over what is spread already.
#[derive(Debug, Default)]
struct AsHashed(u64);

impl Hasher for AsHashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// There are as many repositories under way as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Entries {
    /// At most `max_known` repositories that verified, and `max_unknown` that never did.
    pub(super) fn new(max_known: usize, max_unknown: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::new(),
            room: AtomicI64::new(i64::try_from(max_unknown.min(max_known)).unwrap_or(i64::MAX)),
            sweeping: Mutex::default(),
            max_known,
            max_unknown,
        }
    }

    /// The entry of a repository, made if need be.
    pub(super) fn entry(
        &self,
        server: &Arc<TrustServer>,
        gun: &Gun,
        anchors: &Arc<Anchors>,
        now: Moment,
    ) -> Result<Arc<Entry>, Full> {
        let fingerprint = anchors.fingerprint();
        let hash = self.hash(gun, fingerprint);
        let find = |shard: &Shard| {
            let mut same = shard.get(&hash)?.iter();
            same.find(|entry| entry.key.is_of(server, gun, fingerprint)).map(Arc::clone)
        };
        let shard = self.shard(hash);
        if let Some(found) = find(&shard.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(found);
        }
        if self.room.load(Ordering::Relaxed) <= 0 {
            self.sweep(now)?;
        }
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(&shard) {
            return Ok(found);
        }
        let key = EntryKey { server: Arc::clone(server), gun: gun.clone(), anchors: fingerprint };
        let entry = Arc::new(Entry::new(key, Arc::clone(anchors), now.wall));
        shard.entry(hash).or_default().push(Arc::clone(&entry));
        self.room.fetch_sub(1, Ordering::Relaxed);
        Ok(entry)
    }

    /// What a repository's entry is kept by.
    pub(super) fn key(&self, server: &Arc<TrustServer>, gun: &Gun, anchors: &Arc<Anchors>) -> EntryKey {
        EntryKey { server: Arc::clone(server), gun: gun.clone(), anchors: anchors.fingerprint() }
    }

    /// The entry of a repository that disk or state knows: it takes no room from those that never verified, and none of
    /// theirs keeps it out. A new one counts as last used at `used`.
    pub(super) fn entry_of_known(
        &self,
        key: EntryKey,
        anchors: &Arc<Anchors>,
        used: Timestamp,
    ) -> Result<Arc<Entry>, Full> {
        let entry = match self.find(&key) {
            Some(entry) => entry,
            None => {
                // What is there spends nothing: to make room for it might push out the entry itself.
                let mut swept = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
                if swept.room_for_known == 0 {
                    swept.room_for_known = self.room_for_known().min(KNOWN_AT_A_TIME);
                }
                let hash = self.hash(&key.gun, key.anchors);
                let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
                match find(&shard, hash, &key) {
                    Some(entry) => entry,
                    None => {
                        swept.room_for_known = swept.room_for_known.checked_sub(1).ok_or(Full)?;
                        let entry = Arc::new(Entry::new(key, Arc::clone(anchors), used));
                        shard.entry(hash).or_default().push(Arc::clone(&entry));
                        entry
                    }
                }
            }
        };
        entry.note_known();
        Ok(entry)
    }

    /// The entry that is kept by `key`, if there is one.
    pub(super) fn find(&self, key: &EntryKey) -> Option<Arc<Entry>> {
        let hash = self.hash(&key.gun, key.anchors);
        find(&self.shard(hash).read().unwrap_or_else(PoisonError::into_inner), hash, key)
    }

    /// The entries of a repository: one, or one for each set of authorities that policies know its server by.
    pub(super) fn of(&self, key: &RepositoryKey) -> Vec<Arc<Entry>> {
        let hash = self.hash(&key.gun, key.anchors);
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        let same = shard.get(&hash).into_iter().flatten();
        same.filter(|entry| entry.state_key == *key).cloned().collect()
    }

    /// All entries.
    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.read().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned());
        }
        all
    }

    /// Drops the entries for which `is_gone` holds.
    pub(super) fn remove(&self, is_gone: impl Fn(&Entry) -> bool) {
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).retain(|_, same| {
                same.retain(|entry| !is_gone(entry));
                !same.is_empty()
            });
        }
    }

    /// Makes room: unknown repositories with nothing under way go first, all at once; known ones only when there are
    /// too many of them, the least recently used first. Sets how many may be added until the next sweep.
    fn sweep(&self, now: Moment) -> Result<(), Full> {
        let mut swept = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.room.load(Ordering::Relaxed) > 0 {
            return Ok(());
        }
        if swept.full.is_some_and(|full| full.remaining(STAY_FULL, &now).is_some()) {
            return Err(Full);
        }
        self.remove(|entry| !entry.is_known() && entry.is_idle());
        let unknown = self.all().into_iter().filter(|entry| !entry.is_known()).count();
        let room = self.max_unknown.saturating_sub(unknown).min(self.room_for_known());
        self.room.store(i64::try_from(room).unwrap_or(i64::MAX), Ordering::Relaxed);
        swept.full = (room == 0).then_some(now);
        if room == 0 { Err(Full) } else { Ok(()) }
    }

    /// How many known repositories there may be more, once the least recently used gave way.
    fn room_for_known(&self) -> usize {
        let known = || self.all().into_iter().filter(|entry| entry.is_known());
        let mut uses: Vec<i64> = known().map(|entry| entry.last_used()).collect();
        if uses.len() < self.max_known {
            return self.max_known - uses.len();
        }
        uses.sort_unstable();
        // A tenth at once, so that the next sweep is not due at once.
        let oldest = uses.get(self.max_known / 10).copied().unwrap_or(i64::MIN);
        self.remove(|entry| entry.is_known() && entry.is_idle() && entry.last_used() <= oldest);
        self.max_known.saturating_sub(known().count())
    }

    /// Not of the server: two of them for one GUN and one set of anchors are rare.
    fn hash(&self, gun: &Gun, anchors: Digest) -> u64 {
        self.hasher.hash_one((gun, anchors))
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // Neither the lowest bits nor the top ones: the place in the shard goes by these.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

fn find(shard: &Shard, hash: u64, key: &EntryKey) -> Option<Arc<Entry>> {
    shard.get(&hash)?.iter().find(|entry| entry.key == *key).map(Arc::clone)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::tuf::RootRotation;

    fn server(url: &str, ca: Option<&str>) -> Arc<TrustServer> {
        let url = url.parse().unwrap();
        Arc::new(TrustServer { url, ca_pem: ca.map(Into::into), token_realms: Vec::new() })
    }

    fn anchors(first_use: bool) -> Arc<Anchors> {
        Arc::new(Anchors::new(Vec::new(), RootRotation::Follow, first_use))
    }

    #[test]
    fn t30_whatever_differs_in_server_authorities_gun_or_anchors_is_another_entry() {
        let entries = Entries::new(100, 100);
        let now = Moment::at(Timestamp::UNIX_EPOCH);
        let guns = ["r.io/shop/web", "r.io/shop/app"].map(|name| Gun::new(name).unwrap());
        let servers =
            [("https://a.example", None), ("https://b.example", None), ("https://a.example", Some("ca"))];
        let mut found = Vec::new();
        for (url, ca) in servers {
            for gun in &guns {
                for first_use in [true, false] {
                    // Equal ones are one entry, whoever holds them.
                    let entry = || entries.entry(&server(url, ca), gun, &anchors(first_use), now);
                    let (one, same) = (entry(), entry());
                    found.push(one.unwrap());
                    assert!(Arc::ptr_eq(&found[found.len() - 1], &same.unwrap()), "{url} {gun} {first_use}");
                }
            }
        }
        for (at, entry) in found.iter().enumerate() {
            assert!(found[..at].iter().all(|other| !Arc::ptr_eq(other, entry)), "{:?}", entry.key);
        }
        assert_eq!(entries.all().len(), found.len());
        entries.remove(|entry| std::ptr::eq(entry, &*found[0]));
        assert_eq!(entries.all().len(), found.len() - 1);
    }

    #[test]
    fn a_known_entry_that_is_there_spends_no_room() {
        let entries = Entries::new(1, 1);
        let (server, anchors) = (server("https://a.example", None), anchors(true));
        let known = |name: &str| {
            let key = entries.key(&server, &Gun::new(name).unwrap(), &anchors);
            entries.entry_of_known(key, &anchors, Timestamp::UNIX_EPOCH)
        };
        let web = known("r.io/shop/web").unwrap();
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&web, &known("r.io/shop/web").unwrap()), "it gave way to itself");
        }
        // What is in use gives way to nobody, and is there for who asks.
        let in_use = web.recalling();
        assert_eq!(known("r.io/shop/app").unwrap_err(), Full);
        assert!(Arc::ptr_eq(&web, &known("r.io/shop/web").unwrap()));
        drop(in_use);
        assert!(known("r.io/shop/app").is_ok());
    }
}
