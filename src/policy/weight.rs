//! [`weight`]: what a policy takes in memory once it is compiled, told from its raw spec, before anything is built.

use serde_json::Value;

/// A segment of an `include` in the index of a set, and in the policy. Measured with patterns of many short segments, of
/// which each is a node of its own.
const INDEXED: usize = 700;
/// The same for a segment with a star.
const INDEXED_GLOB: usize = 2_000;
/// A segment of any other pattern.
const SEGMENT: usize = 130;
/// A value: what holds it, here and there.
const VALUE: usize = 100;

/// About so many bytes.
pub fn weight(spec: &Value) -> usize {
    of(spec, Kind::Plain)
}

/// What the texts below a field are.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Pattern,
    Included,
}

impl Kind {
    fn of_field(self, name: &str) -> Self {
        match name {
            "include" => Self::Included,
            "exclude" | "images" | "from" | "to" => Self::Pattern,
            _ => self,
        }
    }
}

fn of(value: &Value, kind: Kind) -> usize {
    VALUE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => of_text(text, kind),
            Value::Array(items) => items.iter().map(|item| of(item, kind)).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| name.len() + of(value, kind.of_field(name))).sum()
            }
        }
}

fn of_text(text: &str, kind: Kind) -> usize {
    let segments = || text.split('/');
    let globs = || segments().filter(|segment| segment.contains('*')).count();
    2 * text.len()
        + match kind {
            Kind::Plain => 0,
            Kind::Pattern => segments().count() * SEGMENT,
            Kind::Included => segments().count() * INDEXED + globs() * (INDEXED_GLOB - INDEXED),
        }
}
