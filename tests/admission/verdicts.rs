//! What is admitted, sealed and refused, through both hooks.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;

use super::review::{Answer, Review, containers};
use super::trust::{API, Trust, WEB, digest, sealed};
use super::world::{Never, World, cluster_policy, policy};

/// A world in which one cluster policy requires releases.
fn world() -> (World, Arc<Trust>) {
    world_with(json!({}))
}

fn world_with(more: Value) -> (World, Arc<Trust>) {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    world.apply(
        &[cluster_policy("production", trust.spec(&["targets/releases"], more))],
        UnmatchedImages::Allow,
    );
    (world, trust)
}

fn web(tag: &str) -> String {
    format!("{WEB}:{tag}")
}

fn pod(images: &[(&str, &str)]) -> Review {
    Review::pod(containers(images))
}

/// What stands before the message of a denial of one container.
fn not_signed(site: &str, image: &str) -> String {
    format!("{site}: image {image}: NotSigned (ClusterTrustPolicy production): ")
}

fn template(images: &[(&str, &str)]) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": containers(images)}}})
}

fn deployment(images: &[(&str, &str)]) -> Review {
    Review::create("apps", "v1", "Deployment", template(images))
}

#[tokio::test]
async fn a_signed_tag_is_replaced_by_tag_and_digest_and_then_passes() {
    let (world, _) = world();
    let review = pod(&[("web", &web("1.4"))]);
    let mutated = world.mutate(&review).await;
    assert!(mutated.is_allowed());
    assert_eq!(
        mutated.patch().unwrap(),
        json!([
            {"op": "test", "path": "/spec/containers/0/image", "value": web("1.4")},
            {"op": "replace", "path": "/spec/containers/0/image", "value": sealed(&web("1.4"))}
        ])
    );
    assert_eq!(mutated.annotation("decision"), "Sealed");

    let validated = world.validate(&review.patched(&mutated)).await;
    assert!(validated.is_allowed());
    assert_eq!(validated.patch(), None);
    assert_eq!(validated.warnings(), Vec::<String>::new());
    assert_eq!(validated.annotation("decision"), "Admitted");
    assert_eq!(validated.annotation("reason"), "");
    assert_eq!(validated.annotation("policies"), "ClusterTrustPolicy production");
    assert_eq!(validated.annotation("images"), sealed(&web("1.4")));
    assert_eq!(validated.annotation("digests"), digest(&web("1.4")).to_string());
    assert!(validated.annotation("signers").starts_with("targets/releases="));
    assert!(
        validated.annotation("versions").contains("targets/releases=1"),
        "{}",
        validated.annotation("versions")
    );
}

#[tokio::test]
async fn every_mutation_mode_writes_and_demands_digests_where_it_says() {
    let tag = web("1.4");
    let seal = sealed(&tag);
    // mutation, kind, whether it is patched, whether the bare tag then passes the validating hook
    let modes = [
        ("Pods", false, true, false),
        ("Pods", true, false, true),
        ("Workloads", false, true, false),
        ("Workloads", true, true, false),
        ("None", false, false, false),
        ("None", true, false, false),
    ];
    for (mutation, is_template, patched, bare_passes) in modes {
        let case = format!("{mutation}, template: {is_template}");
        let (world, _) = world_with(json!({ "mutation": mutation }));
        let review =
            |image: &str| if is_template { deployment(&[("web", image)]) } else { pod(&[("web", image)]) };
        let mutated = world.mutate(&review(&tag)).await;
        assert!(mutated.is_allowed(), "{case}");
        assert_eq!(mutated.patch().is_some(), patched, "{case}");
        assert_eq!(world.validate(&review(&tag)).await.is_allowed(), bare_passes, "{case}");
        assert!(world.validate(&review(&seal)).await.is_allowed(), "{case}");
        assert_eq!(world.mutate(&review(&seal)).await.patch(), None, "{case}");
    }
}

