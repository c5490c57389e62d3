//! [`TrustServer`]: any Notary v1 server as its HTTP clients see it, the embedded one or the real one.

use std::sync::LazyLock;

use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Runs the servers and the client.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // The second call of a process errs, and then a provider is there, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// A running server. All of it blocks: no test may call it from a runtime of its own.
#[derive(Clone)]
pub struct TrustServer {
    url: String,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// Where a repository's file is.
pub fn url_path(gun: &str, file: &str) -> String {
    format!("/v2/{gun}/_trust/tuf/{file}")
}

/// A file of an upload: the part's file name, and its content.
pub type Part = (String, Bytes);

impl TrustServer {
    /// The server at `url`.
    pub fn at(url: &str) -> Self {
        LazyLock::force(&RUNTIME);
        let client =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Self { url: url.to_owned(), client: client.expect("a client") }
    }

    /// Serves `router` on a port of its own, as long as the process runs.
    pub fn serve(router: axum::Router) -> Self {
        let listener = RUNTIME.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        RUNTIME.spawn(async move { axum::serve(listener, router).await });
        Self::at(&format!("http://{address}"))
    }

    /// Answers each request with the file that `find` has under its path.
    pub fn of_files(find: impl Fn(&str) -> Option<Bytes> + Clone + Send + Sync + 'static) -> Self {
        let answer = move |uri: Uri| async move {
            match find(uri.path()) {
                Some(bytes) => bytes.into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        };
        Self::serve(axum::Router::new().fallback(answer))
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks with any method.
    pub fn ask(&self, method: &str, path: &str) -> Answered {
        self.send(self.client.request(method.parse().expect("a method"), format!("{}{path}", self.url)))
    }

    /// GETs a path below `…/_trust/tuf/`.
    pub fn get(&self, gun: &str, path: &str) -> Answered {
        self.ask("GET", &format!("/v2/{gun}/_trust/tuf/{path}"))
    }

    /// The `signed` part of a role's current file.
    pub fn signed(&self, gun: &str, role: &str) -> Value {
        let answer = self.get(gun, &format!("{role}.json"));
        assert_eq!(answer.status, 200, "{role}: {}", answer.text());
        answer.json()["signed"].clone()
    }

    /// The server's key for `role`: what a publisher asks for.
    pub fn key(&self, gun: &str, role: &str) -> Value {
        self.get(gun, &format!("{role}.key")).json()
    }

    /// A new key for `role`.
    pub fn rotate(&self, gun: &str, role: &str) -> Value {
        self.ask("POST", &format!("/v2/{gun}/_trust/tuf/{role}.key")).json()
    }

    /// Uploads files. A part without a name has none.
    pub fn upload(&self, gun: &str, parts: &[Part]) -> Answered {
        const BOUNDARY: &str = "----------a-boundary-of-the-tests";
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let file_name = if name.is_empty() { String::new() } else { format!("; filename=\"{name}\"") };
            let head = format!("Content-Disposition: form-data; name=\"files\"{file_name}");
            let head = format!("--{BOUNDARY}\r\n{head}\r\nContent-Type: application/octet-stream\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.post(gun, &format!("multipart/form-data; boundary={BOUNDARY}"), body)
    }

    /// POSTs any body as an upload.
    pub fn post(&self, gun: &str, content_type: &str, body: Vec<u8>) -> Answered {
        let request = self.client.post(format!("{}/v2/{gun}/_trust/tuf/", self.url));
        self.send(request.header("Content-Type", content_type).body(body))
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        RUNTIME.block_on(async {
            let response = request.send().await.expect("an answer");
            // Without the time of day, by which two equal answers differ now and then.
            let headers = response.headers().iter().filter(|(name, _)| *name != "date");
            let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
            Answered {
                status: response.status().as_u16(),
                headers: headers.collect(),
                body: response.bytes().await.expect("a body"),
            }
        })
    }
}

impl Answered {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {:?}", self.status, self.text()))
    }
}
