//! `tagseal sandbox --kubeconfig`: what is put into a cluster, and that all of it is taken out again.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::command::folder;

const NAMESPACE: &str = "/api/v1/namespaces/tagseal-sandbox";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/tagseal-sandbox";
const VALIDATING: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/tagseal-sandbox";

type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

/// An API server that keeps what it is given.
async fn answer(State(objects): State<Objects>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let mut objects = objects.lock().unwrap();
    let status = |code: StatusCode, reason: &str| {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason,
            "reason": reason, "code": code.as_u16(),
        });
        (code, body.to_string()).into_response()
    };
    if path == "/version" {
        return json!({
            "major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "gitTreeState": "", "buildDate": "",
            "goVersion": "", "compiler": "", "platform": "",
        })
        .to_string()
        .into_response();
    }
    match method {
        Method::GET => match objects.get(&path) {
            Some(object) => object.to_string().into_response(),
            None => status(StatusCode::NOT_FOUND, "NotFound"),
        },
        Method::PATCH => {
            assert!(uri.query().unwrap().contains("fieldManager=tagseal-sandbox"), "{uri}");
            let object: Value = serde_json::from_slice(&body).unwrap();
            objects.insert(path, object.clone());
            object.to_string().into_response()
        }
        Method::DELETE => match objects.remove(&path) {
            Some(object) => object.to_string().into_response(),
            None => status(StatusCode::NOT_FOUND, "NotFound"),
        },
        _ => status(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    }
}

/// Starts the API server; its objects, and a kubeconfig in `folder`.
async fn cluster(folder: &Path, objects: &[(&str, Value)]) -> Objects {
    let objects = objects.iter().map(|(path, object)| ((*path).to_owned(), object.clone()));
    let objects: Objects = Arc::new(Mutex::new(objects.collect()));
    let router = Router::new().fallback(answer).with_state(Arc::clone(&objects));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(folder.join("kubeconfig"), kubeconfig.to_string()).unwrap();
    objects
}

fn sandbox(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tagseal"))
        .args(["sandbox", "--notary-port", "0", "--registry-port", "0", "--webhook-port", "0"])
        .args(["--advertise", "127.0.0.1", "--kubeconfig"])
        .arg(folder.join("kubeconfig"))
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until it stays up, and reads nothing more.
fn wait_until_up(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Ctrl-C ends it, tidies the cluster")));
}

fn interrupt(child: Child) -> std::process::Output {
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    child.wait_with_output().unwrap()
}

fn paths(objects: &Objects) -> Vec<String> {
    objects.lock().unwrap().keys().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_is_registered_for_one_namespace_and_removed_at_the_end() {
    let folder = folder();
    // A leftover of a run that was killed.
    let left = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "tagseal-sandbox", "labels": {"tagseal.dev/sandbox": "true"}},
    });
    let objects = cluster(folder.path(), &[(NAMESPACE, left)]).await;
    let mut child = sandbox(folder.path());
    let child = tokio::task::spawn_blocking(move || {
        wait_until_up(&mut child);
        child
    });
    let child = child.await.unwrap();
    assert_eq!(paths(&objects), [NAMESPACE, MUTATING, VALIDATING]);
    let mutating = objects.lock().unwrap()[MUTATING].clone();
    let webhook = &mutating["webhooks"][0];
    assert_eq!(webhook["failurePolicy"], "Ignore");
    let url = webhook["clientConfig"]["url"].as_str().unwrap();
    assert!(url.starts_with("https://127.0.0.1:") && url.ends_with("/mutate"), "{url}");
    let output = tokio::task::spawn_blocking(move || interrupt(child)).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(paths(&objects), Vec::<String>::new());
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kubeconfig"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_made_under_that_name_is_left_alone() {
    let folder = folder();
    let theirs = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "tagseal-sandbox"},
    });
    let objects = cluster(folder.path(), &[(VALIDATING, theirs.clone())]).await;
    let child = sandbox(folder.path());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("a ValidatingWebhookConfiguration tagseal-sandbox that no sandbox made"), "{said}");
    assert_eq!(paths(&objects), [VALIDATING], "and what was put there before is gone");
    assert_eq!(objects.lock().unwrap()[VALIDATING], theirs);
}

#[test]
fn a_cluster_that_does_not_answer_is_named_before_anything_else() {
    let folder = folder();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
    let output = sandbox(folder.path()).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the API server at http://127.0.0.1:1/ does not answer"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
