//! A mutating webhook that comes after tagseal's and undoes the seal.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ca::Authority;
use super::cluster::Cluster;
use super::http::Server;
use super::run::RUN;

/// What it does to every pod.
#[derive(Debug, Clone)]
pub enum Mischief {
    /// Gives the first container this image.
    SwapsImage(String),
    /// Adds a container of this image.
    AddsContainer(String),
}

/// Installed for one namespace for as long as it lives.
pub struct HostileWebhook {
    name: String,
    cluster: Cluster,
    _server: Server,
}

impl HostileWebhook {
    /// Installs it for the namespace of `cluster`; called after every other webhook, by its name.
    pub fn install(cluster: &Cluster, mischief: Mischief) -> Self {
        let (authority, port) = (Authority::new("hostile"), RUN.free_port());
        let router = Router::new().route("/", post(meddle)).with_state(mischief);
        let server = Server::start(port, Some(&authority.issue()), router);
        let name = format!("zz-hostile-{}", cluster.namespace());
        cluster.applies(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "hostile.e2e.test", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "matchPolicy": "Equivalent",
                "clientConfig": {
                    "url": format!("https://127.0.0.1:{port}/"),
                    "caBundle": STANDARD.encode(authority.pem()),
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": cluster.namespace()}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }],
        }));
        Self { name, cluster: cluster.clone(), _server: server }
    }
}

impl Drop for HostileWebhook {
    fn drop(&mut self) {
        self.cluster.kubectl(&["delete", "mutatingwebhookconfiguration", &self.name]);
    }
}

async fn meddle(State(mischief): State<Mischief>, Json(review): Json<Value>) -> Json<Value> {
    let patch = match mischief {
        Mischief::SwapsImage(image) => {
            json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}])
        }
        Mischief::AddsContainer(image) => {
            json!([{"op": "add", "path": "/spec/containers/-", "value": {"name": "smuggled", "image": image}}])
        }
    };
    Json(json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"], "allowed": true,
            "patchType": "JSONPatch", "patch": STANDARD.encode(patch.to_string()),
        },
    }))
}
