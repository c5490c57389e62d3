//! The endpoint in memory: other policies, objects, running images, a router to post reviews to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tagseal::admission::{PolicyReview, Surroundings};
use tagseal::policy::{
    CompileContext, Entries, EntriesFuture, LacksFuture, ListFuture, LiveError, LiveObjects, NoObjects,
    ObjectRef, PolicyKind, PolicySet, PolicySnapshot, Running, RunningImages, Selector, SetOptions,
    UnknownFields, UnmatchedImages, compile,
};
use tagseal::telemetry::Metrics;
use tagseal::webhook::policies_router;
use tokio::sync::watch;
use tower::Service;

use super::super::review::{Answer, Review};
use super::super::world::Namespaces;

pub const KEY: &str = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f";

/// The endpoint, among policies that a test applies.
pub struct World {
    pub policies: watch::Sender<PolicySnapshot>,
    pub objects: Arc<Objects>,
    pub running: Arc<Pods>,
    pub metrics: Metrics,
    router: Router,
}

impl World {
    /// In force: `production`, about `registry.example.com/shop/**` in every namespace.
    pub fn new() -> Self {
        let world = Self::unsynced(Namespaces::default());
        world.in_force(&[cluster("production", json!({}))]);
        world
    }

    pub fn unsynced(namespaces: Namespaces) -> Self {
        Self::covering(Selector::of_webhooks("tagseal-system"), namespaces)
    }

    /// Where the webhooks ask about these namespaces alone.
    pub fn covering(covered: Selector, namespaces: Namespaces) -> Self {
        let (policies, watched) = watch::channel(PolicySnapshot::NotSynced);
        let (objects, running) = (Arc::<Objects>::default(), Arc::<Pods>::default());
        let surroundings = Surroundings {
            objects: Arc::clone(&objects) as Arc<dyn LiveObjects>,
            running: Arc::clone(&running) as Arc<dyn RunningImages>,
            namespaces: Arc::new(namespaces),
            covered: Arc::new(covered),
        };
        let review = PolicyReview::new(watched, "tagseal-system".to_owned(), Some(surroundings));
        let metrics = Metrics::default();
        let router = policies_router(Arc::new(review), metrics.clone());
        Self { policies, objects, running, metrics, router }
    }

    pub fn in_force(&self, policies: &[Value]) {
        self.in_force_with(policies, UnmatchedImages::Allow);
    }

    pub fn in_force_with(&self, policies: &[Value], unmatched: UnmatchedImages) {
        let compiled = policies.iter().map(|object| {
            let kind = PolicyKind::find("tagseal.dev", object["kind"].as_str().unwrap()).unwrap();
            let context = CompileContext {
                system_namespace: "tagseal-system",
                objects: &NoObjects,
                unknown_fields: UnknownFields::Warn,
            };
            Arc::new(compile(kind, object, &context))
        });
        let options = SetOptions { unmatched, ..SetOptions::default() };
        self.policies.send_replace(PolicySnapshot::Synced(Arc::new(PolicySet::new(compiled, options))));
    }

    pub async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Bytes) {
        let request = Request::post(path).header("content-type", "application/json");
        let response = self.router.clone().call(request.body(body.into()).unwrap()).await.unwrap();
        let status = response.status();
        (status, axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap())
    }

    pub async fn review(&self, review: &Review) -> Answer {
        self.review_within("5s", review).await
    }

    pub async fn review_within(&self, timeout: &str, review: &Review) -> Answer {
        let (status, body) = self.post(&format!("/policies?timeout={timeout}"), review.bytes()).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let answer = Answer::read(&body);
        assert_eq!(answer.uid(), review.uid());
        answer
    }

    pub async fn create(&self, object: &Value) -> Answer {
        self.review(&creating(object)).await
    }

    pub async fn update(&self, old: &Value, new: &Value) -> Answer {
        self.review(&creating(new).updating(old.clone())).await
    }

    pub async fn delete(&self, old: &Value) -> Answer {
        self.review(&deleting(old)).await
    }
}

pub fn creating(object: &Value) -> Review {
    let kind = object["kind"].as_str().unwrap();
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    Review::create("tagseal.dev", "v1alpha1", kind, object.clone())
        .with("name", object["metadata"]["name"].clone())
        .with("namespace", json!(namespace))
}

pub fn deleting(old: &Value) -> Review {
    let review = creating(old).with("operation", json!("DELETE"));
    review.with("oldObject", old.clone()).with("object", Value::Null)
}