#[tokio::test]
async fn not_sealed_says_what_to_write() {
    let (world, _) = world();
    let review = pod(&[("web", &web("1.4"))]);
    assert_eq!(
        world.validate(&review).await.denial(),
        format!(
            "container \"web\": image {tag}: NotSealed (ClusterTrustPolicy production): signed, but without its digest: \
             the webhook mutate.tagseal.dev did not run, or a later one undid it; try again, or write {seal}",
            tag = web("1.4"),
            seal = sealed(&web("1.4"))
        )
    );
    let (world, _) = world_with(json!({"mutation": "None"}));
    let answer = world.validate(&review).await;
    assert_eq!(
        answer.denial(),
        format!(
            "container \"web\": image {tag}: NotSealed (ClusterTrustPolicy production): the policy has mutation None, so \
             images must arrive with their digest: write {seal}",
            tag = web("1.4"),
            seal = sealed(&web("1.4"))
        )
    );
    assert_eq!(answer.causes(), [("NotSealed".to_owned(), "spec.containers[0].image".to_owned())]);
    assert_eq!(answer.annotation("reason"), "NotSealed");
}

#[tokio::test]
async fn not_sealed_is_said_only_of_what_resolved() {
    let (world, _) = world();
    let answer = world.validate(&pod(&[("web", &web("9.9"))])).await;
    assert!(
        answer.denial().starts_with(&not_signed("container \"web\"", &web("9.9"))),
        "{}",
        answer.denial()
    );
}

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
    let answer = world.mutate(&Review::pod(spec)).await;
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
        for answer in [world.mutate(&review).await, world.validate(&review).await] {
            assert!(answer.denial().starts_with(&not_signed("container \"web\"", &web("9.9"))), "{kind}");
        }
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

    let forged = world.mutate(&annotated("9.9")).await;
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
        for answer in [world.mutate(&review).await, world.validate(&review).await] {
            assert_eq!(
                answer.denial(),
                format!(
                    "UnsupportedObject: {name} is not a kind that tagseal can read; remove it from the webhook's rules"
                )
            );
        }
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

#[tokio::test]
async fn a18_one_image_in_eight_containers_is_resolved_once() {
    let (world, trust) = world();
    let names: Vec<_> = (0..8).map(|n| format!("c{n}")).collect();
    let tag = web("1.4");
    let images: Vec<_> = names.iter().map(|name| (name.as_str(), tag.as_str())).collect();
    let mutated = world.mutate(&pod(&images)).await;
    assert_eq!(mutated.patch().unwrap().as_array().unwrap().len(), 16);
    assert_eq!(trust.asked(), [(web("1.4"), false)]);
}

#[tokio::test]
async fn a19_a_namespace_that_the_watch_does_not_know_yet_is_read_and_judged_by_its_labels() {
    let trust = Trust::new();
    let namespaces = super::world::Namespaces {
        cached: [].into(),
        live: [("shop".to_owned(), super::world::labels(&[("env", "production")]))].into(),
    };
    let world = World::with_namespaces(Arc::<Trust>::clone(&trust), Arc::new(namespaces));
    let selector = json!({"namespaceSelector": {"matchLabels": {"env": "production"}}});
    world.apply(
        &[cluster_policy("production", trust.spec(&["targets/releases"], selector))],
        UnmatchedImages::Allow,
    );
    let answer = world.mutate(&pod(&[("web", &web("9.9"))])).await;
    assert!(
        answer.denial().starts_with(&not_signed("container \"web\"", &web("9.9"))),
        "{}",
        answer.denial()
    );
    let elsewhere = world.mutate(&pod(&[("web", &web("9.9"))]).with("namespace", json!("other"))).await;
    assert_eq!(
        elsewhere.denial(),
        format!(
            "container \"web\": image {}: NotSynced: which policies hold is not known: labels of namespace other could not \
             be read: the API server does not answer; try again",
            web("9.9")
        )
    );
}

#[tokio::test]
async fn a11_a_dry_run_decides_the_same_and_says_so_to_the_resolver() {
    let (world, trust) = world();
    let review = pod(&[("web", &web("1.4"))]).with("dryRun", json!(true));
    assert_eq!(world.mutate(&review).await.patch().unwrap()[1]["value"], sealed(&web("1.4")));
    assert_eq!(trust.asked(), [(web("1.4"), true)]);
}

