//! Raw objects against the schema of their kind, so that what is wrong is said with its path.
//!
//! The API server has done this already; files, and objects under a definition that somebody edited by hand, have not
//! seen it. The schema is the one that the API server gets.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use serde_json::{Map, Value};

use super::{PolicyError, PolicyKind};
use crate::api::{ClusterTrustPolicy, TrustExemption, TrustPolicy};

static CLUSTER: LazyLock<Value> = LazyLock::new(|| spec_schema(&ClusterTrustPolicy::crd()));
static NAMESPACED: LazyLock<Value> = LazyLock::new(|| spec_schema(&TrustPolicy::crd()));
static EXEMPTION: LazyLock<Value> = LazyLock::new(|| spec_schema(&TrustExemption::crd()));

fn spec_schema(crd: &impl serde::Serialize) -> Value {
    let crd = serde_json::to_value(crd).unwrap_or_default();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").cloned().unwrap_or_default()
}

/// What a spec has that its schema does not allow.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// Missing fields, wrong types, values out of bounds.
    pub errors: Vec<PolicyError>,
    /// Fields that the schema does not know.
    pub unknown: Vec<PolicyError>,
}

/// Checks a spec. Fields that are null are absent, as they are to the API server.
pub fn check(kind: PolicyKind, spec: &Value) -> Violations {
    let schema: &Value = match kind {
        PolicyKind::Cluster => &CLUSTER,
        PolicyKind::Namespaced => &NAMESPACED,
    };
    against(schema, spec)
}

/// Checks the spec of an exemption in the same way.
pub fn check_exemption(spec: &Value) -> Violations {
    against(&EXEMPTION, spec)
}

fn against(schema: &Value, spec: &Value) -> Violations {
    let mut violations = Violations::default();
    violations.visit(schema, spec, "spec");
    violations
}

/// The value without its null fields.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// What a value is, in words.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl Violations {
    fn error(&mut self, path: &str, message: String) {
        self.errors.push(PolicyError { field: path.to_owned(), message });
    }

    fn visit(&mut self, schema: &Value, value: &Value, path: &str) {
        let expected = schema.get("type").and_then(Value::as_str);
        match (expected, value) {
            (Some("object"), Value::Object(fields)) => self.object(schema, fields, path),
            (Some("array"), Value::Array(items)) => self.array(schema, items, path),
            (Some("string"), Value::String(text)) => self.string(schema, text, path),
            (Some("integer"), Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.integer(schema, value, path);
            }
            (Some("boolean"), Value::Bool(_)) | (None, _) => {}
            (Some(expected), found) => {
                let expected = match expected {
                    "object" => "an object",
                    "array" => "a list",
                    "string" => "a string (in quotes)",
                    "integer" => "a whole number",
                    _ => "true or false",
                };
                self.error(path, format!("must be {expected}, not {}", type_of(found)));
            }
        }
    }

    fn object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let field = format!("{path}.{name}");
            match known.and_then(|known| known.get(name)).or(others) {
                Some(schema) => self.visit(schema, value, &field),
                None => {
                    let message = unknown_field(name, known);
                    self.unknown.push(PolicyError { field, message });
                }
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if fields.get(name).is_none_or(Value::is_null) {
                self.error(&format!("{path}.{name}"), "is missing, and must be there".to_owned());
            }
        }
    }

    fn array(&mut self, schema: &Value, items: &[Value], path: &str) {
        self.bounds(schema, ["minItems", "maxItems"], items.len(), "entries", path);
        let schema = schema.get("items").unwrap_or(&Value::Null);
        for (index, item) in items.iter().enumerate() {
            self.visit(schema, item, &format!("{path}[{index}]"));
        }
    }

    fn string(&mut self, schema: &Value, text: &str, path: &str) {
        self.bounds(schema, ["minLength", "maxLength"], text.chars().count(), "characters", path);
        let Some(allowed) = schema.get("enum").and_then(Value::as_array) else { return };
        if !allowed.iter().any(|value| value == text) {
            let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            let text: String = text.chars().take(64).collect();
            self.error(path, format!("{text:?} is none of {}", allowed.join(", ")));
        }
    }

    fn integer(&mut self, schema: &Value, value: &Value, path: &str) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let number = value.as_f64().unwrap_or_default();
        if let Some(minimum) = bound("minimum").filter(|minimum| number < *minimum) {
            self.error(path, format!("is {value}; must be at least {minimum}"));
        }
        if let Some(maximum) = bound("maximum").filter(|maximum| number > *maximum) {
            self.error(path, format!("is {value}; must be at most {maximum}"));
        }
    }

    fn bounds(&mut self, schema: &Value, names: [&str; 2], count: usize, what: &str, path: &str) {
        let [minimum, maximum] = names.map(|name| schema.get(name).and_then(Value::as_u64));
        let count = count as u64;
        if let Some(minimum) = minimum.filter(|minimum| count < *minimum) {
            self.error(path, format!("has {count} {what}; must have at least {minimum}"));
        }
        if let Some(maximum) = maximum.filter(|maximum| count > *maximum) {
            self.error(path, format!("has {count} {what}; may have {maximum}"));
        }
    }
}

fn unknown_field(name: &str, known: Option<&Map<String, Value>>) -> String {
    let known = known.map(|known| known.keys()).into_iter().flatten();
    let same = |other: &&String| {
        other.eq_ignore_ascii_case(name) || other.starts_with(name) || name.starts_with(other.as_str())
    };
    match known.clone().find(same) {
        Some(meant) => format!("is not known; perhaps {meant} was meant"),
        None => {
            format!("is not known; the fields here are {}", known.cloned().collect::<Vec<_>>().join(", "))
        }
    }
}
