//! The `results` of a function: what was pinned, and what stands against the items.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::list::ResourceList;
use crate::admission::judge::Fault;
use crate::foreign::json as printable;
use crate::gitops::pin::{Pin, Plan};
use crate::gitops::place::{Place, Problem};
use crate::gitops::scan::{Object, Scan, objects};
use crate::gitops::site::{ObjectId, Site};
use crate::gitops::source::SourceFile;
use crate::gitops::tree::{NodeId, Tree, Value};

/// One element of `results`, as JSON has it.
pub(super) type Entry = Json;

/// How much an element of `results` matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A digest was written.
    Info,
    /// Something should be done soon.
    Warning,
    /// Denied, or not decided.
    Error,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How a function ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What it returns; `None` where nothing can be returned.
    pub text: Option<String>,
    /// What is said on standard error: kustomize shows nothing else.
    pub errors: Vec<String>,
    /// Whether an image is denied.
    pub is_denied: bool,
    /// Whether something could not be decided or done.
    pub is_undecided: bool,
}

/// Puts together what a function returns. With a denial every item stays as it was. `returns_items` is `false` for a validator.
pub fn outcome(list: &ResourceList, scan: &Scan, plan: &Plan, returns_items: bool) -> Outcome {
    let files = Files { list, objects: objects(list.file()) };
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    for problem in &plan.problems {
        errors.push(problem.to_string());
        entries.push(files.problem(problem).into());
    }
    for refusal in &plan.refusals {
        let Some(site) = scan.sites.get(refusal.site) else { continue };
        let message = format!("{}: {}", site.image, refusal.message);
        errors.push(format!("{}:{}: {}: {message}", list.file().name, site.place, described(site)));
        let mut entry = files.entry(site, Severity::Error, &message);
        entry.insert("tags".to_owned(), json!({"reason": refusal.reason.as_str()}));
        entries.push(entry.into());
    }
    for warning in &plan.warnings {
        let Some(site) = scan.sites.get(warning.site) else { continue };
        entries.push(
            files.entry(site, Severity::Warning, &format!("{}: {}", site.image, warning.message)).into(),
        );
    }
    let is_refused = !plan.problems.is_empty() || !plan.refusals.is_empty();
    let change = plan.changes.first().filter(|_| !is_refused);
    for pin in change.iter().flat_map(|change| &change.pins) {
        let Some(site) = scan.sites.get(pin.site) else { continue };
        entries.push(files.pinned(site, pin).into());
    }
    let text = change.map_or_else(|| list.file().text.clone(), |change| change.after.clone());
    let text = match returns_items {
        true => list.with_results(text, &entries),
        false => Ok(list.without_items(&entries)),
    };
    let is_denied = plan.refusals.iter().any(|refusal| refusal.fault == Fault::Untrusted);
    let mut outcome = Outcome { text: None, errors, is_denied, is_undecided: is_refused && !is_denied };
    match text {
        Ok(text) => outcome.text = Some(text),
        Err(problem) => {
            outcome.errors.push(Problem::to_string(&problem));
            outcome.is_undecided = true;
        }
    }
    outcome
}

/// By what an object is known.
fn reference(object: &ObjectId) -> Json {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let fields = [
        ("apiVersion", &*object.api_version),
        ("kind", &object.kind),
        ("name", &object.name),
        ("namespace", namespace),
    ];
    let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
    Json::Object(given.map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// The object of a site, for people.
fn described(site: &Site) -> String {
    let ObjectId { kind, name, namespace, .. } = &site.object;
    let namespace = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let name = if name.is_empty() { String::new() } else { format!(" {namespace}{name}") };
    format!("{kind}{name}, {}", site.field)
}

/// The items of a list, and the files that they came from.
struct Files<'a> {
    list: &'a ResourceList,
    objects: Vec<Object>,
}

impl Files<'_> {
    fn entry(&self, site: &Site, severity: Severity, message: &str) -> Map<String, Json> {
        let mut entry = Map::new();
        let mut set = |name: &str, value: Json| entry.insert(name.to_owned(), value);
        set("message", message.into());
        set("severity", severity.as_str().into());
        set("resourceRef", reference(&site.object));
        set("field", json!({"path": site.field, "currentValue": site.image}));
        if let Some(file) = self.object_at(site.place).and_then(|object| self.file_of(object)) {
            set("file", file);
        }
        entry
    }

    /// The result for a problem of an item, or of the list.
    fn problem(&self, problem: &Problem) -> Map<String, Json> {
        let mut entry = Map::new();
        let mut set = |name: &str, value: Json| entry.insert(name.to_owned(), value);
        set("message", problem.to_string().into());
        set("severity", Severity::Error.as_str().into());
        if let Some(object) = problem.place.and_then(|place| self.object_at(place)) {
            set("resourceRef", reference(&object.id));
            if let Some(file) = self.file_of(object) {
                set("file", file);
            }
        }
        entry
    }

    fn pinned(&self, site: &Site, pin: &Pin) -> Map<String, Json> {
        let message = match &pin.from {
            Some(from) => format!("updated {} from {from} to {}", site.image, pin.to),
            None => format!("pinned {} to {}", pin.before, pin.after),
        };
        let mut entry = self.entry(site, Severity::Info, &message);
        let field = json!({"path": site.field, "currentValue": pin.before, "proposedValue": pin.after});
        entry.insert("field".to_owned(), field);
        entry
    }

    /// The item in which this place is. Items stand in the order of their places.
    fn object_at(&self, place: Place) -> Option<&Object> {
        let SourceFile { text, tree, .. } = self.list.file();
        let object = self.objects.iter().rev().find(|object| tree.node(object.root).place <= place)?;
        (place < Place::of(text, tree.node(object.root).end)).then_some(object)
    }

    /// The file that the item came from, by the annotations of kustomize and kpt.
    fn file_of(&self, object: &Object) -> Option<Json> {
        let tree = &self.list.file().tree;
        let annotations = tree.at(object.root, &["metadata", "annotations"])?;
        let text = |name: &str| tree.field(annotations, name).and_then(|value| tree.string(value));
        let either = |name: &str| {
            text(&format!("internal.config.kubernetes.io/{name}"))
                .or_else(|| text(&format!("config.kubernetes.io/{name}")))
        };
        let mut file = Map::new();
        file.insert("path".to_owned(), either("path")?.into());
        if let Some(index) = either("index").and_then(|index| index.parse::<u64>().ok()) {
            file.insert("index".to_owned(), index.into());
        }
        Some(file.into())
    }
}