#[tokio::test]
async fn a15_an_answer_that_takes_too_long_is_deadline_exceeded_and_names_the_policy() {
    let trust = Trust::new();
    let world = World::new(Arc::new(Never));
    world.apply(
        &[cluster_policy("production", trust.spec(&["targets/releases"], json!({})))],
        UnmatchedImages::Allow,
    );
    for hook in ["/mutate", "/validate"] {
        let answer = world
            .review(&format!("{hook}?timeout=40ms"), &pod(&[("web", &web("1.4")), ("bad", "UPPER")]))
            .await;
        let lines: Vec<_> = answer.denial().lines().collect();
        assert_eq!(
            lines[1],
            format!(
                "- container \"web\": image {}: DeadlineExceeded (ClusterTrustPolicy production): no answer about {WEB} \
                 before the admission's deadline; the fetch goes on, so try again",
                web("1.4")
            )
        );
        assert!(lines[2].starts_with("- container \"bad\": image UPPER: InvalidReference: "), "{}", lines[2]);
        assert_eq!(answer.annotation("reason"), "DeadlineExceeded");
    }
}

#[tokio::test]
async fn p2_an_image_that_cannot_be_read_is_refused_wherever_a_policy_denies() {
    let hex = "a".repeat(64);
    let images = [
        String::new(),
        " ".to_owned(),
        format!("{WEB}:"),
        format!("{WEB}:{}", "t".repeat(129)),
        format!("{WEB}:1.4@sha512:{}", "a".repeat(128)),
        format!("{WEB}:1.4@sha256:{}", "a".repeat(63)),
        format!("{WEB}:1.4@sha256:{}", "a".repeat(65)),
        format!("{WEB}:1.4@sha256:{}", "A".repeat(64)),
        hex,
        format!(" {WEB}:1.4"),
        format!("{WEB}:1.4\n"),
        format!("{WEB}:1.4\u{0}"),
        format!("{WEB}\u{202e}:1.4"),
        format!("{WEB}:1.4 {WEB}:1.5"),
        format!("https://{WEB}:1.4"),
        "Registry.example.com/Shop/Web".to_owned(),
        "x".repeat(10_000),
    ];
    let (world, trust) = world();
    for image in &images {
        let review = pod(&[("web", image)]);
        for answer in [world.mutate(&review).await, world.validate(&review).await] {
            let message = answer.denial();
            assert!(
                message.starts_with("container \"web\": image ") && message.contains(": InvalidReference: "),
                "{message}"
            );
            assert!(
                message.len() < 3000 && !message.contains(char::is_control) && !message.contains('\u{202e}'),
                "{message}"
            );
            assert_eq!(answer.annotation("reason"), "InvalidReference");
        }
    }
    assert_eq!(trust.asked(), []);

    let lenient = World::new(Trust::new());
    for (unmatched, allowed, warned) in [
        (UnmatchedImages::Allow, true, false),
        (UnmatchedImages::Warn, true, true),
        (UnmatchedImages::Deny, false, false),
    ] {
        lenient.apply(&[], unmatched);
        let answer = lenient.validate(&pod(&[("web", &images[2])])).await;
        assert_eq!((answer.is_allowed(), !answer.warnings().is_empty()), (allowed, warned), "{unmatched:?}");
    }
}

#[tokio::test]
async fn p9_unmatched_images_go_as_the_flag_says() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let policies = [cluster_policy("production", trust.spec(&["targets/releases"], json!({})))];
    let review = pod(&[("other", "ghcr.io/other/image:1")]);
    let text = "container \"other\": image ghcr.io/other/image:1: NoPolicy: no policy matches this image, and such images \
                are refused here; name it in the images of a policy";

    world.apply(&policies, UnmatchedImages::Allow);
    let answer = world.validate(&review).await;
    assert!(answer.is_allowed() && answer.warnings().is_empty());
    assert_eq!(answer.annotation("decision"), "Unmatched");

    world.apply(&policies, UnmatchedImages::Warn);
    assert!(world.mutate(&review).await.warnings().is_empty());
    assert_eq!(
        world.validate(&review).await.warnings(),
        ["tagseal: container \"other\": image ghcr.io/other/image:1: NoPolicy: no policy matches this image"]
    );

    world.apply(&policies, UnmatchedImages::Deny);
    for answer in [world.mutate(&review).await, world.validate(&review).await] {
        assert_eq!(answer.denial(), text);
    }
}

