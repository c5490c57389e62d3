//! [`ResourceList`]: what kustomize and kpt hand to a function, and what they get back.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::config::{ConfigError, FunctionConfig};
use super::results::{self, Entry};
use crate::foreign::Quoted;
use crate::gitops::place::{Place, Problem};
use crate::gitops::source::{FileRole, SourceFile};
use crate::gitops::tree::{NodeId, Scalar, Style, Tree, Value};
use crate::policy::Document;

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
        let mut document = Document { value: Json::Null, places: std::collections::BTreeMap::new() };
        document.value = self.json(node, "functionConfig", &mut document.places);
        let document = Arc::new(document);
        FunctionConfig::read(&self.file.name, &document).map_err(|errors| {
            let problem = |ConfigError { field, message }: ConfigError| {
                let place = document.place(&field);
                let place = Place { line: to_usize(place.line), column: to_usize(place.column) };
                Problem {
                    file: self.file.name.clone(),
                    place: Some(place),
                    message: format!("{field}: {message}"),
                }
            };
            errors.into_iter().map(problem).collect()
        })
    }

    /// A node as JSON, and the place of everything in it by its path.
    fn json(
        &self,
        id: NodeId,
        path: &str,
        places: &mut std::collections::BTreeMap<String, crate::policy::Place>,
    ) -> Json {
        let tree = &self.file.tree;
        let place = tree.node(id).place;
        let place = crate::policy::Place { line: to_u64(place.line), column: to_u64(place.column) };
        places.entry(path.to_owned()).or_insert(place);
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
        let problem = |message: String| Problem { file: self.file.name.clone(), place: None, message };
        let tree = Tree::parse(&text)
            .map_err(|_| problem("the list with its pins is no YAML any more".to_owned()))?;
        let root = tree.documents().iter().map(|document| document.root).find(|root| !tree.is_null(*root));
        let root = root.ok_or_else(|| problem("the list is empty".to_owned()))?;
        let added = results::add(&text, &tree, root, entries);
        let is_kept = Tree::parse(&added).is_ok_and(|after| {
            let root_after =
                after.documents().iter().map(|document| document.root).find(|root| !after.is_null(*root));
            let items = |tree: &Tree, root| tree.field(root, "items").map(|items| plain(tree, items));
            root_after.is_some_and(|after_root| {
                items(&tree, root) == items(&after, after_root)
                    && after.field(after_root, "results").map(|results| after.elements(results).len())
                        == Some(
                            entries.len()
                                + tree
                                    .field(root, "results")
                                    .map_or(0, |results| tree.elements(results).len()),
                        )
            })
        });
        if is_kept {
            Ok(added)
        } else {
            Err(problem("results cannot be added to a list that is written like this".to_owned()))
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

/// What a node says, without where it stands.
fn plain(tree: &Tree, id: NodeId) -> Json {
    match tree.value(id) {
        Value::Scalar(scalar) => json_of(tree, id, scalar),
        Value::Sequence(elements) => {
            Json::Array(elements.iter().map(|element| plain(tree, *element)).collect())
        }
        Value::Mapping(_) => {
            let fields = tree.fields(id);
            Json::Object(
                fields.iter().map(|(name, _, value)| (name.to_owned(), plain(tree, value))).collect(),
            )
        }
        Value::Alias(_) => Json::Null,
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

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
