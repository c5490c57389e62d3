//! What `kubectl apply --server-side -f manifests/install.yaml` installs, and what the chart renders with other values.

use serde_json::{Value, json};

use super::account::SYSTEM_NAMESPACE;
use super::cluster::Cluster;
use super::process::{command, output_of};
use super::run::{source_path, tool};

/// Applies the installation but for its webhooks, which the suite points at processes of its own.
pub fn applies_installation(cluster: &Cluster) {
    let objects = installed(cluster);
    let rest: Vec<_> = objects.into_iter().filter(|object| !is_webhook(object)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": rest});
    let args = ["apply", "--server-side", "-f", "-"];
    let answer = cluster.in_namespace(SYSTEM_NAMESPACE).kubectl_with(&args, list.to_string().as_bytes());
    assert!(answer.passed, "kubectl apply: {}", answer.errors);
    cluster.does(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
}

/// The objects of `manifests/install.yaml`.
pub fn installed(cluster: &Cluster) -> Vec<Value> {
    read(cluster, &std::fs::read(source_path("manifests/install.yaml")).expect("manifests/install.yaml"))
}

/// The objects that the chart renders with these arguments of `helm template`, in tagseal's namespace.
pub fn rendered(cluster: &Cluster, args: &[&str]) -> Vec<Value> {
    let mut helm = command(tool("helm"));
    helm.args(["template", "tagseal"]).arg(source_path("charts/tagseal"));
    helm.args(["--namespace", SYSTEM_NAMESPACE]).args(args);
    let output = output_of(&mut helm, b"");
    assert!(output.status.success(), "helm template: {}", String::from_utf8_lossy(&output.stderr));
    read(cluster, &output.stdout)
}

/// YAML as kubectl reads it.
fn read(cluster: &Cluster, yaml: &[u8]) -> Vec<Value> {
    let args = ["create", "--dry-run=client", "--validate=ignore", "-o", "json", "-f", "-"];
    // kubectl refuses objects of another namespace than its own.
    let answer = cluster.in_namespace(SYSTEM_NAMESPACE).kubectl_with(&args, yaml);
    assert!(answer.passed, "kubectl: {}", answer.errors);
    let documents = serde_json::Deserializer::from_str(&answer.output).into_iter::<Value>();
    let objects = documents.flat_map(|document| match document.expect("JSON") {
        Value::Object(mut list) if list.contains_key("items") => {
            list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
        }
        object => vec![object],
    });
    objects.collect()
}

fn is_webhook(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
}
