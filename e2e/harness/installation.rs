//! What `helm install` and `kubectl apply --server-side -f manifests/install.yaml` install, and what the chart renders with
//! other values.

use serde_json::{Value, json};

use super::account::{SYSTEM_NAMESPACE, TAGSEAL};
use super::cluster::Cluster;
use super::process::{command, output_of};
use super::run::{source_path, tool};

/// The one value that has no default. Nobody pulls it.
const IMAGE: &str = "image.repository=registry.test/tagseal";

/// `helm install` of the chart with these values (`name=value`). Its Service leads to loopback: the API server dials
/// `localhost` at the port that a webhook names, and expects the Service's name in the certificate.
pub fn installs(cluster: &Cluster, values: &[&str]) {
    let cluster = cluster.in_namespace(SYSTEM_NAMESPACE);
    let mut args = vec!["install", "--create-namespace", "--set", IMAGE];
    args.extend(values.iter().flat_map(|value| ["--set", value]));
    helm(&cluster, &args);
    cluster.does(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    let elsewhere = json!({
        "spec": {"type": "ExternalName", "externalName": "localhost", "clusterIP": "", "clusterIPs": null},
    });
    cluster.does(&["patch", "service", TAGSEAL, "--type=merge", "-p", &elsewhere.to_string()]);
}

/// `helm upgrade` to the same chart with the same values: what is gone is there again.
pub fn upgrades(cluster: &Cluster) {
    helm(&cluster.in_namespace(SYSTEM_NAMESPACE), &["upgrade", "--reuse-values"]);
}

fn helm(cluster: &Cluster, args: &[&str]) {
    let mut helm = command(tool("helm"));
    helm.args(args).arg(TAGSEAL).arg(source_path("charts/tagseal"));
    helm.args(["--namespace", SYSTEM_NAMESPACE, "--kubeconfig"]).arg(cluster.kubeconfig());
    helm.env("HOME", cluster.kubeconfig().with_extension("home"));
    let output = output_of(&mut helm, b"");
    assert!(output.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The objects of `manifests/install.yaml`.
pub fn installed(cluster: &Cluster) -> Vec<Value> {
    read(cluster, &std::fs::read(source_path("manifests/install.yaml")).expect("manifests/install.yaml"))
}

/// The objects that the chart renders with these arguments of `helm template`, in tagseal's namespace.
pub fn rendered(cluster: &Cluster, args: &[&str]) -> Vec<Value> {
    let mut helm = command(tool("helm"));
    helm.args(["template", "tagseal"]).arg(source_path("charts/tagseal"));
    helm.args(["--namespace", SYSTEM_NAMESPACE, "--set", IMAGE]).args(args);
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
