//! What is refused though the parser takes it.

use std::collections::{HashMap, HashSet};

use super::{NodeId, SyntaxError, Tree, Value};
use crate::foreign::Quoted;
use crate::gitops::place::Place;

/// How many nodes aliases may add to those that are written: far more than any manifest's, and no more than is soon read.
const MAX_ALIASED: u64 = 100_000;
/// How deep a document may be once aliases are followed.
const MAX_DEPTH: u64 = 300;

/// The text of a file.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, SyntaxError> {
    if matches!(bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, _, ..] | [_, 0, ..]) {
        let message = "not UTF-8: it looks like UTF-16 or UTF-32; save it as UTF-8".to_owned();
        return Err(SyntaxError { place: Place::START, message });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        SyntaxError { place: Place::of(&good, good.len()), message: "not UTF-8; save it as UTF-8".to_owned() }
    })
}

/// Characters that some readers take for a line break, or do not take at all.
pub(super) fn characters(text: &str) -> Vec<SyntaxError> {
    let mut errors = Vec::new();
    for (offset, c) in text.char_indices().filter(|(_, c)| !matches!(c, ' '..='~' | '\n')) {
        let why = match c {
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                "some readers of YAML break the line here and others do not; write it as an escape between double quotes"
            }
            '\u{feff}' if offset > 0 && text[..offset].ends_with(['\n', '\r']) => {
                "some readers of YAML skip a byte order mark here and others do not; remove it"
            }
            '\t' | '\r' => continue,
            '\0'..='\u{1f}' | '\u{7f}' | '\u{80}'..='\u{9f}' => {
                "YAML has no such control character; remove it"
            }
            _ => continue,
        };
        let message = format!("U+{:04X}: {why}", u32::from(c));
        errors.push(SyntaxError { place: Place::of(text, offset), message });
        if errors.len() == 20 {
            break;
        }
    }
    errors
}

/// Keys that stand twice, merges that readers apply differently, and more aliases than a manifest has.
pub(super) fn structure(tree: &Tree) -> Vec<SyntaxError> {
    let mut errors = Vec::new();
    match sizes(tree) {
        Ok(()) => {}
        Err(error) => return vec![error],
    }
    for node in &tree.nodes {
        if let Value::Mapping(entries) = &node.value {
            keys(tree, entries, &mut errors);
            merges(tree, entries, &mut errors);
        }
    }
    errors
}

fn keys(tree: &Tree, entries: &[(NodeId, NodeId)], errors: &mut Vec<SyntaxError>) {
    let mut seen: HashMap<&str, Place> = HashMap::new();
    for (key, _) in entries {
        let name = tree.text(*key).unwrap_or_default();
        let place = tree.node(*key).place;
        if tree.has_foreign_tag(*key) && !tree.is_merge(*key) {
            let message = "a key with a tag, which readers of YAML take for different things; remove the tag"
                .to_owned();
            errors.push(SyntaxError { place, message });
        }
        if let Some(first) = seen.insert(name, place) {
            let message = format!(
                "the key {} stands twice, first at {first}: readers of YAML take one or the other; remove one",
                Quoted(name)
            );
            errors.push(SyntaxError { place, message });
        }
    }
}

/// A merge key takes mappings, and comes before the keys that it shares with them: kubectl lets the later of the two win, kustomize
/// the key that the mapping has itself.
fn merges(tree: &Tree, entries: &[(NodeId, NodeId)], errors: &mut Vec<SyntaxError>) {
    let mut before = HashSet::new();
    for (key, value) in entries {
        if !tree.is_merge(*key) {
            before.extend(tree.text(*key));
            continue;
        }
        let merged = match tree.value(*value) {
            Value::Sequence(elements) => elements.clone(),
            _ => vec![*value],
        };
        let place = tree.node(*key).place;
        for mapping in merged {
            if !matches!(tree.value(mapping), Value::Mapping(_)) {
                let message = "<< merges mappings, and this is none".to_owned();
                errors.push(SyntaxError { place, message });
                continue;
            }
            let fields = tree.fields(mapping);
            if let Some((shared, ..)) = fields.iter().find(|(name, ..)| before.contains(name)) {
                let message = format!(
                    "<< comes after {}, which it brings too: readers of YAML take one or the other; put << first",
                    Quoted(shared)
                );
                errors.push(SyntaxError { place, message });
            }
        }
    }
}

/// Sizes and depths with all aliases followed, each node's once.
fn sizes(tree: &Tree) -> Result<(), SyntaxError> {
    let mut known: Vec<Option<(u64, u64)>> = vec![None; tree.nodes.len()];
    let mut aliased = 0_u64;
    for index in 0..tree.nodes.len() {
        let node = &tree.nodes[index];
        if let Value::Alias(target) = node.value {
            let (size, depth) = size(tree, target, &mut known, 0).ok_or_else(|| too_deep(node.place))?;
            aliased = aliased.saturating_add(size);
            if aliased > MAX_ALIASED {
                let message = "more aliases than a manifest has".to_owned();
                return Err(SyntaxError { place: node.place, message });
            }
            known[index] = Some((size, depth));
        }
    }
    for document in &tree.documents {
        size(tree, document.root, &mut known, 0).ok_or_else(|| too_deep(tree.node(document.root).place))?;
    }
    Ok(())
}

fn too_deep(place: Place) -> SyntaxError {
    SyntaxError { place, message: "more nesting than a manifest has".to_owned() }
}

/// Nodes and levels of `id`; `None` where they are too deep.
fn size(tree: &Tree, id: NodeId, known: &mut [Option<(u64, u64)>], level: u64) -> Option<(u64, u64)> {
    if let Some(known) = known[id.0 as usize] {
        return (level + known.1 <= MAX_DEPTH).then_some(known);
    }
    if level > MAX_DEPTH {
        return None;
    }
    let children: Vec<NodeId> = match &tree.node(id).value {
        Value::Scalar(_) => Vec::new(),
        Value::Alias(target) => vec![*target],
        Value::Sequence(elements) => elements.clone(),
        Value::Mapping(entries) => entries.iter().flat_map(|(key, value)| [*key, *value]).collect(),
    };
    let mut total = (1_u64, 1_u64);
    for child in children {
        let (size, depth) = size(tree, child, known, level + 1)?;
        total = (total.0.saturating_add(size), total.1.max(depth + 1));
    }
    known[id.0 as usize] = Some(total);
    (level + total.1 <= MAX_DEPTH + 1).then_some(total)
}
