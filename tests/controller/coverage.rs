//! What the endpoint for policies asks the cluster: running images, and objects that policies name.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tagseal::admission::sites::SiteList;
use tagseal::controller::{ClusterObjects, ClusterPods};
use tagseal::policy::{
    Entries, LiveError, LiveObjects as _, ObjectKind, ObjectRef, Running, RunningImages as _,
};

use super::api_server::{ApiServer, Fault};
use super::world::config_map;

fn pod(namespace: &str, name: &str, phase: &str, spec: Value) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name, "managedFields": [{"manager": "kubectl"}]},
        "spec": spec,
        "status": {"phase": phase, "containerStatuses": [{"image": "never/looked:at"}]},
    })
}

fn web(image: &str) -> Value {
    json!({"containers": [{"name": "web", "image": image}], "volumes": [{"name": "v", "emptyDir": {}}]})
}

async fn running(server: &ApiServer, namespace: Option<&str>) -> (Vec<String>, Result<(), LiveError>) {
    let mut found = Running::default();
    let outcome = ClusterPods::new(server.client()).list(namespace, &mut found).await;
    assert_eq!(server.unexpected(), Vec::<String>::new());
    let all = found
        .namespaces()
        .flat_map(|(namespace, images)| images.iter().map(move |image| format!("{namespace}: {image}")));
    (all.collect(), outcome)
}

#[tokio::test]
async fn the_images_of_pods_that_have_not_ended_are_listed() {
    let server = ApiServer::new();
    for (namespace, name, phase, image) in [
        ("shop", "a", "Running", "r.io/web:1"),
        ("shop", "b", "Pending", "r.io/web:1"),
        ("shop", "c", "Succeeded", "r.io/done:1"),
        ("shop", "d", "Failed", "r.io/done:2"),
        ("payments", "a", "Running", "r.io/web:2"),
    ] {
        server.put("pods", pod(namespace, name, phase, web(image)));
    }
    let (images, outcome) = running(&server, None).await;
    assert_eq!(
        (images.as_slice(), outcome),
        (&["payments: r.io/web:2".into(), "shop: r.io/web:1".into()] as &[String], Ok(()))
    );
    assert_eq!(running(&server, Some("shop")).await.0, ["shop: r.io/web:1"]);
    assert_eq!(server.requests(), ["LIST pods", "LIST pods shop"]);
}

#[tokio::test]
async fn every_image_site_of_a_pod_is_looked_at() {
    let server = ApiServer::new();
    let mut spec = json!({});
    for list in SiteList::ALL {
        let mut image = json!(format!("r.io/{}", list.field().to_lowercase()));
        for field in list.image_path().iter().rev() {
            image = json!({*field: image});
        }
        spec[list.field()] = json!([image]);
    }
    server.put("pods", pod("shop", "a", "Running", spec));
    let (images, outcome) = running(&server, None).await;
    assert_eq!((images.len(), outcome), (SiteList::ALL.len(), Ok(())), "{images:?}");
}

#[tokio::test]
async fn pods_are_read_page_by_page_and_what_was_read_before_a_failure_stays() {
    let server = ApiServer::new();
    for number in 0..600 {
        let name = format!("pod-{number:03}");
        server.put("pods", pod("shop", &name, "Running", web(&format!("r.io/web:{number}"))));
    }
    let (images, outcome) = running(&server, None).await;
    assert_eq!((images.len(), outcome), (600, Ok(())));
    assert_eq!(server.requests(), ["LIST pods", "LIST pods from=250", "LIST pods from=500"]);

    server.fail("LIST pods from=500", Fault::Status(410, "the continue token is too old"));
    let (images, outcome) = running(&server, None).await;
    assert_eq!(images.len(), 500);
    let message = "the continue token is too old (410)".to_owned();
    assert_eq!(outcome, Err(LiveError { message, is_answer: false }));
}

#[tokio::test]
async fn a_missing_right_to_list_pods_is_told_with_its_remedy() {
    let server = ApiServer::new();
    server.fail("LIST pods", Fault::Status(403, "pods is forbidden"));
    let message = "pods is forbidden; let tagseal's ServiceAccount list pods".to_owned();
    assert_eq!(running(&server, None).await.1, Err(LiveError { message, is_answer: true }));
}

#[tokio::test]
async fn an_object_is_read_by_the_rights_of_its_watch_and_of_a_secret_only_that_it_is_there() {
    let server = ApiServer::new();
    server.put("configmaps", config_map("ca", json!({"ca.crt": "PEM"})));
    let secret =
        json!({"metadata": {"namespace": "tagseal-system", "name": "reader"}, "data": {"a": "c2VjcmV0"}});
    server.put("secrets", secret);
    let objects = ClusterObjects::new(server.client());
    let object = |kind, name: &str| ObjectRef { kind, namespace: "tagseal-system".into(), name: name.into() };
    let read = async |kind, name| objects.read(&object(kind, name)).await;
    let entries: Entries = BTreeMap::from([("ca.crt".to_owned(), b"PEM".to_vec())]);
    assert_eq!(read(ObjectKind::ConfigMap, "ca").await, Ok(Some(entries)));
    assert_eq!(read(ObjectKind::ConfigMap, "other").await, Ok(None));
    assert_eq!(read(ObjectKind::Secret, "reader").await, Ok(Some(Entries::new())));
    assert_eq!(read(ObjectKind::Secret, "a,metadata.name!=b").await, Ok(None));
    assert_eq!(
        server.requests(),
        [
            "LIST configmaps tagseal-system name=ca",
            "LIST configmaps tagseal-system name=other",
            "GET secrets(metadata) tagseal-system/reader"
        ]
    );
    server.fail("LIST configmaps", Fault::Status(403, "no"));
    let message =
        "no; let tagseal's ServiceAccount list and watch configmaps in the namespace tagseal-system";
    let refused = LiveError { message: message.to_owned(), is_answer: true };
    assert_eq!(read(ObjectKind::ConfigMap, "ca").await, Err(refused));
    server.fail("GET secrets", Fault::Status(403, "no"));
    let message = "no; let tagseal's ServiceAccount get secrets in the namespace tagseal-system".to_owned();
    let refused = LiveError { message, is_answer: true };
    assert_eq!(read(ObjectKind::Secret, "reader").await, Err(refused));
    server.heal();
    server.fail("GET secrets", Fault::Refused);
    assert!(!read(ObjectKind::Secret, "reader").await.unwrap_err().is_answer);
    assert_eq!(server.unexpected(), Vec::<String>::new());
}

#[tokio::test]
async fn the_api_server_is_asked_which_right_to_read_pull_secrets_is_lacking() {
    let server = ApiServer::new();
    let objects = ClusterObjects::new(server.client());
    assert_eq!(objects.lacks(None).await, Ok(None));
    assert_eq!(objects.lacks(Some("shop")).await, Ok(None));
    server.lacks("get serviceaccounts", Some("shop"));
    assert_eq!(objects.lacks(None).await, Ok(None));
    assert_eq!(objects.lacks(Some("shop")).await, Ok(Some("get serviceaccounts".to_owned())));
    server.lacks("get secrets", None);
    assert_eq!(objects.lacks(None).await, Ok(Some("get secrets".to_owned())));
    server.fail("REVIEW selfsubjectaccessreviews", Fault::Refused);
    assert!(!objects.lacks(None).await.unwrap_err().is_answer);
    assert_eq!(server.unexpected(), Vec::<String>::new());
}
