//! [`Repositories`]: the bounded table of repositories in memory. Invented ones cannot push out known ones.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::cell::Cell;
use super::moment::Moment;
use crate::digest::Digest;
use crate::policy::Demand;
use crate::records::RepositoryKey;
use crate::store::CacheKey;
use crate::tuf::Gun;

const SHARDS: usize = 16;

/// How long a sweep that found nothing to push out speaks for those after it.
const STAY_FULL: Duration = Duration::from_millis(200);

/// Repositories that disk or state knows are added so many at a time; by as many may there be too many for a while.
const KNOWN_AT_A_TIME: usize = 256;

/// The repositories in memory. Reads take a shard's lock for the look-up alone.
#[derive(Debug)]
pub(super) struct Repositories {
    shards: [RwLock<Shard>; SHARDS],
    hasher: RandomState,
    /// How many cells may be added until the next sweep.
    room: AtomicI64,
    /// Held while cells are pushed out.
    sweeping: Mutex<Swept>,
    /// The cells of one GUN by its hash, whatever their servers and anchors.
    by_gun: Mutex<HashMap<u64, Vec<Weak<Cell>>, BuildHasherDefault<AsHashed>>>,
    /// How many more repositories the policies of a namespace may lead to by themselves.
    namespaces: Mutex<HashMap<String, Room>>,
    max_known: usize,
    max_unknown: usize,
    max_of_namespace: usize,
}

/// What the last look at all cells found of one namespace.
#[derive(Debug)]
struct Room {
    left: usize,
    counted: Moment,
}

/// What the last look at all cells found.
#[derive(Debug, Default)]
struct Swept {
    /// When a sweep last found nothing to push out.
    full: Option<Moment>,
    /// How many repositories that disk or state knows may be added until all are looked at again: thousands come at a start.
    room_for_known: usize,
}

/// The cells whose keys have one hash, by it: mostly one. The hash is computed once, for the shard and for the place in
/// it, and no key is made to look one up.
type Shard = HashMap<u64, Vec<Arc<Cell>>, BuildHasherDefault<AsHashed>>;

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

/// Why there is no room for another repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// As many that never verified are looked up as may be.
    Unknown,
    /// The policies of the demand's namespace lead to as many by themselves as they may.
    Namespace {
        /// How many that are.
        most: usize,
    },
}

