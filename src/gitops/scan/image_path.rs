//! [`ImagePath`]: where objects of a kind hold images, as users name it.

use std::str::FromStr;

use super::file::{FileScan, Holder};
use super::objects::Object;
use super::pods::{self, PodSpec};
use super::uses::Cursor;
use crate::admission::sites::SiteList;
use crate::foreign::Quoted;
use crate::gitops::tree::Value;

/// `KIND[.GROUP]=PATH`. Without a group it is about the kind in every group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePath {
    kind: String,
    group: Option<String>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    /// `[*]`
    Every,
}

/// Why a text is no [`ImagePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImagePathError {
    /// There is no kind, or no path.
    #[error("{} has no form KIND[.GROUP]=PATH, as in Rollout.argoproj.io=spec.template.spec", Quoted(.0))]
    Form(String),
    /// A field of the path is empty.
    #[error("the path {} has an empty field", Quoted(.0))]
    EmptyField(String),
    /// Square brackets hold something else.
    #[error("the path {} has square brackets that hold neither * nor a name in single quotes", Quoted(.0))]
    Brackets(String),
}

impl FromStr for ImagePath {
    type Err = ImagePathError;

    fn from_str(text: &str) -> Result<Self, ImagePathError> {
        let form = || ImagePathError::Form(text.to_owned());
        let (object, path) = text.split_once('=').ok_or_else(form)?;
        let (kind, group) = match object.split_once('.') {
            Some((kind, group)) => (kind, Some(group)),
            None => (object, None),
        };
        let is_name = |name: &str, more: &[u8]| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        if !is_name(kind, b"") || !group.is_none_or(|group| is_name(group, b".-")) || path.is_empty() {
            return Err(form());
        }
        Ok(Self { kind: kind.to_owned(), group: group.map(str::to_owned), steps: steps(path)? })
    }
}

/// The steps of `spec.steps[*].image`; a field with dots stands as `['a.b']`.
fn steps(path: &str) -> Result<Vec<Step>, ImagePathError> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('.').unwrap_or(path);
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        // Brackets may begin a path, and follow a dot.
        if !field.is_empty() {
            steps.push(Step::Field(field.to_owned()));
        } else if !after.starts_with('[') {
            return Err(ImagePathError::EmptyField(path.to_owned()));
        }
        rest = after;
        while let Some(inside) = rest.strip_prefix('[') {
            let brackets = || ImagePathError::Brackets(path.to_owned());
            let (step, after) = match inside.strip_prefix('\'') {
                Some(name) => {
                    let (name, after) = name.split_once("']").ok_or_else(brackets)?;
                    (Step::Field(name.to_owned()), after)
                }
                None => (Step::Every, inside.strip_prefix("*]").ok_or_else(brackets)?),
            };
            steps.push(step);
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(steps),
            None => return Err(ImagePathError::Brackets(path.to_owned())),
        }
    }
}

impl ImagePath {
    fn is_about(&self, object: &Object) -> bool {
        let group = object.group().unwrap_or_default();
        self.kind == object.id.kind && self.group.as_deref().is_none_or(|wanted| wanted == group)
    }
}

/// The images that the options name in an object.
pub(super) fn images(scan: &mut FileScan<'_, '_>, object: &Object) {
    let options = scan.options;
    let mut paths = options.image_paths.iter().filter(|path| path.is_about(object)).peekable();
    if paths.peek().is_none() {
        return;
    }
    let namespace = scan.namespace_of(object);
    let holder = Holder { object: &object.id, namespace, origin: object.origin.as_ref(), subject: None };
    for path in paths {
        follow(scan, &holder, &path.steps, (object.cursor, String::new()));
    }
}

fn follow(scan: &mut FileScan<'_, '_>, holder: &Holder<'_>, steps: &[Step], (at, field): (Cursor, String)) {
    let Some((step, rest)) = steps.split_first() else { return end(scan, holder, (at, field)) };
    match (step, scan.walk.value(at)) {
        (Step::Every, Value::Sequence(_)) => {
            let elements: Vec<Cursor> = scan.walk.elements(at).collect();
            for (index, element) in elements.into_iter().enumerate() {
                follow(scan, holder, rest, (element, format!("{field}[{index}]")));
            }
        }
        (Step::Every, Value::Mapping(_)) => {
            for entry in scan.walk.fields(at) {
                follow(scan, holder, rest, (entry.value, joined(&field, entry.name)));
            }
        }
        (Step::Field(name), Value::Mapping(_)) => {
            if let Some(value) = scan.walk.field(at, name) {
                follow(scan, holder, rest, (value, joined(&field, name)));
            }
        }
        (Step::Field(_), Value::Sequence(_)) => {
            scan.problem(at, format!("{field} of {holder} is a list: write {field}[*] in --image-path"));
        }
        _ => {}
    }
}

fn end(scan: &mut FileScan<'_, '_>, holder: &Holder<'_>, (at, field): (Cursor, String)) {
    match scan.walk.value(at) {
        Value::Mapping(_) => pods::pod_spec(scan, holder, PodSpec { at, field: &field, is_pod: false }),
        Value::Sequence(_) => {
            scan.problem(at, format!("{field} of {holder} is a list: write {field}[*] in --image-path"));
        }
        _ => pods::image(scan, holder, (SiteList::Containers, false), (at, field)),
    }
}

/// A field below another. What would be taken for more than one stands in brackets.
pub(super) fn joined(field: &str, name: &str) -> String {
    match (field, name.is_empty() || name.contains(['.', '[', ']', '\''])) {
        (_, true) => format!("{field}['{name}']"),
        ("", false) => name.to_owned(),
        (_, false) => format!("{field}.{name}"),
    }
}
