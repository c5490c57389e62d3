//! Pod specs: those of the kinds that the webhook looks at, by the same tables.

use super::file::{FileScan, Found, Holder, Reader};
use super::objects::Object;
use super::uses::{Cursor, Walk};
use crate::admission::Subject;
use crate::admission::sites::{SiteList, WorkloadKind};
use crate::foreign::{Foreign, Quoted};
use crate::gitops::scalar::is_true_in_yaml_1_1;
use crate::gitops::site::Part;
use crate::gitops::tree::{Style, Value};

/// A pod spec in an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct PodSpec<'a> {
    pub at: Cursor,
    /// The field that holds it.
    pub field: &'a str,
    /// Whether the object is a pod itself: its images are not filled in later.
    pub is_pod: bool,
}

/// The images of an object of a kind that the webhook looks at; `false` where it is of another kind.
pub(super) fn workload(scan: &mut FileScan<'_, '_>, object: &Object) -> bool {
    let kind = object.group().and_then(|group| WorkloadKind::in_any_version(group, &object.id.kind));
    let Some(kind) = kind else { return false };
    let namespace = scan.namespace_of(object);
    let subject = Some(Subject::declared(kind, has_controller(&scan.walk, object)));
    let holder = Holder { object: &object.id, namespace, origin: object.origin.as_ref(), subject };
    let mut at = object.cursor;
    let mut field = String::new();
    for child in kind.path() {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(child.field());
        match scan.walk.field(at, child.field()).filter(|child| !scan.walk.is_null(*child)) {
            Some(child) if scan.walk.is_mapping(child) => at = child,
            Some(child) => {
                scan.problem(child, format!("{field} of {holder} is no mapping; make it one"));
                return true;
            }
            None => return true,
        }
    }
    pod_spec(scan, &holder, PodSpec { at, field: &field, is_pod: kind.is_pod() });
    true
}

/// Whether the object says that a controller owns it. What is a boolean in quotes or under a tag the API server does not take.
fn has_controller(walk: &Walk<'_>, object: &Object) -> bool {
    let is_true = |at| match walk.value(at) {
        Value::Scalar(scalar) => {
            scalar.style == Style::Plain
                && walk.tree.node(at.id).tag.is_none()
                && is_true_in_yaml_1_1(&scalar.text)
        }
        _ => false,
    };
    let owners = walk.at(object.cursor, &["metadata", "ownerReferences"]);
    let mut owners = owners.into_iter().flat_map(|owners| walk.elements(owners));
    owners.any(|owner| walk.field(owner, "controller").is_some_and(is_true))
}

/// The images of a pod spec.
pub(super) fn pod_spec(scan: &mut FileScan<'_, '_>, holder: &Holder<'_>, pod: PodSpec<'_>) {
    for list in SiteList::ALL {
        let Some(entries) = scan.walk.field(pod.at, list.field()) else { continue };
        let field = match pod.field {
            "" => list.field().to_owned(),
            field => format!("{field}.{}", list.field()),
        };
        if scan.walk.is_null(entries) {
            continue;
        }
        if !matches!(scan.walk.value(entries), Value::Sequence(_)) {
            scan.problem(entries, format!("{field} of {holder} is no list; make it one"));
            continue;
        }
        let entries: Vec<Cursor> = scan.walk.elements(entries).collect();
        for (index, entry) in entries.into_iter().enumerate() {
            self::entry(scan, holder, (list, pod.is_pod), (entry, format!("{field}[{index}]")));
        }
    }
}

/// The image of one container or volume. A patch has containers without one.
fn entry(
    scan: &mut FileScan<'_, '_>,
    holder: &Holder<'_>,
    (list, is_pod): (SiteList, bool),
    (entry, mut field): (Cursor, String),
) {
    let mut at = entry;
    for name in list.image_path() {
        if !scan.walk.is_mapping(at) {
            scan.problem(at, format!("{field} of {holder} is no mapping; make it one"));
            return;
        }
        let Some(child) = scan.walk.field(at, name) else { return };
        field = format!("{field}.{name}");
        at = child;
        if scan.walk.is_null(at) {
            return;
        }
    }
    image(scan, holder, (list, is_pod), (at, field));
}

/// The image that a scalar holds.
pub(super) fn image(
    scan: &mut FileScan<'_, '_>,
    holder: &Holder<'_>,
    (list, is_pod): (SiteList, bool),
    (at, field): (Cursor, String),
) {
    let Ok(Some(image)) = scan.text(at, &field, holder, Reader::Kubectl) else { return };
    // Blanks around an image are taken in a template and in no pod (`SiteList::is_to_be_filled_in`): of a file that is a mistake,
    // as in `image: |`. Only where nothing but blanks stands is the image to be filled in.
    if is_pod || !image.trim().is_empty() || !list.is_to_be_filled_in(image) {
        let image_site = list.image_site();
        scan.add(holder, Found { at, field, image_site, image: image.to_owned(), part: Part::Reference });
    }
}

/// Says that an object of another kind holds containers.
pub(super) fn notice(scan: &mut FileScan<'_, '_>, object: &Object) {
    const POD_SPEC: [&str; 3] = ["spec", "template", "spec"];
    let containers = SiteList::Containers.field();
    let found = scan.walk.at(object.cursor, &POD_SPEC).and_then(|pod| scan.walk.entry(pod, containers));
    let Some(containers) = found.filter(|found| !scan.walk.is_null(found.value)) else { return };
    let holder = Holder { object: &object.id, namespace: "", origin: None, subject: None };
    let advice = match (object.id.kind.as_str(), object.group()) {
        ("", _) => "it has no kind".to_owned(),
        (kind, group) => {
            let qualified = match group.filter(|group| !group.is_empty()) {
                Some(group) => format!("{kind}.{group}"),
                None => kind.to_owned(),
            };
            format!("name its images with --image-path {}=spec.template.spec", Foreign(&qualified))
        }
    };
    let message = match object.id.kind.is_empty() {
        true => {
            format!("an object {} holds containers and is not looked at; {advice}", Quoted(&object.id.name))
        }
        false => format!("{holder} holds containers and is not looked at; {advice}"),
    };
    scan.notice(containers.key, message);
}
