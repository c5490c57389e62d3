//! [`ResourceList`]: what kustomize and kpt hand to a function, and what they get back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::config::{ConfigError, FunctionConfig};
use super::results::{self, Entry};
use crate::foreign::Quoted;
use crate::gitops::place::{Place, Problem};
use crate::gitops::source::{FileRole, SourceFile};
use crate::gitops::tree::{NodeId, Scalar, Style, Tree, Value};
use crate::policy::{self, Document};

const GROUP: &str = "config.kubernetes.io/";
const KIND: &str = "ResourceList";

/// A `ResourceList`.
#[derive(Debug)]
pub struct ResourceList {
    file: SourceFile,
    root: NodeId,
}

impl ResourceList {
    /// Reads one. `name` is what messages call it.
    ///
    /// # Errors
    /// Everything that is wrong with the text, or that it is no `ResourceList`.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let of_file =
            |place: Place, message: String| Problem { file: name.to_owned(), place: Some(place), message };
        let (text, tree) = Tree::parse_bytes(bytes).map_err(|errors| {
            errors.into_iter().map(|error| of_file(error.place, error.message)).collect::<Vec<_>>()
        })?;
        let documents: Vec<NodeId> = tree
            .documents()
            .iter()
            .map(|document| document.root)
            .filter(|root| !tree.is_null(*root))
            .collect();
        let root = match documents.as_slice() {
            [] => {
                return Err(vec![of_file(
                    Place::START,
                    "nothing stands here; a ResourceList is expected".to_owned(),
                )]);
            }
            [root] => *root,
            [_, second, ..] => {
                let message = "a second document; a function takes one ResourceList".to_owned();
                return Err(vec![of_file(tree.node(*second).place, message)]);
            }
        };
        let text_of =
            |field: &str| tree.field(root, field).and_then(|value| tree.string(value)).unwrap_or_default();
        let (version, kind) = (text_of("apiVersion"), text_of("kind"));
        if kind != KIND || !version.starts_with(GROUP) {
            let message = format!(
                "{} of {} is no {KIND} of {GROUP}v1; kustomize and kpt make one, and tagseal pin -f takes plain manifests",
                Quoted(kind),
                Quoted(version)
            );
            return Err(vec![of_file(tree.node(root).place, message)]);
        }
        let items = tree.field(root, "items");
        if let Some(items) = items
            && !tree.is_null(items)
            && !matches!(tree.value(items), Value::Sequence(_))
        {
            return Err(vec![of_file(tree.node(items).place, "items is no list; make it one".to_owned())]);
        }
        let file = SourceFile { name: name.to_owned(), role: FileRole::Manifest, text, tree };
        Ok(Self { file, root })
    }

    /// The list as a file whose images are looked for.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// What `functionConfig` says; the default where there is none.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn config(&self) -> Result<FunctionConfig, Vec<Problem>> {
        let tree = &self.file.tree;
        let Some(node) = tree.field(self.root, "functionConfig").filter(|node| !tree.is_null(*node)) else {
            return Ok(FunctionConfig::default());
        };
        let mut document = Document { value: Json::Null, places: BTreeMap::new() };
        document.value = self.json(node, "functionConfig", &mut document.places);
        let document = Arc::new(document);
        FunctionConfig::read(&self.file.name, &document).map_err(|errors| {
            let problem = |ConfigError { field, message }: ConfigError| {
                let place = Some(document.place(&field).into());
                Problem { file: self.file.name.clone(), place, message: format!("{field}: {message}") }
            };
            errors.into_iter().map(problem).collect()
        })
    }

    /// A node as JSON, and the place of everything in it by its path.
    fn json(&self, id: NodeId, path: &str, places: &mut BTreeMap<String, policy::Place>) -> Json {
        let tree = &self.file.tree;
        places.entry(path.to_owned()).or_insert(tree.node(id).place.into());
        match tree.value(id) {
            Value::Scalar(scalar) => json_of(tree, id, scalar),
            Value::Sequence(elements) => {
                let element =
                    |(index, id): (usize, &NodeId)| self.json(*id, &format!("{path}[{index}]"), places);
                Json::Array(elements.iter().enumerate().map(element).collect())
            }
            Value::Mapping(_) => {
                let fields = tree.fields(id);
                let field = |(name, _, value): (&str, NodeId, NodeId)| {
                    (name.to_owned(), self.json(value, &format!("{path}.{name}"), places))
                };
                Json::Object(fields.iter().map(field).collect::<Map<_, _>>())
            }
            Value::Alias(_) => Json::Null,
        }
    }

    /// The text with `results` added; `text` is the list's own, or the same with pins.
    ///
    /// # Errors
    /// Where the list is written in a way in which nothing can be added to it.
    pub fn with_results(&self, text: String, entries: &[Entry]) -> Result<String, Problem> {
        if entries.is_empty() {
            return Ok(text);
        }
        let problem = |message: &str| Problem {
            file: self.file.name.clone(),
            place: None,
            message: message.to_owned(),
        };
        let tree = Tree::parse(&text).map_err(|_| problem("the list with its pins is no YAML any more"))?;
        let root = root_of(&tree).ok_or_else(|| problem("the list is empty"))?;
        let added = results::add(&text, &tree, root, entries);
        let is_kept = Tree::parse(&added).is_ok_and(|after| is_kept((&tree, root), &after, entries.len()));
        if is_kept {
            Ok(added)
        } else {
            Err(problem("results cannot be added to a list that is written like this"))
        }
    }

    /// A list of the same version without items, with `results`.
    pub fn without_items(&self, entries: &[Entry]) -> String {
        let tree = &self.file.tree;
        let version =
            tree.field(self.root, "apiVersion").and_then(|value| tree.string(value)).unwrap_or_default();
        results::bare(version, KIND, self.is_json(), entries)
    }

    fn is_json(&self) -> bool {
        self.file.text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('{')
    }
}

