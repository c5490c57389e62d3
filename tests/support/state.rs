//! [`FakeState`]: trust state in memory that fails on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Gate;
use tagseal::trust::{BoxFuture, OtherRecord, RepositoryKey, Revision, StateError, TrustRecord, TrustState};

/// Trust state in memory. Clones share everything: two resolvers with clones are two replicas, and a new resolver with
/// a clone is a restart.
#[derive(Debug, Clone, Default)]
pub struct FakeState(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<RepositoryKey, (TrustRecord, Revision)>,
    broken: Option<&'static str>,
    broken_stores: Option<&'static str>,
    /// Repositories that cannot be read, by their names, and why.
    unreadable: BTreeMap<String, &'static str>,
    /// Where reads of a repository wait.
    gates: BTreeMap<String, Gate>,
    next_stores: VecDeque<StateError>,
    loads: usize,
    stores: usize,
    revisions: u64,
    forgetful: bool,
}

impl FakeState {
    /// Nothing is known, everything works.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Self::new`], of the kind that ends with the process.
    pub fn of_one_process() -> Self {
        let state = Self::default();
        state.state().forgetful = true;
        state
    }

    /// Nothing can be read or written from now on.
    pub fn fail(&self, message: &'static str) {
        self.state().broken = Some(message);
    }

    /// The record of `gun` cannot be read from now on; others can.
    pub fn fail_in(&self, gun: &str, message: &'static str) {
        self.state().unreadable.insert(gun.to_owned(), message);
    }

    /// Whoever reads the record of `gun` waits at `gate` from now on.
    pub fn delay_in(&self, gun: &str, gate: Gate) {
        self.state().gates.insert(gun.to_owned(), gate);
    }

    /// Nothing can be written from now on.
    pub fn fail_stores(&self, message: &'static str) {
        self.state().broken_stores = Some(message);
    }

    /// The next write, or the one after those that were given one already, meets `error`.
    pub fn fail_next_store(&self, error: StateError) {
        self.state().next_stores.push_back(error);
    }

    /// Everything works again.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.broken, state.broken_stores) = (None, None);
        state.unreadable.clear();
        state.next_stores.clear();
    }

    /// The records.
    pub fn records(&self) -> Vec<(RepositoryKey, TrustRecord)> {
        self.state().records.iter().map(|(key, (record, _))| (key.clone(), record.clone())).collect()
    }

    /// The record of the only repository.
    ///
    /// # Panics
    /// When there is not exactly one.
    pub fn record(&self) -> TrustRecord {
        let records = self.records();
        assert_eq!(records.len(), 1, "repositories on record: {records:?}");
        records.into_iter().map(|(_, record)| record).next().expect("there is one")
    }

    /// Writes a record past everybody, as another replica does.
    pub fn put(&self, key: &RepositoryKey, record: TrustRecord) {
        self.state().put(key, record);
    }

    /// Deletes the record, as an admin does who resets a repository.
    pub fn delete(&self, key: &RepositoryKey) {
        self.state().records.remove(key);
    }

    /// How often something was read.
    pub fn loads(&self) -> usize {
        self.state().loads
    }

    /// How often something was written, or tried.
    pub fn stores(&self) -> usize {
        self.state().stores
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn load(&mut self, key: &RepositoryKey) -> Result<Option<(TrustRecord, Revision)>, StateError> {
        self.loads += 1;
        if let Some(message) = self.broken.or(self.unreadable.get(key.gun.as_str()).copied()) {
            return Err(StateError::Unavailable(message.to_owned()));
        }
        Ok(self.records.get(key).cloned())
    }

    fn store(
        &mut self,
        key: &RepositoryKey,
        expected: Option<&Revision>,
        record: &TrustRecord,
    ) -> Result<Revision, StateError> {
        self.stores += 1;
        if let Some(message) = self.broken.or(self.broken_stores) {
            return Err(StateError::Unavailable(message.to_owned()));
        }
        if let Some(error) = self.next_stores.pop_front() {
            return Err(error);
        }
        if self.records.get(key).map(|(_, revision)| revision) != expected {
            return Err(StateError::Conflict);
        }
        Ok(self.put(key, record.clone()))
    }

    fn put(&mut self, key: &RepositoryKey, record: TrustRecord) -> Revision {
        self.revisions += 1;
        let version = self.revisions.to_string();
        let made = self.records.get(key).map_or(&version, |(_, present)| &present.record);
        let revision = Revision { record: made.clone(), version };
        self.records.insert(key.clone(), (record, revision.clone()));
        revision
    }
}

impl TrustState for FakeState {
    fn others<'a>(
        &'a self,
        key: &'a RepositoryKey,
        _: bool,
    ) -> BoxFuture<'a, Result<Vec<OtherRecord>, StateError>> {
        let records = self.records().into_iter().filter(|(other, _)| other.gun == key.gun && other != key);
        let others = records.map(|(key, record)| OtherRecord { key, floors: Arc::new(record.floors) });
        Box::pin(std::future::ready(Ok(others.collect())))
    }

    fn is_lasting(&self) -> bool {
        !self.state().forgetful
    }

    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>> {
        Box::pin(async move {
            let gate = self.state().gates.get(key.gun.as_str()).cloned();
            if let Some(gate) = gate {
                gate.pass().await;
            }
            self.state().load(key)
        })
    }

    fn store<'a>(
        &'a self,
        key: &'a RepositoryKey,
        expected: Option<&'a Revision>,
        record: &'a TrustRecord,
    ) -> BoxFuture<'a, Result<Revision, StateError>> {
        Box::pin(async move { self.state().store(key, expected, record) })
    }
}
