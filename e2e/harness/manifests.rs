//! Objects that scenarios apply.

use serde_json::{Value, json};

/// A pod with one container, `web`.
pub fn pod(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "web", "image": image}]},
    })
}

/// A Deployment of `replicas` pods with one container, `web`.
pub fn deployment(name: &str, replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
        },
    })
}

/// A CronJob that never runs.
pub fn suspended_cron_job(name: &str, image: &str) -> Value {
    let mut template = template(name, image);
    template["spec"]["restartPolicy"] = json!("Never");
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": template}}},
    })
}

/// A PodTemplate.
pub fn pod_template(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name},
        "template": template(name, image),
    })
}

fn template(name: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    })
}

/// What the API server would ask about the creation of `pod` in `namespace`.
pub fn review(namespace: &str, pod: &Value) -> Value {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-0000-0000-000000000001", "operation": "CREATE",
            "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
            "namespace": namespace, "name": pod["metadata"]["name"], "userInfo": {"username": "admin"},
            "object": pod, "dryRun": false,
        },
    })
}

/// The images of a pod's (or a template's) containers, in order.
pub fn images(pod: &Value) -> Vec<String> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    containers.filter_map(|container| container["image"].as_str()).map(str::to_owned).collect()
}

/// The images of pod specs, wherever they stand.
pub fn images_within(value: &Value) -> Vec<String> {
    let mut images = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            let entries = value[list].as_array().into_iter().flatten();
            images.extend(entries.filter_map(|entry| entry["image"].as_str()).map(str::to_owned));
        }
        let volumes = value["volumes"].as_array().into_iter().flatten();
        images.extend(volumes.filter_map(|entry| entry["image"]["reference"].as_str()).map(str::to_owned));
        match value {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    images
}

/// The image with its digest.
pub fn sealed(image: &str, digest: &str) -> String {
    format!("{image}@{digest}")
}
