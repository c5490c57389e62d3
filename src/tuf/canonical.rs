//! Notary's canonical JSON: a duplicate-rejecting generic decode, and its canonical encoding.

use std::collections::BTreeMap;

/// A decoded JSON value. Numbers keep their text as written.
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
}

/// Decodes one JSON document. Bounded in depth; a duplicate key is an error.
///
/// # Errors
/// [`CanonicalError::Syntax`].
pub fn parse(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let _ = bytes;
    todo!()
}

impl Value {
    /// The canonical encoding, the bytes that signatures cover. It may hold raw control characters and is then not JSON.
    ///
    /// # Errors
    /// [`CanonicalError::Number`] for a number that is no integer.
    pub fn canonical(&self) -> Result<Vec<u8>, CanonicalError> {
        todo!()
    }
}
