//! [`View`]: what is known of all `TrustedRepository` objects: what the watch has shown, and what this replica learnt before
//! the watch did. No I/O.

use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;

use super::held::Held;

/// What one event of the watch means.
#[derive(Debug)]
pub(super) enum Change {
    /// A list begins.
    Begins,
    /// One object of the list.
    Lists(Arc<Held>),
    /// The list is whole.
    Ends,
    /// An object was written.
    Shows(Arc<Held>),
    /// An object was deleted.
    Deletes {
        /// Its name.
        name: Box<str>,
        /// The version of its deletion.
        version: Box<str>,
    },
}

impl Change {
    /// Reads the object, which takes longer than taking the change.
    pub(super) fn of(event: Event<DynamicObject>) -> Self {
        match event {
            Event::Init => Self::Begins,
            Event::InitApply(object) => Self::Lists(Arc::new(Held::new(object))),
            Event::InitDone => Self::Ends,
            Event::Apply(object) => Self::Shows(Arc::new(Held::new(object))),
            Event::Delete(object) => Self::Deletes {
                version: object.resource_version().unwrap_or_default().into(),
                name: object.name_any().into(),
            },
        }
    }
}

/// What came of a change.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Objects that are no more.
    pub(super) gone: Vec<Arc<Held>>,
    /// Objects that a list lacks and that this replica wrote, or tried to, before it or after it: the API server knows.
    pub(super) unsettled: Vec<Arc<Held>>,
}

/// What is known of one object.
#[derive(Debug)]
pub(super) enum Look {
    /// It is there.
    Found(Arc<Held>),
    /// It is certain that it is not there.
    Absent,
    /// The API server has to be asked.
    Ask,
}

/// What this replica knows and the watch has not shown yet.
#[derive(Debug)]
enum Ahead {
    /// The API server itself said so. The watch has caught up when it shows this version or a later one.
    Known { held: Option<Arc<Held>>, version: u64 },
    /// A write is under way, or nobody knows what became of it, or somebody else wrote.
    Doubtful,
}

/// All objects.
#[derive(Debug, Default)]
pub(super) struct View {
    watched: HashMap<Box<str>, Arc<Held>>,
    arriving: HashMap<Box<str>, Arc<Held>>,
    ahead: HashMap<Box<str>, Ahead>,
    synced: bool,
}

impl View {
    /// Takes what the watch shows. During a list what was known before stands, until all of the list is there.
    pub(super) fn take(&mut self, change: Change) -> Taken {
        let mut taken = Taken::default();
        match change {
            Change::Begins => self.arriving.clear(),
            Change::Lists(held) => {
                self.arriving.insert(held.name.clone(), held);
            }
            Change::Ends => taken = self.relisted(),
            Change::Shows(held) => {
                self.caught_up(&held.name, &held.version);
                self.watched.insert(held.name.clone(), held);
            }
            Change::Deletes { name, version } => {
                let ahead = self.caught_up(&name, &version);
                taken.gone.extend(self.watched.remove(&name).or(ahead));
            }
        }
        taken
    }

    fn relisted(&mut self) -> Taken {
        let mut taken = Taken::default();
        let before = std::mem::replace(&mut self.watched, std::mem::take(&mut self.arriving));
        self.watched.shrink_to_fit();
        self.synced = true;
        let listed: Vec<(Box<str>, Box<str>)> = self
            .ahead
            .keys()
            .filter_map(|name| Some((name.clone(), self.watched.get(name)?.version.clone())))
            .collect();
        for (name, version) in listed {
            self.caught_up(&name, &version);
        }
        let watched = &self.watched;
        self.ahead.retain(|name, ahead| match ahead {
            Ahead::Known { held: None, .. } => watched.contains_key(name),
            Ahead::Known { held: Some(held), .. } if !watched.contains_key(name) => {
                taken.unsettled.push(Arc::clone(held));
                *ahead = Ahead::Doubtful;
                true
            }
            _ => true,
        });
        let missing = before.into_values().filter(|held| !self.watched.contains_key(&held.name));
        for held in missing {
            match self.ahead.get(&held.name) {
                None => taken.gone.push(held),
                Some(_) if taken.unsettled.iter().any(|one| one.name == held.name) => {}
                Some(_) => taken.unsettled.push(held),
            }
        }
        taken
    }

