//! The routes: what is answered to whom, and that nothing from outside brings them down.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;
use tagseal::policy::{Labels, LabelsFuture, NamespaceLabels, UnmatchedImages};
use tagseal::webhook::MAX_BODY;

use super::review::{Review, containers};
use super::world::{Nothing, World};

const IMAGE: &str = "registry.example.com/shop/web:1.4";

fn pod() -> Review {
    Review::pod(containers(&[("web", IMAGE)]))
}

#[tokio::test]
async fn ready_needs_policies_and_certificate_and_no_drain() {
    let world = World::new(Arc::new(Nothing));
    assert_eq!(world.get("/healthz").await, (StatusCode::OK, "ok".to_owned()));
    let not_ready = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    assert_eq!(world.get("/readyz").await, not_ready("policies are not synced"));
    world.apply(&[], UnmatchedImages::Allow);
    assert_eq!(world.get("/readyz").await, (StatusCode::OK, "ok".to_owned()));
    world.readiness.drain();
    assert_eq!(world.get("/readyz").await, not_ready("shutting down"));
    assert_eq!(world.get("/healthz").await, (StatusCode::OK, "ok".to_owned()));
    assert!(world.validate(&pod()).await.is_allowed(), "what still arrives while draining is answered");
    assert_eq!(tagseal::webhook::Readiness::default().missing(true), ["no serving certificate is loaded"]);
}

#[tokio::test]
async fn before_policies_are_loaded_everything_with_an_image_is_denied() {
    let world = World::new(Arc::new(Nothing));
    let answer = world.refuses(&pod()).await;
    assert_eq!(
        answer.denial(),
        format!(
            "container \"web\": image \"{IMAGE}\": NotSynced: the policies are not loaded yet; try again in a moment"
        )
    );
    assert_eq!(answer.causes(), [("NotSynced".to_owned(), "spec.containers[0].image".to_owned())]);
}

#[tokio::test]
async fn a14_what_is_no_review_gets_4xx_and_the_server_goes_on() {
    let world = World::new(Arc::new(Nothing));
    world.apply(&[], UnmatchedImages::Allow);
    for path in ["/mutate", "/validate"] {
        for body in ["", "{", "[]", "null", "{\"kind\": \"AdmissionReview\"}", "\u{0}"] {
            assert_eq!(world.post(path, body).await.0, StatusCode::BAD_REQUEST, "{body:?}");
        }
        let beta = String::from_utf8(pod().bytes())
            .unwrap()
            .replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
        let (status, body) = world.post(path, beta).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(
            body,
            "not an AdmissionReview of admission.k8s.io/v1: apiVersion is \"admission.k8s.io/v1beta1\", \
             kind is \"AdmissionReview\"\n"
        );
        assert_eq!(world.post(path, vec![b' '; MAX_BODY + 1]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(world.post(path, vec![b' '; MAX_BODY]).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(world.post(path, vec![b'['; MAX_BODY]).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(world.get(path).await.0, StatusCode::METHOD_NOT_ALLOWED);
        let text = Request::post(path).header("content-type", "text/plain").body(Body::from(pod().bytes()));
        assert_eq!(world.call(text.unwrap()).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    for (method, path, status) in [
        (Method::POST, "/healthz", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/", StatusCode::NOT_FOUND),
        (Method::POST, "/mutate/", StatusCode::NOT_FOUND),
        (Method::DELETE, "/validate", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(world.call(request).await.0, status, "{method} {path}");
    }
    assert!(world.validate(&pod()).await.is_allowed());
}

#[tokio::test]
async fn a14_an_object_of_another_shape_is_a_well_formed_denial() {
    let world = World::new(Arc::new(Nothing));
    let review = pod().with("object", json!({"spec": {"containers": "many"}}));
    let answer = world.validate(&review).await;
    assert!(
        answer.denial().starts_with(
            "UnsupportedObject: the v1 Pod cannot be read: invalid type: string \"many\", expected a sequence"
        ),
        "{}",
        answer.denial()
    );
    assert_eq!((answer.annotation("decision"), answer.annotation("reason")), ("Denied", "UnsupportedObject"));
}

#[tokio::test]
async fn a14_a_panic_is_one_requests_misfortune() {
    let world = World::with_namespaces(Arc::new(Nothing), Arc::new(Defect));
    world.apply(&[], UnmatchedImages::Allow);
    assert_eq!(world.post("/validate", pod().bytes()).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(world.get("/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_answer_comes_before_the_api_server_gives_up() {
    let world = World::with_namespaces(Arc::new(Nothing), Arc::new(Endless));
    world.apply(&[], UnmatchedImages::Allow);
    let answer = world.review("/validate?timeout=40ms", &pod()).await;
    assert_eq!(
        answer.denial(),
        format!(
            "container \"web\": image \"{IMAGE}\": DeadlineExceeded: the labels of namespace shop could not be read \
             before the admission's deadline; try again"
        )
    );
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let world = World::new(Arc::new(Nothing));
    let body = Body::from_stream(futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
    assert_eq!(world.post("/validate?timeout=40ms", body).await.0, StatusCode::REQUEST_TIMEOUT);
}

#[derive(Debug)]
struct Endless;

impl NamespaceLabels for Endless {
    fn cached(&self, _: &str) -> Option<Arc<Labels>> {
        None
    }
    fn read<'a>(&'a self, _: &'a str) -> LabelsFuture<'a> {
        Box::pin(std::future::pending())
    }
}

#[derive(Debug)]
struct Defect;

impl NamespaceLabels for Defect {
    fn cached(&self, _: &str) -> Option<Arc<Labels>> {
        panic!("a defect")
    }
    fn read<'a>(&'a self, _: &'a str) -> LabelsFuture<'a> {
        panic!("a defect")
    }
}