/// The validating hook's answer about one image, and the final object's image.
async fn admit(world: &World, image: &str) -> (String, Answer) {
    let (object, answer) = world.admit(&pod(&[("web", image)])).await;
    (object["spec"]["containers"][0]["image"].as_str().unwrap().to_owned(), answer)
}

#[tokio::test]
async fn a_warn_policy_alone_seals_what_it_can_and_warns_of_the_rest() {
    let (world, _) = world_with(json!({"validationActions": ["Warn"]}));
    let (image, answer) = admit(&world, &web("1.4")).await;
    assert_eq!((image, answer.warnings().len()), (sealed(&web("1.4")), 0));

    let review = pod(&[("web", &web("9.9"))]);
    assert_eq!(world.mutate(&review).await.warnings(), Vec::<String>::new());
    let (image, answer) = admit(&world, &web("9.9")).await;
    assert!(answer.is_allowed());
    assert_eq!(image, web("9.9"));
    let warnings = answer.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with(&format!("tagseal: {}", not_signed("container \"web\"", &web("9.9")))),
        "{warnings:?}"
    );
    assert_eq!(answer.annotation("findings"), "");
    assert_eq!(answer.annotation("policies"), "ClusterTrustPolicy production");

    // The seal that a Warn policy wants is not enforced, but missed.
    let bare = world.validate(&pod(&[("web", &web("1.4"))])).await;
    assert!(bare.is_allowed());
    assert!(
        bare.warnings()[0].contains(": NotSealed (ClusterTrustPolicy production): "),
        "{:?}",
        bare.warnings()
    );
}

#[tokio::test]
async fn an_audit_policy_tells_the_audit_log_alone() {
    let (world, _) = world_with(json!({"validationActions": ["Audit"]}));
    let (image, answer) = admit(&world, &web("9.9")).await;
    assert_eq!(image, web("9.9"));
    assert!(answer.is_allowed());
    assert_eq!(answer.warnings(), Vec::<String>::new());
    assert!(answer.annotation("findings").starts_with(&not_signed("container \"web\"", &web("9.9"))));
}

#[tokio::test]
async fn beside_a_deny_policy_a_warn_policy_only_reports() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let warn = json!({"validationActions": ["Warn"], "mutation": "None"});
    world.apply(
        &[
            cluster_policy("production", trust.spec(&["targets/releases"], json!({}))),
            cluster_policy("trial", trust.spec(&["targets/qa"], warn)),
        ],
        UnmatchedImages::Allow,
    );
    // Not signed by qa: reported, and sealed by the Deny policy's word all the same.
    let (image, answer) = admit(&world, &web("1.5")).await;
    assert_eq!(image, sealed(&web("1.5")));
    assert_eq!(answer.warnings().len(), 1);
    assert!(
        answer.warnings()[0].contains("NotSigned (ClusterTrustPolicy trial): "),
        "{:?}",
        answer.warnings()
    );
    assert_eq!(answer.annotation("policies"), "ClusterTrustPolicy production");
    // Signed by qa with another digest: no conflict with a Deny policy.
    let (image, answer) = admit(&world, &web("1.6")).await;
    assert_eq!(image, format!("{}@{}", web("1.6"), digest("targets/releases")));
    assert!(answer.is_allowed());
}