/// What the first document that is not empty holds.
fn root_of(tree: &Tree) -> Option<NodeId> {
    tree.documents().iter().map(|document| document.root).find(|root| !tree.is_null(*root))
}

/// Whether a list has the items that it had, and so many results more.
fn is_kept((before, root): (&Tree, NodeId), after: &Tree, more: usize) -> bool {
    let Some(root_after) = root_of(after) else { return false };
    let count =
        |tree: &Tree, root| tree.field(root, "results").map_or(0, |results| tree.elements(results).len());
    let has_items = match (before.field(root, "items"), after.field(root_after, "items")) {
        (Some(a), Some(b)) => same((before, a), (after, b)),
        (None, None) => true,
        _ => false,
    };
    has_items && count(after, root_after) == count(before, root) + more
}

/// Whether two nodes of two texts say the same.
fn same((one, a): (&Tree, NodeId), (other, b): (&Tree, NodeId)) -> bool {
    match (one.value(a), other.value(b)) {
        (Value::Scalar(x), Value::Scalar(y)) => {
            x == y && one.node(one.target(a)).tag == other.node(other.target(b)).tag
        }
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same((one, *a), (other, *b)))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            let pairs = a.iter().zip(b);
            a.len() == b.len()
                && pairs
                    .into_iter()
                    .all(|((a, x), (b, y))| same((one, *a), (other, *b)) && same((one, *x), (other, *y)))
        }
        _ => false,
    }
}

/// A scalar as YAML's core schema has it: numbers, booleans and null where it stands without quotes and tag.
fn json_of(tree: &Tree, id: NodeId, scalar: &Scalar) -> Json {
    let node = tree.node(tree.target(id));
    if tree.is_null(id) {
        return Json::Null;
    }
    let is_plain = scalar.style == Style::Plain && node.tag.is_none();
    let value =
        is_plain.then(|| serde_json::from_str::<Json>(&scalar.text.to_ascii_lowercase()).ok()).flatten();
    value
        .filter(|value| value.is_number() || value.is_boolean())
        .unwrap_or_else(|| Json::String(scalar.text.clone()))
}
