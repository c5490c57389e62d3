//! What one admission costs, bytes in to bytes out, against a webhook that verifies nothing; and its parts.
//!
//! `cargo bench --bench admission`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]

mod noop;
mod review;
#[path = "../tests/support/mod.rs"]
mod support;
mod world;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tagseal::admission::judge::{ImageVerdict, Outcome};
use tagseal::admission::review::Request;
use tagseal::admission::sites::sites;
use tagseal::admission::{Decided, Decision, DecisionCounts, Hook, Judged, Observer as _, Subject, Verdict};
use tagseal::policy::PolicyId;
use tagseal::telemetry::{self, Metrics};
use tracing_subscriber::EnvFilter;

use self::noop::Canned;
use self::support::image_digest;
use self::world::{World, assert_sealed, image};

/// As the binary has it: what is measured is what ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tags of each role.
const TAGS: usize = 50;

/// A warm admission of a pod with two containers of one repository, with the default log, against two webhooks that
/// verify nothing: one that gives the very same answer, and one that leaves out whatever only verification can know.
fn warm(criterion: &mut Criterion) {
    let guard = tracing::subscriber::set_default(log());
    for (name, credentials) in [("warm", false), ("warm-with-pull-secrets", true)] {
        let world = World::new(1, 1, credentials);
        world.cache(0, TAGS);
        let mutate = review::pod_creation("shop", &[&image(0, 3), &image(0, 4)]);
        let validate = review::pod_creation("shop", &[&sealed(&image(0, 3)), &sealed(&image(0, 4))]);
        for (hook, body, digests) in [(Hook::Mutate, mutate, 2), (Hook::Validate, validate, 0)] {
            let answer = world.answer(hook, &body);
            assert_sealed(&answer, digests);
            let canned = Canned::of(&answer);
            assert_sealed(&world.block_on(noop::bare(hook, &body, &canned)), digests);
            assert!(world.block_on(noop::same_answer(hook, &body, &canned)) == answer, "not the same answer");
            let mut group = criterion.benchmark_group(format!("{name}/{}", hook.as_str()));
            group.throughput(Throughput::Elements(1));
            group.bench_function("bare-no-op", |bencher| {
                bencher.iter(|| world.block_on(noop::bare(hook, black_box(&body), &canned)));
            });
            group.bench_function("same-answer", |bencher| {
                bencher.iter(|| world.block_on(noop::same_answer(hook, black_box(&body), &canned)));
            });
            group.bench_function("admission", |bencher| {
                bencher.iter(|| world.answer(hook, black_box(&body)));
            });
            group.finish();
        }
    }
    drop(guard);
}

/// The same with one repository in the cache and with a thousand; `all` asks for another one every time, whose review is
/// not in the processor's caches either: that much it costs a webhook that verifies nothing, too.
fn cached(criterion: &mut Criterion) {
    let guard = tracing::subscriber::set_default(log());
    let mut group = criterion.benchmark_group("cached");
    for repositories in [1, 1_000] {
        let world = World::new(repositories, 1, false);
        (0..repositories).for_each(|repository| world.cache(repository, TAGS));
        let middle = repositories / 2;
        let one = review::pod_creation("shop", &[&image(middle, 3), &image(middle, 4)]);
        group.bench_function(BenchmarkId::new("one", repositories), |bencher| {
            bencher.iter(|| world.answer(Hook::Mutate, black_box(&one)));
        });
        let all: Vec<_> = (0..repositories)
            .map(|repository| review::pod_creation("shop", &[&image(repository, 3), &image(repository, 4)]))
            .collect();
        let canned = Canned::of(&world.answer(Hook::Mutate, &one));
        let mut next = all.iter().cycle();
        group.bench_function(BenchmarkId::new("all-same-answer", repositories), |bencher| {
            bencher.iter(|| {
                let body = next.next().expect("one");
                world.block_on(noop::same_answer(Hook::Mutate, black_box(body), &canned))
            });
        });
        let mut next = all.iter().cycle();
        group.bench_function(BenchmarkId::new("all", repositories), |bencher| {
            bencher.iter(|| world.answer(Hook::Mutate, black_box(next.next().expect("one"))));
        });
    }
    group.finish();
    drop(guard);
}

/// What an admission pays for being counted and timed: a pod with two containers under one policy.
fn counting(criterion: &mut Criterion) {
    let metrics = Metrics::default();
    let counts = DecisionCounts::new(metrics.clone());
    let policy = Arc::new(PolicyId { namespace: None, name: "production".to_owned() });
    let body = review::pod_creation("shop", &["a", "b"]);
    let request = Request::read(&body).expect("a review");
    let kind = request.workload_kind().expect("a pod");
    let judged = |image: &str| Judged {
        sites: Vec::new(),
        verdict: ImageVerdict {
            image: image.to_owned(),
            outcome: Outcome::Unmatched,
            policies: vec![Arc::clone(&policy)],
            remarks: Vec::new(),
            warnings: Vec::new(),
            exemptions: Vec::new(),
        },
    };
    let subject = Subject { kind, is_controlled: false, is_mirror: false };
    let verdict = Verdict::new(Hook::Mutate, subject, vec![judged("a"), judged("b")]);
    let decided =
        Decided { hook: Hook::Mutate, request: &request, decision: Decision::Sealed, verdict: &verdict };
    let mut group = criterion.benchmark_group("counting");
    group.bench_function("decision", |bencher| bencher.iter(|| counts.decided(black_box(decided))));
    let took = Duration::from_micros(11);
    group.bench_function("duration", |bencher| {
        bencher.iter(|| {
            let answered = telemetry::Outcome::Allowed;
            metrics.admission(telemetry::Endpoint::Mutate, answered, black_box(took));
        });
    });
    group.finish();
}

/// The image with its digest.
fn sealed(image: &str) -> String {
    format!("{image}@{}", image_digest(image))
}

/// The log as `serve` writes it, into nothing.
fn log() -> impl tracing::Subscriber + Send + Sync {
    // As `telemetry::start` has it; the no-op logs under this crate's own name.
    let filter = EnvFilter::new("warn,tagseal=info,admission=info");
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::sink);
    lines.json().flatten_event(true).with_current_span(false).finish()
}

/// Reading a review and finding its image sites, beside what a generic decode of the same bytes costs.
fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reading");
    for containers in [1, 2, 8] {
        let image = image(0, 3);
        let body = review::pod_creation("shop", &vec![&*image; containers]);
        assert_eq!(count_sites(&body), containers);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("sites", containers), &body, |bencher, body| {
            bencher.iter(|| count_sites(black_box(body)));
        });
        group.bench_with_input(BenchmarkId::new("generic-value", containers), &body, |bencher, body| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body)).expect("JSON"));
        });
    }
    group.finish();
}

fn count_sites(body: &[u8]) -> usize {
    let request = Request::read(body).expect("a review");
    let kind = request.workload_kind().expect("a pod");
    let pod = request.object().and_then(|object| object.at(kind.path())).expect("a pod");
    sites(kind, pod).count()
}

criterion_group!(benches, warm, cached, counting, reading);
criterion_main!(benches);
