//! Exemptions in the cluster: what is kept of a `TrustExemption`, how often it is used, and its status.

mod news;
mod report;
mod says;
mod status;
mod uses;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::Value;

pub(super) use self::report::ExemptionReport;
pub use self::status::ExemptionStatuses;
pub use self::uses::ExemptionUses;
use super::watched::{compiled_form, status_of};
use crate::api::TrustExemptionStatus;
use crate::policy::{CompiledExemption, EXEMPTION, compile_exemption};

/// A `TrustExemption` as the API server has it: of its metadata what counts, of its status what tagseal writes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WatchedExemption {
    pub(super) name: String,
    /// What is compiled. Its kind is written in: the items of a list have none of their own.
    pub(super) object: Value,
    pub(super) uid: Option<String>,
    pub(super) generation: Option<i64>,
    pub(super) resource_version: Option<String>,
    pub(super) status: TrustExemptionStatus,
}

impl WatchedExemption {
    pub(super) fn new(mut object: DynamicObject) -> Self {
        let name = object.name_any();
        let raw = compiled_form(EXEMPTION, &mut object);
        let status = status_of(&mut object);
        Self {
            name,
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

/// Compiles each exemption once for as long as it does not change.
#[derive(Debug, Default)]
pub(super) struct ExemptionCompiler {
    known: BTreeMap<String, (Arc<WatchedExemption>, Arc<CompiledExemption>)>,
}

impl ExemptionCompiler {
    /// Compiles these objects, and forgets all others.
    pub(super) fn compile(&mut self, objects: &[Arc<WatchedExemption>]) -> Vec<Arc<CompiledExemption>> {
        let mut before = std::mem::take(&mut self.known);
        for watched in objects {
            let compiled = match before.remove(&watched.name) {
                Some((same, compiled)) if same.object == watched.object => compiled,
                _ => Arc::new(compile_exemption(&watched.object)),
            };
            self.known.insert(watched.name.clone(), (Arc::clone(watched), compiled));
        }
        self.known.values().map(|(_, compiled)| Arc::clone(compiled)).collect()
    }
}
