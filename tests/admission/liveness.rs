//! Liveness: a process that is stuck is told from one that waits for others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use futures::poll;
use serde_json::json;
use tagseal::admission::Admission;
use tagseal::admission::judge::Resolve;
use tagseal::clock::ManualClock;
use tagseal::policy::{PolicySnapshot, UnmatchedImages};
use tagseal::pool::{Part, Pool, PoolLimits};
use tagseal::telemetry::{Heartbeat, Metrics};
use tagseal::trust::{Resolver, ResolverConfig};
use tagseal::webhook::{Readiness, router};
use tokio::sync::{oneshot, watch};
use tokio::time::advance;

use super::certificate::now;
use super::review::{Review, containers};
use super::world::{Nothing, World, cluster_policy};
use crate::support::{FakeCredentials, FakeSource, FakeState, Fault, Gate};

const MINUTE: Duration = Duration::from_secs(60);

fn ok() -> (StatusCode, String) {
    (StatusCode::OK, "ok".to_owned())
}

fn stuck(part: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("no progress for 60 s: {part}\n"))
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_heart_stands_still_is_stuck_after_a_minute() {
    let world = World::new(Arc::new(Nothing));
    let (policies, other) = (Heartbeat::default(), Heartbeat::default());
    world.readiness.liveness().beats("the watch of policies", policies.clone());
    world.readiness.liveness().beats("the runtime", other.clone());
    for _ in 0..10 {
        assert_eq!(world.get("/healthz").await, ok());
        advance(MINUTE).await;
        policies.beat();
        other.beat();
    }
    assert_eq!(world.get("/healthz").await, ok());
    advance(MINUTE - Duration::from_millis(1)).await;
    other.beat();
    assert_eq!(world.get("/healthz").await, ok());
    advance(Duration::from_millis(1)).await;
    assert_eq!(world.get("/healthz").await, stuck("the watch of policies"));
    policies.beat();
    assert_eq!(world.get("/healthz").await, ok());
}

#[tokio::test]
async fn threads_that_do_not_return_while_jobs_wait_are_stuck() {
    let world = World::new(Arc::new(Nothing));
    let part = Part { threads: 1, jobs: 9, bytes: 9 };
    let pool = Pool::new("work", PoolLimits { all: part, share: part }, &Metrics::default());
    world.readiness.liveness().works("the threads that read reviews", {
        let pool = pool.clone();
        move || pool.progress()
    });
    let (release, released) = mpsc::channel::<()>();
    let (begins, begun) = oneshot::channel();
    let job = move |_: &_| {
        begins.send(()).unwrap();
        let _ = released.recv();
    };
    let running = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run("a", 0, MINUTE * 60, job).await }
    });
    begun.await.unwrap();
    tokio::time::pause();
    // A job that takes long keeps nobody waiting.
    assert_eq!(world.get("/healthz").await, ok());
    advance(MINUTE).await;
    assert_eq!(world.get("/healthz").await, ok());
    let mut waiting = Box::pin(pool.run("b", 0, MINUTE, |_| ()));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(world.get("/healthz").await, ok());
    advance(MINUTE).await;
    assert_eq!(world.get("/healthz").await, stuck("the threads that read reviews"));
    drop(release);
    assert_eq!((running.await.unwrap(), waiting.await), (Ok(()), Ok(())));
    assert_eq!(world.get("/healthz").await, ok());
}

#[tokio::test(start_paused = true)]
async fn a_trust_server_that_does_not_answer_makes_nobody_stuck() {
    let source = FakeSource::new();
    source.fault("*", Fault::Delay(Gate::new()));
    let resolver = Resolver::new(
        ResolverConfig::default(),
        Arc::new(source.clone()),
        Arc::new(FakeCredentials::new()),
        Arc::new(FakeState::new()),
        Arc::new(ManualClock::at(now())),
    );
    let resolver = Arc::new(resolver);
    let world = World::new(Arc::clone(&resolver) as Arc<dyn Resolve>);
    let spec = json!({
        "images": {"include": ["registry.example.com/**"]}, "firstUse": "Trust",
        "notary": {"server": "https://notary.example.com"},
    });
    world.apply(&[cluster_policy("production", spec)], UnmatchedImages::Deny);
    world.readiness.liveness().works("the threads that verify trust data", move || resolver.verification());
    for n in 0..20 {
        let image = format!("registry.example.com/shop/{n}:1.4");
        let pod = Review::pod(containers(&[("web", &image)]));
        assert_eq!(world.get("/healthz").await, ok());
        // Some time out at the server, the others wait for their turn there.
        assert!(!world.validate(&pod).await.is_allowed());
        advance(MINUTE / 2).await;
    }
    assert_eq!(world.get("/healthz").await, ok());
    assert!(source.requests().len() >= 20, "{}", source.requests().len());
}

#[test]
fn a_runtime_that_is_blocked_answers_no_probe() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (_policies, watched) = watch::channel(PolicySnapshot::NotSynced);
    let app: Router =
        router(Arc::new(Admission::new(Arc::new(Nothing), watched, None)), Readiness::default());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, app).await });
    let probe = |connection: &mut TcpStream| {
        connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    };
    let reads = |connection: &mut TcpStream| connection.read(&mut [0; 12]).map_err(|error| error.kind());
    let mut connection = TcpStream::connect(address).unwrap();
    probe(&mut connection);
    assert_eq!(reads(&mut connection), Ok(12));

    let ((is, blocked), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
    runtime.spawn(async move {
        is.send(()).unwrap();
        let _ = released.recv();
    });
    blocked.recv().unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    probe(&mut connection);
    assert!(matches!(reads(&mut connection), Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)));
    drop(release);
    connection.set_read_timeout(None).unwrap();
    assert_eq!(reads(&mut connection), Ok(12));
}
