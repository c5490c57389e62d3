//! [`References`]: the config maps and secrets that policies name, watched one by one, so that no right to list all of
//! them is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{AbortHandle, Abortable};
use futures::stream::{BoxStream, SelectAll};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::time::Instant;

use super::follow::follow;
use super::names::is_object_name;
use super::trouble::{Failure, Subject};
use crate::policy::{LookupError, ObjectKind, ObjectRef, ReferencedObjects};

/// How long the set of policies waits for an object that was never read. Then the policy that names it is broken, and the
/// others go on.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a policy may know of an object: the entries of a config map, nothing of a secret. `None`: there is no such object.
type Seen = Option<Entries>;
type Entries = BTreeMap<String, Vec<u8>>;

/// News of one referenced object.
pub(super) type Change = (ObjectRef, Result<Seen, Failure>);

/// The watches of referenced objects and what they have shown.
pub(super) struct References {
    client: Client,
    changes: SelectAll<BoxStream<'static, Change>>,
    watches: BTreeMap<ObjectRef, Watch>,
}

struct Watch {
    abort: AbortHandle,
    /// Until when its first answer is waited for.
    patience: Instant,
    /// The last that was seen, or why nothing ever was.
    seen: Option<Result<Seen, Failure>>,
}

impl References {
    pub(super) fn new(client: Client) -> Self {
        Self { client, changes: SelectAll::new(), watches: BTreeMap::new() }
    }

    /// Watches exactly these from now on.
    pub(super) fn watch(&mut self, wanted: &BTreeSet<ObjectRef>, now: Instant) {
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
                self.changes.push(Abortable::new(changes(&self.client, key), registration).boxed());
                let watch = Watch { abort, patience: now + PATIENCE, seen: None };
                self.watches.insert(key.clone(), watch);
            }
        }
    }

    /// The next change; `None` while nothing is watched.
    pub(super) async fn next(&mut self) -> Option<Change> {
        self.changes.next().await
    }

    /// Takes a change; says whether policies that name the object may now compile otherwise.
    pub(super) fn take(&mut self, (key, news): Change) -> bool {
        let Some(watch) = self.watches.get_mut(&key) else { return false };
        // A watch that stumbles says nothing about an object that was read before.
        let stumbled = news.is_err() && matches!(watch.seen, Some(Ok(_)));
        if stumbled || watch.seen.as_ref() == Some(&news) {
            return false;
        }
        watch.seen = Some(news);
        true
    }

    /// Until when to wait for objects of which nothing is known yet; `None`: the wait is over.
    pub(super) fn waiting(&self, now: Instant) -> Option<Instant> {
        let open = |watch: &&Watch| match &watch.seen {
            None => true,
            Some(Err(failure)) => !failure.is_answer,
            Some(Ok(_)) => false,
        };
        let patience = self.watches.values().filter(open).map(|watch| watch.patience);
        patience.filter(|patience| now < *patience).max()
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
        let entries = self.object(&object)?;
        let Some(bytes) = entries.get(key) else {
            return Err(LookupError::NoKey { object, key: key.to_owned() });
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => {
                Err(LookupError::Unreadable { object, message: format!("the value of {key:?} is not UTF-8") })
            }
        }
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<(), LookupError> {
        self.object(&object_ref(ObjectKind::Secret, namespace, name)).map(drop)
    }
}

fn object_ref(kind: ObjectKind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

fn changes(client: &Client, key: &ObjectRef) -> BoxStream<'static, Change> {
    // The name becomes a field selector: one with a comma would select something else.
    if !is_object_name(&key.name) {
        return futures::stream::iter([(key.clone(), Ok(None))]).boxed();
    }
    match key.kind {
        ObjectKind::ConfigMap => {
            watch(Api::<ConfigMap>::namespaced(client.clone(), &key.namespace), key, config_map_entries)
        }
        // What is in a secret is none of a policy's business: its metadata suffices.
        ObjectKind::Secret => {
            watch(Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), &key.namespace), key, |_| {
                Entries::new()
            })
        }
    }
}

fn watch<K>(api: Api<K>, key: &ObjectRef, entries: fn(K) -> Entries) -> BoxStream<'static, Change>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={}", key.name));
    let resource = match key.kind {
        ObjectKind::ConfigMap => "configmaps",
        ObjectKind::Secret => "secrets",
    };
    let subject = Subject {
        what: key.to_string(),
        resource: format!("{resource} in the namespace {}", key.namespace),
        meanwhile: "what was last read of it holds; policies that name it deny if it was never read",
    };
    let key = key.clone();
    let listed = |is_there: &mut bool, item: Result<Event<K>, Failure>| {
        let news = match item {
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
        ready(Some(news))
    };
    follow(api, config, subject)
        .scan(false, listed)
        .filter_map(ready)
        .map(move |news| (key.clone(), news.map(|object| object.map(entries))))
        .boxed()
}

fn config_map_entries(object: ConfigMap) -> Entries {
    let text = object.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binary =
        object.binary_data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value));
    text.chain(binary).collect()
}
