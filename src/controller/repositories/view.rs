//! [`View`]: what is known of all `TrustedRepository` objects: what the watch has shown, and what this replica learnt before
//! the watch did. No I/O.

mod ahead;
mod names;

use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;

pub(super) use self::ahead::Asked;
use self::ahead::{Ahead, What};
use self::names::Names;
use super::held::Held;
use crate::tuf::Gun;

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

/// All objects.
///
/// Answers of the API server cross with the watch and with each other. What counts:
///
/// 1. Versions order all changes of the resource. An answer that is no later than what the watch has shown, of whichever
///    object, is in there already: what the watch shows counts, a deletion above all.
/// 2. An answer settles what was open when its request was sent, and nothing that came up since.
/// 3. That an object is not there has no version. It counts where nothing was learnt of the object while it was asked for,
///    and until the watch shows the deletion, or another object of that name.
/// 4. An object that a whole list lacks which came while it was asked for may be newer than the list, or gone.
///
/// What none of these settles is asked for again.
#[derive(Debug, Default)]
pub(super) struct View {
    watched: HashMap<Box<str>, Arc<Held>>,
    arriving: HashMap<Box<str>, Arc<Held>>,
    ahead: HashMap<Box<str>, Ahead>,
    /// Of which repository there are which objects.
    names: Names,
    /// The latest version that the watch has shown of any object.
    seen: u64,
    /// How many whole lists have arrived.
    lists: u64,
    /// How often something came into `ahead`.
    turn: u64,
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
                self.has_seen(&held.version);
                let ahead = self.caught_up(&held.name, &held.version, Some(&held));
                self.names.add(&held);
                let before = self.watched.insert(held.name.clone(), Arc::clone(&held));
                taken.gone = replaced(&held, before, ahead);
            }
            Change::Deletes { name, version } => {
                self.has_seen(&version);
                let ahead = self.caught_up(&name, &version, None);
                taken.gone.extend(self.watched.remove(&name).or(ahead));
            }
        }
        taken
    }

    fn relisted(&mut self) -> Taken {
        let mut taken = Taken::default();
        let mut before = std::mem::replace(&mut self.watched, std::mem::take(&mut self.arriving));
        self.watched.shrink_to_fit();
        self.lists += 1;
        // Versions begin anew where the API server's data was restored.
        self.seen = self.watched.values().filter_map(|held| number(&held.version)).max().unwrap_or(0);
        let listed: Vec<Arc<Held>> = self.watched.values().cloned().collect();
        let ahead = self.ahead.values().filter_map(|ahead| ahead.last.as_ref());
        self.names = Names::of(listed.iter().chain(ahead));
        for held in listed {
            let ahead = self.caught_up(&held.name, &held.version, Some(&held));
            taken.gone.extend(replaced(&held, before.remove(&held.name), ahead));
        }
        taken.unsettled = self.unsettled();
        for held in before.into_values() {
            match self.ahead.get(&held.name).map(|ahead| ahead.what) {
                None | Some(What::Absent) => taken.gone.push(held),
                Some(_) if taken.unsettled.iter().any(|one| one.name == held.name) => {}
                Some(_) => taken.unsettled.push(held),
            }
        }
        taken
    }

    /// What this replica knows to be there and a whole list lacks: from now on nobody knows.
    fn unsettled(&mut self) -> Vec<Arc<Held>> {
        let mut unsettled = Vec::new();
        let (watched, seen, turn) = (&self.watched, self.seen, &mut self.turn);
        self.ahead.retain(|name, ahead| {
            let is_listed = watched.contains_key(name);
            if ahead.what == What::There && !is_listed {
                unsettled.extend(ahead.last.clone());
                *turn += 1;
                (ahead.what, ahead.turn) = (What::Doubtful, *turn);
            }
            // A list that may be older says nothing about what is gone since.
            ahead.what != What::Absent || is_listed || ahead.version() > seen
        });
        unsettled
    }

    fn has_seen(&mut self, version: &str) {
        self.seen = number(version).map_or(self.seen, |version| version.max(self.seen));
    }

    /// The watch has shown `version` of an object, its deletion where `shown` is none: what was known to be there before it
    /// did may be over. Returns it then.
    fn caught_up(&mut self, name: &str, version: &str, shown: Option<&Held>) -> Option<Arc<Held>> {
        if !self.ahead.get(name)?.ends_with(version, shown) {
            return None;
        }
        let ended = self.ahead.remove(name)?;
        ended.last.filter(|_| ended.what == What::There)
    }

    /// What is known of an object.
    pub(super) fn look(&self, name: &str) -> Look {
        let found =
            |held: Option<&Arc<Held>>| held.map_or(Look::Absent, |held| Look::Found(Arc::clone(held)));
        match self.ahead.get(name) {
            Some(Ahead { what: What::There, last, .. }) => found(last.as_ref()),
            Some(Ahead { what: What::Absent, .. }) => Look::Absent,
            Some(Ahead { what: What::Doubtful, .. }) => Look::Ask,
            None if !self.is_synced() => Look::Ask,
            None => found(self.watched.get(name)),
        }
    }

    /// The next look has to ask the API server.
    pub(super) fn doubt(&mut self, name: &str) {
        let last = self.ahead.get(name).and_then(|ahead| ahead.last.clone());
        self.learn(name, What::Doubtful, last);
    }

    fn learn(&mut self, name: &str, what: What, last: Option<Arc<Held>>) {
        if let Some(held) = &last {
            self.names.add(held);
        }
        self.turn += 1;
        self.ahead.insert(name.into(), Ahead { what, last, turn: self.turn });
    }

    /// A request about an object is about to be sent: what its answer is held against.
    pub(super) fn asks(&self, name: &str) -> Asked {
        let shown = self.watched.get(name).map(|held| held.version.clone());
        Asked { name: name.into(), shown, lists: self.lists, turn: self.turn }
    }

    /// The API server answered a request: with the object as it is or was written; `None`: there is none.
    pub(super) fn answered(&mut self, asked: &Asked, answer: Option<Held>) {
        match answer {
            Some(held) => self.is_there(asked, held),
            None => self.is_absent(asked),
        }
    }

    fn is_there(&mut self, asked: &Asked, held: Held) {
        let name = &*asked.name;
        let Some(version) = number(&held.version) else { return self.doubt(name) };
        let is_seen = version <= self.seen;
        let ahead = self.ahead.get(name);
        let is_news = ahead.is_none_or(|ahead| version > ahead.version());
        match ahead {
            Some(Ahead { what: What::There, .. }) if !is_news => {}
            // In doubt since, or said to be gone. What this answer adds is that there was this version.
            Some(Ahead { what: What::Doubtful | What::Absent, turn, .. }) if *turn > asked.turn => {
                if is_news && !is_seen {
                    self.learn(name, What::Doubtful, Some(Arc::new(held)));
                }
            }
            _ if is_seen => {
                self.ahead.remove(name);
            }
            _ if self.lists != asked.lists && !self.watched.contains_key(name) => {
                self.learn(name, What::Doubtful, Some(Arc::new(held)));
            }
            _ => self.learn(name, What::There, Some(Arc::new(held))),
        }
    }

    fn is_absent(&mut self, asked: &Asked) {
        let name = &*asked.name;
        let now = self.watched.get(name);
        let ahead = self.ahead.get(name);
        match ahead.filter(|ahead| ahead.turn > asked.turn).map(|ahead| ahead.what) {
            Some(What::Absent | What::Doubtful) => {}
            Some(What::There) => self.doubt(name),
            None if now.map(|held| &held.version) != asked.shown.as_ref() => self.doubt(name),
            None => {
                let known = [now, ahead.and_then(|ahead| ahead.last.as_ref())].into_iter().flatten();
                let last = known.max_by_key(|held| number(&held.version)).cloned();
                let is_seen = last.as_deref().and_then(|last| number(&last.version)) <= Some(self.seen);
                if now.is_none() && self.is_synced() && is_seen {
                    self.ahead.remove(name);
                } else {
                    self.learn(name, What::Absent, last);
                }
            }
        }
    }

    /// The objects about a repository, from whichever server and under whatever anchors, as they were last known: where a
    /// write is under way, as they were before it.
    pub(super) fn of_gun(&self, gun: &Gun) -> Vec<Arc<Held>> {
        let last = |name: &str| match self.ahead.get(name) {
            Some(Ahead { what: What::Absent, .. }) => None,
            Some(Ahead { last: Some(last), .. }) => Some(Arc::clone(last)),
            _ => self.watched.get(name).map(Arc::clone),
        };
        self.names.of_gun(gun).iter().filter_map(|name| last(name)).collect()
    }

    /// Whether one full list has arrived.
    pub(super) fn is_synced(&self) -> bool {
        self.lists > 0
    }

    /// All objects that are known.
    pub(super) fn all(&self) -> Vec<Arc<Held>> {
        let watched = self.watched.values().filter(|held| !self.ahead.contains_key(&held.name));
        let there = self.ahead.values().filter(|ahead| ahead.what == What::There);
        let ahead = there.filter_map(|ahead| ahead.last.as_ref());
        watched.chain(ahead).cloned().collect()
    }
}

/// What was known before under the name of `held`, and is another object: it is no more.
fn replaced(held: &Held, before: Option<Arc<Held>>, ahead: Option<Arc<Held>>) -> Vec<Arc<Held>> {
    let mut gone: Vec<_> =
        [before, ahead].into_iter().flatten().filter(|old| old.is_another_than(held)).collect();
    gone.dedup_by(|one, other| one.uid == other.uid);
    gone
}

/// A resource version as a number: of one resource, the later one is the greater (Kubernetes, "Resource versions").
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

#[cfg(test)]
mod tests;
