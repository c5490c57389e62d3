//! [`MemoryState`]: trust state that lives as long as the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{OtherRecord, RepositoryKey, Revision, StateError, TrustRecord, TrustState};
use crate::source::BoxFuture;

/// Trust state in memory: for `verify` and `inspect` without `--state-dir`. Nobody deletes a record: there is one of each
/// repository.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    records: BTreeMap<RepositoryKey, (TrustRecord, u64)>,
    revisions: u64,
}

impl MemoryState {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn load_now(&self, key: &RepositoryKey) -> Option<(TrustRecord, Revision)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (record, revision) = state.records.get(key)?;
        Some((record.clone(), numbered(*revision)))
    }

    fn others_now(&self, key: &RepositoryKey) -> Vec<OtherRecord> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = state.records.iter().filter(|(other, _)| other.gun == key.gun && *other != key);
        let floors = |(key, (record, _)): (&RepositoryKey, &(TrustRecord, u64))| OtherRecord {
            key: key.clone(),
            floors: Arc::new(record.floors.clone()),
        };
        others.map(floors).collect()
    }

    fn store_now(
        &self,
        key: &RepositoryKey,
        expected: Option<&Revision>,
        record: &TrustRecord,
    ) -> Result<Revision, StateError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let present = state.records.get(key).map(|(_, revision)| numbered(*revision));
        if present.as_ref() != expected {
            return Err(StateError::Conflict);
        }
        state.revisions += 1;
        let revision = state.revisions;
        state.records.insert(key.clone(), (record.clone(), revision));
        Ok(numbered(revision))
    }
}

fn numbered(revision: u64) -> Revision {
    Revision { record: String::new(), version: revision.to_string() }
}

impl TrustState for MemoryState {
    fn is_lasting(&self) -> bool {
        false
    }

    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>> {
        Box::pin(std::future::ready(Ok(self.load_now(key))))
    }

    fn others<'a>(
        &'a self,
        key: &'a RepositoryKey,
        _: bool,
    ) -> BoxFuture<'a, Result<Vec<OtherRecord>, StateError>> {
        Box::pin(std::future::ready(Ok(self.others_now(key))))
    }

    fn store<'a>(
        &'a self,
        key: &'a RepositoryKey,
        expected: Option<&'a Revision>,
        record: &'a TrustRecord,
    ) -> BoxFuture<'a, Result<Revision, StateError>> {
        Box::pin(std::future::ready(self.store_now(key, expected, record)))
    }
}