/// A cluster policy for `registry.example.com/shop/**`, and `changes` made to its spec.
pub fn cluster(name: &str, changes: Value) -> Value {
    object("ClusterTrustPolicy", json!({"name": name}), changes)
}

/// The same as a policy of a namespace.
pub fn namespaced(namespace: &str, name: &str, changes: Value) -> Value {
    object("TrustPolicy", json!({"name": name, "namespace": namespace}), changes)
}

fn object(kind: &str, metadata: Value, changes: Value) -> Value {
    let mut spec = json!({
        "images": {"include": ["registry.example.com/shop/**"]},
        "notary": {"server": "https://notary.example.com"},
        "roots": [{"keyID": KEY}],
    });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

/// What else is wrong with it: a pattern without a registry.
pub fn broken(name: &str) -> Value {
    cluster(name, json!({"images": {"include": ["shop/**"]}}))
}

/// A right that tagseal lacks, or why that is not said.
type Lacks = Result<Option<String>, LiveError>;

/// What the cluster says of objects; it does not answer about those of which nothing is said.
#[derive(Debug, Default)]
pub struct Objects {
    said: Mutex<BTreeMap<String, Result<Option<Entries>, LiveError>>>,
    /// What tagseal lacks in a namespace, or in all of them.
    lacking: Mutex<BTreeMap<Option<String>, Lacks>>,
}

impl Objects {
    /// In this namespace, or in all of them, tagseal lacks this right; where nothing is said, none.
    pub fn lacks(&self, namespace: Option<&str>, right: &str) {
        let (namespace, right) = (namespace.map(str::to_owned), Some(right.to_owned()));
        self.lacking.lock().unwrap().insert(namespace, Ok(right));
    }

    /// The cluster does not say what tagseal may do in any namespace.
    pub fn does_not_say(&self) {
        let error = LiveError { message: "connection refused".to_owned(), is_answer: false };
        self.lacking.lock().unwrap().insert(None, Err(error));
    }

    pub fn say(&self, object: &str, answer: Result<Option<&[(&str, &str)]>, LiveError>) {
        let entries = |entries: &[(&str, &str)]| {
            entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
        };
        self.said.lock().unwrap().insert(object.to_owned(), answer.map(|found| found.map(entries)));
    }
}

impl LiveObjects for Objects {
    fn read<'a>(&'a self, object: &'a ObjectRef) -> EntriesFuture<'a> {
        let said = self.said.lock().unwrap().get(&object.to_string()).cloned();
        Box::pin(async {
            match said {
                Some(said) => said,
                None => std::future::pending().await,
            }
        })
    }

    fn lacks<'a>(&'a self, namespace: Option<&'a str>) -> LacksFuture<'a> {
        let lacks = self.lacking.lock().unwrap().get(&namespace.map(str::to_owned)).cloned();
        Box::pin(std::future::ready(lacks.unwrap_or(Ok(None))))
    }
}

/// What runs.
#[derive(Debug, Default)]
pub struct Pods {
    pub images: Mutex<Vec<(&'static str, String)>>,
    /// What comes after that.
    pub end: Mutex<End>,
    /// The namespaces that were asked for.
    pub asked: Mutex<Vec<Option<String>>>,
}

#[derive(Debug, Clone, Default)]
pub enum End {
    #[default]
    Complete,
    Fails(&'static str),
    Hangs,
}

impl Pods {
    pub fn runs(&self, namespace: &'static str, image: &str) {
        self.images.lock().unwrap().push((namespace, image.to_owned()));
    }

    pub fn ends(&self, end: End) {
        *self.end.lock().unwrap() = end;
    }

    pub fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }
}

impl RunningImages for Pods {
    fn list<'a>(&'a self, namespace: Option<&'a str>, found: &'a mut Running) -> ListFuture<'a> {
        self.asked.lock().unwrap().push(namespace.map(str::to_owned));
        let images = self.images.lock().unwrap();
        let here = images.iter().filter(|(at, _)| namespace.is_none_or(|namespace| namespace == *at));
        here.for_each(|(namespace, image)| found.add(namespace, image));
        let end = self.end.lock().unwrap().clone();
        Box::pin(async move {
            match end {
                End::Complete => Ok(()),
                End::Fails(message) => Err(LiveError { message: message.to_owned(), is_answer: false }),
                End::Hangs => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Ok(())
                }
            }
        })
    }
}
