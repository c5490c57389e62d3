//! [`compile`]: from a raw object to a [`CompiledPolicy`], whatever is wrong with it.

mod exemption;
mod notary;
mod roots;
mod schema;
mod scope;
mod server_url;
mod signing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use self::exemption::{CompiledExemption, EXEMPTION, compile_exemption, is_exemption};
pub use self::notary::token_realm;
pub(super) use self::schema::type_of;
pub(super) use self::scope::{Namespaces, Scope};
pub(super) use self::server_url::without_trailing_slash;
pub use self::server_url::{ServerUrlError, server_url};
use super::objects::{ObjectRef, ReferencedObjects};
use super::requirement::Requirement;
use super::set::{Taken, is_beyond_alone};
use super::weight::weight;
use super::{Actions, Freshness, PolicyId, TrustServer};
use crate::api::{self, ClusterTrustPolicySpec, FirstUse, PolicySpec, TrustPolicySpec};
use crate::limits;

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

    /// The kind that the API calls this, in whatever version.
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        let kinds = [Self::Cluster, Self::Namespaced].into_iter();
        kinds.filter(|_| group == api::GROUP).find(|known| known.as_str() == kind)
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
    pub(super) scope: Scope,
    server: Option<Arc<TrustServer>>,
    pub(super) requirement: Option<Requirement>,
    references: Vec<ObjectRef>,
    errors: Vec<PolicyError>,
    warnings: Vec<String>,
    /// Bytes of memory that it takes, about, or would take.
    bytes: usize,
    /// Entries of its `roots`.
    pinned: usize,
    /// Whether it is only what a policy beyond a bound is.
    is_beyond: bool,
}

/// The errors of one policy, as they are found.
#[derive(Debug, Default)]
struct Errors(Vec<PolicyError>);

impl Errors {
    fn push(&mut self, field: impl Into<String>, message: impl fmt::Display) {
        self.0.push(PolicyError { field: field.into(), message: message.to_string() });
    }

    /// The value, or the error noted down.
    fn keep<T, E: fmt::Display>(&mut self, field: impl Into<String>, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.push(field, error)).ok()
    }
}

/// Compiles one raw object. It never fails: a policy that cannot be compiled is one that denies (design §1).
pub fn compile(kind: PolicyKind, object: &Value, context: &CompileContext<'_>) -> CompiledPolicy {
    let taken = taken_by(kind, object);
    if is_beyond_alone(taken.bytes) {
        return compile_beyond(kind, object);
    }
    let mut errors = Errors::default();
    let mut warnings = Vec::new();
    let id = identity(kind, object, &mut errors);
    let spec = schema::without_nulls(object.get("spec").unwrap_or(&Value::Null));
    let violations = schema::check(kind, &spec);
    errors.0.extend(violations.errors);
    match context.unknown_fields {
        UnknownFields::Refuse => errors.0.extend(violations.unknown),
        UnknownFields::Warn => warnings.extend(violations.unknown.iter().map(ToString::to_string)),
    }
    let decodable = errors.0.is_empty();
    // Whatever else is wrong: which images in which namespaces, what is done to them, and where their trust data is.
    let (scope, actions) = scope::read(&id, &spec, &mut errors);
    let server = notary::read_server(&spec, &mut errors);

    let namespace = id.namespace.clone().unwrap_or_else(|| context.system_namespace.to_owned());
    let mut lookup = notary::Lookup { objects: context.objects, namespace, references: Vec::new() };
    let decoded = decodable.then(|| decode(kind, spec, &mut errors)).flatten();
    let compiled =
        decoded.zip(server.clone()).and_then(|(spec, url)| requirement(spec, url, &mut lookup, &mut errors));
    let server = match &compiled {
        Some(requirement) => Some(Arc::clone(&requirement.server)),
        None => server.map(|url| Arc::new(TrustServer::at(url))),
    };
    let requirement = compiled.filter(|_| errors.0.is_empty());
    let references = lookup.references;
    CompiledPolicy {
        id: Arc::new(id),
        actions,
        scope,
        server,
        requirement,
        references,
        errors: errors.0,
        warnings,
        bytes: taken.bytes,
        pinned: taken.roots,
        is_beyond: false,
    }
}

/// What a policy takes, told before it is compiled.
pub(super) fn taken_by(kind: PolicyKind, object: &Value) -> Taken<'_> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    Taken {
        namespace: (kind == PolicyKind::Namespaced).then_some(namespace),
        bytes: weight(spec),
        roots: spec.get("roots").and_then(Value::as_array).map_or(0, Vec::len),
    }
}

/// A policy that is beyond a bound, in as little memory as it takes to deny what it could match: a tenant's denies every image
/// of its namespace, a cluster policy those of its patterns. [`super::PolicySet`] says which bound.
pub fn compile_beyond(kind: PolicyKind, object: &Value) -> CompiledPolicy {
    let mut errors = Errors::default();
    let id = identity(kind, object, &mut errors);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (scope, actions) = match kind {
        PolicyKind::Cluster => scope::read(&id, spec, &mut errors),
        PolicyKind::Namespaced => scope::widest(&id, spec),
    };
    let server = notary::read_server(spec, &mut errors);
    let taken = taken_by(kind, object);
    CompiledPolicy {
        id: Arc::new(id),
        actions,
        scope,
        server: server.map(|url| Arc::new(TrustServer::at(url))),
        requirement: None,
        references: Vec::new(),
        // The bound is what is wrong with it.
        errors: Vec::new(),
        warnings: Vec::new(),
        bytes: taken.bytes,
        pinned: taken.roots,
        is_beyond: true,
    }
}

