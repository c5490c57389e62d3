//! `values.schema.json`: a misspelt value is an error, wherever it stands.

use serde_json::Value;

use super::{default_values, file};

/// Objects whose fields are Kubernetes' own, and many; and what helm hands to every chart.
const OPEN: &[&str] = &[
    "/affinity/nodeAffinity",
    "/affinity/podAffinity",
    "/affinity/podAntiAffinity",
    "/extraEnv/items/valueFrom",
    "/extraVolumes/items",
    "/global",
];

fn schema() -> Value {
    serde_json::from_str(&file("charts/tagseal/values.schema.json")).unwrap()
}

#[test]
fn every_object_is_closed_but_those_that_kubernetes_defines() {
    fn objects(schema: &Value, path: &str, open: &mut Vec<String>) {
        if schema["type"] == "object" && schema.get("additionalProperties").is_none() {
            open.push(path.to_owned());
        }
        assert_ne!(schema.get("additionalProperties"), Some(&Value::Bool(true)), "{path}");
        for (key, child) in schema["properties"].as_object().into_iter().flatten() {
            objects(child, &format!("{path}/{key}"), open);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                objects(&schema[inner], &format!("{path}/{inner}"), open);
            }
        }
    }
    let mut open = Vec::new();
    objects(&schema(), "", &mut open);
    open.sort();
    assert_eq!(open, OPEN);
}

#[test]
fn the_schema_and_the_defaults_know_the_same_values() {
    fn compare(schema: &Value, values: &Value, path: &str) {
        let (Some(properties), Some(values)) = (schema["properties"].as_object(), values.as_object()) else {
            return;
        };
        for key in values.keys() {
            assert!(properties.contains_key(key), "{path}/{key} is not in values.schema.json");
        }
        // What only a user can say has no default to stand beside.
        let optional = ["/global", "/certManager/issuerRef", "/affinity"];
        for (key, child) in properties {
            let here = format!("{path}/{key}");
            if optional.iter().any(|optional| here.starts_with(optional)) {
                continue;
            }
            let value = values.get(key).unwrap_or_else(|| panic!("{here} is not in values.yaml"));
            compare(child, value, &here);
        }
    }
    compare(&schema(), &default_values(), "");
}

#[test]
fn a_pod_has_the_time_that_stopping_takes() {
    let limits = tagseal::webhook::Limits::default();
    let needed = (limits.linger + limits.drain).as_secs();
    let least = schema()["properties"]["terminationGracePeriodSeconds"]["minimum"].as_u64().unwrap();
    assert!(least > needed, "{needed} s of linger and drain, and {least} s to end");
    assert!(default_values()["terminationGracePeriodSeconds"].as_u64().unwrap() >= needed + 10);
    let said = format!(
        "{} s, and then finishes what is in flight for up to {} s",
        limits.linger.as_secs(),
        limits.drain.as_secs()
    );
    assert!(file("charts/tagseal/values.yaml").contains(&said), "values.yaml does not say: {said}");
}
