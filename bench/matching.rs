//! What selecting the policies of one image costs, by their number: it must not grow with it, even when they all name
//! one registry and first segment (design §10).
//!
//! `cargo bench --bench matching`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;
use tagseal::image::ImageReference;
use tagseal::policy::{
    CompileContext, CompiledPolicy, NamespaceView, NoObjects, PolicyKind, PolicySet, Selection, SetOptions,
    UnknownFields, compile,
};

/// As the binary has it: what is measured is what ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const POLICIES: [usize; 4] = [1, 10, 100, 1_000];

/// One policy a repository, all below `registry.example.com/shop/`; the image is matched by exactly one, or by none.
fn matching(criterion: &mut Criterion) {
    let namespace = NamespaceView::unlabelled("shop");
    for (name, pattern) in [("repository", exact as fn(usize) -> String), ("tree", tree), ("tagged", tagged)]
    {
        let mut group = criterion.benchmark_group(format!("matching/{name}"));
        for count in POLICIES {
            let set = PolicySet::new((0..count).map(|i| policy(i, &pattern(i))), SetOptions::default());
            let middle = count / 2;
            for (found, image) in [
                (1, format!("registry.example.com/shop/app-{middle}/web:1.4")),
                (0, "registry.example.com/shop/unknown/web:1.4".to_owned()),
                (0, "registry.example.com/elsewhere/web:1.4".to_owned()),
            ] {
                let image = ImageReference::parse(&image).unwrap();
                assert_eq!(
                    demands(&set.select(&namespace, &image)),
                    found,
                    "{pattern:?} {}",
                    image.original()
                );
                let id = BenchmarkId::new(image.original(), count);
                group.bench_with_input(id, &image, |bencher, image| {
                    bencher.iter(|| set.select(black_box(&namespace), black_box(image)));
                });
            }
        }
        group.finish();
    }
}

/// What becomes of a set of a thousand when one of them changes: it is built anew.
fn building(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("building");
    group.sample_size(20);
    for count in POLICIES {
        let policies: Vec<_> = (0..count).map(|i| policy(i, &exact(i))).collect();
        group.bench_with_input(BenchmarkId::from_parameter(count), &policies, |bencher, policies| {
            bencher.iter(|| PolicySet::new(black_box(policies).iter().cloned(), SetOptions::default()));
        });
    }
    group.finish();
}

fn exact(i: usize) -> String {
    format!("registry.example.com/shop/app-{i}/web")
}

fn tree(i: usize) -> String {
    format!("registry.example.com/shop/app-{i}/**")
}

fn tagged(i: usize) -> String {
    format!("registry.example.com/shop/app-{i}/*:1.*")
}

fn policy(i: usize, include: &str) -> Arc<CompiledPolicy> {
    let object = json!({
        "apiVersion": "tagseal.dev/v1alpha1",
        "kind": "ClusterTrustPolicy",
        "metadata": {"name": format!("policy-{i}")},
        "spec": {
            "images": {"include": [include]},
            "notary": {"server": "https://notary.example.com"},
            "roots": [{"keyID": "5f".repeat(32)}],
            "requiredDelegations": [{"role": "targets/releases"}],
        },
    });
    let context = CompileContext {
        system_namespace: "tagseal-system",
        objects: &NoObjects,
        unknown_fields: UnknownFields::Refuse,
    };
    let policy = compile(PolicyKind::Cluster, &object, &context);
    assert_eq!(policy.errors(), []);
    Arc::new(policy)
}

fn demands(selection: &Selection) -> usize {
    match selection {
        Selection::Unmatched => 0,
        Selection::Require { deny, .. } => deny.len(),
        Selection::Invalid(objections) => panic!("{objections:?}"),
    }
}

criterion_group!(benches, matching, building);
criterion_main!(benches);