/// The text of a list with `entries` added to its results, or with results.
pub(super) fn add(text: &str, tree: &Tree, root: NodeId, entries: &[Entry]) -> String {
    let results = tree.field(root, "results").filter(|results| !tree.is_null(*results));
    match results {
        Some(results) if !tree.elements(results).is_empty() => append(text, tree, results, entries),
        _ => add_field(text, tree, root, entries),
    }
}

/// Adds elements at the end of a sequence that has some.
fn append(text: &str, tree: &Tree, results: NodeId, entries: &[Entry]) -> String {
    let end = tree.node(tree.target(results)).end;
    let start = tree.node(tree.target(results)).range.start;
    if text[start..].starts_with('[') {
        let comma = if text[..end].trim_end().ends_with(',') { " " } else { ", " };
        return insert(text, end, &format!("{comma}{}", flow(entries)));
    }
    let first = tree.elements(results).first().map_or(start, |first| tree.node(*first).range.start);
    // The dash before the first element.
    let line = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let dash = text[line..first].find('-').map_or(0, |dash| text[line..line + dash].chars().count());
    lines(text, end, &block_elements(entries, dash))
}

/// Adds the field `results` at the end of the list.
fn add_field(text: &str, tree: &Tree, root: NodeId, entries: &[Entry]) -> String {
    let node = tree.node(root);
    if text[node.range.start..].starts_with('{') {
        let comma = if text[..node.end].trim_end().ends_with(',') { " " } else { ", " };
        return insert(text, node.end, &format!("{comma}\"results\": [{}]", flow(entries)));
    }
    let indent = node.place.column - 1;
    let field = format!("{:indent$}results:\n{}", "", block_elements(entries, indent));
    // An empty field of this name would stand twice.
    let empty = match tree.value(root) {
        Value::Mapping(fields) => fields.iter().find(|(key, _)| tree.text(*key) == Some("results")),
        _ => None,
    };
    match empty {
        Some((key, value)) => {
            let start = tree.node(*key).range.start;
            let end = text[tree.node(*value).range.end.max(start)..]
                .find('\n')
                .map_or(text.len(), |at| tree.node(*value).range.end.max(start) + at + 1);
            let rest = format!("{}{}", &text[..start - indent.min(start)], &text[end..]);
            lines(&rest, start - indent.min(start), &field)
        }
        None => lines(text, node.end, &field),
    }
}

fn insert(text: &str, at: usize, added: &str) -> String {
    format!("{}{added}{}", &text[..at], &text[at..])
}

/// Puts whole lines before `at`, which begins a line or ends the text.
fn lines(text: &str, at: usize, added: &str) -> String {
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let before = &text[..at];
    let begins = if before.is_empty() || before.ends_with(['\n', '\r', '\u{feff}']) { "" } else { ending };
    format!("{before}{begins}{}{}", added.replace('\n', ending), &text[at..])
}

fn flow(entries: &[Entry]) -> String {
    entries.iter().map(scalar).collect::<Vec<_>>().join(", ")
}

/// A value as one line of JSON in printable characters, which is YAML too.
fn scalar(value: &Json) -> String {
    printable(&value.to_string()).into_owned()
}

/// A block sequence, `indent` blanks before each dash.
fn block_elements(entries: &[Entry], indent: usize) -> String {
    let mut text = String::new();
    for entry in entries {
        let fields = entry.as_object().into_iter().flatten();
        for (number, (name, value)) in fields.enumerate() {
            let dash = if number == 0 { "- " } else { "  " };
            block_field(&mut text, &format!("{:indent$}{dash}", ""), (name, value), indent + 2);
        }
    }
    text
}

fn block_field(text: &mut String, begins: &str, (name, value): (&str, &Json), indent: usize) {
    match value.as_object().filter(|fields| !fields.is_empty()) {
        Some(fields) => {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{begins}{name}:");
            for (name, value) in fields {
                block_field(text, &format!("{:width$}", "", width = indent + 2), (name, value), indent + 2);
            }
        }
        None => {
            let _ = writeln!(text, "{begins}{name}: {}", scalar(value));
        }
    }
}

/// A list without items.
pub(super) fn bare(version: &str, kind: &str, is_json: bool, entries: &[Entry]) -> String {
    if is_json {
        let mut list = json!({"apiVersion": version, "kind": kind, "items": []});
        if !entries.is_empty() {
            list["results"] = entries.into();
        }
        return scalar(&list) + "\n";
    }
    let mut text = format!("apiVersion: {}\nkind: {kind}\nitems: []\n", scalar(&version.into()));
    if !entries.is_empty() {
        text += &format!("results:\n{}", block_elements(entries, 0));
    }
    text
}
