//! A machine with policies and tests, and a trust server that counts what it is asked, and can be away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tagseal::clock::SystemClock;
use tagseal::sandbox::server::NotaryServer;

use crate::cli::run::{Ended, Machine, REPOSITORY, digest};
use crate::support::trust_server::TrustServer;

/// How the server is reached.
#[derive(Default)]
struct Gate {
    /// The status of every answer; 0: the server answers itself.
    status: AtomicU16,
    asked: AtomicUsize,
}

/// `web:1.0` is signed by the owner, and `web:1.1` by the delegation `ci`, which is released.
pub struct World {
    pub machine: Machine,
    pub server: TrustServer,
    gate: Arc<Gate>,
}

impl World {
    pub fn new() -> Self {
        let gate = Arc::new(Gate::default());
        let server = NotaryServer::new(None, Arc::new(SystemClock)).unwrap();
        let router = server.router().layer(from_fn_with_state(Arc::clone(&gate), pass));
        let server = TrustServer::serve(router);
        let machine = Machine::of_publisher(&server);
        let world = Self { machine, server, gate };
        world.sign("1.0");
        world.machine.trust("key generate ci").done();
        world.machine.trust(&format!("signer add --key ci.pub ci {REPOSITORY}")).done();
        world.sign("1.1");
        world.policy(json!({}));
        world
    }

    pub fn sign(&self, tag: &str) {
        let line = format!("sign {REPOSITORY}:{tag} --digest {} --size 500", digest(tag));
        self.machine.trust(&line).done();
    }

    /// Writes `policy.yaml`.
    pub fn policy(&self, more: Value) {
        let mut spec = json!({
            "images": {"include": ["registry.test/**"]},
            "notary": {"server": self.server.url()},
            "firstUse": "Trust",
            "mutation": "Pods",
        });
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        self.write("policy.yaml", &object("ClusterTrustPolicy", "production", &spec).to_string());
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.machine.file(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes `test.yaml`: the policy, the recorded folder, and these cases.
    pub fn cases(&self, cases: &str) {
        self.write("test.yaml", &format!("policies: [policy.yaml]\ntrust: recorded\ncases:\n{cases}"));
    }

    /// Writes `test.yaml` with what is signed, what is not, and an image that no policy is about.
    pub fn usual_cases(&self) {
        self.cases(&format!(
            "- {{image: '{REPOSITORY}:1.0', expect: Sealed, digest: '{}'}}\n\
             - {{image: '{REPOSITORY}:1.1', expect: Sealed}}\n\
             - {{image: '{REPOSITORY}:9.9', expect: Denied, reason: NotSigned}}\n\
             - {{image: 'registry.test/shop/nowhere:1', expect: Denied, reason: RepositoryNotFound}}\n\
             - {{image: 'ghcr.io/other/image:1', expect: Unmatched}}\n",
            digest("1.0")
        ));
    }

    pub fn test(&self, more: &[&str]) -> Ended {
        self.machine.run(&[&["test", "test.yaml"], more].concat())
    }

    /// Whether the server answers 503 to everything.
    pub fn is_away(&self, is_away: bool) {
        self.answers_with(if is_away { 503 } else { 0 });
    }

    /// The server answers everything with this status.
    pub fn answers_with(&self, status: u16) {
        self.gate.status.store(status, Ordering::SeqCst);
    }

    /// How many requests the server has got.
    pub fn asked(&self) -> usize {
        self.gate.asked.load(Ordering::SeqCst)
    }

    /// The files below a folder of the machine.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        files_below(&self.machine.file(folder))
    }
}

pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    gate.asked.fetch_add(1, Ordering::SeqCst);
    match StatusCode::from_u16(gate.status.load(Ordering::SeqCst)) {
        Ok(status) => status.into_response(),
        Err(_) => next.run(request).await,
    }
}
