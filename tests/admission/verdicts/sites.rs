//! Every kind and every place of an image is judged, and on its own content.

use serde_json::{Value, json};

use super::{not_signed, pod, template, web, world};
use crate::admission::review::{Review, containers};
use crate::admission::trust::sealed;

#[tokio::test]
async fn a3_an_ephemeral_container_is_sealed_or_denied() {
    let (world, trust) = world();
    let old = json!({"metadata": {"name": "web"}, "spec": containers(&[("web", &web("9.9"))])});
    let review = |image: &str| {
        let mut new = old.clone();
        new["spec"]["ephemeralContainers"] = json!([{"name": "debugger", "image": image}]);
        Review::create("", "v1", "Pod", new)
            .updating(old.clone())
            .with("subResource", json!("ephemeralcontainers"))
    };
    let mutated = world.mutate(&review(&web("1.4"))).await;
    assert_eq!(mutated.patch().unwrap()[1]["path"], "/spec/ephemeralContainers/0/image");
    assert_eq!(mutated.patch().unwrap()[1]["value"], sealed(&web("1.4")));
    assert_eq!(trust.asked(), [(web("1.4"), false)]);
    assert!(world.validate(&review(&web("1.4")).patched(&mutated)).await.is_allowed());
    let denied = world.validate(&review(&web("9.9"))).await;
    assert!(
        denied.denial().starts_with(&not_signed("ephemeral container \"debugger\"", &web("9.9"))),
        "{}",
        denied.denial()
    );
}

#[tokio::test]
async fn a4_an_image_volume_is_sealed_or_denied() {
    let (world, _) = world();
    let review = |image: &str| {
        let mut spec = containers(&[]);
        spec["volumes"] =
            json!([{"name": "scratch", "emptyDir": {}}, {"name": "model", "image": {"reference": image}}]);
        Review::pod(spec)
    };
    let (object, answer) = world.admit(&review(&web("1.4"))).await;
    assert!(answer.is_allowed());
    assert_eq!(object["spec"]["volumes"][1]["image"]["reference"], sealed(&web("1.4")));
    let (_, answer) = world.admit(&review(&web("9.9"))).await;
    assert!(answer.denial().starts_with(&not_signed("volume \"model\"", &web("9.9"))), "{}", answer.denial());
    assert_eq!(answer.causes(), [("NotSigned".to_owned(), "spec.volumes[1].image.reference".to_owned())]);
}

#[tokio::test]
async fn a5_every_failing_image_is_listed() {
    let (world, _) = world();
    let mut spec = containers(&[("web", &web("1.4")), ("second", &web("9.9"))]);
    spec["initContainers"] = json!([
        {"name": "setup", "image": web("9.8")},
        {"name": "sidecar", "image": web("9.9"), "restartPolicy": "Always"}
    ]);
    let answer = world.refuses(&Review::pod(spec)).await;
    let lines: Vec<_> = answer.denial().lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(lines[0], "2 images are refused:");
    assert!(
        lines[1].starts_with(&format!("- {}", not_signed("init container \"setup\"", &web("9.8")))),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].starts_with(&format!(
            "- {}",
            not_signed("init container \"sidecar\", container \"second\"", &web("9.9"))
        )),
        "{}",
        lines[2]
    );
    let fields: Vec<_> = answer.causes().into_iter().map(|(_, field)| field).collect();
    assert_eq!(
        fields,
        ["spec.initContainers[0].image", "spec.initContainers[1].image", "spec.containers[1].image"]
    );
}

#[tokio::test]
async fn a7_templates_are_checked_whether_anything_runs_or_not() {
    let (world, _) = world();
    let bad = containers(&[("web", &web("9.9"))]);
    let template = json!({ "spec": bad });
    let objects = [
        ("", "Pod", json!({ "spec": bad })),
        ("", "PodTemplate", json!({ "template": template })),
        ("", "ReplicationController", json!({"spec": {"replicas": 0, "template": template}})),
        ("apps", "Deployment", json!({"spec": {"replicas": 0, "template": template}})),
        ("apps", "Deployment", json!({"spec": {"paused": true, "template": template}})),
        ("apps", "ReplicaSet", json!({"spec": {"replicas": 0, "template": template}})),
        ("apps", "StatefulSet", json!({"spec": {"replicas": 0, "template": template}})),
        ("apps", "DaemonSet", json!({"spec": {"template": template}})),
        ("batch", "Job", json!({"spec": {"suspend": true, "template": template}})),
        (
            "batch",
            "CronJob",
            json!({"spec": {"suspend": true, "jobTemplate": {"spec": {"template": template}}}}),
        ),
    ];
    for (group, kind, object) in objects {
        let review = Review::create(group, "v1", kind, object);
        let denial = world.refuses(&review).await.denial().to_owned();
        assert!(denial.starts_with(&not_signed("container \"web\"", &web("9.9"))), "{kind}: {denial}");
    }
}

