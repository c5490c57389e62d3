//! A proxy in front of a trust server: counts, holds, fails, stops, remembers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use tokio::sync::watch;

use super::http::{CLIENT, Server};
use super::run::RUN;

const MAX_BODY: usize = 16 << 20;

/// Something that happens once.
type Once = Box<dyn FnOnce() + Send>;

/// Passes everything on until told otherwise.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
}

struct Shared {
    upstream: String,
    requests: Mutex<Vec<String>>,
    fault: Mutex<Option<(String, StatusCode)>>,
    held: watch::Sender<bool>,
    /// How long every request waits.
    delay: Mutex<Duration>,
    uploads: AtomicUsize,
    answered: AtomicUsize,
    meanwhile: Mutex<Option<Once>>,
    /// For the next request for a path with this part.
    before: Mutex<Option<(String, Once)>>,
    /// What may be answered without asking, by its path; `None` where all is asked.
    cache: Mutex<Option<HashMap<String, (HeaderMap, Bytes)>>>,
    cached: AtomicUsize,
}

impl Proxy {
    /// In front of `upstream` (a base URL).
    pub fn of(upstream: &str) -> Self {
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            requests: Mutex::default(),
            fault: Mutex::default(),
            held: watch::Sender::new(false),
            delay: Mutex::default(),
            uploads: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            meanwhile: Mutex::default(),
            before: Mutex::default(),
            cache: Mutex::default(),
            cached: AtomicUsize::new(0),
        });
        let proxy = Self { port: RUN.free_port(), shared, server: Mutex::new(None) };
        proxy.starts();
        proxy
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Refuses connections from now on, and drops those that are open.
    pub fn stops(&self) {
        self.server.lock().unwrap().take();
    }

    /// Listens again, on the same port.
    pub fn starts(&self) {
        let router = Router::new().fallback(forward).with_state(self.shared.clone());
        *self.server.lock().unwrap() = Some(Server::start(self.port, None, router));
    }

    /// Lets every request wait first, as a server far away does.
    pub fn delays(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap() = delay;
    }

    /// Remembers what the server lets caches keep, and answers with it as RFC 9111 lets a shared cache do; nothing that is
    /// kept gets too old within a test.
    pub fn caches(&self) {
        *self.shared.cache.lock().unwrap() = Some(HashMap::new());
    }

    /// How many requests were answered from the cache.
    pub fn cached(&self) -> usize {
        self.shared.cached.load(Ordering::Relaxed)
    }

    /// Takes requests but answers none until [`Self::releases`].
    pub fn holds(&self) {
        self.shared.held.send_replace(true);
    }

    /// Answers what is held, and everything after it.
    pub fn releases(&self) {
        self.shared.held.send_replace(false);
    }

    /// Answers `status` for every path that contains `part`.
    pub fn fails(&self, part: &str, status: u16) {
        let status = StatusCode::from_u16(status).expect("a status");
        *self.shared.fault.lock().unwrap() = Some((part.to_owned(), status));
    }

    /// Fails nothing any more.
    pub fn recovers(&self) {
        self.shared.fault.lock().unwrap().take();
    }

    /// Lets something happen while the next upload is on its way.
    pub fn lets_happen(&self, meanwhile: impl FnOnce() + Send + 'static) {
        *self.shared.meanwhile.lock().unwrap() = Some(Box::new(meanwhile));
    }

    /// Lets something happen before the next request for a path that contains `part` goes on.
    pub fn lets_happen_before(&self, part: &str, first: impl FnOnce() + Send + 'static) {
        *self.shared.before.lock().unwrap() = Some((part.to_owned(), Box::new(first)));
    }

    /// Whether that is still to come.
    pub fn waits(&self) -> bool {
        self.shared.before.lock().unwrap().is_some()
    }

    /// How many uploads came.
    pub fn uploads(&self) -> usize {
        self.shared.uploads.load(Ordering::Relaxed)
    }

    /// How many of them the server has answered.
    pub fn answered_uploads(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// How many requests so far had `part` in their path.
    pub fn count(&self, part: &str) -> usize {
        self.shared.requests.lock().unwrap().iter().filter(|path| path.contains(part)).count()
    }
}

