//! What an admission is made of, in memory: policies, namespaces, a router to post reviews to.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tagseal::admission::judge::Resolve;
use tagseal::admission::{Admission, DecisionCounts};
use tagseal::clock::ManualClock;
use tagseal::policy::{
    CompileContext, Labels, LabelsError, LabelsFuture, NamespaceLabels, NoObjects, PolicyKind, PolicySet,
    PolicySnapshot, Reason, SetOptions, UnknownFields, UnmatchedImages, compile, compile_exemption,
};
use tagseal::telemetry::Metrics;
use tagseal::trust::{BoxFuture, Question, Refusal, Resolved, Unavailable};
use tagseal::webhook::{Readiness, metered_router};
use tokio::sync::watch;
use tower::Service;

use super::certificate::now;
use super::review::{Answer, Review};

/// A webhook in memory.
pub struct World {
    pub policies: watch::Sender<PolicySnapshot>,
    pub readiness: Readiness,
    pub metrics: Metrics,
    pub clock: ManualClock,
    router: Router,
}

impl World {
    /// Policies are not loaded yet; `shop` is a namespace with the label `env: production`.
    pub fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self::with_namespaces(resolver, Arc::new(Namespaces::default()))
    }

    pub fn with_namespaces(resolver: Arc<dyn Resolve>, namespaces: Arc<dyn NamespaceLabels>) -> Self {
        let (policies, watched) = watch::channel(PolicySnapshot::NotSynced);
        let (readiness, metrics) = (Readiness::default(), Metrics::default());
        readiness.certificate_loaded();
        // Exemptions end by this clock.
        let clock = ManualClock::at(now());
        let admission =
            Admission::new(resolver, watched, Some(namespaces)).with_clock(Arc::new(clock.clone()));
        let admission = admission.observed_by(Arc::new(DecisionCounts::new(metrics.clone())));
        let router = metered_router(Arc::new(admission), readiness.clone(), metrics.clone());
        Self { policies, router, readiness, metrics, clock }
    }

    /// These policies hold from now on.
    pub fn apply(&self, policies: &[(PolicyKind, Value)], unmatched: UnmatchedImages) {
        self.apply_exempting(policies, &[], SetOptions { unmatched, ..SetOptions::default() });
    }

    /// These policies and exemptions hold from now on.
    pub fn apply_exempting(
        &self,
        policies: &[(PolicyKind, Value)],
        exemptions: &[Value],
        options: SetOptions,
    ) {
        let context = CompileContext {
            system_namespace: "tagseal-system",
            objects: &NoObjects,
            unknown_fields: UnknownFields::Refuse,
        };
        let compiled: Vec<_> =
            policies.iter().map(|(kind, object)| Arc::new(compile(*kind, object, &context))).collect();
        let exemptions: Vec<_> =
            exemptions.iter().map(|object| Arc::new(compile_exemption(object))).collect();
        let set = PolicySet::new(compiled, options).with_exemptions(exemptions);
        self.policies.send_replace(PolicySnapshot::Synced(Arc::new(set)));
    }

    pub async fn call(&self, request: Request<Body>) -> (StatusCode, Bytes) {
        let response = self.router.clone().call(request).await.unwrap();
        let status = response.status();
        (status, axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap())
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, body) = self.call(Request::get(path).body(Body::empty()).unwrap()).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Posts to `path` as the API server does.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Bytes) {
        let request =
            Request::builder().method(Method::POST).uri(path).header("content-type", "application/json");
        self.call(request.body(body.into()).unwrap()).await
    }

    pub async fn mutate(&self, review: &Review) -> Answer {
        self.review("/mutate?timeout=10s", review).await
    }

    pub async fn validate(&self, review: &Review) -> Answer {
        self.review("/validate?timeout=10s", review).await
    }

    /// The validating hook's refusal. The mutating hook passes the same on, with a short warning.
    #[track_caller]
    pub fn refuses<'a>(&'a self, review: &'a Review) -> impl Future<Output = Answer> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mutated = self.mutate(review).await;
            let validated = self.validate(&review.clone().patched(&mutated)).await;
            mutated.is_deferred(&validated, caller);
            validated
        }
    }

    /// Both hooks in turn, as the API server calls them. Returns the final object and the last answer.
    pub async fn admit(&self, review: &Review) -> (Value, Answer) {
        let mutated = self.mutate(review).await;
        let review = review.clone().patched(&mutated);
        let validated = self.validate(&review).await;
        (review.object().clone(), validated)
    }

    pub async fn review(&self, path: &str, review: &Review) -> Answer {
        let (status, body) = self.post(path, review.bytes()).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let answer = Answer::read(&body);
        assert_eq!(answer.uid(), review.uid());
        answer
    }
}

/// A `ClusterTrustPolicy`.
pub fn cluster_policy(name: &str, spec: Value) -> (PolicyKind, Value) {
    let object = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "ClusterTrustPolicy",
        "metadata": {"name": name}, "spec": spec
    });
    (PolicyKind::Cluster, object)
}

/// A `TrustPolicy`.
pub fn policy(namespace: &str, name: &str, spec: Value) -> (PolicyKind, Value) {
    let object = json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustPolicy",
        "metadata": {"namespace": namespace, "name": name}, "spec": spec
    });
    (PolicyKind::Namespaced, object)
}

/// A `TrustExemption`, for a reason.
pub fn exemption(name: &str, mut spec: Value) -> Value {
    spec["reason"] = json!("a test");
    json!({
        "apiVersion": "tagseal.dev/v1alpha1", "kind": "TrustExemption", "metadata": {"name": name}, "spec": spec
    })
}

/// Namespaces and their labels: those in memory, and those that must be read.
#[derive(Debug)]
pub struct Namespaces {
    pub cached: BTreeMap<String, Arc<Labels>>,
    pub live: BTreeMap<String, Arc<Labels>>,
}

impl Default for Namespaces {
    fn default() -> Self {
        let cached = BTreeMap::from([("shop".to_owned(), labels(&[("env", "production")]))]);
        Self { cached, live: BTreeMap::new() }
    }
}

pub fn labels(labels: &[(&str, &str)]) -> Arc<Labels> {
    Arc::new(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

impl NamespaceLabels for Namespaces {
    fn cached(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.cached.get(namespace).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.cached.keys().cloned().collect()
    }

    fn read<'a>(&'a self, namespace: &'a str) -> LabelsFuture<'a> {
        Box::pin(async {
            self.live.get(namespace).cloned().ok_or_else(|| LabelsError {
                namespace: namespace.to_owned(),
                message: "the API server does not answer".to_owned(),
            })
        })
    }
}

/// A resolver that reaches nothing.
#[derive(Debug)]
pub struct Nothing;

impl Resolve for Nothing {
    fn resolve<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        let message = format!("{} does not answer", question.demand.server.url);
        Box::pin(async {
            Err(Refusal::Unavailable(Unavailable { reason: Reason::TrustServerUnreachable, message }))
        })
    }
}

/// A resolver that never answers.
#[derive(Debug)]
pub struct Never;

impl Resolve for Never {
    fn resolve<'a>(&'a self, _: Question<'a>) -> BoxFuture<'a, Result<Resolved, Refusal>> {
        Box::pin(std::future::pending())
    }
}
