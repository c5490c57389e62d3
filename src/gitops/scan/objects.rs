//! [`objects`]: the objects of a file, those in lists too.

use super::origin;
use super::uses::{Cursor, Walk};
use crate::foreign::Foreign;
use crate::gitops::place::Place;
use crate::gitops::site::{ObjectId, Origin};
use crate::gitops::source::SourceFile;
use crate::gitops::tree::{NodeId, Value};

/// An object of a file: what a document holds, or an item of a list in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it calls itself.
    pub id: ObjectId,
    /// Its mapping.
    pub root: NodeId,
    /// In which document of the file, by index.
    pub document: usize,
    /// The way to it from the document's root: `items[0].`; empty where it is the document's root.
    pub prefix: String,
    /// Where a renderer took it from, where it says so.
    pub origin: Option<Origin>,
    pub(super) cursor: Cursor,
}

impl Object {
    /// The group of its `apiVersion`; `None` where that has no such form.
    pub(super) fn group(&self) -> Option<&str> {
        match self.id.api_version.split_once('/') {
            Some((group, version)) if !group.is_empty() && !version.contains('/') => Some(group),
            Some(_) => None,
            None if self.id.api_version.is_empty() => None,
            None => Some(""),
        }
    }
}

/// The objects of a file in its order: every document that is a mapping, and instead of a list its items, at any depth.
pub fn objects(file: &SourceFile) -> Vec<Object> {
    find(file, &Walk::new(&file.tree), &mut Vec::new())
}

/// As [`objects`]. What is wrong with lists is added to `problems`.
pub(super) fn find(file: &SourceFile, walk: &Walk<'_>, problems: &mut Vec<(Place, String)>) -> Vec<Object> {
    let mut finder = Finder { walk, problems, objects: Vec::new() };
    for (index, document) in file.tree.documents().iter().enumerate() {
        let origin = origin::comment(file, index);
        let list = Found { document: index, comment: origin.as_ref(), kind: None, prefix: "" };
        finder.add(walk.root(document.root), &list);
    }
    finder.objects
}

struct Finder<'w, 't> {
    walk: &'w Walk<'t>,
    problems: &'w mut Vec<(Place, String)>,
    objects: Vec<Object>,
}

/// Where an object was found.
struct Found<'a> {
    document: usize,
    comment: Option<&'a Origin>,
    /// The version and kind of items that have none, in a list of one kind.
    kind: Option<(&'a str, &'a str)>,
    prefix: &'a str,
}

impl Finder<'_, '_> {
    fn add(&mut self, at: Cursor, found: &Found<'_>) {
        let walk = self.walk;
        if !walk.is_mapping(at) {
            return;
        }
        let id = self.id(at, found);
        let items = walk.field(at, "items");
        let is_list = id.kind.ends_with("List");
        if let Some(items) = items
            && (is_list || matches!(walk.value(items), Value::Sequence(_)))
        {
            self.items(items, &id, found);
        }
        if !is_list || items.is_none() {
            let origin = origin::annotation(walk, at).or_else(|| found.comment.cloned());
            let (document, prefix) = (found.document, found.prefix.to_owned());
            self.objects.push(Object { id, root: at.id, document, prefix, origin, cursor: at });
        }
    }

    fn items(&mut self, items: Cursor, list: &ObjectId, found: &Found<'_>) {
        if self.walk.is_null(items) {
            return;
        }
        if !matches!(self.walk.value(items), Value::Sequence(_)) {
            let message = format!("items of a {} are no list; make them one", Foreign(&list.kind));
            self.problems.push((self.walk.place(items), message));
            return;
        }
        // The API server's own lists of one kind leave both out of their items, and kubectl fills them in.
        let kind = list.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        let kind = kind.map(|kind| (list.api_version.as_str(), kind));
        for (index, item) in self.walk.elements(items).enumerate() {
            if !self.walk.is_mapping(item) {
                if !self.walk.is_null(item) {
                    let message =
                        format!("items[{index}] of a {} is no object; remove it", Foreign(&list.kind));
                    self.problems.push((self.walk.place(item), message));
                }
                continue;
            }
            let prefix = format!("{}items[{index}].", found.prefix);
            self.add(item, &Found { kind, prefix: &prefix, ..*found });
        }
    }

    fn id(&mut self, at: Cursor, found: &Found<'_>) -> ObjectId {
        let walk = self.walk;
        for field in ["apiVersion", "kind"] {
            if let Some(value) = walk.field(at, field)
                && walk.tree.has_foreign_tag(value.id)
            {
                let message =
                    format!("{field} has a tag, and readers of YAML take it for different things; remove it");
                self.problems.push((walk.place(value), message));
            }
        }
        let text = |path: &[&str]| walk.string_at(at, path).filter(|text| !text.is_empty());
        let (api_version, kind) = match (text(&["apiVersion"]), text(&["kind"]), found.kind) {
            (None, None, Some(given)) => given,
            (api_version, kind, _) => (api_version.unwrap_or_default(), kind.unwrap_or_default()),
        };
        let name = text(&["metadata", "name"]).or_else(|| text(&["metadata", "generateName"]));
        ObjectId {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.unwrap_or_default().to_owned(),
            namespace: text(&["metadata", "namespace"]).map(str::to_owned),
        }
    }
}
