//! [`edit`]: the change of a text that gives one scalar another value; [`apply`] makes all changes of a text and proves that nothing
//! else changed.

mod chars;
mod diff;
mod fill;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;
use std::ops::Range;

use self::chars::Chars;
pub use self::diff::unified;
use super::place::Place;
use super::site::Part;
use super::tree::{NodeId, Style, Tree, Value};

/// Bytes of a text, and what replaces them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The bytes.
    pub range: Range<usize>,
    /// What replaces them.
    pub text: String,
}

/// Why a scalar cannot be given its new value in place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EditError {
    /// Where.
    pub place: Place,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What a scalar says once an image has its digest. `image` is the whole image as it was read, `sealed` the same with the digest.
///
/// Of a reference, what stands before an `@` stays, and what `sealed` has after it follows: `:latest` too, where `image` has neither
/// tag nor digest.
pub fn sealed_scalar(part: Part, scalar: &str, image: &str, sealed: &str) -> Option<String> {
    let before_at = |text: &'_ str| text.split('@').next().unwrap_or_default().to_owned();
    let suffix = sealed.strip_prefix(&before_at(image))?;
    match part {
        Part::Reference | Part::Tag => Some(before_at(scalar) + suffix),
        Part::Digest => suffix.split_once('@').map(|(_, digest)| digest.to_owned()),
    }
}

/// The change that makes `scalar` say `value`, a word without blanks. What both have in common up to an `@`, and that, stays as it is written.
///
/// # Errors
/// [`EditError`] where the scalar is written in a way in which it cannot be changed in place.
pub fn edit(text: &str, tree: &Tree, scalar: NodeId, value: &str) -> Result<Edit, EditError> {
    let node = tree.node(scalar);
    let error = |message: &str| EditError { place: node.place, message: message.to_owned() };
    let Value::Scalar(written) = &node.value else {
        return Err(error("no text stands here, so no digest can be written into it"));
    };
    let is_empty = written.text.is_empty();
    match written.style {
        Style::Plain if is_empty || tree.is_null(scalar) => return fill::null(text, tree, scalar, value),
        Style::Literal | Style::Folded if is_empty => return fill::block(text, tree, scalar, value),
        _ => {}
    }
    let source = text.get(node.range.clone()).unwrap_or_default();
    let unknown = || {
        error(
            "this is written in a way in which no digest can be put into it; write it on one line, between double quotes",
        )
    };
    let chars =
        Chars::read(source, written.style).filter(|chars| chars.text == written.text).ok_or_else(unknown)?;
    let kept = match value.split_once('@') {
        Some((before, _)) if written.text.strip_prefix(before).is_some_and(|rest| rest.starts_with('@')) => {
            before.len() + 1
        }
        _ => common_prefix(&written.text, value),
    };
    let start = node.range.start + chars.end_of(kept);
    let end =
        if kept == written.text.len() { start } else { node.range.start + chars.end_of(written.text.len()) };
    Ok(Edit { range: start..end, text: value[kept..].to_owned() })
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b).map_or(a.len().min(b.len()), |((at, _), _)| at)
}

/// A text with its changes made.
///
/// # Errors
/// Every [`EditError`]: of a scalar that cannot be changed, or of anything but these scalars that would change, too.
pub fn apply(text: &str, tree: &Tree, values: &BTreeMap<NodeId, String>) -> Result<String, Vec<EditError>> {
    let mut errors = Vec::new();
    let mut edits = Vec::new();
    for (scalar, value) in values {
        match edit(text, tree, *scalar, value) {
            Ok(edit) => edits.push(edit),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    edits.sort_by_key(|edit| edit.range.start);
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut changed = String::with_capacity(text.len() + added);
    let mut at = 0;
    for edit in &edits {
        // Ranges of different scalars never overlap; verify::edits would see it.
        changed.push_str(text.get(at..edit.range.start).unwrap_or_default());
        changed.push_str(&edit.text);
        at = edit.range.end;
    }
    changed.push_str(text.get(at..).unwrap_or_default());
    verify::edits(tree, &changed, values).map_err(|error| vec![error])?;
    Ok(changed)
}