#[tokio::test]
async fn a10_an_update_has_each_changed_site_verified_and_no_other() {
    let (world, trust) = world();
    let old = template(&[("a", &web("9.9")), ("b", &web("1.4"))]);
    let cases: [(&str, Value, &[&str]); 6] = [
        ("relabelled", template(&[("a", &web("9.9")), ("b", &web("1.4"))]), &[]),
        ("reordered", template(&[("b", &web("1.4")), ("a", &web("9.9"))]), &[]),
        ("one image changed", template(&[("a", &web("9.9")), ("b", &web("1.5"))]), &["1.5"]),
        ("renamed", template(&[("c", &web("9.9")), ("b", &web("1.4"))]), &["9.9"]),
        ("moved", template(&[("a", &web("1.4")), ("b", &web("9.9"))]), &["1.4", "9.9"]),
        ("doubled", template(&[("a", &web("9.9")), ("a", &web("9.9")), ("b", &web("1.4"))]), &["9.9"]),
    ];
    for (case, new, verified) in cases {
        let review = Review::create("apps", "v1", "Deployment", new).updating(old.clone());
        let answer = world.validate(&review).await;
        let expected: Vec<_> = verified.iter().map(|tag| (web(tag), false)).collect();
        assert_eq!(trust.asked(), expected, "{case}");
        assert_eq!(answer.is_allowed(), !verified.contains(&"9.9"), "{case}");
        let decision = if !answer.is_allowed() {
            "Denied"
        } else if verified.is_empty() {
            "Unchanged"
        } else {
            "Admitted"
        };
        assert_eq!(answer.annotation("decision"), decision, "{case}");
    }
}

#[tokio::test]
async fn a12_a_mirror_pod_is_reported_and_a_forged_one_is_an_ordinary_pod() {
    let (world, _) = world();
    let annotated = |tag: &str| {
        let metadata = json!({"name": "etcd", "annotations": {"kubernetes.io/config.mirror": "abc"}});
        pod(&[("web", &web(tag))]).with_object("/metadata", metadata)
    };
    let node = json!({"username": "system:node:n1", "groups": ["system:nodes", "system:authenticated"]});
    for tag in ["1.4", "9.9"] {
        let review = annotated(tag).with("userInfo", node.clone());
        for answer in [world.mutate(&review).await, world.validate(&review).await] {
            assert!(answer.is_allowed(), "{tag}");
            assert_eq!(answer.patch(), None, "{tag}");
        }
    }
    let reported = world.validate(&annotated("9.9").with("userInfo", node.clone())).await;
    assert_eq!((reported.annotation("decision"), reported.annotation("reason")), ("Reported", "NotSigned"));
    assert!(reported.annotation("findings").starts_with(&not_signed("container \"web\"", &web("9.9"))));

    let forged = world.refuses(&annotated("9.9")).await;
    assert!(forged.denial().starts_with(&not_signed("container \"web\"", &web("9.9"))));
    assert!(world.mutate(&annotated("1.4")).await.patch().is_some());
    assert!(
        !world
            .validate(&annotated("9.9").with("operation", json!("UPDATE")).with("userInfo", node))
            .await
            .is_allowed()
    );
}

#[tokio::test]
async fn a13_unknown_kinds_and_versions_are_never_let_through_unread() {
    let (world, trust) = world();
    for (group, version, kind, name) in [
        ("", "v2", "Pod", "v2 Pod"),
        ("apps", "v1beta1", "Deployment", "apps/v1beta1 Deployment"),
        ("argoproj.io", "v1alpha1", "Rollout", "argoproj.io/v1alpha1 Rollout"),
        ("autoscaling", "v1", "Scale", "autoscaling/v1 Scale"),
    ] {
        let review = Review::create(group, version, kind, template(&[("web", &web("1.4"))]));
        assert_eq!(
            world.refuses(&review).await.denial(),
            format!(
                "UnsupportedObject: {name} is not a kind that tagseal can read; remove it from the webhook's rules"
            )
        );
        assert_eq!(
            world.mutate(&review).await.warnings(),
            [format!("tagseal: the {name}: not sealed (UnsupportedObject); validate.tagseal.dev decides")]
        );
    }
    let no_object = pod(&[]).with("object", Value::Null);
    assert_eq!(world.validate(&no_object).await.denial(), "UnsupportedObject: the request has no v1 Pod");
    let no_namespace = pod(&[("web", &web("1.4"))]).with("namespace", Value::Null);
    assert_eq!(
        world.validate(&no_namespace).await.denial(),
        "UnsupportedObject: the v1 Pod has no namespace"
    );
    for operation in ["DELETE", "CONNECT"] {
        let review = pod(&[]).with("object", Value::Null).with("operation", json!(operation));
        assert!(world.validate(&review).await.is_allowed(), "{operation}");
    }
    assert_eq!(trust.asked(), []);
}
