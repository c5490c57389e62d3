//! [`ApiServer`]: as much of kube-apiserver as the controller uses, in memory.

mod request;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tower::Service;

use self::request::{Asked, Verb};

/// Resource, namespace (empty for cluster-scoped objects) and name.
type Key = (String, String, String);

/// Objects that are listed, watched, read and patched. Clones are one server.
#[derive(Clone)]
pub struct ApiServer(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Changes with every request.
    served: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<Key, Value>,
    history: Vec<(u64, &'static str, Key, Value)>,
    watches: Vec<(Asked, mpsc::UnboundedSender<io::Result<Bytes>>)>,
    requests: Vec<String>,
    faults: Vec<(String, Fault)>,
    faults_once: Vec<(String, Fault)>,
    unexpected: Vec<String>,
    /// What watches are not told yet.
    lagging: Option<Vec<(&'static str, Key, Value)>>,
    /// What the next list lacks.
    hidden: Vec<Key>,
    /// What tagseal may not do, as far as it asks: `get secrets`, and in which namespace; none stands for all of them.
    lacking: Vec<(String, Option<String>)>,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An answer with this code and message.
    Status(u16, &'static str),
    /// No connection.
    Refused,
    /// A connection and no answer.
    Silent,
    /// It is done, and the answer gets lost.
    Lost,
    /// It is done, and the answer takes so long.
    Late(Duration),
}

impl ApiServer {
    pub fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), served: watch::channel(0).0 }))
    }

    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// Creates or replaces an object; a status stays what it was unless there is one in `object`.
    pub fn put(&self, resource: &str, object: Value) {
        self.state().put(resource, object);
    }

    pub fn delete(&self, resource: &str, namespace: &str, name: &str) {
        self.state().delete(&(resource.to_owned(), namespace.to_owned(), name.to_owned()));
    }

    /// Removes an object without telling anybody: the event is lost.
    pub fn delete_in_silence(&self, resource: &str, namespace: &str, name: &str) {
        let mut state = self.state();
        state.objects.remove(&(resource.to_owned(), namespace.to_owned(), name.to_owned())).unwrap();
        state.version += 1;
    }

    /// All objects of a kind.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        let state = self.state();
        let objects = state.objects.iter().filter(|(key, _)| key.0 == resource);
        objects.map(|(_, object)| object.clone()).collect()
    }

    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Value {
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        self.state().objects.get(&key).cloned().unwrap()
    }

    /// Requests that begin with `start` end like this from now on.
    pub fn fail(&self, start: &str, fault: Fault) {
        self.state().faults.push((start.to_owned(), fault));
    }

    /// The next request that begins with `start` ends like this; those after it as they would.
    pub fn fail_once(&self, start: &str, fault: Fault) {
        self.state().faults_once.push((start.to_owned(), fault));
    }

    /// The same server for clients in other processes.
    pub fn router(&self) -> axum::Router {
        let server = self.clone();
        axum::Router::new().fallback(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let request = Request::from_parts(head, kube::client::Body::from(body.to_vec()));
                server.answer(request).await.unwrap_or_else(|error| status(502, &error.to_string()))
            }
        })
    }

    /// Tells who asks that it may not do this, in this namespace or in all of them at once.
    pub fn lacks(&self, right: &str, namespace: Option<&str>) {
        self.state().lacking.push((right.to_owned(), namespace.map(str::to_owned)));
    }

    /// Everything may be done.
    pub fn grants_all(&self) {
        self.state().lacking.clear();
    }

    /// Every fault is over.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Every watch breaks off.
    pub fn break_watches(&self) {
        for (_, events) in self.state().watches.drain(..) {
            let _ = events.send(Err(io::ErrorKind::ConnectionReset.into()));
        }
    }

    /// Watches show nothing more until [`Self::catch_up`].
    pub fn lag(&self) {
        self.state().lagging.get_or_insert_default();
    }

    /// Watches show what they did not.
    pub fn catch_up(&self) {
        let mut state = self.state();
        for (event, key, object) in state.lagging.take().unwrap_or_default() {
            state.show(event, &key, &object);
        }
    }

    /// The next list is from before this object was created.
    pub fn hide(&self, resource: &str, name: &str) {
        self.state().hidden.push((resource.to_owned(), String::new(), name.to_owned()));
    }

    /// The names of all objects of a kind.
    pub fn names(&self, resource: &str) -> Vec<String> {
        let state = self.state();
        state.objects.keys().filter(|key| key.0 == resource).map(|key| key.2.clone()).collect()
    }

    /// Sends a line to every watch of `resource`, whatever it is.
    pub fn send(&self, resource: &str, line: &str) {
        let state = self.state();
        for (_, events) in state.watches.iter().filter(|(asked, _)| asked.resource == resource) {
            let _ = events.send(Ok(Bytes::from(format!("{line}\n"))));
        }
    }

    /// All requests, as `VERB resource [namespace/]name[/subresource] [selector]`.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    pub fn count(&self, start: &str) -> usize {
        self.requests().iter().filter(|request| request.starts_with(start)).count()
    }

    /// Waits until as many requests that begin with `start` were served.
    pub async fn served(&self, start: &str, count: usize) {
        let mut served = self.0.served.subscribe();
        let enough = served.wait_for(|_| self.count(start) >= count);
        tokio::time::timeout(super::world::LIMIT, enough)
            .await
            .unwrap_or_else(|_| panic!("no {count} × {start:?} in {:#?}", self.requests()))
            .unwrap();
    }

    /// What was asked for that this server does not know.
    pub fn unexpected(&self) -> Vec<String> {
        self.state().unexpected.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    async fn answer(self, request: Request<kube::client::Body>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
        let Some(asked) = Asked::read(&head) else {
            self.state().unexpected.push(format!("{} {}", head.method, head.uri));
            return Ok(status(500, "not a request that this server knows"));
        };
        let fault = {
            let mut state = self.state();
            let line = asked.to_string();
            let is_about = |(start, _): &(String, Fault)| line.starts_with(start.as_str());
            let once = state.faults_once.iter().position(is_about);
            let once = once.map(|place| state.faults_once.remove(place).1);
            let fault = once.or_else(|| Some(state.faults.iter().find(|fault| is_about(fault))?.1.clone()));
            state.requests.push(line);
            fault
        };
        let answer = match fault {
            None => Ok(self.state().serve(asked, &body)),
            Some(Fault::Status(code, message)) => Ok(status(code, message)),
            Some(Fault::Refused) => {
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"))
            }
            Some(Fault::Lost) => {
                self.state().serve(asked, &body);
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(Fault::Late(late)) => {
                let answer = self.state().serve(asked, &body);
                self.0.served.send_modify(|served| *served += 1);
                tokio::time::sleep(late).await;
                return Ok(answer);
            }
            Some(Fault::Silent) => {
                self.0.served.send_modify(|served| *served += 1);
                std::future::pending().await
            }
        };
        self.0.served.send_modify(|served| *served += 1);
        answer
    }
}

impl Service<Request<kube::client::Body>> for ApiServer {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<Body>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl State {
    fn put(&mut self, resource: &str, mut object: Value) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let key = (resource.to_owned(), text("namespace"), text("name"));
        let before = self.objects.get(&key);
        let generation = before.map_or(1, |before| {
            let changed = i64::from(before["spec"] != object["spec"]);
            before["metadata"]["generation"].as_i64().unwrap() + changed
        });
        if object.get("status").is_none()
            && let Some(status) = before.and_then(|before| before.get("status"))
        {
            object["status"] = status.clone();
        }
        let event = if before.is_some() { "MODIFIED" } else { "ADDED" };
        object["metadata"]["generation"] = json!(generation);
        self.store(event, key, object);
    }

    fn store(&mut self, event: &'static str, key: Key, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(key.clone(), object.clone());
        self.tell(event, key, object);
    }

    fn delete(&mut self, key: &Key) {
        let mut object = self.objects.remove(key).unwrap();
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.tell("DELETED", key.clone(), object);
    }

    fn tell(&mut self, event: &'static str, key: Key, object: Value) {
        match &mut self.lagging {
            Some(lagging) => lagging.push((event, key.clone(), object.clone())),
            None => self.show(event, &key, &object),
        }
        self.history.push((self.version, event, key, object));
    }

    fn show(&self, event: &str, key: &Key, object: &Value) {
        for (asked, events) in &self.watches {
            if asked.is_about(key) {
                let _ = events.send(Ok(line(event, asked.shown(&key.0, object.clone()))));
            }
        }
    }

    fn serve(&mut self, asked: Asked, body: &Bytes) -> Response<Body> {
        match asked.verb {
            Verb::List => {
                let hidden = std::mem::take(&mut self.hidden);
                let items = self
                    .objects
                    .iter()
                    .filter(|(key, item)| asked.is_about(key) && asked.wants(item) && !hidden.contains(key));
                let mut items: Vec<_> = items.map(|(key, item)| asked.shown(&key.0, item.clone())).collect();
                let mut metadata = json!({"resourceVersion": self.version.to_string()});
                if let Some((from, limit)) = asked.page {
                    let rest = items.split_off(from);
                    if rest.len() > limit {
                        metadata["continue"] = json!((from + limit).to_string());
                    }
                    items = rest.into_iter().take(limit).collect();
                }
                let list = json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items});
                json_response(200, &list)
            }
            Verb::Watch => self.watch(asked),
            Verb::Get => match self.objects.get(&asked.key()) {
                Some(object) => json_response(200, &asked.shown(&asked.resource, object.clone())),
                None => not_found(&asked.key().2),
            },
            Verb::Create => self.create(&asked, body),
            Verb::Review => self.review(body),
            Verb::Update => self.update(&asked, body),
            Verb::Merge => self.merge(&asked, body),
            Verb::Patch => self.patch(&asked, body),
            Verb::Count => self.add_to_status(&asked, body),
            Verb::Apply => self.apply(&asked, body),
        }
    }

    fn watch(&mut self, asked: Asked) -> Response<Body> {
        let (sender, receiver) = mpsc::unbounded_channel();
        for (_, event, key, object) in self.history.iter().filter(|(version, ..)| *version > asked.after) {
            if asked.is_about(key) {
                let _ = sender.send(Ok(line(event, asked.shown(&key.0, object.clone()))));
            }
        }
        self.watches.push((asked, sender));
        let events = futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|event| (event, receiver))
        });
        Response::new(Body::from_stream(events))
    }

    /// Answers a SelfSubjectAccessReview.
    fn review(&self, body: &Bytes) -> Response<Body> {
        let mut review: Value = serde_json::from_slice(body).unwrap();
        let attributes = &review["spec"]["resourceAttributes"];
        let text = |field: &str| attributes[field].as_str().map(str::to_owned);
        let right = format!("{} {}", text("verb").unwrap(), text("resource").unwrap());
        let lacks = self.lacking.contains(&(right, text("namespace")));
        review["status"] = json!({ "allowed": !lacks });
        json_response(201, &review)
    }

    fn create(&mut self, asked: &Asked, body: &Bytes) -> Response<Body> {
        let mut object: Value = serde_json::from_slice(body).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let key = (asked.resource.clone(), asked.key().1, name);
        if self.objects.contains_key(&key) {
            return status(409, "already exists");
        }
        if !key.1.is_empty() {
            object["metadata"]["namespace"] = json!(key.1);
        }
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version + 1));
        object["metadata"]["generation"] = json!(1);
        self.store("ADDED", key.clone(), object);
        json_response(201, &self.objects[&key])
    }

    /// Replaces the version that the body names; the status stays.
    fn update(&mut self, asked: &Asked, body: &Bytes) -> Response<Body> {
        let (key, object): (_, Value) = (asked.key(), serde_json::from_slice(body).unwrap());
        let Some(before) = self.objects.get(&key) else { return not_found(&key.2) };
        for field in ["resourceVersion", "uid"] {
            if object["metadata"][field] != before["metadata"][field] {
                return status(409, "the object has been modified");
            }
        }
        self.put(&asked.resource, object);
        json_response(200, &self.objects[&key])
    }

    /// Sets the fields that the body has.
    fn merge(&mut self, asked: &Asked, body: &Bytes) -> Response<Body> {
        let key = asked.key();
        let Some(mut object) = self.objects.get(&key).cloned() else { return not_found(&key.2) };
        let fields: Value = serde_json::from_slice(body).unwrap();
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.store("MODIFIED", key.clone(), object);
        json_response(200, &self.objects[&key])
    }

    /// Sets `caBundle` of the webhooks that the body names, in the version that it names.
    fn patch(&mut self, asked: &Asked, body: &Bytes) -> Response<Body> {
        let (key, patch): (_, Value) = (asked.key(), serde_json::from_slice(body).unwrap());
        let Some(mut object) = self.objects.get(&key).cloned() else { return not_found(&key.2) };
        if patch["metadata"] != json!({"resourceVersion": object["metadata"]["resourceVersion"]}) {
            return status(409, "the object has been modified");
        }
        for hook in patch["webhooks"].as_array().unwrap() {
            let all = object["webhooks"].as_array_mut().unwrap();
            let known =
                all.iter_mut().find(|known| known["name"] == hook["name"]).expect("a webhook by its name");
            let bundle = hook["clientConfig"]["caBundle"].clone();
            assert_eq!(*hook, json!({"name": hook["name"], "clientConfig": {"caBundle": bundle}}));
            known["clientConfig"]["caBundle"] = bundle;
        }
        self.store("MODIFIED", key.clone(), object);
        json_response(200, &self.objects[&key])
    }

    /// Sets the fields of the status that the body has, in the version that it names.
    fn add_to_status(&mut self, asked: &Asked, body: &Bytes) -> Response<Body> {
        let (key, patch): (_, Value) = (asked.key(), serde_json::from_slice(body).unwrap());
        let Some(mut object) = self.objects.get(&key).cloned() else { return not_found(&key.2) };
        if patch["metadata"] != json!({"resourceVersion": object["metadata"]["resourceVersion"]}) {
            return status(409, "the object has been modified");
        }
        for (field, value) in patch["status"].as_object().unwrap() {
            object["status"][field] = value.clone();
        }
        self.store("MODIFIED", key.clone(), object);
        json_response(200, &self.objects[&key])
    }

    /// Server-side apply of `status`: `conditions` is a map by type, the rest is tagseal's alone.
    fn apply(&mut self, asked: &Asked, body: &Bytes) -> Response<Body> {
        let key = asked.key();
        let Some(before) = self.objects.get(&key) else { return not_found(&key.2) };
        let applied: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(applied["apiVersion"], "tagseal.dev/v1alpha1");
        let mut object = before.clone();
        // All in one apply, or one goes.
        let types = applied["status"]["conditions"].as_array().unwrap().iter();
        let types: Vec<_> = types.map(|condition| condition["type"].as_str().unwrap()).collect();
        let had_enforced = before["status"]["conditions"].as_array().is_some_and(|of| of.len() == 3);
        match &*asked.resource {
            "trustexemptions" => assert_eq!(types, ["Active", "Expired"]),
            "trustedrepositories" => {}
            _ => {
                let all = ["Ready", "TrustDataFresh", "Enforced"];
                assert!(types == all || (types == all[..2] && !had_enforced), "{types:?}");
            }
        }
        let mut conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        for condition in applied["status"]["conditions"].as_array().unwrap() {
            conditions.retain(|before| before["type"] != condition["type"]);
            conditions.push(condition.clone());
        }
        object["status"]["conditions"] = json!(conditions);
        let fields: &[&str] = match &*asked.resource {
            "trustedrepositories" => &[
                "root",
                "signers",
                "signedBy",
                "expires",
                "expiresFirst",
                "lastVerified",
                "lastUsed",
                "image",
            ],
            "trustexemptions" => &["observedGeneration"],
            _ => &["observedGeneration", "repositories"],
        };
        for field in fields {
            object["status"][field] = applied["status"][field].clone();
        }
        if object != *before {
            self.store("MODIFIED", key.clone(), object);
        }
        json_response(200, &self.objects[&key])
    }
}

fn line(event: &str, object: Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": event, "object": object})))
}

fn json_response(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// That an object is not there; a resource that is not there has no name.
fn not_found(name: &str) -> Response<Body> {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": format!("{name} not found"),
        "reason": "NotFound", "details": {"name": name}, "code": 404
    });
    json_response(404, &status)
}

fn status(code: u16, message: &str) -> Response<Body> {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        _ => "InternalError",
    };
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code
    });
    json_response(code, &status)
}