    /// The watch has shown `version` of an object: what was known before it did may be over. Returns it then.
    fn caught_up(&mut self, name: &str, version: &str) -> Option<Arc<Held>> {
        let Some(Ahead::Known { version: known, .. }) = self.ahead.get(name) else { return None };
        // A version that is no number cannot be compared: what the watch shows counts.
        if number(version).is_some_and(|shown| shown < *known) {
            return None;
        }
        match self.ahead.remove(name)? {
            Ahead::Known { held, .. } => held,
            Ahead::Doubtful => None,
        }
    }

    /// What is known of an object.
    pub(super) fn look(&self, name: &str) -> Look {
        match (self.ahead.get(name), self.watched.get(name)) {
            (Some(Ahead::Known { held: Some(held), .. }), _) => Look::Found(Arc::clone(held)),
            (Some(Ahead::Known { held: None, .. }), _) => Look::Absent,
            (Some(Ahead::Doubtful), _) => Look::Ask,
            (None, _) if !self.synced => Look::Ask,
            (None, Some(held)) => Look::Found(Arc::clone(held)),
            (None, None) => Look::Absent,
        }
    }

    /// The next look has to ask the API server.
    pub(super) fn doubt(&mut self, name: &str) {
        self.ahead.insert(name.into(), Ahead::Doubtful);
    }

    /// The version that the watch has shown, to tell [`Self::answered`].
    pub(super) fn shown(&self, name: &str) -> Option<Box<str>> {
        self.watched.get(name).map(|held| held.version.clone())
    }

    /// The API server was asked for an object, when the watch had shown `shown` of it.
    pub(super) fn answered(&mut self, name: &str, shown: Option<&str>, answer: Option<Held>) {
        let Some(held) = answer else { return self.is_absent(name, shown) };
        self.wrote(held);
    }

    fn is_absent(&mut self, name: &str, shown: Option<&str>) {
        let now = self.watched.get(name).map(|held| &*held.version);
        match now {
            // The watch showed something meanwhile, and nobody knows which is later.
            _ if now != shown => self.doubt(name),
            None if self.synced => {
                self.ahead.remove(name);
            }
            _ => {
                let version = now.and_then(number).map_or(0, |version| version.saturating_add(1));
                self.ahead.insert(name.into(), Ahead::Known { held: None, version });
            }
        }
    }

    /// The API server answered with this object.
    pub(super) fn wrote(&mut self, held: Held) {
        let name = held.name.clone();
        let Some(version) = number(&held.version) else { return self.doubt(&name) };
        let shown = self.watched.get(&name).and_then(|shown| number(&shown.version));
        if self.synced && shown.is_some_and(|shown| shown >= version) {
            self.ahead.remove(&name);
            return;
        }
        if let Some(Ahead::Known { version: known, .. }) = self.ahead.get(&name)
            && *known >= version
        {
            return;
        }
        self.ahead.insert(name, Ahead::Known { held: Some(Arc::new(held)), version });
    }

    /// Whether one full list has arrived.
    pub(super) fn is_synced(&self) -> bool {
        self.synced
    }

    /// All objects that are known.
    pub(super) fn all(&self) -> Vec<Arc<Held>> {
        let watched = self.watched.values().filter(|held| !self.ahead.contains_key(&held.name));
        let ahead = self.ahead.values().filter_map(|ahead| match ahead {
            Ahead::Known { held, .. } => held.as_ref(),
            Ahead::Doubtful => None,
        });
        watched.chain(ahead).cloned().collect()
    }
}

/// A resource version as a number: of one resource, the later one is the greater (Kubernetes, "Resource versions").
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

#[cfg(test)]
mod tests;
