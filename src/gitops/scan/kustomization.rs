//! The images of kustomizations, and of Flux's, which have the same entries.

use super::file::{FileScan, Found, Holder, Reader, Refused};
use super::objects::Object;
use super::uses::Cursor;
use crate::foreign::{Foreign, Quoted};
use crate::gitops::site::Part;
use crate::gitops::tree::Value;
use crate::policy::ImageSite;

const GROUP: &str = "kustomize.config.k8s.io";
const FLUX_GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// Whether kustomize takes an object for its own: by its kind, or by the file's name where it names none.
pub(super) fn is_kustomization(file: &str, object: &Object) -> bool {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_file = matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization");
    let is_kind = matches!(object.id.kind.as_str(), "Kustomization" | "Component");
    match object.group() {
        Some(GROUP) => is_kind || (is_file && object.id.kind.is_empty()),
        None => object.prefix.is_empty() && is_file && (is_kind || object.id.kind.is_empty()),
        Some(_) => false,
    }
}

/// Whether it is a `Kustomization` of Flux.
pub(super) fn is_flux(object: &Object) -> bool {
    object.group() == Some(FLUX_GROUP) && object.id.kind == "Kustomization"
}

/// The images of a kustomization. Its `namespace` is that of all it renders.
pub(super) fn kustomization(scan: &mut FileScan<'_, '_>, object: &Object) {
    let mut id = object.id.clone();
    if id.kind.is_empty() {
        id.kind = "Kustomization".to_owned();
    }
    let unknown = Holder { object: &id, namespace: "", origin: None, subject: None };
    keys(scan, object.cursor, &unknown, &["namespace", "images", "imageTags"]);
    let namespace = match scan.walk.field(object.cursor, "namespace") {
        Some(at) => scan.text(at, "namespace", &unknown, Reader::Kustomize).unwrap_or_default(),
        None => None,
    };
    let namespace = namespace.filter(|namespace| !namespace.is_empty()).unwrap_or(&scan.options.namespace);
    let holder = Holder { object: &id, namespace, origin: object.origin.as_ref(), subject: None };
    // kustomize takes the former name too.
    for field in ["images", "imageTags"] {
        if let Some(list) = scan.walk.field(object.cursor, field) {
            images(scan, &holder, list, field);
            for entry in scan.walk.elements(list).collect::<Vec<_>>() {
                keys(scan, entry, &holder, &["name", "newName", "newTag", "digest", "tagSuffix"]);
            }
        }
    }
}

/// kustomize takes `newtag` for `newTag`, as Go's JSON decoder does, and which of two such keys it takes is by chance.
fn keys(scan: &mut FileScan<'_, '_>, at: Cursor, holder: &Holder<'_>, known: &[&str]) {
    for field in scan.walk.fields(at) {
        let meant =
            known.iter().find(|known| known.eq_ignore_ascii_case(field.name) && **known != field.name);
        if let Some(meant) = meant {
            let name = Foreign(field.name);
            scan.problem(field.key, format!("{name} of {holder} is {meant} to kustomize: write it so"));
        }
    }
}

/// The images of Flux's `Kustomization`. Its target namespace is that of all it renders.
pub(super) fn flux(scan: &mut FileScan<'_, '_>, object: &Object) {
    let own = scan.namespace_of(object);
    let target = scan.walk.string_at(object.cursor, &["spec", "targetNamespace"]);
    let namespace = target.filter(|namespace| !namespace.is_empty()).unwrap_or(own);
    let holder = Holder { object: &object.id, namespace, origin: object.origin.as_ref(), subject: None };
    if let Some(list) = scan.walk.at(object.cursor, &["spec", "images"]) {
        images(scan, &holder, list, "spec.images");
    }
}

fn images(scan: &mut FileScan<'_, '_>, holder: &Holder<'_>, list: Cursor, field: &str) {
    if scan.walk.is_null(list) {
        return;
    }
    if !matches!(scan.walk.value(list), Value::Sequence(_)) {
        scan.problem(list, format!("{field} of {holder} is no list; make it one"));
        return;
    }
    let entries: Vec<Cursor> = scan.walk.elements(list).collect();
    for (index, entry) in entries.into_iter().enumerate() {
        let field = format!("{field}[{index}]");
        if scan.walk.is_mapping(entry) {
            // What is refused is told.
            let _ = image(scan, holder, entry, &field);
        } else {
            scan.problem(entry, format!("{field} of {holder} is no mapping; make it one"));
        }
    }
}

/// One entry. Without tag and digest kustomize keeps those that the rendered objects have.
fn image(
    scan: &mut FileScan<'_, '_>,
    holder: &Holder<'_>,
    entry: Cursor,
    field: &str,
) -> Result<(), Refused> {
    let mut text = |name| scan.text_of(entry, (field, name), holder, Reader::Kustomize);
    let (name, new_name, tag, digest) = (text("name"), text("newName"), text("newTag"), text("digest"));
    let (suffix, name, new_name, tag, digest) = (text("tagSuffix")?, name?, new_name?, tag?, digest?);
    let has_own_tag = new_name.is_some_and(names_tag_or_digest);
    if tag.is_none() && digest.is_none() && !has_own_tag {
        return Ok(());
    }
    let Some(base) = new_name.or(name) else {
        scan.problem(
            entry,
            format!("{field} of {holder} has neither name nor newName; give it the image's name"),
        );
        return Err(Refused);
    };
    if tag.is_none() && digest.is_none() && suffix.is_some() {
        let message = format!(
            "{field} of {holder} adds a suffix to tags that are not known here, and is not looked at"
        );
        scan.notice(entry, message);
        return Ok(());
    }
    if new_name.is_none() && is_pattern(base) {
        let message = format!(
            "{field} of {holder} is about every image that matches {}, and is not looked at; name one image, or give newName",
            Quoted(base)
        );
        scan.notice(entry, message);
        return Ok(());
    }
    if digest.is_some() && tag.is_some_and(|tag| tag.contains('@')) {
        scan.problem(entry, format!("{field} of {holder} has a digest in newTag and in digest; remove one"));
        return Err(Refused);
    }
    let (slot, part) = match (scan.walk.field(entry, "digest"), tag) {
        (Some(_), _) => ("digest", Part::Digest),
        (None, Some(_)) => ("newTag", Part::Tag),
        (None, None) => ("newName", Part::Reference),
    };
    if let Some(at) = scan.walk.field(entry, slot) {
        let image = composed(base, tag, digest);
        let field = format!("{field}.{slot}");
        scan.add(holder, Found { at, field, image_site: ImageSite::Containers, image, part });
    }
    Ok(())
}

/// An image of its parts.
pub(super) fn composed(name: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    let mut image = name.to_owned();
    for (separator, part) in [(':', tag), ('@', digest)] {
        if let Some(part) = part {
            image.push(separator);
            image.push_str(part);
        }
    }
    image
}

/// Whether a name has a tag or a digest in it. A colon before the last slash belongs to the registry's port.
fn names_tag_or_digest(name: &str) -> bool {
    name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

/// Whether kustomize, which takes a name for a regular expression, finds other names by it. A dot stands in too many names to
/// be meant as one.
fn is_pattern(name: &str) -> bool {
    name.contains(['*', '+', '?', '(', ')', '[', ']', '|', '^', '$', '\\', '{', '}'])
}
