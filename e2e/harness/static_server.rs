//! A trust server that serves generated metadata: expired, rolled back, tampered with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use tagseal::clock::{Clock as _, SystemClock};

use super::ca::Serving;
use super::http::Server;
use super::run::RUN;
use crate::support::{ServedFiles, TestRepository};

type Files = Arc<Mutex<BTreeMap<String, ServedFiles>>>;

/// Serves whatever it was last given.
pub struct StaticServer {
    port: u16,
    files: Files,
    _server: Server,
}

impl StaticServer {
    /// One that knows no repository.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// The same over TLS.
    pub fn certified(serving: &Serving) -> Self {
        Self::launch(Some(serving))
    }

    fn launch(tls: Option<&Serving>) -> Self {
        let (port, files) = (RUN.free_port(), Files::default());
        let router = Router::new().fallback(serve).with_state(files.clone());
        Self { port, files, _server: Server::start(port, tls, router) }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Serves what `repository` publishes now.
    pub fn publishes(&self, repository: &mut TestRepository) {
        let files = repository.publish(SystemClock.now());
        self.serves(repository.gun(), files);
    }

    /// Serves these files as the repository `gun`.
    pub fn serves(&self, gun: &str, files: ServedFiles) {
        self.files.lock().unwrap().insert(gun.to_owned(), files);
    }
}

async fn serve(State(files): State<Files>, request: Request) -> Response {
    match lookup(&files.lock().unwrap(), request.uri()) {
        _ if request.uri().path() == "/v2/" => "{}".into_response(),
        Some(bytes) => bytes.into_response(),
        None => (StatusCode::NOT_FOUND, r#"{"errors":[{"code":"METADATA_NOT_FOUND"}]}"#).into_response(),
    }
}

fn lookup(files: &BTreeMap<String, ServedFiles>, uri: &Uri) -> Option<bytes::Bytes> {
    let (gun, file) = uri.path().strip_prefix("/v2/")?.split_once("/_trust/tuf/")?;
    files.get(gun)?.get(file).cloned()
}