async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    shared.requests.lock().unwrap().push(path.clone());
    let delay = *shared.delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    if request.method() == Method::POST && path.ends_with("/_trust/tuf/") {
        return upload(shared, path, request).await;
    }
    let mut held = shared.held.subscribe();
    held.wait_for(|held| !held).await.expect("the proxy outlives its requests");
    let first = shared.before.lock().unwrap().take_if(|(part, _)| path.contains(part.as_str()));
    if let Some((_, first)) = first {
        tokio::task::spawn_blocking(first).await.expect("what happens before");
    }
    let fault = shared.fault.lock().unwrap().clone();
    if let Some((_, status)) = fault.filter(|(part, _)| path.contains(part.as_str())) {
        return answer(status, None, Body::empty());
    }
    if let Some((headers, body)) = kept(&shared, &path, &request) {
        shared.cached.fetch_add(1, Ordering::Relaxed);
        return answer(StatusCode::OK, Some(headers), Body::from(body));
    }
    let is_get = request.method() == Method::GET;
    let (parts, body) = relayed(&shared.upstream, &path, request).await.into_parts();
    let body = to_bytes(body, MAX_BODY).await.expect("a body in memory");
    let may_be_kept = is_get && parts.status == StatusCode::OK && has(&parts.headers, "s-maxage=");
    if let Some(cache) = shared.cache.lock().unwrap().as_mut().filter(|_| may_be_kept) {
        cache.insert(path, (parts.headers.clone(), body.clone()));
    }
    Response::from_parts(parts, Body::from(body))
}

/// What the cache has for a request that takes it (RFC 9111, 4 and 5.2.1.4).
fn kept(shared: &Shared, path: &str, request: &Request) -> Option<(HeaderMap, Bytes)> {
    let takes = request.method() == Method::GET && !has(request.headers(), "no-cache");
    shared.cache.lock().unwrap().as_ref().filter(|_| takes)?.get(path).cloned()
}

/// Whether `Cache-Control` says so.
fn has(headers: &HeaderMap, directive: &str) -> bool {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    values.filter_map(|value| value.to_str().ok()).any(|value| value.contains(directive))
}

/// An upload that came whole goes on, whatever becomes of the client.
async fn upload(shared: Arc<Shared>, path: String, request: Request) -> Response<Body> {
    shared.uploads.fetch_add(1, Ordering::Relaxed);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return answer(StatusCode::BAD_REQUEST, None, Body::empty());
    };
    let task = tokio::spawn(async move {
        let meanwhile = shared.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            tokio::task::spawn_blocking(meanwhile).await.expect("what happens meanwhile");
        }
        let answer = relayed(&shared.upstream, &path, Request::from_parts(parts, Body::from(body))).await;
        shared.answered.fetch_add(1, Ordering::Relaxed);
        answer
    });
    task.await.expect("an upload")
}

async fn relayed(upstream: &str, path: &str, request: Request) -> Response<Body> {
    match relay(upstream, path, request).await {
        Ok(response) => response,
        Err(error) => answer(StatusCode::BAD_GATEWAY, None, Body::from(error.to_string())),
    }
}

async fn relay(upstream: &str, path: &str, request: Request) -> anyhow::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let sent = CLIENT.request(parts.method, format!("{upstream}{path}")).headers(headers);
    let response = sent.body(to_bytes(body, MAX_BODY).await?).send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(answer(status, Some(headers), Body::from(response.bytes().await?)))
}

fn answer(status: StatusCode, headers: Option<HeaderMap>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(headers) = headers {
        *response.headers_mut() = headers;
        response.headers_mut().remove(header::TRANSFER_ENCODING);
    }
    response
}
