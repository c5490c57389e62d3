//! Reviews of objects with more than any honest one has.

use bytes::Bytes;
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::process::Process;
use crate::admission::review::{Answer, Review};

/// A policy that covers what the attacker names; its trust server is nowhere.
fn covering() -> Value {
    let images = json!({"include": ["registry.test/tenant/**"]});
    crate::cli::run::policy("tenant", "http://127.0.0.1:1", &json!({"images": images}))
}

/// A pod of so many containers, each with another image.
pub fn pod(containers: usize) -> Bytes {
    let one = |n: usize| json!({"name": format!("c{n}"), "image": format!("registry.test/tenant/web:{n}")});
    let containers: Vec<_> = (0..containers).map(one).collect();
    Review::pod(json!({"containers": containers})).bytes().into()
}

/// A review of a pod in which `field` of the spec is a list of so many times `item`.
fn list(field: &str, item: &str, times: usize) -> Bytes {
    let items = vec![item; times].join(",");
    let review = Review::pod(json!({field: "HERE"})).bytes();
    String::from_utf8(review).unwrap().replace("\"HERE\"", &format!("[{items}]")).into()
}

/// What the validating hook says of it; nobody is told more than a person reads.
async fn refusal(process: &Process, review: Bytes) -> (String, String) {
    let (status, body) = process.post("/validate", review).await;
    assert!(body.len() < 10_000, "{} bytes", body.len());
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    let answer = Answer::read(&body);
    (answer.annotation("reason").to_owned(), answer.denial().to_owned())
}

#[test]
fn a25_a_review_of_100_000_images_is_refused_within_the_budget() {
    Process::start(&[covering()]).attacked(async |process| {
        let (reason, message) = refusal(process, pod(100_000)).await;
        assert_eq!(reason, "UnsupportedObject");
        let said = "UnsupportedObject: the v1 Pod cannot be read: it has more than 10000 containers, volumes and pull secrets";
        assert!(message.starts_with(said), "{message}");
    });
}

#[test]
fn a25_sixteen_pods_of_9_000_containers_at_once_are_refused_within_the_budget() {
    Process::start(&[covering()]).attacked(async |process| {
        let pod = pod(9_000);
        for (reason, message) in join_all((0..16).map(|_| refusal(process, pod.clone()))).await {
            assert_eq!(reason, "UnsupportedObject");
            assert_eq!(
                message,
                "UnsupportedObject: the v1 Pod has 9000 different images, and tagseal judges 1000 of one object at most"
            );
        }
    });
}

#[test]
fn a25_each_list_of_a_review_is_bounded() {
    let most = 7 << 20;
    Process::start(&[covering()]).attacked(async |process| {
        for field in ["containers", "initContainers", "ephemeralContainers", "volumes", "imagePullSecrets"] {
            for item in ["{}", "[]", r#"{"image":"a"}"#] {
                let review = list(field, item, most / (item.len() + 1));
                let (reason, message) = refusal(process, review).await;
                assert_eq!(reason, "UnsupportedObject", "{field} of {item}");
                assert!(message.contains("more than 10000 "), "{field} of {item}: {message}");
            }
        }
    });
}

#[test]
fn a25_objects_in_objects_are_bounded() {
    // Each level has three fields that may hold an object; none of them does in a pod spec.
    fn tree(depth: usize) -> String {
        match depth {
            0 => "{}".to_owned(),
            _ => {
                let below = tree(depth - 1);
                format!(r#"{{"spec":{below},"template":{below},"jobTemplate":{below}}}"#)
            }
        }
    }
    Process::start(&[covering()]).attacked(async |process| {
        let review = String::from_utf8(Review::pod(json!("HERE")).bytes()).unwrap();
        let review = review.replace("\"HERE\"", &tree(11));
        let (reason, message) = refusal(process, review.into()).await;
        assert_eq!(reason, "UnsupportedObject");
        assert!(message.contains("more than 10000 "), "{message}");
    });
}

#[test]
fn a25_the_groups_of_a_caller_are_bounded() {
    Process::start(&[covering()]).attacked(async |process| {
        let review = Review::pod(json!({})).with("userInfo", json!({"username": "a", "groups": "HERE"}));
        let groups = vec!["\"\""; 2 << 20].join(",");
        let review = String::from_utf8(review.bytes()).unwrap().replace("\"HERE\"", &format!("[{groups}]"));
        let (reason, message) = refusal(process, review.into()).await;
        assert_eq!(reason, "UnsupportedObject");
        assert!(message.contains("the user has more than 10000 groups"), "{message}");
    });
}

#[test]
fn a25_templates_are_compared_within_the_budget() {
    // Many small values: in memory each takes a hundred times what it takes in the request.
    let values = vec![r#"{"a":0}"#; 100_000].join(",");
    let deployment = |more: &str| {
        let template = json!({"spec": {
            "containers": [{"name": "web", "image": "registry.test/tenant/web:1", "env": "HERE"}]
        }});
        let object = json!({"metadata": {"name": "web"}, "spec": {"template": template}});
        object.to_string().replace("\"HERE\"", &format!("[{values}{more}]"))
    };
    let mut covering = covering();
    covering["spec"]["mutation"] = json!("Workloads");
    Process::start(&[covering]).attacked(async |process| {
        let review = Review::create("apps", "v1", "Deployment", json!("NEW")).updating(json!("OLD"));
        let review = String::from_utf8(review.bytes()).unwrap();
        let review =
            Bytes::from(review.replace("\"NEW\"", &deployment(",1")).replace("\"OLD\"", &deployment(",2")));
        let answers = join_all((0..4).map(|_| process.post("/mutate", review.clone()))).await;
        for (status, body) in answers {
            assert_eq!(status, StatusCode::OK, "{body:?}");
        }
    });
}
