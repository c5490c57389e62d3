//! [`Watched`]: what is kept of a policy object.

use kube::ResourceExt as _;
use kube::api::DynamicObject;
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
        let mut raw = json!({
            "apiVersion": api::API_VERSION,
            "kind": kind.as_str(),
            "metadata": {"namespace": namespace, "name": name},
        });
        if let (Value::Object(raw), Some(spec)) = (&mut raw, object.data.get_mut("spec")) {
            raw.insert("spec".to_owned(), spec.take());
        }
        // A status that cannot be read is as good as none: it is written anew.
        let status = object.data.get_mut("status").map(Value::take);
        let status = status.and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default();
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
