//! Labels of namespaces.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::clock::ManualClock;
use tagseal::controller::Namespaces;
use tagseal::policy::NamespaceLabels as _;
use tagseal::telemetry::Metrics;

use super::api_server::{ApiServer, Fault};
use super::world::{LIMIT, now};
use crate::support::Page;

fn namespace(name: &str, env: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"env": env}}, "spec": {"finalizers": ["kubernetes"]}})
}

fn namespaces(server: &ApiServer) -> Namespaces {
    Namespaces::new(server.client(), Arc::new(ManualClock::at(now())))
}

fn env(namespaces: &Namespaces, name: &str) -> Option<String> {
    namespaces.cached(name).map(|labels| labels.get("env").cloned().unwrap_or_default())
}

/// Until `name` has this label in memory.
async fn shows(namespaces: &Namespaces, name: &str, wanted: Option<&str>) {
    let seen = async {
        while env(namespaces, name).as_deref() != wanted {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(LIMIT, seen).await;
    seen.unwrap_or_else(|_| panic!("{name} is {:?}, not {wanted:?}", env(namespaces, name)));
}

#[tokio::test]
async fn labels_are_followed_and_only_metadata_is_read() {
    let server = ApiServer::new();
    server.put("namespaces", namespace("shop", "production"));
    let namespaces = namespaces(&server);
    let watch = tokio::spawn(namespaces.clone().watch());
    shows(&namespaces, "shop", Some("production")).await;
    server.put("namespaces", namespace("shop", "test"));
    shows(&namespaces, "shop", Some("test")).await;
    server.put("namespaces", namespace("new", "production"));
    shows(&namespaces, "new", Some("production")).await;
    server.delete("namespaces", "", "shop");
    shows(&namespaces, "shop", None).await;
    server.delete_in_silence("namespaces", "", "new");
    server.break_watches();
    shows(&namespaces, "new", None).await;
    watch.abort();
    assert!(server.requests().iter().all(|request| request.contains("namespaces(metadata)")));
    assert_eq!(server.unexpected(), Vec::<String>::new());
}

#[tokio::test]
async fn namespaces_that_opted_out_are_counted() {
    let opting = |name: &str, value: &str| json!({"metadata": {"name": name, "labels": {"env": "x", "tagseal.dev/admission": value}}});
    let (server, metrics) = (ApiServer::new(), Metrics::default());
    let opted_out = || Page::of(&metrics).value("tagseal_namespaces_opted_out").to_owned();
    assert_eq!(opted_out(), "", "nobody knows yet");
    for object in [opting("out", "ignore"), opting("in", "enforce"), namespace("shop", "x")] {
        server.put("namespaces", object);
    }
    let namespaces = namespaces(&server).with_metrics(metrics.clone());
    let watch = tokio::spawn(namespaces.clone().watch());
    shows(&namespaces, "shop", Some("x")).await;
    assert_eq!(opted_out(), "1");
    server.put("namespaces", opting("new", "ignore"));
    shows(&namespaces, "new", Some("x")).await;
    assert_eq!(opted_out(), "2");
    // Another label, and then the one that counts; and namespaces that go while nobody is told.
    let relabelled = |value: &str, env: &str| json!({"metadata": {"name": "new", "labels": {"env": env, "tagseal.dev/admission": value}}});
    for (value, env, counted) in [("ignore", "y", "2"), ("enforce", "z", "1"), ("ignore", "x", "2")] {
        server.put("namespaces", relabelled(value, env));
        shows(&namespaces, "new", Some(env)).await;
        assert_eq!(opted_out(), counted);
    }
    server.put("namespaces", opting("brief", "ignore"));
    shows(&namespaces, "brief", Some("x")).await;
    assert_eq!(opted_out(), "3");
    server.delete_in_silence("namespaces", "", "brief");
    server.break_watches();
    shows(&namespaces, "brief", None).await;
    assert_eq!(opted_out(), "2");
    for name in ["new", "out"] {
        server.delete("namespaces", "", name);
        shows(&namespaces, name, None).await;
    }
    assert_eq!(opted_out(), "0");
    watch.abort();
}

#[tokio::test]
async fn a19_a_namespace_that_the_watch_does_not_have_yet_is_read_live() {
    let server = ApiServer::new();
    server.fail("LIST namespaces", Fault::Status(403, "namespaces is forbidden"));
    server.put("namespaces", namespace("shop", "production"));
    let namespaces = namespaces(&server);
    let watch = tokio::spawn(namespaces.clone().watch());
    server.served("LIST namespaces", 2).await;
    assert_eq!(namespaces.cached("shop"), None, "not as if it had no labels");
    let labels = namespaces.read("shop").await.unwrap();
    assert_eq!(labels["env"], "production");
    assert_eq!(namespaces.cached("shop"), None, "nothing would tell when they change");
    assert_eq!(server.count("GET namespaces(metadata) shop"), 1);
    watch.abort();
}

#[tokio::test]
async fn a_namespace_that_cannot_be_read_is_an_error_that_says_why() {
    let server = ApiServer::new();
    let namespaces = namespaces(&server);
    assert_eq!(namespaces.read("gone").await.unwrap_err().message, "there is no such namespace");
    server.fail("GET", Fault::Refused);
    let message = namespaces.read("gone").await.unwrap_err().message;
    assert!(message.contains("connection refused"), "{message}");
}
