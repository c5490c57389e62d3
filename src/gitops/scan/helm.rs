//! The images of Helm values, by the keys that charts use.

use super::file::{FileScan, Found, Holder, Reader, Refused};
use super::image_path::joined;
use super::kustomization::composed;
use super::objects::Object;
use super::uses::Cursor;
use crate::foreign::Foreign;
use crate::gitops::scalar::is_string_in_yaml_1_1;
use crate::gitops::site::{ObjectId, Part};
use crate::gitops::tree::{Style, Value};
use crate::policy::ImageSite;

/// What stands for the kind of values.
pub(super) const KIND: &str = "Values";

const FLUX_GROUP: &str = "helm.toolkit.fluxcd.io";
const FLUX_KIND: &str = "HelmRelease";

/// The images of a file of values.
pub(super) fn values(scan: &mut FileScan<'_, '_>) {
    let object = ObjectId { kind: KIND.to_owned(), ..ObjectId::default() };
    let options = scan.options;
    let holder = Holder { object: &object, namespace: &options.namespace, origin: None, subject: None };
    for document in scan.file.tree.documents() {
        let root = scan.walk.root(document.root);
        visit(scan, &holder, root, "");
        let registry = scan.walk.at(root, &["global", "imageRegistry"]);
        if let Some(registry) = registry
            && let Some(name) = scan.walk.string(registry).filter(|name| !name.is_empty())
        {
            let message = format!(
                "global.imageRegistry is {}: charts that use it take images from there, and it is not looked at",
                Foreign(name)
            );
            scan.notice(registry, message);
        }
    }
}

/// Says that a release of Flux holds values.
pub(super) fn notice(scan: &mut FileScan<'_, '_>, object: &Object) {
    if object.group() != Some(FLUX_GROUP) || object.id.kind != FLUX_KIND {
        return;
    }
    let Some(spec) = scan.walk.field(object.cursor, "spec") else { return };
    let Some(values) = scan.walk.entry(spec, "values").filter(|values| scan.walk.is_mapping(values.value))
    else {
        return;
    };
    let holder = Holder { object: &object.id, namespace: "", origin: None, subject: None };
    let message = format!(
        "{holder} holds values of a chart, whose images are not looked at; keep them in a file that --helm-values names, or name each \
         image with --image-path {FLUX_KIND}.{FLUX_GROUP}=spec.values.PATH"
    );
    scan.notice(values.key, message);
}

fn visit(scan: &mut FileScan<'_, '_>, holder: &Holder<'_>, at: Cursor, field: &str) {
    match scan.walk.value(at) {
        Value::Mapping(_) => {
            for entry in scan.walk.fields(at) {
                let field = joined(field, entry.name);
                if entry.name.to_ascii_lowercase().ends_with("image") {
                    // What is refused is told.
                    let _ = image(scan, holder, entry.value, &field);
                }
                visit(scan, holder, entry.value, &field);
            }
        }
        Value::Sequence(_) => {
            let elements: Vec<Cursor> = scan.walk.elements(at).collect();
            for (index, element) in elements.into_iter().enumerate() {
                visit(scan, holder, element, &format!("{field}[{index}]"));
            }
        }
        Value::Scalar(_) | Value::Alias(_) => {}
    }
}

/// The image under a key that ends in `image`.
fn image(scan: &mut FileScan<'_, '_>, holder: &Holder<'_>, at: Cursor, field: &str) -> Result<(), Refused> {
    match scan.walk.value(at) {
        Value::Mapping(_) => parts(scan, holder, at, field),
        Value::Scalar(scalar) => {
            let node = scan.walk.tree.node(at.id);
            let is_plain = scalar.style == Style::Plain && node.tag.is_none();
            // Switches and numbers, as in `pullImage: true`.
            if is_plain && !is_string_in_yaml_1_1(&scalar.text) {
                return Ok(());
            }
            if let Some(image) = scan.text(at, field, holder, Reader::Helm)?.filter(|image| !image.is_empty())
            {
                let (field, image) = (field.to_owned(), image.to_owned());
                let part = Part::Reference;
                scan.add(holder, Found { at, field, image_site: ImageSite::Containers, image, part });
            }
            Ok(())
        }
        Value::Sequence(_) | Value::Alias(_) => Ok(()),
    }
}

/// An image of `registry`, `repository`, `tag` and `digest`.
fn parts(scan: &mut FileScan<'_, '_>, holder: &Holder<'_>, at: Cursor, field: &str) -> Result<(), Refused> {
    let repository = scan.walk.field(at, "repository");
    if repository.is_none_or(|repository| !matches!(scan.walk.value(repository), Value::Scalar(_))) {
        return Ok(());
    }
    let mut text = |name| scan.text_of(at, (field, name), holder, Reader::Helm);
    let (registry, repository, tag, digest) =
        (text("registry"), text("repository"), text("tag"), text("digest"));
    let (registry, repository, tag, digest) = (registry?, repository?, tag?, digest?);
    let Some(repository) = repository else { return Ok(()) };
    if tag.is_none() && digest.is_none() {
        if let Some(tag) = scan.walk.field(at, "tag") {
            scan.notice(
                tag,
                format!("{field} has an empty tag, which the chart fills in, and is not looked at"),
            );
        }
        return Ok(());
    }
    if digest.is_some() && tag.is_some_and(|tag| tag.contains('@')) {
        scan.problem(at, format!("{field} of {holder} has a digest in tag and in digest; remove one"));
        return Err(Refused);
    }
    let (slot, part) = match scan.walk.field(at, "digest") {
        Some(_) => ("digest", Part::Digest),
        None => ("tag", Part::Tag),
    };
    let name = match registry {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository.to_owned(),
    };
    if let Some(slot_at) = scan.walk.field(at, slot) {
        let (image, field) = (composed(&name, tag, digest), format!("{field}.{slot}"));
        scan.add(holder, Found { at: slot_at, field, image_site: ImageSite::Containers, image, part });
    }
    Ok(())
}
