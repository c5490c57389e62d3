//! [`Tree`]: a YAML text as nodes that know their bytes.
//!
//! What two readers of YAML may read differently is refused here: kubectl reads YAML 1.1 and takes the last of two equal
//! keys, kustomize reads another dialect, and both break lines where YAML 1.2 does not.

mod build;
mod check;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ops::Range;

use super::place::Place;

/// The documents of a text. Nodes are borrowed by [`NodeId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: Vec<Node>,
    documents: Vec<Document>,
}

/// One document: its node, and where its text begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// What it holds; an empty document holds a null.
    pub root: NodeId,
    /// The byte at which it begins: its `---` where it has one. Comments before an implicit document are before it.
    pub start: usize,
}

/// A node of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

/// One node: its value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Its resolved tag, where one is written: `tag:yaml.org,2002:str`.
    pub tag: Option<String>,
    /// Its bytes without anchor and tag. A scalar's quotes are part of it, a block scalar's header is not, and a collection's is
    /// its first byte alone.
    pub range: Range<usize>,
    /// Where a collection ends: the byte of its bracket or brace, or, without one, where what follows it begins. A scalar's is
    /// the end of its range.
    pub end: usize,
    /// Its first character.
    pub place: Place,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<NodeId>),
    /// A mapping: keys and values as they stand, merge keys among them. Keys are scalars, or aliases of scalars.
    Mapping(Vec<(NodeId, NodeId)>),
    /// An alias, of a node that is no alias.
    Alias(NodeId),
}

/// A scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// What it says, escapes and folding undone. `~` where nothing is written.
    pub text: String,
    /// How it is written.
    pub style: Style,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// Why a text is not taken for YAML, or for YAML that all readers read alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct SyntaxError {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

const NULL_TAG: &str = "tag:yaml.org,2002:null";
const STR_TAG: &str = "tag:yaml.org,2002:str";
const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

