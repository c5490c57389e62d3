//! What the sandbox puts into a real cluster: a namespace, and the webhook for it alone.
//!
//! Everything has one name, so that what a killed run left is taken over by the next, and nothing else is touched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The name of everything.
pub const NAME: &str = "tagseal-sandbox";
/// The label by which the sandbox knows what it made.
pub const LABEL: &str = "tagseal.dev/sandbox";

/// The namespace in which people try things.
pub fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata()})
}

/// The mutating hook, at a base URL that the API server can reach.
pub fn mutating(url: &str, ca_pem: &str) -> Value {
    let mut webhook = webhook("mutate", url, ca_pem);
    webhook["reinvocationPolicy"] = json!("IfNeeded");
    configuration("MutatingWebhookConfiguration", webhook)
}

/// The validating hook.
pub fn validating(url: &str, ca_pem: &str) -> Value {
    configuration("ValidatingWebhookConfiguration", webhook("validate", url, ca_pem))
}

fn metadata() -> Value {
    json!({"name": NAME, "labels": {LABEL: "true"}})
}

fn configuration(kind: &str, webhook: Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": metadata(),
        "webhooks": [webhook],
    })
}

/// It fails open: a laptop that went to sleep denies nobody.
fn webhook(hook: &str, url: &str, ca_pem: &str) -> Value {
    let rule = |group: &str, resources: &[&str]| {
        json!({
            "apiGroups": [group],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": resources,
            "scope": "Namespaced",
        })
    };
    json!({
        "name": format!("{hook}.sandbox.tagseal.dev"),
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": 5,
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "clientConfig": {"url": format!("{url}/{hook}"), "caBundle": STANDARD.encode(ca_pem)},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAME}},
        "rules": [
            rule("", &["pods", "pods/ephemeralcontainers", "podtemplates", "replicationcontrollers"]),
            rule("apps", &["deployments", "replicasets", "statefulsets", "daemonsets"]),
            rule("batch", &["jobs", "cronjobs"]),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hooks_fail_open_and_look_at_one_namespace_alone() {
        for (hook, configuration) in [
            ("mutate", mutating("https://10.0.0.7:8443", "PEM")),
            ("validate", validating("https://10.0.0.7:8443", "PEM")),
        ] {
            assert_eq!(configuration["metadata"]["name"], NAME);
            assert_eq!(configuration["metadata"]["labels"][LABEL], "true");
            let webhook = &configuration["webhooks"][0];
            assert_eq!(webhook["failurePolicy"], "Ignore", "{hook}");
            assert_eq!(
                webhook["namespaceSelector"],
                json!({"matchLabels": {"kubernetes.io/metadata.name": "tagseal-sandbox"}}),
                "{hook}"
            );
            assert_eq!(webhook["clientConfig"]["url"], format!("https://10.0.0.7:8443/{hook}"));
            assert_eq!(webhook["clientConfig"]["caBundle"], "UEVN");
        }
    }

    #[test]
    fn the_rules_are_those_of_a_real_installation() {
        let installed = include_str!("../../manifests/install.yaml");
        let webhook = &mutating("https://x", "")["webhooks"][0];
        for rule in webhook["rules"].as_array().unwrap() {
            let resources: Vec<_> =
                rule["resources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let line = format!("resources: [{}]", resources.join(", "));
            assert_eq!(installed.matches(&line).count(), 2, "{line}");
        }
    }
}
