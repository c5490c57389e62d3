//! YAML as JSON values that know where they stood.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, MessageFormatter, Spanned, UserMessageFormatter};

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// From 1.
    pub column: u64,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A document: its value, and the place of everything in it by its path (`spec.roots[0].keyID`; the document's own is
/// empty). A field's place is its name's.
#[derive(Debug)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// The places of its parts, by their paths.
    pub places: BTreeMap<String, Place>,
}

impl Document {
    /// The place of a path, or of the nearest thing above it that is there.
    pub fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return *place;
            }
            let Some(end) = path.rfind(['.', '[']) else { break };
            path = &path[..end];
        }
        self.places.get("").copied().unwrap_or(Place { line: 1, column: 1 })
    }
}

/// Reads all documents of a file but the empty ones.
///
/// # Errors
/// Where it is not YAML, and why.
pub fn documents(text: &str) -> Result<Vec<Document>, (Place, String)> {
    let options = serde_saphyr::options! { with_snippet: false };
    let nodes: Vec<Spanned<Node>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
            let place = error.location().map_or(Place { line: 1, column: 1 }, Place::from);
            (place, format!("not YAML: {}", UserMessageFormatter.format_message(&error)))
        })?;
    let document = |node: Spanned<Node>| {
        let mut places = BTreeMap::from([(String::new(), Place::from(node.referenced))]);
        let value = node.value.settle("", &mut places);
        Document { value, places }
    };
    Ok(nodes.into_iter().map(document).collect())
}

/// A value whose parts know where they stand.
#[derive(Debug)]
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Fields(Vec<(Spanned<String>, Node)>),
}

impl Node {
    fn settle(self, path: &str, places: &mut BTreeMap<String, Place>) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => {
                let item = |(index, item): (usize, Spanned<Node>)| {
                    let path = format!("{path}[{index}]");
                    places.insert(path.clone(), item.referenced.into());
                    item.value.settle(&path, places)
                };
                Value::Array(items.into_iter().enumerate().map(item).collect())
            }
            Self::Fields(fields) => {
                let field = |(name, value): (Spanned<String>, Node)| {
                    let separator = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{separator}{}", name.value);
                    places.insert(path.clone(), name.referenced.into());
                    (name.value, value.settle(&path, places))
                };
                Value::Object(fields.into_iter().map(field).collect::<Map<String, Value>>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has, too")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("JSON has no such number"))?;
        Ok(Node::Scalar(number.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut named = Vec::new();
        while let Some(field) = fields.next_entry()? {
            named.push(field);
        }
        Ok(Node::Fields(named))
    }
}
