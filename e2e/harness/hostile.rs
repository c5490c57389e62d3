//! A mutating webhook that comes after tagseal's: it undoes the seal, or lets something happen meanwhile.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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
    /// Lets something happen between tagseal's mutating and its validating call.
    LetsHappen(Meanwhile),
}

/// What happens once between the two calls, when it is armed.
#[derive(Clone)]
pub struct Meanwhile(Arc<Happening>);

struct Happening {
    happens: Box<dyn Fn() + Send + Sync>,
    stage: AtomicU8,
}

const WAITS: u8 = 0;
const CALLED: u8 = 1;
const ARMED: u8 = 2;
const HAPPENED: u8 = 3;

impl Meanwhile {
    /// Not armed yet.
    pub fn once(happens: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Happening { happens: Box::new(happens), stage: AtomicU8::new(WAITS) }))
    }

    /// The next call lets it happen.
    pub fn arms(&self) {
        self.0.stage.store(ARMED, Ordering::Release);
    }

    /// Whether the API server has called.
    pub fn is_called(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) >= CALLED
    }

    /// Whether it happened.
    pub fn has_happened(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == HAPPENED
    }

    fn is_its_turn(&self) {
        let stage = &self.0.stage;
        let _ = stage.compare_exchange(WAITS, CALLED, Ordering::AcqRel, Ordering::Acquire);
        if stage.compare_exchange(ARMED, CALLED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            (self.0.happens)();
            stage.store(HAPPENED, Ordering::Release);
        }
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
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
                "failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 30,
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
        Mischief::LetsHappen(meanwhile) => {
            let happening = tokio::task::spawn_blocking(move || meanwhile.is_its_turn());
            happening.await.expect("what happens meanwhile");
            json!([])
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
