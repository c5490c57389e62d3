//! Cases made after other projects' public bug reports (`tests/data/field/admission`), step by step as they say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tagseal::policy::UnmatchedImages;

use super::certificate::now;
use super::review::{Answer, Review};
use super::trust::Trust;
use super::world::{World, cluster_policy};
use crate::support::{TestKey, TestRepository};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field/admission")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A repository that signs `tags` with these digests.
fn repository(gun: &str, tags: &[(&str, &str)]) -> TestRepository {
    let mut repository = TestRepository::new(gun, now());
    repository.delegate("targets/releases", &[&TestKey::ecdsa()]);
    for (tag, digest) in tags {
        repository.sign_target("targets/releases", tag, format!("sha256:{digest}").parse().unwrap());
    }
    repository.publish(now());
    repository
}

/// A webhook under the one policy that a step names.
fn server(name: &str) -> World {
    let (mutation, action) = match name {
        "pods" => ("Pods", "Deny"),
        "workloads" => ("Workloads", "Deny"),
        "none" => ("None", "Deny"),
        "audit" => ("Workloads", "Audit"),
        other => panic!("no policy {other}"),
    };
    let web = repository(
        "registry.example.com/shop/web",
        &[
            ("1.4", "cd8c8063e1ece780d8881a24978c0be61d45b606683427e59f36c8d3790cb8a6"),
            ("1.5", "cd24d5836fa94d7ff0ce1e4c39674cf18ac229c6d4f93594221c1cd67015d6f1"),
        ],
    );
    let proxy = repository(
        "docker.io/istio/proxyv2",
        &[("1.24.0", "f5ee22418984addb011ad1f0e6a3eba31929ef2a4a22c19384afdf26f4a36604")],
    );
    let trust = Trust::of(web, &[proxy]);
    let more = json!({
        "images": {"include": ["registry.example.com/shop/**", "docker.io/**"]},
        "mutation": mutation, "validationActions": [action]
    });
    let policy = cluster_policy(name, trust.spec(&["targets/releases"], more));
    let world = World::new(Arc::clone(&trust) as _);
    world.apply(&[policy], UnmatchedImages::Allow);
    world
}

/// What a patch writes where.
fn written(answer: &Answer) -> Value {
    let operations = answer.patch().unwrap_or_else(|| json!([]));
    let replaced = operations.as_array().unwrap().iter().filter(|operation| operation["op"] == "replace");
    let written: Map<_, _> = replaced
        .map(|operation| (operation["path"].as_str().unwrap().to_owned(), operation["value"].clone()))
        .collect();
    Value::Object(written)
}

#[tokio::test]
async fn cases_from_the_field_go_as_they_say() {
    let mut cases: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert_eq!(cases.len(), 8, "{cases:?}");
    for case in cases {
        for (number, step) in read(&case.join("case.json"))["steps"].as_array().unwrap().iter().enumerate() {
            let at = format!("{}, step {}", case.display(), number + 1);
            let world = server(step["server"].as_str().unwrap());
            let review = Review::of(read(&case.join(step["file"].as_str().unwrap())));
            let path = format!("/{}?timeout=10s", step["hook"].as_str().unwrap());
            let answer = world.review(&path, &review).await;
            let expected = &step["expect"];
            assert_eq!(json!(answer.is_allowed()), expected["allowed"], "{at}: {answer:?}");
            if let Some(patch) = expected.get("patch") {
                assert_eq!(written(&answer), *patch, "{at}");
            }
            if let Some(reason) = expected.get("reason") {
                assert_eq!(json!(answer.annotation("reason")), *reason, "{at}");
            }
        }
    }
}