fn identity(kind: PolicyKind, object: &Value, errors: &mut Errors) -> PolicyId {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|s| !s.is_empty());
    let name = text("/metadata/name");
    if name.is_none() {
        errors.push("metadata.name", "is missing, and must be there");
    }
    let namespace = match kind {
        PolicyKind::Cluster => None,
        PolicyKind::Namespaced => {
            let namespace = text("/metadata/namespace");
            if namespace.is_none() {
                errors
                    .push("metadata.namespace", "is missing: a TrustPolicy is about one namespace, name it");
            }
            Some(namespace.unwrap_or_default().to_owned())
        }
    };
    if let Some(version) = object.get("apiVersion").filter(|version| *version != api::API_VERSION) {
        errors.push("apiVersion", format_args!("is {version}; this tagseal knows {}", api::API_VERSION));
    }
    PolicyId { namespace, name: name.unwrap_or_default().to_owned() }
}

/// A spec, and what depends on the kind.
struct Decoded {
    spec: PolicySpec,
    first_use: FirstUse,
    /// The lowest `revalidateAfter`.
    lowest: Duration,
}

fn decode(kind: PolicyKind, spec: Value, errors: &mut Errors) -> Option<Decoded> {
    let decoded = match kind {
        PolicyKind::Cluster => serde_json::from_value(spec).map(|spec: ClusterTrustPolicySpec| Decoded {
            spec: spec.policy,
            first_use: spec.first_use,
            lowest: limits::REVALIDATE_AFTER,
        }),
        PolicyKind::Namespaced => serde_json::from_value(spec).map(|spec: TrustPolicySpec| Decoded {
            spec: spec.policy,
            first_use: FirstUse::Deny,
            lowest: limits::NAMESPACE_REVALIDATE_AFTER,
        }),
    };
    errors.keep("spec", decoded)
}

fn requirement(
    Decoded { spec, first_use, lowest }: Decoded,
    url: url::Url,
    lookup: &mut notary::Lookup<'_>,
    errors: &mut Errors,
) -> Option<Requirement> {
    let server = notary::server(url, &spec.notary, lookup, errors);
    let credentials = notary::credentials(spec.notary.credentials, lookup, errors);
    let rewrite = notary::rewrite(&spec.notary.rewrite, errors);
    let roots = roots::compile(&spec.roots, spec.root_rotation, first_use, errors);
    let delegations = signing::delegations(spec.required_delegations, spec.threshold, errors);
    let (freshness, accept_for) =
        signing::durations(&spec.freshness, &spec.superseded_digests, lowest, errors);
    Some(Requirement {
        server: Arc::new(server?),
        credentials,
        rewrite,
        roots,
        delegations: delegations.map(Arc::new),
        digest_references: match spec.digest_references {
            api::DigestReferences::Verify => super::DigestReferences::Verify,
            api::DigestReferences::Allow => super::DigestReferences::Allow,
        },
        accept_for,
        mutation: spec.mutation.map(|mutation| match mutation {
            api::Mutation::None => super::Mutation::None,
            api::Mutation::Pods => super::Mutation::Pods,
            api::Mutation::Workloads => super::Mutation::Workloads,
        }),
        freshness,
    })
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

    /// The patterns of the images that it is about.
    pub fn includes(&self) -> &[crate::image::ImagePattern] {
        &self.scope.include
    }

    /// Its trust server, where that can be read.
    pub fn server(&self) -> Option<&Arc<TrustServer>> {
        self.server.as_ref()
    }

    /// How fresh it wants trust data; `None` for a policy that is broken.
    pub fn freshness(&self) -> Option<Freshness> {
        self.requirement.as_ref().map(|requirement| requirement.freshness)
    }

    /// The config maps and secrets that it names, there or not.
    pub fn references(&self) -> &[ObjectRef] {
        &self.references
    }

    /// What is wrong with it; empty for a policy that works.
    pub fn errors(&self) -> &[PolicyError] {
        &self.errors
    }

    /// What it takes.
    pub(super) fn taken(&self) -> Taken<'_> {
        Taken { namespace: self.id.namespace.as_deref(), bytes: self.bytes, roots: self.pinned }
    }

    /// Whether nothing of it is here but that it denies ([`compile_beyond`]).
    pub fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// The same policy without its requirement, for one that exceeds a bound together with others: it only denies.
    pub(super) fn beyond(&self) -> Self {
        Self {
            id: Arc::clone(&self.id),
            actions: self.actions,
            scope: Scope::everything_in(self.id.namespace.as_deref().unwrap_or_default()),
            server: self.server.clone(),
            requirement: None,
            references: Vec::new(),
            errors: self.errors.clone(),
            warnings: Vec::new(),
            bytes: self.bytes,
            pinned: self.pinned,
            is_beyond: true,
        }
    }

    /// What its author should look at, though it works.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
