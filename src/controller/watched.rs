//! [`Watched`]: what is kept of a policy object.

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{self, TrustPolicyStatus};
use crate::policy::{PolicyId, PolicyKind};

/// A policy object as the API server has it: of its metadata what counts, of its status what tagseal writes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watched {
    pub(super) id: PolicyId,
    pub(super) kind: PolicyKind,
    /// What is compiled. Its kind is written in: the items of a list have none of their own.
    pub(super) object: Value,
    pub(super) uid: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) resource_version: Option<String>,
    pub(super) status: TrustPolicyStatus,
}

impl Watched {
    pub(super) fn new(kind: PolicyKind, mut object: DynamicObject) -> Self {
        let (namespace, name) = (object.namespace(), object.name_any());
        let raw = compiled_form(kind.as_str(), &mut object);
        let status = status_of(&mut object);
        Self {
            id: PolicyId { namespace, name },
            kind,
            object: raw,
            uid: object.metadata.uid,
            generation: object.metadata.generation,
            resource_version: object.metadata.resource_version,
            status,
        }
    }

    /// Whether what is compiled is the same in `object`.
    pub(super) fn has_spec_of(&self, object: &DynamicObject) -> bool {
        self.object.get("spec") == object.data.get("spec")
    }
}

/// Takes out of `object` what is compiled. Its type is written in: the items of a list have none of their own.
pub(super) fn compiled_form(kind: &str, object: &mut DynamicObject) -> Value {
    let mut raw = json!({
        "apiVersion": api::API_VERSION,
        "kind": kind,
        "metadata": {"namespace": object.namespace(), "name": object.name_any()},
    });
    if let (Value::Object(raw), Some(spec)) = (&mut raw, object.data.get_mut("spec")) {
        raw.insert("spec".to_owned(), spec.take());
    }
    raw
}

/// Takes the status out of `object`. One that cannot be read is as good as none: it is written anew.
pub(super) fn status_of<T: DeserializeOwned + Default>(object: &mut DynamicObject) -> T {
    let status = object.data.get_mut("status").map(Value::take);
    status.and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default()
}