impl Tree {
    /// Reads a file. A byte order mark may begin it.
    ///
    /// # Errors
    /// All that can be told: of what is no YAML the first error, and else every one.
    pub fn parse_bytes(bytes: &[u8]) -> Result<(String, Self), Vec<SyntaxError>> {
        let text = check::utf8(bytes).map_err(|error| vec![error])?;
        let tree = Self::parse(text)?;
        Ok((text.to_owned(), tree))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Tree::parse_bytes`].
    pub fn parse(text: &str) -> Result<Self, Vec<SyntaxError>> {
        let mut errors = check::characters(text);
        let tree = match build::tree(text, &mut errors) {
            Ok(tree) => tree,
            Err(error) => {
                errors.push(error);
                errors.sort_by_key(|error| error.place);
                return Err(errors);
            }
        };
        errors.extend(check::structure(&tree));
        errors.sort_by_key(|error| error.place);
        if errors.is_empty() { Ok(tree) } else { Err(errors) }
    }

    /// The documents, empty ones too.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Whether anything in it is an alias.
    pub fn has_aliases(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.value, Value::Alias(_)))
    }

    /// A node, which may be an alias.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Every node, in the order in which they begin. Trees of equal structure give equal ones in the same order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &Node)> {
        // There are no more nodes than numbers for them: see `build`.
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// The node that `id` stands for: itself, or what it is an alias of.
    pub fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).value {
            Value::Alias(target) => target,
            _ => id,
        }
    }

    /// What `id` stands for, aliases followed.
    pub fn value(&self, id: NodeId) -> &Value {
        &self.node(self.target(id)).value
    }

    /// A scalar's text, aliases followed; `None` for a collection.
    pub fn text(&self, id: NodeId) -> Option<&str> {
        match self.value(id) {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// A scalar's text where readers take it for a string or cannot tell; `None` for what they take for null, and for
    /// collections.
    pub fn string(&self, id: NodeId) -> Option<&str> {
        if self.is_null(id) { None } else { self.text(id) }
    }

    /// Whether readers take it for null: nothing is written, `~` or `null`, without quotes.
    pub fn is_null(&self, id: NodeId) -> bool {
        let node = self.node(self.target(id));
        let Value::Scalar(Scalar { text, style: Style::Plain }) = &node.value else { return false };
        match node.tag.as_deref() {
            Some(tag) => tag == NULL_TAG,
            None => matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
        }
    }

    /// Whether it has a tag that makes it anything but a string.
    pub fn has_foreign_tag(&self, id: NodeId) -> bool {
        let tag = self.node(self.target(id)).tag.as_deref();
        tag.is_some_and(|tag| tag != STR_TAG)
    }

    /// The elements of a sequence, aliases followed; none of anything else.
    pub fn elements(&self, id: NodeId) -> &[NodeId] {
        match self.value(id) {
            Value::Sequence(elements) => elements,
            _ => &[],
        }
    }

    /// The fields of a mapping as its readers see them: its own, then those that merge keys bring and that it does not have. Empty
    /// for anything else. The merge keys themselves are not among them.
    pub fn fields(&self, id: NodeId) -> Fields<'_> {
        let entries = self.fields_by((), id, &|(), _| ());
        Fields { entries: entries.into_iter().map(|((), name, key, value)| (name, key, value)).collect() }
    }

    /// The same, each with the way to the mapping that has it: `at` is the way to `id`, and `step` the way on to a node.
    pub fn fields_by<W: Copy>(
        &self,
        at: W,
        id: NodeId,
        step: &impl Fn(W, NodeId) -> W,
    ) -> Vec<(W, &str, NodeId, NodeId)> {
        let mut fields = Vec::new();
        self.add_fields((at, id), step, &mut fields, &mut HashSet::new());
        fields
    }

    fn add_fields<'t, W: Copy>(
        &'t self,
        (at, id): (W, NodeId),
        step: &impl Fn(W, NodeId) -> W,
        fields: &mut Vec<(W, &'t str, NodeId, NodeId)>,
        names: &mut HashSet<&'t str>,
    ) {
        let Value::Mapping(entries) = self.value(id) else { return };
        for (key, value) in entries.iter().filter(|(key, _)| !self.is_merge(*key)) {
            let name = self.text(*key).unwrap_or_default();
            if names.insert(name) {
                fields.push((at, name, *key, *value));
            }
        }
        for (_, value) in entries.iter().filter(|(key, _)| self.is_merge(*key)) {
            let merged = step(at, *value);
            match self.value(*value) {
                Value::Sequence(elements) => elements.iter().for_each(|element| {
                    self.add_fields((step(merged, *element), *element), step, fields, names);
                }),
                _ => self.add_fields((merged, *value), step, fields, names),
            }
        }
    }

    /// Whether a mapping has merge keys.
    pub fn has_merge_keys(&self, id: NodeId) -> bool {
        matches!(self.value(id), Value::Mapping(entries) if entries.iter().any(|(key, _)| self.is_merge(*key)))
    }

    /// Whether a key is YAML 1.1's merge key.
    pub fn is_merge(&self, key: NodeId) -> bool {
        let node = self.node(key);
        let Value::Scalar(Scalar { text, style }) = &node.value else { return false };
        text == "<<"
            && (node.tag.as_deref() == Some(MERGE_TAG) || (node.tag.is_none() && *style == Style::Plain))
    }

    /// The value of one field of a mapping.
    pub fn field(&self, id: NodeId, name: &str) -> Option<NodeId> {
        self.fields(id).get(name)
    }

    /// The value at the end of a path of fields.
    pub fn at(&self, id: NodeId, path: &[&str]) -> Option<NodeId> {
        path.iter().try_fold(id, |id, name| self.field(id, name))
    }
}

/// The fields of a mapping: name, key and value.
#[derive(Debug, Clone)]
pub struct Fields<'t> {
    entries: Vec<(&'t str, NodeId, NodeId)>,
}

impl<'t> Fields<'t> {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<NodeId> {
        self.entries.iter().find(|(known, ..)| *known == name).map(|(_, _, value)| *value)
    }

    /// Name, key and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'t str, NodeId, NodeId)> + '_ {
        self.entries.iter().copied()
    }
}
