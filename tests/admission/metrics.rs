//! What is counted and measured of admissions, and the port that it is read from.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;
use tagseal::policy::UnmatchedImages;
use tagseal::telemetry::Metrics;
use tagseal::webhook::{MAX_BODY, metrics_router, serve_metrics};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::Service as _;

use super::review::{Review, containers};
use super::trust::{Trust, sealed};
use super::verdicts::{pod, web, world};
use super::world::{Never, Nothing, World, cluster_policy, policy};
use crate::support::Page;

const DECISIONS: &str = "tagseal_decisions_total";
const VERDICTS: &str = "tagseal_policy_verdicts_total";

/// How many requests there were, by endpoint and outcome.
fn outcomes(world: &World) -> Vec<String> {
    Page::of(&world.metrics).counted("tagseal_admission_duration_seconds_count")
}

#[tokio::test]
async fn each_decision_is_counted_once_and_each_policys_word_on_each_image() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let production = cluster_policy("production", trust.spec(&["targets/releases"], json!({})));
    let quality =
        policy("shop", "quality", trust.spec(&["targets/qa"], json!({"validationActions": ["Audit"]})));
    world.apply(&[production, quality], UnmatchedImages::Allow);

    world.mutate(&pod(&[("web", &web("1.4")), ("other", &web("1.5"))])).await;
    let stored = pod(&[("web", &sealed(&web("1.4"))), ("other", &sealed(&web("1.5")))]);
    world.validate(&stored).await;
    world.validate(&stored.clone().updating(stored.object().clone())).await;
    world.validate(&pod(&[("web", &web("9.9")), ("late", &web("1.4"))])).await;
    world.validate(&pod(&[("cache", "docker.io/library/redis:7")])).await;
    world
        .validate(&Review::create("example.com", "v1", "Widget", json!({"metadata": {"name": "web"}})))
        .await;
    world.mutate(&pod(&[("web", "//")])).await;
    world.validate(&pod(&[("web", &web("1.4"))]).with("operation", json!("DELETE"))).await;

    let page = Page::of(&world.metrics);
    assert_eq!(
        page.counted(DECISIONS),
        [
            r#"{endpoint="mutate",decision="Deferred",reason="InvalidReference",policy=""} 1"#,
            r#"{endpoint="mutate",decision="Sealed",reason="",policy=""} 1"#,
            r#"{endpoint="validate",decision="Admitted",reason="",policy=""} 1"#,
            r#"{endpoint="validate",decision="Denied",reason="NotSigned",policy="production"} 1"#,
            r#"{endpoint="validate",decision="Denied",reason="UnsupportedObject",policy=""} 1"#,
            r#"{endpoint="validate",decision="Unchanged",reason="",policy=""} 1"#,
            r#"{endpoint="validate",decision="Unmatched",reason="",policy=""} 1"#,
        ]
    );
    assert_eq!(
        page.counted(VERDICTS),
        [
            r#"{endpoint="mutate",policy="production",verdict="passed",reason=""} 2"#,
            r#"{endpoint="mutate",policy="shop/quality",verdict="reported",reason="NotSigned"} 1"#,
            r#"{endpoint="validate",policy="production",verdict="denied",reason="NotSealed"} 1"#,
            r#"{endpoint="validate",policy="production",verdict="denied",reason="NotSigned"} 1"#,
            r#"{endpoint="validate",policy="production",verdict="passed",reason=""} 2"#,
            r#"{endpoint="validate",policy="shop/quality",verdict="reported",reason="NotSigned"} 2"#,
        ]
    );
    assert_eq!(
        outcomes(&world),
        [
            r#"{endpoint="mutate",outcome="allowed"} 2"#,
            r#"{endpoint="validate",outcome="allowed"} 4"#,
            r#"{endpoint="validate",outcome="denied"} 2"#,
        ]
    );
}

