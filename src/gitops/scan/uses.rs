//! [`Walk`]: a document as its readers see it, aliases and merge keys followed. A node may be reached in several ways; each way is
//! a use of it.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::gitops::place::Place;
use crate::gitops::tree::{NodeId, Tree, Value};

/// A node, and the way by which it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The node, which is no alias.
    pub id: NodeId,
    chain: Chain,
    via: Option<Place>,
}

/// One use of a node: equal for equal ways to it.
pub(super) type Use = (Chain, NodeId);

/// The aliases on the way to a node, by number. Every node has one parent, so that they are the whole way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Chain(usize);

/// Follows aliases and merge keys.
#[derive(Debug)]
pub(super) struct Walk<'t> {
    pub tree: &'t Tree,
    chains: RefCell<HashMap<(Chain, NodeId), Chain>>,
}

/// A field of a mapping as readers see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'t> {
    pub name: &'t str,
    pub key: Cursor,
    pub value: Cursor,
}

impl Cursor {
    pub(super) fn key(self) -> Use {
        (self.chain, self.id)
    }
}

impl<'t> Walk<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        Self { tree, chains: RefCell::default() }
    }

    /// A document's root.
    pub(super) fn root(&self, id: NodeId) -> Cursor {
        Cursor { id, chain: Chain(0), via: None }
    }

    /// Where a node is used: the first alias on the way to it, else the node.
    pub(super) fn place(&self, at: Cursor) -> Place {
        at.via.unwrap_or_else(|| self.tree.node(at.id).place)
    }

    pub(super) fn value(&self, at: Cursor) -> &'t Value {
        &self.tree.node(at.id).value
    }

    pub(super) fn is_mapping(&self, at: Cursor) -> bool {
        matches!(self.value(at), Value::Mapping(_))
    }

    pub(super) fn is_null(&self, at: Cursor) -> bool {
        self.tree.is_null(at.id)
    }

    /// A scalar's text, unless it is null.
    pub(super) fn string(&self, at: Cursor) -> Option<&'t str> {
        self.tree.string(at.id)
    }

    fn child(&self, of: Cursor, id: NodeId) -> Cursor {
        let Value::Alias(target) = self.tree.node(id).value else { return Cursor { id, ..of } };
        let mut chains = self.chains.borrow_mut();
        let next = Chain(chains.len() + 1);
        let chain = *chains.entry((of.chain, id)).or_insert(next);
        Cursor { id: target, chain, via: of.via.or(Some(self.tree.node(id).place)) }
    }

    /// The elements of a sequence; none of anything else.
    pub(super) fn elements(&self, at: Cursor) -> impl Iterator<Item = Cursor> {
        self.tree.elements(at.id).iter().map(move |element| self.child(at, *element))
    }

    /// The value of a field.
    pub(super) fn field(&self, at: Cursor, name: &str) -> Option<Cursor> {
        self.entry(at, name).map(|field| field.value)
    }

    /// As [`Walk::field`], with the key.
    pub(super) fn entry(&self, at: Cursor, name: &str) -> Option<Field<'t>> {
        if self.tree.has_merge_keys(at.id) {
            return self.fields(at).into_iter().find(|field| field.name == name);
        }
        // Most mappings have no merge keys, and are not listed for one field.
        let Value::Mapping(entries) = self.value(at) else { return None };
        let (key, value) = entries.iter().find(|(key, _)| self.tree.text(*key) == Some(name))?;
        Some(self.entry_of(at, *key, *value))
    }

    fn entry_of(&self, at: Cursor, key: NodeId, value: NodeId) -> Field<'t> {
        let name = self.tree.text(key).unwrap_or_default();
        Field { name, key: self.child(at, key), value: self.child(at, value) }
    }

    /// The value at the end of a path of fields.
    pub(super) fn at(&self, at: Cursor, path: &[&str]) -> Option<Cursor> {
        path.iter().try_fold(at, |at, name| self.field(at, name))
    }

    /// The text at the end of a path of fields, unless it is null.
    pub(super) fn string_at(&self, at: Cursor, path: &[&str]) -> Option<&'t str> {
        self.string(self.at(at, path)?)
    }

    /// The fields of a mapping, as [`Tree::fields`] has them.
    pub(super) fn fields(&self, at: Cursor) -> Vec<Field<'t>> {
        let fields = self.tree.fields_by(at, at.id, &|at, id| self.child(at, id)).into_iter();
        fields.map(|(at, _, key, value)| self.entry_of(at, key, value)).collect()
    }

    /// Tells `tell` of every use of every scalar below `at`, keys too.
    pub(super) fn scalars(&self, at: Cursor, tell: &mut impl FnMut(Cursor)) {
        match self.value(at) {
            Value::Scalar(_) => tell(at),
            Value::Sequence(_) => self.elements(at).for_each(|element| self.scalars(element, tell)),
            Value::Mapping(_) => {
                for field in self.fields(at) {
                    tell(field.key);
                    self.scalars(field.value, tell);
                }
            }
            Value::Alias(_) => {}
        }
    }
}
