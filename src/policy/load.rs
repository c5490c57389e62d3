//! [`load`]: policies from YAML files, with errors that say file, line, column and field.

mod located;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;

pub use self::located::{Document, Place, documents};
use super::compile::{
    CompileContext, CompiledExemption, CompiledPolicy, PolicyError, PolicyKind, compile, compile_exemption,
    type_of,
};
use super::objects::FileObjects;
use crate::api;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct LoadError {
    /// The file's name, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong; begins with the field's path where it is about a field.
    pub message: String,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct LoadedFile {
    /// Its policies, in the file's order.
    pub policies: Vec<PolicyDocument>,
    /// Its exemptions, in the file's order.
    pub exemptions: Vec<ExemptionDocument>,
    /// Its config maps and secrets, for the policies to refer to.
    pub objects: FileObjects,
}

/// A policy as a file has it, not yet compiled.
#[derive(Debug)]
pub struct PolicyDocument {
    kind: PolicyKind,
    object: Value,
    origin: Origin,
}

/// An exemption as a file has it, not yet compiled.
#[derive(Debug)]
pub struct ExemptionDocument {
    object: Value,
    origin: Origin,
}

/// Where an object stands in its file.
#[derive(Debug)]
struct Origin {
    file: Arc<str>,
    document: Arc<Document>,
    /// Where the object is in the document: `items[2]` in a list, else empty.
    root: String,
}

/// Reads the documents of a YAML file: policies, exemptions, lists of them, and the config maps and secrets that policies
/// refer to.
/// Anything else is an error: no document is ignored but an empty one.
///
/// # Errors
/// [`LoadError`] for what is not YAML, and for a document that is none of these.
pub fn load(file: &str, text: &str) -> Result<LoadedFile, LoadError> {
    let name: Arc<str> = file.into();
    let documents = documents(text).map_err(|(place, message)| at(&name, place, message))?;
    let mut loaded = LoadedFile::default();
    for document in documents {
        let document = Arc::new(document);
        take(&name, &document, &document.value, String::new(), &mut loaded)?;
    }
    Ok(loaded)
}

/// Takes an object that stands at `path` in a document of another kind.
///
/// # Errors
/// [`LoadError`] for what is no policy, exemption, config map or secret.
pub fn load_within(
    file: &str,
    document: &Arc<Document>,
    object: &Value,
    path: &str,
) -> Result<LoadedFile, LoadError> {
    let mut loaded = LoadedFile::default();
    take(&file.into(), document, object, path.to_owned(), &mut loaded)?;
    Ok(loaded)
}

/// Takes one object, or each of a list.
fn take(
    file: &Arc<str>,
    document: &Arc<Document>,
    object: &Value,
    root: String,
    loaded: &mut LoadedFile,
) -> Result<(), LoadError> {
    let error = |field: &str, message: String| {
        let field = join(&root, field);
        let place = document.place(&field);
        at(file, place, if field.is_empty() { message } else { format!("{field}: {message}") })
    };
    let Some(fields) = object.as_object() else {
        return Err(error("", format!("an object was expected, not {}", type_of(object))));
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("v1", "List")
        | (api::API_VERSION, "ClusterTrustPolicyList" | "TrustPolicyList" | "TrustExemptionList") => {
            let Some(items) = fields.get("items").and_then(Value::as_array) else {
                return Err(error("items", "must be a list".to_owned()));
            };
            if !root.is_empty() {
                return Err(error("kind", "a list in a list is not read".to_owned()));
            }
            for (index, item) in items.iter().enumerate() {
                take(file, document, item, format!("items[{index}]"), loaded)?;
            }
        }
        (api::API_VERSION, kind @ ("ClusterTrustPolicy" | "TrustPolicy" | "TrustExemption")) => {
            let known = ["apiVersion", "kind", "metadata", "spec", "status"];
            if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
                return Err(error(
                    unknown,
                    format!("is not known; the fields here are {}", known.join(", ")),
                ));
            }
            let origin = Origin { file: Arc::clone(file), document: Arc::clone(document), root };
            let object = object.clone();
            match PolicyKind::find(api::GROUP, kind) {
                Some(kind) => loaded.policies.push(PolicyDocument { kind, object, origin }),
                None => loaded.exemptions.push(ExemptionDocument { object, origin }),
            }
        }
        ("v1", "ConfigMap") => take_config_map(object, loaded).map_err(|(field, m)| error(field, m))?,
        ("v1", "Secret") => {
            let (namespace, name) = identity(object).map_err(|(field, m)| error(field, m))?;
            loaded.objects.add_secret(namespace, name);
        }
        ("", _) => {
            return Err(error("apiVersion", format!("is missing; policies have {}", api::API_VERSION)));
        }
        (_, "") => {
            return Err(error(
                "kind",
                "is missing; policies are ClusterTrustPolicy or TrustPolicy".to_owned(),
            ));
        }
        (version, "ClusterTrustPolicy" | "TrustPolicy" | "TrustExemption") => {
            return Err(error(
                "apiVersion",
                format!("is {version:?}; this tagseal knows {}", api::API_VERSION),
            ));
        }
        (version, kind) => {
            let message = format!(
                "{kind:?} of {version:?} is neither a policy nor a ConfigMap or Secret that policies refer to"
            );
            return Err(error("kind", message));
        }
    }
    Ok(())
}

