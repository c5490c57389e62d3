//! Where nothing is written yet: a digest is put where the value of its key begins.

use super::{Edit, EditError};
use crate::gitops::tree::{Node, NodeId, Scalar, Style, Tree, Value};

/// `digest: ~` and `digest:` with nothing.
pub(super) fn null(text: &str, tree: &Tree, scalar: NodeId, value: &str) -> Result<Edit, EditError> {
    let (node, key) = (tree.node(scalar), key_of(tree, scalar));
    // As JSON has it, where the key is written so.
    let is_json =
        matches!(key.map(|key| &key.value), Some(Value::Scalar(Scalar { style: Style::DoubleQuoted, .. })));
    let value = if is_json { format!("\"{value}\"") } else { value.to_owned() };
    let source = text.get(node.range.clone()).unwrap_or_default();
    if matches!(source, "~" | "null" | "Null" | "NULL") {
        return Ok(Edit { range: node.range.clone(), text: value });
    }
    let message = "nothing is written here, and no digest can be put in its place; write \"\" first";
    let error = || EditError { place: key.unwrap_or(node).place, message: message.to_owned() };
    let key = key.ok_or_else(error)?;
    match after_colon(text, key) {
        Some(at) => {
            let at = after_properties(text, at);
            let follows = text.as_bytes().get(at).is_some_and(|byte| !byte.is_ascii_whitespace());
            Ok(Edit { range: at..at, text: format!(" {value}{}", if follows { " " } else { "" }) })
        }
        None => without_colon(text, key, &value).ok_or_else(error),
    }
}

/// `digest: |-` with nothing below it.
pub(super) fn block(text: &str, tree: &Tree, scalar: NodeId, value: &str) -> Result<Edit, EditError> {
    let (node, key) = (tree.node(scalar), key_of(tree, scalar));
    // Nothing of it is anywhere but its header, which has no place of its own.
    let error = || EditError {
        place: key.unwrap_or(node).place,
        message: "an empty block of text stands here, and no digest can be put into it; write \"\" instead"
            .to_owned(),
    };
    let key = key.ok_or_else(error)?;
    let header = after_properties(text, after_colon(text, key).ok_or_else(error)?);
    let written = text.get(header..).unwrap_or_default().trim_start_matches([' ', '\t']);
    let header = text.len() - written.len();
    // Without `-` the block would end with a line break.
    let indicators = written.strip_prefix(['|', '>']).ok_or_else(error)?;
    let indicators: String = indicators.chars().take_while(|c| matches!(c, '0'..='9' | '+' | '-')).collect();
    if !indicators.contains('-')
        || text.get(key.range.end..header).is_none_or(|gap| gap.contains(['\n', '\r']))
    {
        return Err(error());
    }
    let by = indicators.chars().find_map(|c| c.to_digit(10)).unwrap_or(2);
    let indent = " ".repeat(key.place.column - 1 + by as usize);
    let end = line_end(text, header);
    Ok(Edit { range: end..end, text: format!("{}{indent}{value}", line_break(text, end)) })
}

/// The key of a value.
fn key_of(tree: &Tree, value: NodeId) -> Option<&Node> {
    tree.nodes().find_map(|(_, node)| match &node.value {
        Value::Mapping(entries) => {
            entries.iter().find(|(_, known)| *known == value).map(|(key, _)| tree.node(*key))
        }
        _ => None,
    })
}

/// The byte after a key's colon, which may be on another line where the key is explicit; `None` where it has none.
fn after_colon(text: &str, key: &Node) -> Option<usize> {
    let bytes = text.as_bytes().get(key.range.end..)?;
    let blanks = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    (bytes.get(blanks) == Some(&b':')).then_some(key.range.end + blanks + 1)
}

/// The end of an anchor and a tag, in any order, that begin here.
fn after_properties(text: &str, at: usize) -> usize {
    let (mut at, bytes) = (at, text.as_bytes());
    loop {
        let next = at + bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if next == at || !matches!(bytes.get(next), Some(b'&' | b'!')) {
            return at;
        }
        let is_part = |byte: &&u8| !byte.is_ascii_whitespace() && !b",[]{}".contains(byte);
        at = next + bytes[next..].iter().take_while(is_part).count();
    }
}

/// A key alone: `{tag: x, digest}`, or `? digest` on a line of its own.
fn without_colon(text: &str, key: &Node, value: &str) -> Option<Edit> {
    let end = key.range.end;
    let follows = text.get(end..)?.trim_start();
    if follows.starts_with([',', '}']) {
        return Some(Edit { range: end..end, text: format!(": {value}") });
    }
    let line = text[..key.range.start].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let before = text.get(line..key.range.start)?;
    let mark = before.rfind('?').filter(|mark| before[mark + 1..].trim().is_empty())?;
    let indent = " ".repeat(before[..mark].trim_start_matches('\u{feff}').chars().count());
    let at = line_end(text, end);
    Some(Edit { range: at..at, text: format!("{}{indent}: {value}", line_break(text, at)) })
}

/// Where the line ends that this byte is on.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(['\n', '\r']).map_or(text.len(), |end| at + end)
}

/// The line break that stands here; at the end of a text, its first one.
fn line_break(text: &str, at: usize) -> &'static str {
    let rest =
        if at < text.len() { &text[at..] } else { text.find(['\n', '\r']).map_or("\n", |at| &text[at..]) };
    match rest.as_bytes() {
        [b'\r', b'\n', ..] => "\r\n",
        [b'\r', ..] => "\r",
        _ => "\n",
    }
}
