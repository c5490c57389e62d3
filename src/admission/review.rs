//! Reads an AdmissionReview: from bytes to the few fields that decide, borrowed from the bytes.
//!
//! kube's own `AdmissionReview` flattens its type fields, so serde would first build the whole document, object
//! and old object included; these structs name the same fields and skip the rest.

mod template;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::{Groups, Node, Text};
use super::sites::WorkloadKind;

/// The one version of the API that is spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";
/// The one kind.
pub const KIND: &str = "AdmissionReview";

/// Why a body is not a request that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not an AdmissionReview of v1 with a request: the caller is at fault (HTTP 400).
    #[error("not an AdmissionReview of {API_VERSION}: {0}")]
    NotAReview(String),
    /// It is one, but its object cannot be read: denied with `UnsupportedObject`.
    #[error("the object cannot be read: {message}")]
    Object {
        /// What the request says beside its object.
        about: Box<About>,
        /// What is wrong.
        message: String,
    },
}

/// What is known of a request whose object cannot be read, each as far as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The request's uid, to answer under.
    pub uid: String,
    /// The object's kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its subresource.
    pub subresource: String,
    /// Whether nothing would be stored.
    pub dry_run: bool,
}

/// What the request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// Creates an object.
    Create,
    /// Changes one.
    Update,
    /// Deletes one.
    Delete,
    /// Connects to one (exec, port-forward).
    Connect,
}

impl Operation {
    /// As the API server writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<R> {
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default = "Option::default")]
    request: Option<R>,
}

/// The request of an AdmissionReview, without the fields that decide nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    kind: Kind<'a>,
    #[serde(borrow, default)]
    sub_resource: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
    operation: Operation,
    #[serde(borrow, default)]
    user_info: UserInfo<'a>,
    #[serde(borrow, default)]
    object: Option<Node<'a>>,
    #[serde(borrow, default)]
    old_object: Option<Node<'a>>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(skip)]
    whole: Whole<'a>,
}

/// The fields that are not read at first: the rest of the body, or what was found there.
#[derive(Debug, Default)]
enum Whole<'a> {
    /// All of it, for the rare second look.
    Body(&'a [u8]),
    /// The second look was taken: whether the template is another one.
    Looked(bool),
    #[default]
    Unknown,
}

/// Group, version and kind.
#[derive(Debug, Default, Deserialize)]
pub struct Kind<'a> {
    #[serde(borrow, default)]
    group: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: Text<'a>,
    #[serde(borrow, default)]
    groups: Groups<'a>,
}

/// What is still read of a review whose object cannot be: enough to answer under its uid; and for the log, each as far as it
/// can be read by itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stub<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow, default)]
    kind: Kind<'a>,
    #[serde(borrow, default)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sub_resource: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dry_run: Option<&'a RawValue>,
}

/// The field as `T`; its default where it is none.
fn lenient<'a, T: Default + Deserialize<'a>>(field: Option<&'a RawValue>) -> T {
    field.and_then(|field| serde_json::from_str(field.get()).ok()).unwrap_or_default()
}

