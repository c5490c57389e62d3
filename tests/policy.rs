//! Policies through their public interface: raw objects in, what is asked of an image out.

mod attacks;
mod compile;
mod exemptions;
mod load;
mod select;

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::image::ImageReference;
use tagseal::policy::{
    CompileContext, CompiledPolicy, FileObjects, Labels, NamespaceView, PolicyKind, PolicySet, Selection,
    SetOptions, UnknownFields, compile,
};

pub const KEY: &str = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f";
pub const OTHER_KEY: &str = "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0";
pub const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A cluster policy for `registry.example.com/shop/**` with every default, and `changes` made to its spec.
pub fn cluster(name: &str, changes: Value) -> Value {
    object("ClusterTrustPolicy", json!({"name": name}), changes)
}

/// The same as a namespaced policy.
pub fn namespaced(namespace: &str, name: &str, changes: Value) -> Value {
    object("TrustPolicy", json!({"name": name, "namespace": namespace}), changes)
}

fn object(kind: &str, metadata: Value, changes: Value) -> Value {
    let mut spec = json!({
        "images": {"include": ["registry.example.com/shop/**"]},
        "notary": {"server": "https://notary.example.com"},
        "roots": [{"keyID": KEY}],
    });
    if let Value::Object(changes) = changes {
        for (field, value) in changes {
            spec[field] = value;
        }
    }
    json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

pub fn compiled(object: &Value) -> Arc<CompiledPolicy> {
    compiled_with(object, &FileObjects::default(), UnknownFields::Refuse)
}

pub fn compiled_with(
    object: &Value,
    objects: &FileObjects,
    unknown_fields: UnknownFields,
) -> Arc<CompiledPolicy> {
    let kind = match object["kind"].as_str() {
        Some("TrustPolicy") => PolicyKind::Namespaced,
        _ => PolicyKind::Cluster,
    };
    Arc::new(compile(kind, object, &CompileContext { system_namespace: "tagseal", objects, unknown_fields }))
}

/// A set of raw objects, all with the default options.
pub fn set(objects: &[Value]) -> PolicySet {
    PolicySet::new(objects.iter().map(compiled), SetOptions::default())
}

pub fn image(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap()
}

pub fn namespace(name: &str, labels: &[(&str, &str)]) -> NamespaceView {
    let labels: Labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    NamespaceView::new(name, Arc::new(labels))
}

/// What the set says of an image in the namespace `default`, in short: `unmatched`, `invalid: POLICIES` or
/// `deny: POLICIES observe: POLICIES`.
pub fn verdict(set: &PolicySet, image_text: &str) -> String {
    verdict_in(set, &namespace("default", &[]), image_text)
}

pub fn verdict_in(set: &PolicySet, namespace: &NamespaceView, image_text: &str) -> String {
    match set.select(namespace, &image(image_text)) {
        Selection::Unmatched => "unmatched".to_owned(),
        Selection::Invalid(objections) => {
            let names: Vec<_> = objections.iter().map(|o| format!("{} {}", o.reason, o.policy)).collect();
            format!("invalid: {}", names.join(", "))
        }
        Selection::Require { deny, observe } => {
            let denying: Vec<_> = deny.iter().map(|demand| demand.policy.to_string()).collect();
            let observing: Vec<_> = observe
                .iter()
                .map(|observed| match &observed.demand {
                    Ok(demand) => demand.policy.to_string(),
                    Err(objection) => format!("{} {}", objection.reason, objection.policy),
                })
                .collect();
            match (denying.is_empty(), observing.is_empty()) {
                (_, true) => format!("deny: {}", denying.join(", ")),
                (true, false) => format!("observe: {}", observing.join(", ")),
                (false, false) => format!("deny: {} observe: {}", denying.join(", "), observing.join(", ")),
            }
        }
    }
}
