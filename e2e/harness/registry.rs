//! A registry (OCI distribution) that knows manifests by tag and by digest, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::http::Server;
use super::publisher::digest_of;
use super::run::RUN;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

type Manifests = Arc<Mutex<BTreeMap<String, String>>>;

/// A running registry, over plain http.
pub struct Registry {
    port: u16,
    manifests: Manifests,
    _server: Server,
}

impl Registry {
    /// One without images.
    pub fn start() -> Self {
        let (port, manifests) = (RUN.free_port(), Manifests::default());
        let router = Router::new().fallback(serve).with_state(manifests.clone());
        Self { port, manifests, _server: Server::start(port, None, router) }
    }

    /// Its name in image references.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Has `repository:tag`; answers its digest and the size of its manifest.
    pub fn push(&self, repository: &str, tag: &str, content: &str) -> (String, usize) {
        let manifest =
            format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","annotations":{{"is":"{content}"}}}}"#);
        let (digest, size) = (digest_of(&manifest), manifest.len());
        let mut manifests = self.manifests.lock().unwrap();
        for reference in [tag, &digest] {
            manifests.insert(format!("/v2/{repository}/manifests/{reference}"), manifest.clone());
        }
        (digest, size)
    }
}

async fn serve(State(manifests): State<Manifests>, request: Request) -> Response {
    if request.uri().path() == "/v2/" {
        return "{}".into_response();
    }
    match manifests.lock().unwrap().get(request.uri().path()) {
        Some(manifest) => {
            let digest = digest_of(manifest);
            (
                [(header::CONTENT_TYPE.as_str(), MANIFEST), ("docker-content-digest", &digest)],
                manifest.clone(),
            )
                .into_response()
        }
        None => (StatusCode::NOT_FOUND, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#).into_response(),
    }
}
