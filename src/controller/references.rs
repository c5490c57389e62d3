//! [`References`]: the config maps and secrets that policies name, followed one by one: config maps by a watch of each,
//! secrets by reading each again and again, so that no right to list a namespace's secrets is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Ready, ready};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::{AbortHandle, Abortable};
use futures::stream::{BoxStream, SelectAll};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};

use super::follow::follow;
use super::names::is_object_name;
use super::reread::reread;
use super::trouble::{Failure, Subject};
use crate::clock::SharedClock;
use crate::policy::{Entries, LookupError, ObjectKind, ObjectRef, ReferencedObjects, text_of};

/// What a policy may know of an object: the entries of a config map, nothing of a secret. `None`: there is no such object.
type Seen = Option<Entries>;

/// News of one referenced object.
pub(super) type Change = (ObjectRef, Result<Seen, Failure>);

/// The watches of referenced objects and what they have shown.
pub(super) struct References {
    client: Client,
    clock: SharedClock,
    changes: SelectAll<BoxStream<'static, Change>>,
    watches: BTreeMap<ObjectRef, Watch>,
}

struct Watch {
    abort: AbortHandle,
    /// Whether its first answer is still waited for.
    is_awaited: bool,
    /// The last that was seen, or why nothing ever was.
    seen: Option<Result<Seen, Failure>>,
}

impl References {
    pub(super) fn new(client: Client, clock: SharedClock) -> Self {
        Self { client, clock, changes: SelectAll::new(), watches: BTreeMap::new() }
    }

    /// Watches exactly these from now on.
    pub(super) fn watch(&mut self, wanted: &BTreeSet<ObjectRef>) {
        self.watches.retain(|key, watch| {
            let keep = wanted.contains(key);
            if !keep {
                watch.abort.abort();
            }
            keep
        });
        for key in wanted {
            if !self.watches.contains_key(key) {
                let (abort, registration) = AbortHandle::new_pair();
                self.changes.push(Abortable::new(self.changes_of(key), registration).boxed());
                let watch = Watch { abort, is_awaited: true, seen: None };
                self.watches.insert(key.clone(), watch);
            }
        }
    }

    /// The next change; `None` while nothing is watched.
    pub(super) async fn next(&mut self) -> Option<Change> {
        self.changes.next().await
    }

    /// Takes a change; says whether policies that name the object may now compile otherwise.
    pub(super) fn take(&mut self, (key, seen): Change) -> bool {
        let Some(watch) = self.watches.get_mut(&key) else { return false };
        // A watch that stumbles says nothing about an object that was read before.
        let stumbled = seen.is_err() && matches!(watch.seen, Some(Ok(_)));
        if stumbled || watch.seen.as_ref() == Some(&seen) {
            return false;
        }
        // No answer is waited for; a "no" is one.
        watch.is_awaited &= seen.as_ref().is_err_and(|failure| !failure.is_answer);
        watch.seen = Some(seen);
        true
    }

    /// Whether nothing is known yet of an object that is worth waiting for.
    pub(super) fn are_awaited(&self) -> bool {
        self.watches.values().any(|watch| watch.is_awaited)
    }

    /// Waits for none of those that it waits for now: policies that name them are broken until they are read.
    pub(super) fn give_up(&mut self) {
        for watch in self.watches.values_mut() {
            watch.is_awaited = false;
        }
    }

    fn changes_of(&self, key: &ObjectRef) -> BoxStream<'static, Change> {
        // The name becomes a field selector: one with a comma would select something else.
        if !is_object_name(&key.name) {
            return futures::stream::iter([(key.clone(), Ok(None))]).boxed();
        }
        let (client, clock, key) = (self.client.clone(), self.clock.clone(), key.clone());
        match key.kind {
            ObjectKind::ConfigMap => {
                let api = Api::<ConfigMap>::namespaced(client, &key.namespace);
                let config = watcher::Config::default().fields(&name_selector(&key));
                follow(api, config, subject(&key), clock)
                    .scan(false, seen)
                    .filter_map(ready)
                    .map(move |seen| (key.clone(), seen.map(|object| object.map(config_map_entries))))
                    .boxed()
            }
            ObjectKind::Secret => {
                let api = Api::<Secret>::namespaced(client, &key.namespace);
                reread(api, key.name.clone(), subject(&key), clock)
                    .map(move |seen| (key.clone(), seen.map(|found| found.map(|_| Entries::new()))))
                    .boxed()
            }
        }
    }

    fn object(&self, object: &ObjectRef) -> Result<&Entries, LookupError> {
        let unreadable =
            |message: &str| LookupError::Unreadable { object: object.clone(), message: message.to_owned() };
        match self.watches.get(object).and_then(|watch| watch.seen.as_ref()) {
            Some(Ok(Some(entries))) => Ok(entries),
            Some(Ok(None)) => Err(LookupError::NoObject(object.clone())),
            Some(Err(failure)) => Err(unreadable(&failure.message)),
            None => Err(unreadable("the API server does not answer")),
        }
    }
}

impl ReferencedObjects for References {
    fn config_map_key(&self, namespace: &str, name: &str, key: &str) -> Result<Arc<str>, LookupError> {
        let object = object_ref(ObjectKind::ConfigMap, namespace, name);
        text_of(self.object(&object)?, &object, key)
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        self.object(&object_ref(ObjectKind::Secret, namespace, name)).map(drop)
    }
}

/// Selects the object alone. Only for a name that [`is_object_name`].
pub(super) fn name_selector(key: &ObjectRef) -> String {
    format!("metadata.name={}", key.name)
}

/// The object, for people.
pub(super) fn subject(key: &ObjectRef) -> Subject {
    let resource = match key.kind {
        ObjectKind::ConfigMap => "configmaps",
        ObjectKind::Secret => "secrets",
    };
    Subject {
        what: key.to_string(),
        resource: format!("{resource} in the namespace {}", key.namespace),
        meanwhile: "what was last read of it holds; if it was never read, policies that name it are invalid",
    }
}

fn object_ref(kind: ObjectKind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

/// An object, that it is not there, or why neither can be told.
pub(super) type Sight<K> = Result<Option<K>, Failure>;

/// An object, or that it is not there, out of the events of a watch of it alone.
pub(super) fn seen<K>(
    is_there: &mut bool,
    item: Result<Event<K>, Failure>,
) -> Ready<Option<Option<Sight<K>>>> {
    let seen = match item {
        Ok(Event::Init) => {
            *is_there = false;
            None
        }
        Ok(Event::InitApply(object) | Event::Apply(object)) => {
            *is_there = true;
            Some(Ok(Some(object)))
        }
        Ok(Event::Delete(_)) => Some(Ok(None)),
        Ok(Event::InitDone) => (!*is_there).then_some(Ok(None)),
        Err(failure) => Some(Err(failure)),
    };
    ready(Some(seen))
}

/// The values of a config map, text and other.
pub(super) fn config_map_entries(object: ConfigMap) -> Entries {
    let text = object.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binary =
        object.binary_data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value));
    text.chain(binary).collect()
}
