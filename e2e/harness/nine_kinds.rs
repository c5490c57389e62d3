//! One object of each kind that images are in, with an image at every kind of site.

use serde_json::{Value, json};

/// The kinds, in the order in which [`nine_kinds`] has them.
pub const NINE_KINDS: [&str; 9] = [
    "Pod",
    "PodTemplate",
    "ReplicationController",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
];

/// One object `web` of each kind, whose init container, first container and image volume have the first image, and whose
/// other container has the second. Replicas are left to whoever scales.
pub fn nine_kinds(image: &str, other: &str) -> Vec<Value> {
    NINE_KINDS.map(|kind| object(kind, image, other)).to_vec()
}

fn object(kind: &str, image: &str, other: &str) -> Value {
    let app = format!("of-{}", kind.to_lowercase());
    let spec = json!({
        // A bare pod that the API server adds a volume to is never `unchanged` to `kubectl apply`.
        "automountServiceAccountToken": false,
        "initContainers": [{"name": "init", "image": image}],
        "containers": [{"name": "web", "image": image}, {"name": "other", "image": other}],
        "volumes": [{"name": "data", "image": {"reference": image}}],
    });
    let mut template = json!({"metadata": {"labels": {"app": app}}, "spec": spec});
    if matches!(kind, "Job" | "CronJob") {
        template["spec"]["restartPolicy"] = json!("Never");
    }
    let selector = json!({"matchLabels": {"app": app}});
    let (api, spec) = match kind {
        "Pod" => ("v1", template["spec"].take()),
        "PodTemplate" => {
            let metadata = json!({"name": "web"});
            return json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "template": template});
        }
        "ReplicationController" => ("v1", json!({"template": template})),
        "StatefulSet" => {
            ("apps/v1", json!({"selector": selector, "serviceName": "web", "template": template}))
        }
        "Job" => ("batch/v1", json!({"template": template})),
        "CronJob" => {
            let job = json!({"spec": {"template": template}});
            ("batch/v1", json!({"schedule": "0 0 1 1 *", "jobTemplate": job}))
        }
        _ => ("apps/v1", json!({"selector": selector, "template": template})),
    };
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": "web"}, "spec": spec})
}
