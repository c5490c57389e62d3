//! Canonical JSON: it is read as another parser reads it, within its bounds, and its canonical form is a fixed point.

use serde_json::Value as Json;
use tagseal::limits::{FILE_LEVELS, FILE_VALUES};
use tagseal::tuf::canonical::{CanonicalError, Value, parse};

/// Reads the bytes as one document.
pub fn run(data: &[u8]) {
    let other = serde_json::from_slice::<Json>(data);
    match (parse(data), other) {
        (Ok(value), other) => {
            assert!(values(&value) <= FILE_VALUES && levels(&value) <= FILE_LEVELS);
            match other {
                Ok(other) => assert_same(&value, &other),
                // The other parser refuses half surrogates, and numbers that no float64 holds.
                Err(error) => assert!(any(&value, &is_odd), "{error}"),
            }
            canonical(&value);
        }
        // Of two members of one name the other parser takes the last. Written anew there is one.
        (Err(error), Ok(other)) => {
            let anew = serde_json::to_vec(&other).unwrap();
            assert!(parse(&anew).is_ok() || depth(&other) > FILE_LEVELS, "{error}");
        }
        (Err(_), Err(_)) => {}
    }
}

/// Signatures cover the canonical form, so there is one for each value, and it says the same.
fn canonical(value: &Value) {
    let canonical = match value.canonical() {
        Ok(canonical) => canonical,
        Err(CanonicalError::Number(_)) => return assert!(any(value, &is_no_integer)),
        Err(other) => panic!("{other}"),
    };
    // The canonical form has control characters as they are, which JSON does not.
    let mut text = Vec::new();
    value.encode_with(json_string, &mut text).unwrap();
    if !canonical.iter().any(u8::is_ascii_control) {
        assert_eq!(text, canonical);
    }
    let again = parse(&text).unwrap();
    assert_eq!(again.canonical().unwrap(), canonical);
}

fn json_string(text: &str, out: &mut Vec<u8>) {
    out.extend(serde_json::to_vec(text).unwrap());
}

fn assert_same(value: &Value, other: &Json) {
    match (value, other) {
        (Value::Null, Json::Null) => {}
        (Value::Bool(one), Json::Bool(other)) => assert_eq!(one, other),
        (Value::String(one), Json::String(other)) => assert_eq!(one, other),
        (Value::Number(one), Json::Number(other)) => {
            if let Some(number) = other.as_i64().filter(|number| number.unsigned_abs() < 1 << 53) {
                assert_eq!(value.as_integer(), Some(number), "{one}");
            }
        }
        (Value::Array(one), Json::Array(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter().zip(other).for_each(|(one, other)| assert_same(one, other));
        }
        (Value::Object(one), Json::Object(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter().for_each(|(key, one)| assert_same(one, &other[key]));
        }
        _ => panic!("{value:?} and {other:?}"),
    }
}

/// Whether `is` holds for the value or any within it.
fn any(value: &Value, is: &impl Fn(&Value) -> bool) -> bool {
    let within = match value {
        Value::Array(items) => items.iter().any(|item| any(item, is)),
        Value::Object(members) => {
            members.iter().any(|(key, member)| is(&Value::String(key.clone())) || any(member, is))
        }
        _ => false,
    };
    within || is(value)
}

fn is_odd(value: &Value) -> bool {
    match value {
        Value::Number(text) => text.parse::<f64>().unwrap().is_infinite(),
        Value::String(text) => text.contains('\u{fffd}'),
        _ => false,
    }
}

fn is_no_integer(value: &Value) -> bool {
    let Value::Number(text) = value else { return false };
    let number: f64 = text.parse().unwrap();
    number.fract() != 0.0 || !(-(2_f64.powi(63))..2_f64.powi(63)).contains(&number)
}

fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
