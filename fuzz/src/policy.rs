//! Policies and exemptions in YAML: errors have a place, and what is read is read again from its JSON.

use std::sync::Arc;

use serde_json::Value;
use tagseal::image::ImageReference;
use tagseal::policy::{
    CompileContext, CompiledPolicy, LoadError, LoadedFile, NamespaceView, PolicySet, Selection, SetOptions,
    UnknownFields, compile, compile_exemption, load,
};

/// Images of which every set of policies is asked.
const IMAGES: [&str; 3] = [
    "nginx",
    "registry.example.com/shop/web:1.4",
    "registry.example.com/shop/web@sha256:1111111111111111111111111111111111111111111111111111111111111111",
];

/// The text of a file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let loaded = match load("f.yaml", text) {
        Ok(loaded) => loaded,
        Err(error) => return has_place(&error, text),
    };
    let context = CompileContext {
        system_namespace: "tagseal-system",
        objects: &loaded.objects,
        unknown_fields: UnknownFields::Refuse,
    };
    let mut compiled = Vec::new();
    for document in &loaded.policies {
        let (policy, errors) = document.compile(&context);
        errors.iter().for_each(|error| has_place(error, text));
        assert_eq!(errors.len(), policy.errors().len());
        let again = compile(document.kind(), document.object(), &context);
        assert_eq!(again.errors(), policy.errors());
        assert_eq!(again.warnings(), policy.warnings());
        // Without a requirement there is nothing to verify by, so something has to be wrong.
        assert_eq!(policy.freshness().is_none(), !policy.errors().is_empty() || policy.is_beyond());
        compiled.push(Arc::new(policy));
    }
    let mut exemptions = Vec::new();
    for document in &loaded.exemptions {
        let (exemption, errors) = document.compile();
        errors.iter().for_each(|error| has_place(error, text));
        assert_eq!(compile_exemption(document.object()).errors(), exemption.errors());
        exemptions.push(Arc::new(exemption));
    }
    again_from_json(&loaded);
    let policies = compiled.clone();
    let set = PolicySet::new(compiled, SetOptions::default()).with_exemptions(exemptions);
    for image in IMAGES {
        for namespace in ["", "shop"] {
            ask(&set, &policies, &NamespaceView::unlabelled(namespace), image);
        }
    }
}

/// What a Deny policy is about is never let through unasked, however broken the policy is.
fn ask(set: &PolicySet, policies: &[Arc<CompiledPolicy>], namespace: &NamespaceView, image: &str) {
    let image = ImageReference::parse(image).unwrap();
    let selection = set.select(namespace, &image);
    let guarding: Vec<_> = policies.iter().filter(|policy| policy.guards(namespace, &image)).collect();
    match &selection {
        Selection::Unmatched => assert!(guarding.is_empty()),
        Selection::Invalid(objections) => assert!(!objections.is_empty() && !guarding.is_empty()),
        Selection::Require { deny, observe } => {
            assert!(deny.len() + observe.len() > 0 && deny.len() == guarding.len());
            let broken = guarding.iter().find(|policy| !policy.errors().is_empty());
            assert!(broken.is_none(), "a broken policy demands something");
        }
    }
    let recalled = set.matched(namespace, image.original()).unwrap();
    assert_eq!(format!("{:?}", recalled.chosen.selection), format!("{selection:?}"));
}

/// JSON is YAML: the objects are read again as they are.
fn again_from_json(loaded: &LoadedFile) {
    for object in objects(loaded) {
        let json = object.to_string();
        // How floats and control characters are written is where the two differ.
        if json.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !has_floats(object) {
            let again = load("f.json", &json).unwrap();
            assert_eq!(objects(&again).collect::<Vec<_>>(), [object]);
        }
    }
}

fn objects(loaded: &LoadedFile) -> impl Iterator<Item = &Value> {
    let policies = loaded.policies.iter().map(|document| document.object());
    policies.chain(loaded.exemptions.iter().map(|document| document.object()))
}

fn has_floats(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_floats),
        Value::Object(members) => members.values().any(has_floats),
        _ => false,
    }
}

/// Lines end as YAML has it; an error at the end of the text may be one further.
fn has_place(error: &LoadError, text: &str) {
    let lines = text.matches(['\n', '\r']).count() as u64 + 2;
    assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error}");
    assert!(error.column <= text.len() as u64 + 1 && !error.message.is_empty(), "{error}");
}