impl Repositories {
    /// At most `max_known` repositories that verified, and `max_unknown` that never did; and `max_of_namespace` to which only
    /// policies of one namespace lead.
    pub(super) fn new(max_known: usize, max_unknown: usize, max_of_namespace: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::new(),
            room: AtomicI64::new(i64::try_from(max_unknown.min(max_known)).unwrap_or(i64::MAX)),
            sweeping: Mutex::default(),
            by_gun: Mutex::default(),
            namespaces: Mutex::default(),
            max_known,
            max_unknown,
            max_of_namespace,
        }
    }

    /// The cell that answers `demand`, made if need be.
    pub(super) fn cell(&self, demand: &Demand, now: Moment) -> Result<Arc<Cell>, Full> {
        let hash = self.hash(&demand.gun, demand.anchors.fingerprint());
        let shard = self.shard(hash);
        if let Some(found) = find(&shard.read().unwrap_or_else(PoisonError::into_inner), hash, demand) {
            return Ok(found);
        }
        if let Some(namespace) = &demand.policy.namespace {
            self.take_room_of(namespace, now)?;
        }
        if self.room.load(Ordering::Relaxed) <= 0 {
            self.sweep(now)?;
        }
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(&shard, hash, demand) {
            return Ok(found);
        }
        self.room.fetch_sub(1, Ordering::Relaxed);
        Ok(self.insert(&mut shard, hash, demand, now.wall))
    }

    /// The cell of a repository that disk or state knows: it takes no room from those that never verified, and none of
    /// theirs keeps it out. A new one counts as last used at `used`.
    pub(super) fn cell_of_known(&self, demand: &Demand, used: Timestamp) -> Result<Arc<Cell>, Full> {
        let cell = match self.find(demand) {
            Some(cell) => cell,
            None => {
                // What is there spends nothing: to make room for it might push out the cell itself.
                let mut swept = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
                if swept.room_for_known == 0 {
                    swept.room_for_known = self.room_for_known().min(KNOWN_AT_A_TIME);
                }
                let hash = self.hash(&demand.gun, demand.anchors.fingerprint());
                let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
                match find(&shard, hash, demand) {
                    Some(cell) => cell,
                    None => {
                        swept.room_for_known = swept.room_for_known.checked_sub(1).ok_or(Full::Unknown)?;
                        self.insert(&mut shard, hash, demand, used)
                    }
                }
            }
        };
        cell.change(|contents| contents.known_before = true);
        Ok(cell)
    }

    /// A new cell, last used at `used`.
    fn insert(&self, shard: &mut Shard, hash: u64, demand: &Demand, used: Timestamp) -> Arc<Cell> {
        let cell = Arc::new(Cell::new(CacheKey::of(demand), used));
        self.note_gun(&cell);
        shard.entry(hash).or_default().push(Arc::clone(&cell));
        cell
    }

    /// The cell that answers `demand`, if there is one.
    pub(super) fn find(&self, demand: &Demand) -> Option<Arc<Cell>> {
        let hash = self.hash(&demand.gun, demand.anchors.fingerprint());
        find(&self.shard(hash).read().unwrap_or_else(PoisonError::into_inner), hash, demand)
    }

    /// Puts a new cell in the place of `cell`, because the repository was reset. `false`: it has left its place already.
    pub(super) fn replace(&self, cell: &Arc<Cell>) -> bool {
        let hash = self.hash(&cell.key.gun, cell.key.anchors.fingerprint());
        let mut shard = self.shard(hash).write().unwrap_or_else(PoisonError::into_inner);
        let mut same = shard.get_mut(&hash).into_iter().flatten();
        let place = same.find(|other| Arc::ptr_eq(other, cell));
        cell.retire();
        let Some(place) = place else { return false };
        *place = Arc::new(cell.successor());
        self.note_gun(place);
        true
    }

    /// The cells of a repository: one, or one for each set of authorities that policies know its server by.
    pub(super) fn of(&self, key: &RepositoryKey) -> Vec<Arc<Cell>> {
        let hash = self.hash(&key.gun, key.anchors);
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        let same = shard.get(&hash).into_iter().flatten();
        same.filter(|cell| cell.state_key == *key).cloned().collect()
    }

    /// Other cells of the same GUN, the newest first: what verified there need not be fetched and verified again.
    pub(super) fn of_same_gun(&self, cell: &Cell) -> Vec<Arc<Cell>> {
        let by_gun = self.by_gun.lock().unwrap_or_else(PoisonError::into_inner);
        let same = by_gun.get(&self.hasher.hash_one(&cell.key.gun)).into_iter().flatten().rev();
        let same = same.filter_map(Weak::upgrade);
        same.filter(|other| other.key.gun == cell.key.gun && !std::ptr::eq(&**other, cell)).collect()
    }

    fn note_gun(&self, cell: &Arc<Cell>) {
        let mut by_gun = self.by_gun.lock().unwrap_or_else(PoisonError::into_inner);
        let same = by_gun.entry(self.hasher.hash_one(&cell.key.gun)).or_default();
        same.retain(|other| other.strong_count() > 0);
        same.push(Arc::downgrade(cell));
        self.forget_guns(&mut by_gun);
    }

    /// Takes out the GUNs of which no cell is left, now and then.
    fn forget_guns(&self, by_gun: &mut HashMap<u64, Vec<Weak<Cell>>, BuildHasherDefault<AsHashed>>) {
        if by_gun.len() > 2 * (self.max_known + self.max_unknown) {
            by_gun.retain(|_, same| same.iter().any(|cell| cell.strong_count() > 0));
        }
    }

    /// All cells.
    pub(super) fn all(&self) -> Vec<Arc<Cell>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.read().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned());
        }
        all
    }

    /// Drops the cells for which `is_gone` holds.
    pub(super) fn remove(&self, is_gone: impl Fn(&Arc<Cell>) -> bool) {
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).retain(|_, same| {
                same.retain(|cell| !is_gone(cell));
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
            return Err(Full::Unknown);
        }
        self.remove(|cell| !is_known(cell) && cell.is_idle());
        let unknown = self.all().into_iter().filter(|cell| !is_known(cell)).count();
        let room = self.max_unknown.saturating_sub(unknown).min(self.room_for_known());
        self.room.store(i64::try_from(room).unwrap_or(i64::MAX), Ordering::Relaxed);
        swept.full = (room == 0).then_some(now);
        if room == 0 { Err(Full::Unknown) } else { Ok(()) }
    }

    /// Takes a place of those to which policies of `namespace` lead by themselves. Cells are counted where none is left, and
    /// not again at once.
    fn take_room_of(&self, namespace: &str, now: Moment) -> Result<(), Full> {
        let is_of = |cell: &Cell| cell.usage.only_namespace().as_deref() == Some(namespace);
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = namespaces.get_mut(namespace) {
            if room.left > 0 {
                room.left -= 1;
                return Ok(());
            }
            if room.counted.remaining(STAY_FULL, &now).is_some() {
                return Err(Full::Namespace { most: self.max_of_namespace });
            }
        }
        self.remove(|cell| !is_known(cell) && cell.is_idle() && is_of(cell));
        let held = self.all().iter().filter(|cell| is_of(cell)).count();
        let room = self.max_of_namespace.saturating_sub(held);
        namespaces.insert(namespace.to_owned(), Room { left: room.saturating_sub(1), counted: now });
        if room == 0 { Err(Full::Namespace { most: self.max_of_namespace }) } else { Ok(()) }
    }

    /// How many known repositories there may be more, once the least recently used gave way.
    fn room_for_known(&self) -> usize {
        let known = || self.all().into_iter().filter(|cell| is_known(cell));
        let mut uses: Vec<i64> = known().map(|cell| cell.usage.last_used()).collect();
        if uses.len() < self.max_known {
            return self.max_known - uses.len();
        }
        uses.sort_unstable();
        // A tenth at once, so that the next sweep is not due at once.
        let oldest = uses.get(self.max_known / 10).copied().unwrap_or(i64::MIN);
        self.remove(|cell| is_known(cell) && cell.is_idle() && cell.usage.last_used() <= oldest);
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

fn is_known(cell: &Cell) -> bool {
    cell.contents().is_known()
}

fn find(shard: &Shard, hash: u64, demand: &Demand) -> Option<Arc<Cell>> {
    shard.get(&hash)?.iter().find(|cell| cell.key.answers(demand)).map(Arc::clone)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::policy::{
        CredentialsSource, DigestReferences, Freshness, Mutation, PolicyId, SecretRef, TrustServer,
    };
    use crate::tuf::{Anchors, RootRotation};

    fn demand((url, ca): (&str, Option<&str>), gun: &str, first_use: bool) -> Demand {
        let url = url.parse().unwrap();
        Demand {
            policy: Arc::new(PolicyId { namespace: None, name: "production".to_owned() }),
            server: Arc::new(TrustServer { ca_pem: ca.map(Into::into), ..TrustServer::at(url) }),
            gun: Gun::new(gun).unwrap(),
            anchors: Arc::new(Anchors::new(Vec::new(), RootRotation::Follow, first_use)),
            delegations: None,
            digest_references: DigestReferences::default(),
            accept_for: SignedDuration::ZERO,
            mutation: Mutation::default(),
            freshness: Freshness {
                revalidate_after: SignedDuration::ZERO,
                max_staleness: SignedDuration::ZERO,
            },
            credentials: CredentialsSource::Anonymous,
            tag_covered: true,
        }
    }

    const SERVERS: [(&str, Option<&str>); 3] =
        [("https://a.example", None), ("https://b.example", None), ("https://a.example", Some("ca"))];

    #[test]
    fn t30_what_is_read_with_another_client_certificate_is_another_cell() {
        let repositories = Repositories::new(100, 100, 100);
        let now = Moment::at(Timestamp::UNIX_EPOCH);
        let shown = |name: Option<&str>| {
            let mut demand = demand(SERVERS[0], "r.io/shop/web", false);
            let secret = name.map(|name| SecretRef { namespace: "shop".to_owned(), name: name.to_owned() });
            Arc::make_mut(&mut demand.server).client_certificate = secret;
            repositories.cell(&demand, now).unwrap()
        };
        assert!(Arc::ptr_eq(&shown(Some("a")), &shown(Some("a"))));
        assert!(!Arc::ptr_eq(&shown(Some("a")), &shown(Some("b"))));
        assert!(!Arc::ptr_eq(&shown(Some("a")), &shown(None)));
    }

    #[test]
    fn t30_whatever_differs_in_server_authorities_gun_or_anchors_is_another_cell() {
        let repositories = Repositories::new(100, 100, 100);
        let now = Moment::at(Timestamp::UNIX_EPOCH);
        let mut found = Vec::new();
        for server in SERVERS {
            for gun in ["r.io/shop/web", "r.io/shop/app"] {
                for first_use in [true, false] {
                    // Equal ones are one cell, whoever holds them.
                    let cell = || repositories.cell(&demand(server, gun, first_use), now);
                    let (one, same) = (cell(), cell());
                    found.push(one.unwrap());
                    assert!(
                        Arc::ptr_eq(&found[found.len() - 1], &same.unwrap()),
                        "{server:?} {gun} {first_use}"
                    );
                }
            }
        }
        for (at, cell) in found.iter().enumerate() {
            assert!(found[..at].iter().all(|other| !Arc::ptr_eq(other, cell)), "{:?}", cell.key);
        }
        assert_eq!(repositories.all().len(), found.len());
        repositories.remove(|cell| Arc::ptr_eq(cell, &found[0]));
        assert_eq!(repositories.all().len(), found.len() - 1);
    }

    #[test]
    fn a_known_cell_that_is_there_spends_no_room() {
        let repositories = Repositories::new(1, 1, 1);
        let known =
            |gun: &str| repositories.cell_of_known(&demand(SERVERS[0], gun, true), Timestamp::UNIX_EPOCH);
        let web = known("r.io/shop/web").unwrap();
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&web, &known("r.io/shop/web").unwrap()), "it gave way to itself");
        }
        // What is in use gives way to nobody, and is there for who asks.
        assert_eq!(known("r.io/shop/app").unwrap_err(), Full::Unknown);
        assert!(Arc::ptr_eq(&web, &known("r.io/shop/web").unwrap()));
        drop(web);
        assert!(known("r.io/shop/app").is_ok());
    }

    /// P14: three hundred policies of one namespace, each with anchors of its own.
    #[test]
    fn p14_one_namespace_has_so_many_repositories_by_itself_and_others_have_theirs() {
        let repositories = Repositories::new(100, 100, 3);
        let now = Moment::at(Timestamp::UNIX_EPOCH);
        let of = |namespace: Option<&str>, gun: &str| {
            let policy = PolicyId { namespace: namespace.map(str::to_owned), name: "web".to_owned() };
            let demand = Demand { policy: Arc::new(policy), ..demand(SERVERS[0], gun, true) };
            let cell = repositories.cell(&demand, now)?;
            cell.usage.note_policy(&demand, None);
            cell.change(|contents| contents.known_before = true);
            Ok::<_, Full>(cell)
        };
        for gun in ["r.io/a", "r.io/b", "r.io/c"] {
            of(Some("evil"), gun).unwrap();
        }
        assert_eq!(of(Some("evil"), "r.io/d").unwrap_err(), Full::Namespace { most: 3 });
        of(Some("evil"), "r.io/a").unwrap();
        of(Some("shop"), "r.io/d").unwrap();
        of(None, "r.io/e").unwrap();
        // What others use too is not on its account.
        of(None, "r.io/a").unwrap();
        let later = Moment::at(Timestamp::from_second(1).unwrap());
        assert!(repositories.take_room_of("evil", later).is_ok());
    }

    #[test]
    fn a_reset_leaves_who_uses_the_repository_and_nothing_else() {
        let repositories = Repositories::new(10, 10, 10);
        let web = demand(SERVERS[0], "r.io/shop/web", true);
        let before = repositories.cell_of_known(&web, Timestamp::UNIX_EPOCH).unwrap();
        before.usage.note_policy(&web, None);
        assert!(repositories.replace(&before));
        let after = repositories.find(&web).unwrap();
        assert!(!Arc::ptr_eq(&before, &after) && Arc::ptr_eq(&before.usage, &after.usage));
        assert!(after.contents().served.is_none() && !after.contents().is_known());
        // What was in flight ends in a cell that takes nothing any more.
        assert!(before.is_replaced() && !before.change(|contents| contents.loaded = true));
        assert!(!before.contents().loaded && !before.contents().is_known());
        // Who notices it too resets nothing that was made since.
        assert!(!repositories.replace(&before));
        assert!(Arc::ptr_eq(&after, &repositories.find(&web).unwrap()) && !after.is_replaced());
    }
}
