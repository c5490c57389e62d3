//! [`Sights`]: the objects that protection rests on, as the API server shows them.

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde_json::Value;

use super::shipped::{DEFINITIONS, MUTATING, VALIDATING, Webhook};
use crate::clock::SharedClock;
use crate::controller::follow::follow;
use crate::controller::trouble::{Failure, Subject};

/// What kind of object it is, and what is expected of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// A webhook configuration with these webhooks.
    Configuration(&'static [Webhook]),
    Definition,
}

/// One object, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    pub(super) part: Part,
    /// How metrics call it.
    pub(super) label: &'static str,
    pub(super) resource: ApiResource,
    pub(super) name: String,
    pub(super) seen: Seen,
    /// Of the last object that was there.
    pub(super) uid: Option<String>,
    /// What a list brings that has not ended.
    arriving: Option<Value>,
    /// How often in a row it was refused.
    refusals: u32,
}

/// An API server that starts refuses for a moment what it allows later.
const REFUSALS: u32 = 3;

/// What the API server has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// It was not asked yet.
    Nothing,
    /// It does not let us look, and says why.
    Refused(String),
    /// It is not there.
    Absent,
    There(Value),
}

impl Sight {
    fn new(part: Part, label: &'static str, kind: GroupVersionKind, name: &str) -> Self {
        let (resource, name) = (ApiResource::from_gvk(&kind), name.to_owned());
        Self { part, label, resource, name, seen: Seen::Nothing, uid: None, arriving: None, refusals: 0 }
    }

    /// `ValidatingWebhookConfiguration tagseal`.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.resource.kind, self.name)
    }

    /// Takes what the watch shows. What was seen stands while the API server does not answer.
    pub(super) fn take(&mut self, event: Result<Event<DynamicObject>, Failure>) {
        match &event {
            Err(failure) if failure.is_answer => self.refusals = self.refusals.saturating_add(1),
            Ok(Event::Init) | Err(_) => {}
            Ok(_) => self.refusals = 0,
        }
        match event {
            Ok(Event::Init) => self.arriving = None,
            Ok(Event::InitApply(object)) => self.arriving = Some(self.value(object)),
            Ok(Event::InitDone) => self.seen = self.arriving.take().map_or(Seen::Absent, Seen::There),
            Ok(Event::Apply(object)) => self.seen = Seen::There(self.value(object)),
            Ok(Event::Delete(_)) => self.seen = Seen::Absent,
            Err(failure) if failure.is_answer && self.refusals >= REFUSALS => {
                self.seen = Seen::Refused(failure.message);
            }
            Err(_) => {}
        }
    }

    /// The object as far as anything depends on it.
    fn value(&mut self, object: DynamicObject) -> Value {
        self.uid = object.metadata.uid;
        let mut value = object.data;
        // Every schema of a definition is tens of kilobytes that nobody looks at.
        if let Some(versions) = value.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
            for version in versions.iter_mut().filter_map(Value::as_object_mut) {
                version.retain(|field, _| matches!(field.as_str(), "name" | "served"));
            }
        }
        if let (Some(at), Some(fields)) = (object.metadata.deletion_timestamp, value.as_object_mut()) {
            fields.insert("metadata".to_owned(), serde_json::json!({"deletionTimestamp": at}));
        }
        value
    }

    fn watch(&self, client: &Client, clock: SharedClock) -> impl Stream<Item = Shown> + Send + use<> {
        let subject = Subject {
            what: self.what(),
            resource: format!("{}.{} ({})", self.resource.plural, self.resource.group, self.name),
            meanwhile: "whether it is in force is not known",
        };
        let config = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        follow(Api::all_with(client.clone(), &self.resource), config, subject, clock)
    }
}

/// An item of a watch.
pub(super) type Shown = Result<Event<DynamicObject>, Failure>;

/// Everything that is looked at, with nothing seen yet: both configurations of this name, and the definitions.
pub(super) fn all(configuration: &str) -> Vec<Sight> {
    let webhooks = |kind: &str| GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    let definition = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let [mutating, validating] = ["Mutating", "Validating"].map(|kind| format!("{kind}WebhookConfiguration"));
    let configurations = [
        Sight::new(Part::Configuration(MUTATING), "mutating", webhooks(&mutating), configuration),
        Sight::new(Part::Configuration(VALIDATING), "validating", webhooks(&validating), configuration),
    ];
    let definitions =
        DEFINITIONS.iter().map(|name| Sight::new(Part::Definition, name, definition.clone(), name));
    configurations.into_iter().chain(definitions).collect()
}

/// The watches of all of them, each item with the place of what it is about.
pub(super) fn watches(
    sights: &[Sight],
    client: &Client,
    clock: &SharedClock,
) -> BoxStream<'static, (usize, Shown)> {
    let watches = sights
        .iter()
        .enumerate()
        .map(|(place, sight)| sight.watch(client, clock.clone()).map(move |shown| (place, shown)).boxed());
    futures::stream::select_all(watches).boxed()
}
