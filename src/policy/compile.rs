//! [`compile`]: from a raw object to a [`CompiledPolicy`], whatever is wrong with it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::objects::{ObjectRef, ReferencedObjects};
use super::{Actions, PolicyId, TrustServer};

/// Which of the two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyKind {
    /// `ClusterTrustPolicy`
    Cluster,
    /// `TrustPolicy`
    Namespaced,
}

impl PolicyKind {
    /// The kind's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "ClusterTrustPolicy",
            Self::Namespaced => "TrustPolicy",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of a field that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    /// It breaks the policy: in files nothing else would ever notice a misspelt field.
    #[default]
    Refuse,
    /// It becomes a warning: the API server prunes, so in a cluster it is a field of a newer tagseal whose default the API
    /// server filled in, and must not break every policy during an upgrade.
    Warn,
}

/// What policies are compiled against.
#[derive(Clone, Copy)]
pub struct CompileContext<'a> {
    /// tagseal's own namespace: where the references of cluster policies are looked up.
    pub system_namespace: &'a str,
    /// Where config maps and secrets come from.
    pub objects: &'a dyn ReferencedObjects,
    /// What becomes of fields that the schema does not know.
    pub unknown_fields: UnknownFields,
}

/// What is wrong with one field of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct PolicyError {
    /// The field's path, `spec.roots[0].keyID`.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// A policy, ready to be matched. A policy that is broken is one too: it denies what it could have matched.
#[derive(Debug)]
pub struct CompiledPolicy {
    id: Arc<PolicyId>,
    actions: Actions,
    server: Option<Arc<TrustServer>>,
    references: Vec<ObjectRef>,
    errors: Vec<PolicyError>,
    warnings: Vec<String>,
}

/// Compiles one raw object. It never fails: a policy that cannot be compiled is one that denies (design §1).
pub fn compile(kind: PolicyKind, object: &Value, context: &CompileContext<'_>) -> CompiledPolicy {
    let _ = (kind, object, context);
    todo!()
}

impl CompiledPolicy {
    /// Which policy.
    pub fn id(&self) -> &Arc<PolicyId> {
        &self.id
    }

    /// What it does with what it finds; `Deny` where that cannot be read.
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// Its trust server, where that can be read.
    pub fn server(&self) -> Option<&Arc<TrustServer>> {
        self.server.as_ref()
    }

    /// The config maps and secrets that it names, there or not.
    pub fn references(&self) -> &[ObjectRef] {
        &self.references
    }

    /// What is wrong with it; empty for a policy that works.
    pub fn errors(&self) -> &[PolicyError] {
        &self.errors
    }

    /// What its author should look at, though it works.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
