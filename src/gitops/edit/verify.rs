//! [`edits`]: a text that was changed says what was meant, and nothing else.

use std::collections::BTreeMap;

use super::EditError;
use crate::foreign::Quoted;
use crate::gitops::place::Place;
use crate::gitops::tree::{Node, NodeId, Scalar, Style, Tree, Value};

/// Compares what was with what is. `values` are the scalars that were meant to change, and what they are meant to say.
pub(super) fn edits(
    before: &Tree,
    changed: &str,
    values: &BTreeMap<NodeId, String>,
) -> Result<(), EditError> {
    let first = values.keys().next().map_or(Place::START, |scalar| before.node(*scalar).place);
    let after = Tree::parse(changed).map_err(|errors| {
        let why = errors.first().map(|error| error.message.clone()).unwrap_or_default();
        wrong(first, &format!("the file would not be YAML any more ({why})"))
    })?;
    if before.nodes().len() != after.nodes().len() || before.documents().len() != after.documents().len() {
        return Err(wrong(first, "the file would hold something else"));
    }
    let roots = before.documents().iter().zip(after.documents());
    if roots.into_iter().any(|(a, b)| a.root != b.root) {
        return Err(wrong(first, "the file's documents would be others"));
    }
    for ((id, a), (_, b)) in before.nodes().zip(after.nodes()) {
        let is_meant = match values.get(&id) {
            Some(value) => {
                says(b, value)
                    && a.tag == b.tag
                    && !after.has_foreign_tag(id)
                    && (keeps_style(a, b) || before.is_null(id))
            }
            None => a.value == b.value && a.tag == b.tag,
        };
        if !is_meant {
            return Err(wrong(a.place, &format!("this would be read as {}", shown(b))));
        }
    }
    Ok(())
}

fn says(node: &Node, value: &str) -> bool {
    matches!(&node.value, Value::Scalar(Scalar { text, .. }) if text == value)
}

/// Something that was null is plain, and so is what replaces it.
fn keeps_style(a: &Node, b: &Node) -> bool {
    let style = |node: &Node| match &node.value {
        Value::Scalar(scalar) => Some(scalar.style),
        _ => None,
    };
    style(a) == style(b) && (style(b) != Some(Style::Plain) || is_plain_word(b))
}

/// No reader takes it for anything but a string: digests and references have letters, and no blank after a colon.
fn is_plain_word(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(Scalar { text, style: Style::Plain }) if text.contains("sha256:"))
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => Quoted(&scalar.text).to_string(),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Alias(_) => "an alias".to_owned(),
    }
}

fn wrong(place: Place, what: &str) -> EditError {
    let message =
        format!("no digest can be written here: {what}; write the image on one line, between double quotes");
    EditError { place, message }
}