#[tokio::test]
async fn deny_policies_must_agree_on_one_digest() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let policies = |actions: &str| {
        let actions = json!({"validationActions": [actions]});
        [
            policy("shop", "qa", trust.spec(&["targets/qa"], actions.clone())),
            cluster_policy("production", trust.spec(&["targets/releases"], json!({}))),
            cluster_policy("releases", trust.spec(&["targets/releases"], actions)),
        ]
    };
    world.apply(&policies("Deny"), UnmatchedImages::Allow);
    assert_eq!(
        world.mutate(&pod(&[("web", &web("1.6"))])).await.denial(),
        format!(
            "container \"web\": image {}: ConflictingDigests: the policies find different digests: \
             ClusterTrustPolicy production finds {releases}, ClusterTrustPolicy releases finds {releases}, \
             TrustPolicy shop/qa finds {qa}; sign one digest for all of them",
            web("1.6"),
            releases = digest("targets/releases"),
            qa = digest("targets/qa")
        )
    );
    // The cluster's policy decides whatever a namespaced one says, and the other way round.
    let answer = world.mutate(&pod(&[("web", &web("1.5"))])).await;
    assert!(
        answer.denial().starts_with(&format!(
            "container \"web\": image {}: NotSigned (TrustPolicy shop/qa): ",
            web("1.5")
        )),
        "{}",
        answer.denial()
    );

    // Warn policies that disagree seal nothing.
    let warn = policies("Warn");
    world.apply(&[warn[0].clone(), warn[2].clone()], UnmatchedImages::Allow);
    let (image, answer) = admit(&world, &web("1.6")).await;
    assert_eq!(image, web("1.6"));
    assert!(answer.warnings()[0].contains(": ConflictingDigests: "), "{:?}", answer.warnings());
}

#[tokio::test]
async fn the_strictest_mutation_of_the_deny_policies_holds() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let spec = |mutation: &str| trust.spec(&["targets/releases"], json!({ "mutation": mutation }));
    world.apply(
        &[
            cluster_policy("a", spec("Workloads")),
            cluster_policy("b", spec("None")),
            cluster_policy("c", spec("Pods")),
        ],
        UnmatchedImages::Allow,
    );
    let review = pod(&[("web", &web("1.4"))]);
    assert_eq!(world.mutate(&review).await.patch(), None);
    assert!(
        world
            .validate(&review)
            .await
            .denial()
            .contains(": NotSealed (ClusterTrustPolicy a): the policy has mutation None")
    );
}

#[tokio::test]
async fn several_repositories_are_sealed_in_one_patch() {
    let (world, _) = world();
    let api = format!("{API}:2");
    let (object, answer) =
        world.admit(&pod(&[("web", &web("1.4")), ("other", "ghcr.io/x/y:1"), ("api", &api)])).await;
    assert!(answer.is_allowed());
    let images: Vec<_> =
        (0..3).map(|n| object["spec"]["containers"][n]["image"].as_str().unwrap().to_owned()).collect();
    assert_eq!(images, [sealed(&web("1.4")), "ghcr.io/x/y:1".to_owned(), sealed(&api)]);
}

#[tokio::test]
async fn one_bad_image_leaves_the_others_unsealed() {
    let (world, _) = world();
    let answer = world.mutate(&pod(&[("good", &web("1.4")), ("bad", &web("9.9"))])).await;
    assert!(answer.denial().starts_with(&not_signed("container \"bad\"", &web("9.9"))));
}

#[tokio::test]
async fn audit_annotations_have_names_that_the_api_server_takes() {
    let (world, _) = world();
    let mut answers = vec![world.mutate(&pod(&[("web", &web("1.4"))])).await];
    answers.push(world.validate(&pod(&[("web", &web("9.9"))])).await);
    let all: Vec<_> = (0..500).map(|n| (format!("c{n}"), format!("{WEB}:{n}"))).collect();
    let all: Vec<_> = all.iter().map(|(name, image)| (name.as_str(), image.as_str())).collect();
    answers.push(world.validate(&pod(&all)).await);
    for answer in answers {
        assert!(!answer.annotations().is_empty());
        for (key, value) in answer.annotations() {
            assert!(key.len() <= 63 && key.bytes().all(|b| b.is_ascii_alphanumeric()), "{key}");
            assert!(value.len() <= 2048, "{key}: {}", value.len());
        }
    }
}
