//! [`RecordedState`]: the trust state of a cluster as it was read once. Nothing is written to the cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::api::DynamicObject;

use super::held::Held;
use super::name::object_name;
use crate::trust::{BoxFuture, OtherRecord, RepositoryKey, Revision, StateError, TrustRecord, TrustState};

/// Floors, pins and what was current once, as `TrustedRepository` objects had them. What is learnt since stays in memory.
#[derive(Debug, Default)]
pub struct RecordedState {
    held: BTreeMap<Box<str>, Held>,
    learnt: Mutex<BTreeMap<String, Learnt>>,
}

#[derive(Debug)]
struct Learnt {
    key: RepositoryKey,
    record: TrustRecord,
    /// Which record it goes on from: it is still that one.
    origin: String,
    version: u64,
}

impl Learnt {
    fn revision(&self) -> Revision {
        Revision { record: self.origin.clone(), version: format!("learnt-{}", self.version) }
    }
}

impl RecordedState {
    /// What these objects say.
    pub fn new(objects: Vec<DynamicObject>) -> Self {
        let held = objects.into_iter().map(Held::new).map(|held| (held.name.clone(), held)).collect();
        Self { held, learnt: Mutex::default() }
    }

    fn learnt(&self) -> MutexGuard<'_, BTreeMap<String, Learnt>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_now(&self, key: &RepositoryKey) -> Result<Option<(TrustRecord, Revision)>, StateError> {
        let name = object_name(key);
        if let Some(learnt) = self.learnt().get(&name) {
            return Ok(Some((learnt.record.clone(), learnt.revision())));
        }
        match self.held.get(name.as_str()) {
            Some(held) => Ok(Some((held.record(key)?, held.revision()))),
            None => Ok(None),
        }
    }

    /// As the cluster's own state has it: of a new record, all others must be known.
    fn others_now(&self, key: &RepositoryKey, is_new: bool) -> Result<Vec<OtherRecord>, StateError> {
        let own = object_name(key);
        let mut others = Vec::new();
        let learnt = self.learnt();
        for (name, held) in self.held.iter().filter(|(name, _)| ***name != *own) {
            let is_of_gun = held.about().is_some_and(|about| about.gun == key.gun);
            if is_of_gun && !learnt.contains_key(&**name) {
                others.extend(held.as_other(is_new)?);
            }
        }
        let of_gun = learnt.iter().filter(|(name, learnt)| **name != own && learnt.key.gun == key.gun);
        others.extend(of_gun.map(|(_, learnt)| OtherRecord {
            key: learnt.key.clone(),
            floors: Arc::new(learnt.record.floors.clone()),
        }));
        Ok(others)
    }

    fn store_now(
        &self,
        key: &RepositoryKey,
        expected: Option<&Revision>,
        record: &TrustRecord,
    ) -> Result<Revision, StateError> {
        let name = object_name(key);
        let mut learnt = self.learnt();
        let present = match learnt.get(&name) {
            Some(learnt) => Some(learnt.revision()),
            None => self.held.get(name.as_str()).map(Held::revision),
        };
        if present.as_ref() != expected {
            return Err(StateError::Conflict);
        }
        let version = learnt.get(&name).map_or(1, |learnt| learnt.version + 1);
        let origin = present.map_or_else(|| "learnt".to_owned(), |revision| revision.record);
        let stored = Learnt { key: key.clone(), record: record.clone(), origin, version };
        let revision = stored.revision();
        learnt.insert(name, stored);
        Ok(revision)
    }
}

impl TrustState for RecordedState {
    fn is_lasting(&self) -> bool {
        false
    }

    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>> {
        Box::pin(std::future::ready(self.load_now(key)))
    }

    fn others<'a>(
        &'a self,
        key: &'a RepositoryKey,
        is_new: bool,
    ) -> BoxFuture<'a, Result<Vec<OtherRecord>, StateError>> {
        Box::pin(std::future::ready(self.others_now(key, is_new)))
    }

    fn name_of(&self, key: &RepositoryKey) -> Option<String> {
        Some(format!("TrustedRepository {}", object_name(key)))
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
