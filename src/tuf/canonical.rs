//! Notary's canonical JSON: a duplicate-rejecting generic decode, and its canonical encoding.
//!
//! The canonical encoding is that of docker's Go package `canonical/json` over a generic decode, because that is
//! what Notary's clients and servers sign and verify (Notary v1, "Signed bytes"). It is not the encoding of other
//! TUF implementations: there is no Unicode normalisation, keys are sorted as decoded, and numbers pass through a
//! float64.

mod decode;
mod parsed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use decode::parse;
pub(in crate::tuf) use decode::read;
pub(in crate::tuf) use parsed::{Node, Parsed};

use crate::tuf::work::Ended;

/// A decoded JSON value that can be edited. Numbers keep their text as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string, decoded.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object; keys are unique and sorted by their decoded UTF-8 bytes.
    Object(BTreeMap<String, Value>),
}

/// Why bytes are not a [`Value`], or why a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// Not JSON.
    #[error("not JSON at byte {offset}: {what}")]
    Syntax {
        /// Where, in bytes from the start.
        offset: usize,
        /// What is wrong there.
        what: String,
    },
    /// Canonical JSON has integers only.
    #[error("{0} has no canonical form: not an integer")]
    Number(String),
    /// It would take more memory than any document may.
    #[error("it takes more than {max} bytes of memory decoded")]
    Memory {
        /// How many it may take.
        max: usize,
    },
    /// The work was ended before it was done.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl Value {
    /// The canonical encoding, the bytes that signatures cover. It may hold raw control characters and is then not JSON.
    ///
    /// # Errors
    /// [`CanonicalError::Number`] for a number that is no integer, or one that a signed 64-bit integer cannot hold
    /// (Go's result for those differs between processors, so no signature can be said to cover it).
    pub fn canonical(&self) -> Result<Vec<u8>, CanonicalError> {
        let mut out = Vec::new();
        self.encode_with(encode_string, &mut out)?;
        Ok(out)
    }

    /// The canonical encoding but for its strings, keys included, which `string` writes.
    ///
    /// # Errors
    /// As [`Self::canonical`].
    pub fn encode_with(
        &self,
        string: fn(&str, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<(), CanonicalError> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(text) => {
                let integer = signed_integer(text).ok_or_else(|| CanonicalError::Number(shortened(text)))?;
                out.extend_from_slice(integer.to_string().as_bytes());
            }
            Self::String(text) => string(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.encode_with(string, out)?;
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (i, (key, member)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    string(key, out);
                    out.push(b':');
                    member.encode_with(string, out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// An object of these members.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The string, decoded.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The truth value.
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The members.
    pub const fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// The items.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The integer that signatures cover, if the number is written as an integer: `4`, but neither `4.0` nor `4e0`
    /// (Go's decoder refuses those too). Beyond 2^53 that is the nearest float64: what was not signed is never read.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Number(text) if !text.contains(['.', 'e', 'E']) => signed_integer(text),
            _ => None,
        }
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// Whether this is `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// The integer that canonical JSON has for a number: through a float64, as Go decodes, then cut to 64 bits.
fn signed_integer(text: &str) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    let float: f64 = text.parse().ok()?;
    // The cast is exact: there is no fraction, and the range is checked.
    (float.fract() == 0.0 && (-LIMIT..LIMIT).contains(&float)).then_some(float as i64)
}

/// Only `"` and `\` are escaped; control characters stay raw.
pub(super) fn encode_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// The start of a text from outside, short enough for an error.
pub(super) fn shortened(text: &str) -> String {
    const MAX: usize = 64;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