type FieldError = (&'static str, String);

fn identity(object: &Value) -> Result<(Option<&str>, &str), FieldError> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").ok_or_else(|| ("metadata.name", "is missing".to_owned()))?;
    Ok((text("/metadata/namespace"), name))
}

fn take_config_map(object: &Value, loaded: &mut LoadedFile) -> Result<(), FieldError> {
    let (namespace, name) = identity(object)?;
    let entries = |field: &str| object.get(field).and_then(Value::as_object).into_iter().flatten();
    let mut data = BTreeMap::new();
    for (key, value) in entries("data") {
        let value = value.as_str().ok_or_else(|| ("data", format!("{key:?} must be a string")))?;
        data.insert(key.clone(), Arc::from(value));
    }
    for (key, value) in entries("binaryData") {
        let decoded = value.as_str().and_then(|v| base64::engine::general_purpose::STANDARD.decode(v).ok());
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| ("binaryData", format!("{key:?} is not the base64 of a text")))?;
        data.insert(key.clone(), Arc::from(text));
    }
    loaded.objects.add_config_map(namespace, name, data);
    Ok(())
}

impl PolicyDocument {
    /// Its kind.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The object, as the API server would have it.
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// Compiles it, and says where in the file each of its errors is.
    pub fn compile(&self, context: &CompileContext<'_>) -> (CompiledPolicy, Vec<LoadError>) {
        let policy = compile(self.kind, &self.object, context);
        let located = self.origin.locate(policy.errors());
        (policy, located)
    }
}

impl ExemptionDocument {
    /// The object, as the API server would have it.
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// Compiles it, and says where in the file each of its errors is.
    pub fn compile(&self) -> (CompiledExemption, Vec<LoadError>) {
        let exemption = compile_exemption(&self.object);
        let located = self.origin.locate(exemption.errors());
        (exemption, located)
    }

    /// An error that shows only beside other objects, at its place in the file.
    pub fn error(&self, error: &PolicyError) -> Vec<LoadError> {
        self.origin.locate(std::slice::from_ref(error))
    }
}

impl Origin {
    fn locate(&self, errors: &[PolicyError]) -> Vec<LoadError> {
        let place = |error: &PolicyError| self.document.place(&join(&self.root, &error.field));
        errors.iter().map(|error| at(&self.file, place(error), error.to_string())).collect()
    }
}

fn join(root: &str, field: &str) -> String {
    let separator = if root.is_empty() || field.is_empty() { "" } else { "." };
    format!("{root}{separator}{field}")
}

fn at(file: &str, place: Place, message: String) -> LoadError {
    LoadError { file: file.to_owned(), line: place.line, column: place.column, message }
}