#[tokio::test]
async fn where_policies_find_different_digests_each_of_them_is_said_to_deny() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let of = |name: &str, role: &str| cluster_policy(name, trust.spec(&[role], json!({})));
    world.apply(&[of("a", "targets/releases"), of("b", "targets/qa")], UnmatchedImages::Allow);
    world.refuses(&pod(&[("web", &web("1.6"))])).await;
    let page = Page::of(&world.metrics);
    assert_eq!(
        page.counted(DECISIONS),
        [
            r#"{endpoint="mutate",decision="Deferred",reason="ConflictingDigests",policy=""} 1"#,
            r#"{endpoint="validate",decision="Denied",reason="ConflictingDigests",policy=""} 1"#,
        ]
    );
    assert_eq!(
        page.counted(VERDICTS),
        [
            r#"{endpoint="mutate",policy="a",verdict="deferred",reason="ConflictingDigests"} 1"#,
            r#"{endpoint="mutate",policy="b",verdict="deferred",reason="ConflictingDigests"} 1"#,
            r#"{endpoint="validate",policy="a",verdict="denied",reason="ConflictingDigests"} 1"#,
            r#"{endpoint="validate",policy="b",verdict="denied",reason="ConflictingDigests"} 1"#,
        ]
    );
}

#[tokio::test]
async fn a_policy_that_is_made_anew_is_counted_anew() {
    let (world, _) = world();
    let review = pod(&[("web", &web("1.4"))]);
    world.mutate(&review).await;
    world.mutate(&review).await;
    let passed =
        r#"tagseal_policy_verdicts_total{endpoint="mutate",policy="production",verdict="passed",reason=""}"#;
    assert_eq!(Page::of(&world.metrics).value(passed), "2");
    world.metrics.policies([]);
    assert_eq!(Page::of(&world.metrics).value(passed), "", "the policy was deleted");
    world.mutate(&review).await;
    assert_eq!(Page::of(&world.metrics).value(passed), "1");
}

#[tokio::test]
async fn an_answer_that_is_none_is_measured_too() {
    let world = World::new(Arc::new(Never));
    let trust = Trust::new();
    world.apply(&[cluster_policy("a", trust.spec(&["targets/releases"], json!({})))], UnmatchedImages::Allow);
    assert_eq!(world.post("/mutate", "{}").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(world.post("/mutate", vec![b' '; MAX_BODY + 1]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let text = Request::post("/mutate").header("content-type", "text/plain").body(Body::from("{}")).unwrap();
    assert_eq!(world.call(text).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let review = pod(&[("web", &web("1.4"))]).bytes();
    let given_up = tokio::time::timeout(Duration::from_millis(20), world.post("/validate", review)).await;
    assert!(given_up.is_err(), "the resolver answered");
    assert_eq!(
        outcomes(&world),
        [r#"{endpoint="mutate",outcome="failed"} 3"#, r#"{endpoint="validate",outcome="abandoned"} 1"#]
    );
    assert_eq!(Page::of(&world.metrics).counted(DECISIONS), [""; 0], "none was made");
}

#[tokio::test]
async fn before_policies_are_loaded_denials_are_no_policys() {
    let world = World::new(Arc::new(Nothing));
    world.validate(&Review::pod(containers(&[("web", &web("1.4"))]))).await;
    assert_eq!(
        Page::of(&world.metrics).counted(DECISIONS),
        [r#"{endpoint="validate",decision="Denied",reason="NotSynced",policy=""} 1"#]
    );
}

/// One request and the whole answer, over a socket.
async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: tagseal\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_metrics_port_answers_scrapes_and_nothing_else() {
    let metrics = Metrics::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve_metrics(Arc::new(listener), metrics_router(metrics.clone())));
    // Whoever connects and says nothing keeps nobody out.
    let _silent = TcpStream::connect(address).await.unwrap();
    metrics.leads(true);
    let answer = ask(address, "GET /metrics").await;
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(content_type) && head.contains("connection: close"), "{head}");
    assert_eq!(Page::read(page).value("tagseal_leader"), "1");
    for (request, status) in [
        ("GET /", 404),
        ("GET /healthz", 404),
        ("POST /mutate", 404),
        ("POST /metrics", 405),
        ("DELETE /metrics", 405),
    ] {
        assert!(ask(address, request).await.starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
    }
    server.abort();
}

#[tokio::test]
async fn many_scrapes_at_once_are_all_answered() {
    let router = metrics_router(Metrics::default());
    let scrapes =
        (0..50).map(|_| {
            let mut router = router.clone();
            async move {
                router.call(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap().status()
            }
        });
    assert!(futures::future::join_all(scrapes).await.iter().all(|status| *status == StatusCode::OK));
}
