//! What one admission costs, part by part: reading the review and finding its images.
//!
//! `cargo bench --bench admission`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]

mod review;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tagseal::admission::review::Request;
use tagseal::admission::sites::sites;

const IMAGE: &str = "registry.example.com/shop/web:1.4";

/// Reading a review and finding its image sites, beside what a generic decode of the same bytes costs.
fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reading");
    for containers in [1, 3, 8] {
        let body = review::pod_creation("shop", &vec![IMAGE; containers]);
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
    sites(pod).count()
}

criterion_group!(benches, reading);
criterion_main!(benches);
