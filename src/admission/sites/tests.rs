use serde_json::{Value, json};

use super::*;

/// A pod spec with one image in every list.
fn pod_spec() -> Value {
    json!({
        "serviceAccountName": "builder",
        "imagePullSecrets": [{"name": "b"}, {"name": "a"}],
        "initContainers": [{"name": "setup", "image": "init"}],
        "containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 80}]}],
        "ephemeralContainers": [{"name": "debug", "image": "debug"}],
        "volumes": [
            {"name": "config", "configMap": {"name": "c"}},
            {"name": "model", "image": {"reference": "model", "pullPolicy": "Always"}}
        ]
    })
}

fn parse(text: &str) -> Node<'_> {
    serde_json::from_str(text).unwrap()
}

/// Sites as (JSON pointer, field, name, image).
fn found(kind: &WorkloadKind, text: &str) -> Vec<(String, String, String, String)> {
    let object = parse(text);
    let pod = object.at(kind.path()).unwrap();
    sites(kind, pod)
        .map(|site| {
            let pointer = site.pointer(kind);
            (pointer, site.field_path(kind), site.to_string(), site.image.to_owned())
        })
        .collect()
}

/// Every kind, with the way to its pod spec spelt out: a row here for a row there.
#[test]
fn every_kind_has_its_images_at_these_fields() {
    let kinds = [
        ("", "v1", "Pod", "spec"),
        ("", "v1", "PodTemplate", "template.spec"),
        ("", "v1", "ReplicationController", "spec.template.spec"),
        ("apps", "v1", "Deployment", "spec.template.spec"),
        ("apps", "v1", "ReplicaSet", "spec.template.spec"),
        ("apps", "v1", "StatefulSet", "spec.template.spec"),
        ("apps", "v1", "DaemonSet", "spec.template.spec"),
        ("batch", "v1", "Job", "spec.template.spec"),
        ("batch", "v1", "CronJob", "spec.jobTemplate.spec.template.spec"),
    ];
    assert_eq!(KINDS.len(), kinds.len());
    for (group, version, name, path) in kinds {
        let kind = WorkloadKind::find(group, version, name).unwrap();
        assert_eq!((kind.kind(), kind.is_pod()), (name, name == "Pod"));
        let object = path.rsplit('.').fold(pod_spec(), |inner, field| json!({ field: inner }));
        let pointer = path.replace('.', "/");
        let site = |field: &str, tail: &str, name: &str, image: &str| {
            (format!("/{pointer}/{tail}"), format!("{path}.{field}"), name.to_owned(), image.to_owned())
        };
        assert_eq!(
            found(kind, &object.to_string()),
            [
                site("initContainers[0].image", "initContainers/0/image", "init container \"setup\"", "init"),
                site("containers[0].image", "containers/0/image", "container \"web\"", "web"),
                site(
                    "ephemeralContainers[0].image",
                    "ephemeralContainers/0/image",
                    "ephemeral container \"debug\"",
                    "debug"
                ),
                site("volumes[1].image.reference", "volumes/1/image/reference", "volume \"model\"", "model"),
            ],
            "{name}"
        );
    }
}

#[test]
fn a13_other_kinds_and_versions_have_no_row() {
    for (group, version, kind) in [
        ("", "v2", "Pod"),
        ("apps", "v1", "Pod"),
        ("extensions", "v1beta1", "Deployment"),
        ("autoscaling", "v1", "Scale"),
        ("", "v1", "pod"),
    ] {
        assert_eq!(WorkloadKind::find(group, version, kind), None, "{group}/{version} {kind}");
    }
}

#[test]
fn a_container_without_an_image_or_with_another_shape_is_a_site_that_cannot_be_read() {
    let pod = r#"{"containers": [{"name": "a"}, {"name": "b", "image": null}, {"name": "c", "image": {"reference": "x"}}],
                  "volumes": [{"name": "d", "image": {}}, {"name": "e", "image": "x"}, {"name": "f", "image": null}]}"#;
    let pod = parse(pod);
    let images: Vec<_> = sites(&KINDS[0], &pod).map(|site| (site.name, site.image)).collect();
    assert_eq!(images, [("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", "")]);
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    for object in [
        r#"{"containers": [], "containers": [{"name": "a", "image": "evil"}]}"#,
        r#"{"spec": {}, "spec": {}}"#,
        r#"{"containers": [{"name": "a", "image": "good", "image": "evil"}]}"#,
    ] {
        assert!(serde_json::from_str::<Node<'_>>(object).is_err(), "{object}");
    }
}

#[test]
fn escapes_are_read_and_plain_strings_borrowed() {
    let text = r#"{"containers": [{"name": "\u0061", "image": "shop\/web"}], "serviceAccountName": "robot"}"#;
    let pod = parse(text);
    let sites: Vec<_> = sites(&KINDS[0], &pod).map(|site| (site.name, site.image)).collect();
    assert_eq!(sites, [("a", "shop/web")]);
    assert_eq!(pod.service_account(), "robot");
}

/// Names of the sites that an UPDATE from `old` to `new` has verified.
fn changed(old: Value, new: Value) -> Vec<String> {
    let (old, new) = (old.to_string(), new.to_string());
    let (old, new) = (parse(&old), parse(&new));
    let sites = compared(&KINDS[0], &new, &old).into_iter();
    let changed = sites.filter(|(site, before)| *before != Some(site.image));
    changed.map(|(site, _)| format!("{}={}", site.name, site.image)).collect()
}

fn containers(containers: &[(&str, &str)]) -> Value {
    let list: Vec<_> = containers.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
    json!({ "containers": list })
}

#[test]
fn a10_only_what_changed_at_its_own_name_is_verified() {
    let old = || containers(&[("a", "1"), ("b", "2")]);
    let cases = [
        ("nothing", old(), vec![]),
        ("one image", containers(&[("a", "1"), ("b", "3")]), vec!["b=3"]),
        ("order", containers(&[("b", "2"), ("a", "1")]), vec![]),
        ("a name", containers(&[("a", "1"), ("c", "2")]), vec!["c=2"]),
        ("images swapped", containers(&[("a", "2"), ("b", "1")]), vec!["a=2", "b=1"]),
        ("one more", containers(&[("a", "1"), ("b", "2"), ("c", "1")]), vec!["c=1"]),
        ("one less", containers(&[("a", "1")]), vec![]),
        ("a name twice", containers(&[("a", "1"), ("a", "1"), ("b", "2")]), vec!["a=1", "a=1"]),
        ("another list", json!({"initContainers": [{"name": "a", "image": "1"}]}), vec!["a=1"]),
    ];
    for (case, new, expected) in cases {
        assert_eq!(changed(old(), new), expected, "{case}");
    }
}

#[test]
fn a10_a_name_that_stood_twice_before_is_no_identity() {
    assert_eq!(changed(containers(&[("a", "1"), ("a", "2")]), containers(&[("a", "1")])), ["a=1"]);
    assert_eq!(changed(containers(&[("a", "1"), ("a", "1")]), containers(&[("a", "1")])), ["a=1"]);
}
