//! [`Held`]: what is kept of one `TrustedRepository`: little, because there are thousands.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::Value;

use super::packed::Packed;
use super::record::{self, RecordError};
use crate::api::{PinnedBy, TrustedRepositorySpec, TrustedRepositoryStatus};
use crate::digest::Digest;
use crate::trust::{OtherRecord, RepositoryKey, Revision, StateError, TrustRecord};
use crate::tuf::Floors;

/// A `TrustedRepository` as the API server has it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) name: Box<str>,
    pub(super) uid: Option<Box<str>>,
    /// Its resource version.
    pub(super) version: Box<str>,
    /// When it was made: a pod asked for it then.
    pub(super) made: Option<Timestamp>,
    /// What it is about, if that is what its name says: believed or not.
    key: Option<RepositoryKey>,
    /// What it holds; else why it is not believed.
    content: Result<Content, Box<str>>,
    pub(super) standing: Standing,
    /// What others wrote into its metadata: a write leaves it as it is.
    others: Option<Box<ObjectMeta>>,
}

#[derive(Debug, Clone)]
struct Content {
    spec: Packed<TrustedRepositorySpec>,
    by_first_use: bool,
    /// Unpacked where another record of the GUN has asked for them: each of its refreshes does.
    floors: OnceLock<Arc<Floors>>,
}

/// What its status says.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// What it says but for times and words.
    pub(super) facts: Option<Digest>,
    pub(super) last_verified: Option<Timestamp>,
    pub(super) last_used: Option<Timestamp>,
    pub(super) image: Option<Box<str>>,
    /// Whether it says that the repository could not be verified.
    pub(super) fails: bool,
    status: Option<Packed<TrustedRepositoryStatus>>,
}

impl Held {
    pub(super) fn new(mut object: DynamicObject) -> Self {
        let name: Box<str> = object.name_any().into();
        let mut field = |name: &str| object.data.get_mut(name).map(Value::take).unwrap_or_default();
        let (spec, status) = (field("spec"), field("status"));
        // A status that cannot be read is as good as none: it is written anew.
        let status = serde_json::from_value(status).ok();
        let key = record::about(&spec).and_then(|about| record::key(&name, &about));
        let content = key.as_ref().map_err(Clone::clone).and_then(|_| Content::read(spec));
        Self {
            uid: object.metadata.uid.as_deref().map(Into::into),
            version: object.metadata.resource_version.as_deref().unwrap_or_default().into(),
            made: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            key: key.ok(),
            content: content.map_err(|error| error.to_string().into_boxed_str()),
            standing: status.as_ref().map(Standing::of).unwrap_or_default(),
            others: others(object.metadata),
            name,
        }
    }

    /// What it is about, where it is believed.
    pub(super) fn key(&self) -> Option<&RepositoryKey> {
        self.about().filter(|_| self.content.is_ok())
    }

    /// What it is about, believed or not: its deletion resets that repository.
    pub(super) fn about(&self) -> Option<&RepositoryKey> {
        self.key.as_ref()
    }

    /// Whether its root is trusted because it came first.
    pub(super) fn is_pinned_by_first_use(&self) -> bool {
        self.content.as_ref().is_ok_and(|content| content.by_first_use)
    }

    /// The record of `key`, which this object's name was made from.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] where the object is not believed. It is not "none": that would be a reset.
    pub(super) fn record(&self, key: &RepositoryKey) -> Result<TrustRecord, StateError> {
        let name = &self.name;
        let unavailable = |what: &dyn std::fmt::Display| {
            StateError::Unavailable(format!(
                "TrustedRepository {name} is not believed: {what}; to start anew with {}, delete it",
                key.gun
            ))
        };
        let content = self.content.as_ref().map_err(|error| unavailable(error))?;
        if let Some(about) = self.about().filter(|about| *about != key) {
            return Err(unavailable(&format!("it is about {} at {}", about.gun, about.server)));
        }
        let spec = content.spec.open().ok_or_else(|| unavailable(&"it cannot be unpacked"))?;
        record::record(&spec).map_err(|error| unavailable(&error))
    }

