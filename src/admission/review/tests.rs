use serde_json::{Value, json};

use super::*;

fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["devs"], "extra": {"x": ["y"]}},
            "object": {"metadata": {"generateName": "web-"}, "spec": {"containers": []}},
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions"}
        }
    })
}

fn with(pointer: &str, value: Value) -> String {
    let mut review = review();
    *review.pointer_mut(pointer).unwrap() = value;
    review.to_string()
}

#[test]
fn reads_the_fields_that_decide() {
    let body = review().to_string();
    let request = Request::read(body.as_bytes()).unwrap();
    assert_eq!((request.uid(), request.namespace(), request.object_name()), ("u1", "shop", "web-"));
    assert_eq!((request.operation(), request.is_dry_run()), (Operation::Create, false));
    assert_eq!(request.workload_kind().map(WorkloadKind::kind), Some("Pod"));
    assert_eq!(request.subresource(), "");
    assert!(request.object().is_some() && request.old_object().is_none());
}

#[test]
fn a14_what_is_no_v1_review_says_why() {
    let no = |what: &str| Err(Unreadable::NotAReview(what.to_owned()));
    let read = |body: &str| Request::read(body.as_bytes()).map(|request| request.uid().to_owned());
    assert_eq!(
        read(&with("/apiVersion", json!("admission.k8s.io/v1beta1"))),
        no(r#"apiVersion is "admission.k8s.io/v1beta1", kind is "AdmissionReview""#)
    );
    assert_eq!(read("{}"), no("apiVersion is missing, kind is missing"));
    assert_eq!(read(&with("/request", Value::Null)), no("it has no request"));
    assert_eq!(read(&with("/request/uid", json!(""))), no("the request has no uid"));
    assert_eq!(read(""), no("EOF while parsing a value at line 1 column 0"));
    assert!(read("[]").is_err());
    assert!(matches!(Request::read(b"\xff\xfe"), Err(Unreadable::NotAReview(_))));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(read(&deep), Err(Unreadable::NotAReview(_))));
}

#[test]
fn a13_an_object_of_another_shape_is_answered_under_its_uid() {
    let body = with("/request/object/spec", json!("rows"));
    let Err(Unreadable::Object { about, message }) = Request::read(body.as_bytes()) else {
        panic!("read as a pod");
    };
    assert_eq!((about.uid.as_str(), about.kind.as_str()), ("u1", "v1 Pod"));
    assert!(message.starts_with(r#"invalid type: string "rows", expected an object"#), "{message}");
}

#[test]
fn a12_a_mirror_pod_needs_the_annotation_and_a_nodes_identity() {
    let mirror = || {
        let mut review = review();
        review["request"]["object"]["metadata"]["annotations"] =
            json!({"kubernetes.io/config.mirror": "abc"});
        review["request"]["userInfo"] = json!({"username": "system:node:n1", "groups": ["system:nodes"]});
        review
    };
    let is_mirror = |review: &Value| {
        let body = review.to_string();
        Request::read(body.as_bytes()).unwrap().is_mirror_pod()
    };
    assert!(is_mirror(&mirror()));
    let forged = [
        ("/request/userInfo/username", json!("alice")),
        ("/request/userInfo/groups", json!(["system:authenticated"])),
        ("/request/userInfo/groups", Value::Null),
        ("/request/object/metadata/annotations", json!({"kubernetes.io/config.source": "file"})),
        ("/request/operation", json!("UPDATE")),
        ("/request/kind/kind", json!("PodTemplate")),
    ];
    for (field, value) in forged {
        let mut review = mirror();
        *review.pointer_mut(field).unwrap() = value;
        assert!(!is_mirror(&review), "{field}");
    }
}
