//! Reads a review of a policy or an exemption: what it would change.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::object::Text;
use super::super::review::{Kind, Operation, Unreadable, read_as};
use crate::limits;
use crate::policy::{EXEMPTION, PolicyKind, is_exemption};

/// The request of a review. Its objects stay as they came until they are needed: a deletion never is for what it deletes.
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
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
    #[serde(default)]
    dry_run: Option<bool>,
}

/// A policy as it is compiled: type, name and spec.
#[derive(Debug)]
pub struct Object {
    /// Which kind.
    pub kind: PolicyKind,
    /// The raw object.
    pub raw: Value,
}

/// What a request would change.
#[derive(Debug)]
pub enum Change {
    /// Nothing that a policy is judged by.
    Nothing,
    /// The policy would be `new`.
    Written {
        /// As it would be stored.
        new: Object,
        /// As it is; `None` for one that is new, or cannot be read.
        old: Option<Object>,
    },
    /// The exemption would be this, as it would be stored.
    Exemption(Value),
    /// There would be no such policy any more; `None` where what it was cannot be read.
    Removed(Option<Object>),
    /// It cannot be read, and why.
    Unreadable(String),
    /// It is neither a policy nor an exemption, but this.
    Stranger(String),
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
        Ok(request)
    }

    /// The same, of nobody's bytes and without its objects: what it is answered by.
    fn into_owned(self) -> Request<'static> {
        Request {
            uid: self.uid.into_owned(),
            kind: self.kind.into_owned(),
            sub_resource: self.sub_resource.into_owned(),
            name: self.name.into_owned(),
            namespace: self.namespace.into_owned(),
            operation: self.operation,
            object: None,
            old_object: None,
            dry_run: self.dry_run,
        }
    }

    /// Reads the body of a webhook call, and what it would change.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_with_change(body: &[u8]) -> Result<(Request<'static>, Change), Unreadable> {
        let request = Request::read(body)?;
        let change = request.change();
        Ok((request.into_owned(), change))
    }

    /// The request's identifier.
    pub fn uid(&self) -> &str {
        self.uid.as_str()
    }

    /// The object's kind.
    pub fn kind(&self) -> &str {
        self.kind.kind()
    }

    /// The object's name; empty where one is still to be made.
    pub fn name(&self) -> &str {
        self.name.as_str()
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

    /// What it would change. A status, metadata alone, and what becomes of a policy that is being deleted are nothing: else
    /// a finalizer of a broken policy could never be taken away.
    pub fn change(&self) -> Change {
        let kind = match PolicyKind::find(self.kind.group(), self.kind()) {
            Some(kind) => Some(kind),
            None if is_exemption(self.kind.group(), self.kind()) => None,
            None => return Change::Stranger(self.kind.name()),
        };
        let old = self.old_object.and_then(|raw| value(raw.get()).ok());
        match self.operation {
            _ if !self.sub_resource.as_str().is_empty() => Change::Nothing,
            Operation::Connect => Change::Nothing,
            Operation::Delete => match kind {
                Some(kind) => Change::Removed(old.map(|old| self.object(kind, old))),
                None => Change::Nothing,
            },
            Operation::Create | Operation::Update => {
                let raw = self.object.map_or("null", RawValue::get);
                let new = match value(raw) {
                    Ok(new) => new,
                    Err(error) => return Change::Unreadable(error),
                };
                let is_going = new.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
                let is_same = old.as_ref().is_some_and(|old| old.get("spec") == new.get("spec"));
                if is_going || is_same {
                    return Change::Nothing;
                }
                let Some(kind) = kind else { return Change::Exemption(self.known_by(EXEMPTION, new)) };
                let old = old.map(|old| self.object(kind, old));
                Change::Written { new: self.object(kind, new), old }
            }
        }
    }

    fn object(&self, kind: PolicyKind, raw: Value) -> Object {
        Object { kind, raw: self.known_by(kind.as_str(), raw) }
    }

    /// Of the metadata, what an object is known by; a name that is still to be made is its prefix.
    fn known_by(&self, kind: &str, mut raw: Value) -> Value {
        let text =
            |pointer: &str| raw.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = text("/metadata/name").or(text("/metadata/generateName")).unwrap_or(self.name());
        let namespace = text("/metadata/namespace").unwrap_or(self.namespace());
        let mut metadata = json!({"name": name});
        if let (Value::Object(metadata), false) = (&mut metadata, namespace.is_empty()) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        let mut object = json!({"kind": kind, "metadata": metadata});
        if let (Value::Object(object), Value::Object(raw)) = (&mut object, &mut raw) {
            object.extend(["apiVersion", "spec"].into_iter().filter_map(|field| raw.remove_entry(field)));
        }
        object
    }
}

/// Builds an object, unless it has too many values: in memory, a small one takes a hundred times what it takes in a request.
fn value(raw: &str) -> Result<Value, String> {
    let most = limits::POLICY_VALUES;
    if values(raw) > most {
        return Err(format!("it has more than {most} values"));
    }
    serde_json::from_str(raw).map_err(|error| error.to_string())
}

/// How many values there are in a JSON text at most.
fn values(json: &str) -> usize {
    let (mut values, mut in_string, mut escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (json, count) in [
            ("null", 1),
            ("[1,2]", 3),
            (r#"{"a":1,"b":[2,{}]}"#, 6),
            (r#""a,[{""#, 1),
            (r#"["a\",b,"]"#, 2),
            (r#"["a\\",1]"#, 3),
        ] {
            assert_eq!(values(json), count, "{json}");
        }
    }
}
