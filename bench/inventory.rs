//! What `tagseal inventory --from-cluster` takes of 10,000 pods of 10 KiB, each of which is a row of its own: at most 128 MiB, and
//! how long. A measurement, once.
//!
//! `cargo bench --bench inventory`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use axum::extract::{Query, Request};
use axum::{Json, Router};
use serde_json::{Value, json};

use self::support::trust_server::TrustServer;

const PODS: usize = 10_000;
const FILLER: usize = 10 * 1024;
const LIMIT: u64 = 128;

fn main() {
    let server = TrustServer::serve(Router::new().fallback(answer));
    let dir = tempfile::tempdir().expect("a folder");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": server.url()}}],
        "users": [{"name": "jane", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "jane"}}],
    });
    let kubeconfig = dir.path().join("kubeconfig");
    std::fs::write(&kubeconfig, config.to_string()).expect("a kubeconfig");
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal"));
    command.args(["inventory", "--from-cluster", "-o", "json", "--kubeconfig"]).arg(&kubeconfig);
    command.env_clear().env("HOME", dir.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("tagseal");
    // Megabytes are to come, so that it waits for its reader once the first byte is there: then everything is in memory.
    let mut printed = vec![0];
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut printed).expect("a byte");
    let (taken, peak) = (begin.elapsed(), peak(child.id()));
    stdout.read_to_end(&mut printed).expect("the rest");
    assert!(child.wait().expect("tagseal").success());
    let stock: Value = serde_json::from_slice(&printed).expect("JSON");
    assert_eq!(stock["images"].as_array().map(Vec::len), Some(PODS));
    println!("{PODS} pods of {} KiB: {peak} MiB at most, {taken:.2?}", FILLER / 1024);
    assert!(peak <= LIMIT, "the limit is {LIMIT} MiB");
}

/// An API server that has pods and nothing else, page by page.
async fn answer(Query(query): Query<HashMap<String, String>>, request: Request) -> Json<Value> {
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
    if !request.uri().path().ends_with("/pods") {
        return Json(json!({"metadata": {}, "items": []}));
    }
    let first = number("continue").unwrap_or_default();
    let end = PODS.min(first + number("limit").expect("a page"));
    let next = if end < PODS { end.to_string() } else { String::new() };
    let items: Vec<Value> = (first..end).map(pod).collect();
    Json(json!({"metadata": {"continue": next}, "items": items}))
}

fn pod(number: usize) -> Value {
    let image = format!("registry.example.com/shop/web-{}:1.4", number % 100);
    json!({
        "metadata": {"name": format!("web-{number:05}"), "namespace": "shop", "annotations": {"filler": "x".repeat(FILLER)}},
        "spec": {"containers": [{"name": "web", "image": image}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "web", "imageID": format!("{image}@sha256:{:064x}", number % 100)}]},
    })
}

/// The most resident memory of a process so far, in MiB, rounded up.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes.div_ceil(1024)
}