impl<'a> Request<'a> {
    /// Reads the body of a webhook call.
    ///
    /// # Errors
    /// [`Unreadable`], never a panic, whatever the bytes.
    pub fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        let request: Self = read_as(body)?;
        if request.uid().is_empty() {
            return Err(Unreadable::NotAReview("the request has no uid".to_owned()));
        }
        Ok(Self { whole: Whole::Body(body), ..request })
    }

    /// The request's identifier: the decision's ID in the log.
    pub fn uid(&self) -> &str {
        self.uid.as_str()
    }

    /// The object's row; `None` for a kind or version that is not known.
    pub fn workload_kind(&self) -> Option<&'static WorkloadKind> {
        WorkloadKind::find(self.kind.group.as_str(), self.kind.version.as_str(), self.kind.kind.as_str())
    }

    /// The object's kind as `apps/v1 Deployment`.
    pub fn kind_name(&self) -> String {
        self.kind.name()
    }

    /// The subresource; empty for the object itself.
    pub fn subresource(&self) -> &str {
        self.sub_resource.as_str()
    }

    /// The object's name, or the prefix from which it will be made; may be empty.
    pub fn object_name(&self) -> &str {
        let generated =
            || self.object.as_ref().and_then(Node::metadata).map_or("", |meta| meta.generate_name());
        if self.name.as_str().is_empty() { generated() } else { self.name.as_str() }
    }

    /// The namespace; empty for what has none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_str()
    }

    /// What is done.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Whether nothing will be stored.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run.unwrap_or(false)
    }

    /// The object as it would be stored.
    pub fn object(&self) -> Option<&Node<'a>> {
        self.object.as_ref()
    }

    /// The object as it is stored.
    pub fn old_object(&self) -> Option<&Node<'a>> {
        self.old_object.as_ref()
    }

    /// Whether the template is another one than before, in whatever field. Reads the body once more: to be asked only where
    /// it matters.
    pub fn has_another_template(&self) -> bool {
        let path = self.workload_kind().and_then(WorkloadKind::template);
        match self.whole {
            Whole::Body(body) => path.is_some_and(|path| template::differs(body, path)),
            Whole::Looked(differs) => differs,
            Whole::Unknown => true,
        }
    }

    /// The same, of nobody's bytes. Takes the second look: to be called where that may take its time.
    pub fn into_owned(self) -> Request<'static> {
        let is_update = self.operation == Operation::Update;
        let whole = Whole::Looked(is_update && self.has_another_template());
        Request {
            uid: self.uid.into_owned(),
            kind: self.kind.into_owned(),
            sub_resource: self.sub_resource.into_owned(),
            name: self.name.into_owned(),
            namespace: self.namespace.into_owned(),
            operation: self.operation,
            user_info: UserInfo {
                username: self.user_info.username.into_owned(),
                groups: self.user_info.groups.into_owned(),
            },
            object: self.object.map(Node::into_owned),
            old_object: self.old_object.map(Node::into_owned),
            dry_run: self.dry_run,
            whole,
        }
    }

    /// Whether this is a kubelet telling the API server of a static pod that runs already: CREATE of a pod, the
    /// annotation *and* a node's own identity (design §11). The annotation alone, which anybody can write, is nothing.
    pub fn is_mirror_pod(&self) -> bool {
        let of_a_node = || {
            self.user_info.username.as_str().starts_with("system:node:")
                && self.user_info.groups.iter().any(|group| group == "system:nodes")
        };
        let annotated =
            || self.object().and_then(Node::metadata).is_some_and(|meta| meta.claims_to_be_a_mirror());
        self.operation == Operation::Create
            && self.subresource().is_empty()
            && self.workload_kind().is_some_and(WorkloadKind::is_pod)
            && annotated()
            && of_a_node()
    }
}

/// Reads the body of a webhook call, its request as `R`.
pub(super) fn read_as<'a, R: Deserialize<'a>>(body: &'a [u8]) -> Result<R, Unreadable> {
    match serde_json::from_slice::<Review<R>>(body) {
        Ok(review) => require(review),
        Err(error) => Err(unreadable(body, &error)),
    }
}

impl Kind<'_> {
    /// The same, of nobody's bytes.
    pub(super) fn into_owned(self) -> Kind<'static> {
        Kind {
            group: self.group.into_owned(),
            version: self.version.into_owned(),
            kind: self.kind.into_owned(),
        }
    }

    /// The API group; empty for the core's.
    pub(super) fn group(&self) -> &str {
        self.group.as_str()
    }

    /// The kind alone.
    pub(super) fn kind(&self) -> &str {
        self.kind.as_str()
    }

    /// As `apps/v1 Deployment`.
    pub(super) fn name(&self) -> String {
        let (group, version, kind) = (self.group.as_str(), self.version.as_str(), self.kind.as_str());
        if group.is_empty() { format!("{version} {kind}") } else { format!("{group}/{version} {kind}") }
    }
}

fn require<R>(review: Review<R>) -> Result<R, Unreadable> {
    let not = |what: String| Err(Unreadable::NotAReview(what));
    match (review.api_version.as_deref(), review.kind.as_deref()) {
        (Some(API_VERSION), Some(KIND)) => {}
        (version, kind) => {
            let shown = |field: Option<&str>| field.map_or("missing".to_owned(), |v| format!("{v:?}"));
            return not(format!("apiVersion is {}, kind is {}", shown(version), shown(kind)));
        }
    }
    review.request.map_or_else(|| not("it has no request".to_owned()), Ok)
}

/// The second, slow look at a body that did not read: is it a review whose object is to blame?
fn unreadable(body: &[u8], error: &serde_json::Error) -> Unreadable {
    let Ok(review) = serde_json::from_slice::<Review<Stub<'_>>>(body) else {
        return Unreadable::NotAReview(error.to_string());
    };
    match require(review) {
        Err(unreadable) => unreadable,
        Ok(stub) if stub.uid.as_str().is_empty() => {
            Unreadable::NotAReview("the request has no uid".to_owned())
        }
        Ok(stub) => {
            let about = About {
                uid: stub.uid.as_str().to_owned(),
                kind: stub.kind.name(),
                namespace: lenient(stub.namespace),
                name: lenient(stub.name),
                subresource: lenient(stub.sub_resource),
                dry_run: lenient(stub.dry_run),
            };
            Unreadable::Object { about: Box::new(about), message: error.to_string() }
        }
    }
}

#[cfg(test)]
mod tests;