    /// The floors of its record.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub(super) fn floors(&self, key: &RepositoryKey) -> Result<Arc<Floors>, StateError> {
        if let Some(floors) = self.content.as_ref().ok().and_then(|content| content.floors.get()) {
            return Ok(Arc::clone(floors));
        }
        let floors = Arc::new(self.record(key)?.floors);
        if let Ok(content) = &self.content {
            let _ = content.floors.set(Arc::clone(&floors));
        }
        Ok(floors)
    }

    /// What others of its GUN may know of it; `None` where nobody knows what it is about. A new record needs the floors of all others:
    /// else one that is not believed is left out.
    ///
    /// # Errors
    /// As [`Self::record`], for a new record.
    pub(super) fn as_other(&self, is_new: bool) -> Result<Option<OtherRecord>, StateError> {
        let Some(about) = self.about() else { return Ok(None) };
        match self.floors(about) {
            Ok(floors) => Ok(Some(OtherRecord { key: about.clone(), floors })),
            Err(error) if is_new => Err(error),
            Err(error) => {
                tracing::debug!(gun = %about.gun, %error, "another record is left out");
                Ok(None)
            }
        }
    }

    /// The object, which its UID names, and its version.
    pub(super) fn revision(&self) -> Revision {
        Revision {
            record: self.uid.as_deref().unwrap_or_default().to_owned(),
            version: self.version.to_string(),
        }
    }

    /// Whether these are two objects, one after the other, under one name.
    pub(super) fn is_another_than(&self, other: &Self) -> bool {
        self.uid != other.uid
    }

    /// Metadata for the write that takes this version's place.
    pub(super) fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.to_string()),
            resource_version: Some(self.version.to_string()),
            uid: self.uid.as_deref().map(str::to_owned),
            ..self.others.as_deref().cloned().unwrap_or_default()
        }
    }
}

impl Content {
    fn read(spec: Value) -> Result<Self, RecordError> {
        let malformed = |message: String| RecordError::Malformed { field: "spec", message };
        let spec: TrustedRepositorySpec =
            serde_json::from_value(spec).map_err(|error| malformed(error.to_string()))?;
        record::record(&spec)?;
        let by_first_use = spec.root.pinned_by == PinnedBy::FirstUse;
        let spec = Packed::new(&spec).ok_or_else(|| malformed("it cannot be packed".to_owned()))?;
        Ok(Self { spec, by_first_use, floors: OnceLock::new() })
    }
}

impl Standing {
    pub(super) fn of(status: &TrustedRepositoryStatus) -> Self {
        let time = |time: &Option<Time>| time.as_ref().map(|time| time.0);
        Self {
            facts: Some(facts(status)),
            last_verified: time(&status.last_verified),
            last_used: time(&status.last_used),
            image: status.image.as_deref().map(Into::into),
            fails: status.conditions.iter().any(|condition| {
                condition.type_ == TrustedRepositoryStatus::VERIFIED && condition.status == "False"
            }),
            status: Packed::new(status),
        }
    }

    /// All that it says.
    pub(super) fn status(&self) -> TrustedRepositoryStatus {
        self.status.as_ref().and_then(Packed::open).unwrap_or_default()
    }
}

/// What a status says but for times and words: what only these would change is not written at once.
pub(super) fn facts(status: &TrustedRepositoryStatus) -> Digest {
    let mut facts = TrustedRepositoryStatus { last_verified: None, last_used: None, ..status.clone() };
    for condition in &mut facts.conditions {
        condition.message.clear();
        condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
    }
    // Strings and lists alone: it cannot fail.
    Digest::of(&serde_json::to_vec(&facts).unwrap_or_default())
}

fn others(metadata: ObjectMeta) -> Option<Box<ObjectMeta>> {
    let ObjectMeta { labels, annotations, finalizers, owner_references, .. } = metadata;
    let others = ObjectMeta { labels, annotations, finalizers, owner_references, ..ObjectMeta::default() };
    (others != ObjectMeta::default()).then(|| Box::new(others))
}
