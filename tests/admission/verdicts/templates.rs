//! Templates: what a controller owns, what is to be filled in later, what changes beside an image.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;

use super::{not_signed, pod, web, world, world_with};
use crate::admission::review::{Review, containers, workloads};
use crate::admission::trust::{Trust, sealed};
use crate::admission::world::{World, cluster_policy};

const MUTATIONS: [&str; 3] = ["Pods", "Workloads", "None"];
const ACTIONS: [&str; 3] = ["Deny", "Warn", "Audit"];

fn world_of(mutation: &str, action: &str) -> World {
    world_with(json!({"mutation": mutation, "validationActions": [action]})).0
}

fn of_container(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": containers(&[("web", image)])})
}

/// Every workload with one container of `image`, and this owner.
fn owned(image: &str, owner: &Value) -> Vec<Review> {
    let workloads = workloads(&of_container(image)).into_iter();
    let owned = workloads.map(|(group, kind, mut object)| {
        object["metadata"]["ownerReferences"] = owner.clone();
        Review::create(group, "v1", kind, object)
    });
    owned.collect()
}

#[tokio::test]
async fn a29_a_workload_that_a_controller_owns_is_verified_and_neither_written_into_nor_not_sealed() {
    let owner = json!([
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "2", "controller": true}
    ]);
    for mutation in MUTATIONS {
        for action in ACTIONS {
            let (world, case) = (world_of(mutation, action), format!("{mutation}, {action}"));
            for review in owned(&web("1.4"), &owner) {
                let mutated = world.mutate(&review).await;
                assert_eq!(mutated.patch(), None, "{case}: {:?}", review.object());
                assert_eq!(mutated.annotation("decision"), "Admitted", "{case}");
                let validated = world.validate(&review).await;
                assert!(validated.is_allowed(), "{case}");
                assert_eq!(validated.warnings(), Vec::<String>::new(), "{case}");
                assert_eq!(validated.annotation("findings"), "", "{case}");
            }
            for review in owned(&web("9.9"), &owner) {
                if action == "Deny" {
                    let answer = world.refuses(&review).await;
                    assert!(
                        answer.denial().starts_with(&not_signed("container \"web\"", &web("9.9"))),
                        "{case}"
                    );
                } else {
                    assert_eq!(world.validate(&review).await.annotation("reason"), "", "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a29_an_owner_that_is_no_controller_changes_nothing() {
    for owner in [
        json!([]),
        Value::Null,
        json!([{"kind": "Deployment", "name": "web"}]),
        json!([{"kind": "Deployment", "name": "web", "controller": false}]),
        json!([{"kind": "Deployment", "name": "web", "controller": null}]),
    ] {
        for review in owned(&web("1.4"), &owner) {
            let (world, _) = world_with(json!({"mutation": "Workloads"}));
            assert!(world.mutate(&review).await.patch().is_some(), "{owner}");
            let (world, _) = world_with(json!({"mutation": "None"}));
            assert_eq!(world.validate(&review).await.annotation("reason"), "NotSealed", "{owner}");
        }
    }
}

#[tokio::test]
async fn a29_a_pod_is_sealed_whoever_owns_it() {
    let metadata = json!({"name": "web", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "2", "controller": true}
    ]});
    let review = pod(&[("web", &web("1.4"))]).with_object("/metadata", metadata);
    for mutation in MUTATIONS {
        let (world, _) = world_with(json!({ "mutation": mutation }));
        assert_eq!(world.mutate(&review).await.patch().is_some(), mutation != "None", "{mutation}");
        assert_eq!(world.validate(&review).await.annotation("reason"), "NotSealed", "{mutation}");
    }
}

/// From one template to another: under `Workloads`, what is written, site by site.
async fn written(world: &World, old: &Value, new: &Value) -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for ((group, kind, new), (_, _, old)) in workloads(new).into_iter().zip(workloads(old)) {
        let answer = world.mutate(&Review::create(group, "v1", kind, new).updating(old)).await;
        assert_eq!(answer.warnings(), Vec::<String>::new(), "{kind}");
        let operations = answer.patch().unwrap_or_else(|| json!([]));
        let values = operations.as_array().unwrap().iter().filter(|operation| operation["op"] == "replace");
        let mut values: Vec<_> = values.map(|value| value["value"].as_str().unwrap().to_owned()).collect();
        values.sort();
        all.push((kind, values));
    }
    all
}

fn two(first: &str, second: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": containers(&[("a", first), ("b", second)])})
}

/// The same, changed in a field that no image is in.
fn restarted(mut template: Value) -> Value {
    template["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/restartedAt": "2026-11-21T12:00:00Z"});
    template
}

#[tokio::test]
async fn a29_a_template_that_changes_has_its_unchanged_images_sealed_too() {
    let (world, _) = world_with(json!({"mutation": "Workloads"}));
    let (one, other, bad) = (web("1.4"), web("1.5"), web("9.9"));
    let mut with_variable = two(&one, &other);
    with_variable["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "b"}]);
    let cases = [
        ("restarted", two(&one, &other), restarted(two(&one, &other)), vec![&one, &other]),
        ("another variable", two(&one, &other), with_variable, vec![&one, &other]),
        ("one image changed", two(&one, &one), two(&one, &other), vec![&one, &other]),
        ("sealed already", two(&sealed(&one), &other), restarted(two(&sealed(&one), &other)), vec![&other]),
        ("not signed", two(&bad, &other), restarted(two(&bad, &other)), vec![&other]),
        ("as it was", two(&one, &other), two(&one, &other), vec![]),
    ];
    for (case, old, new, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(|image| sealed(image)).collect();
        for (kind, written) in written(&world, &old, &new).await {
            // The API server lets nobody change a Job's images.
            let unchanged = case != "one image changed";
            let expected = match kind {
                "Job" if unchanged => &[],
                "Job" => &expected[1..],
                _ => &expected[..],
            };
            assert_eq!(written, expected, "{case}, {kind}");
        }
    }
}

#[tokio::test]
async fn a29_what_is_as_it_was_is_nobodys_reason_to_refuse() {
    for mutation in MUTATIONS {
        let (world, trust) = world_with(json!({ "mutation": mutation }));
        for tag in ["1.4", "9.9"] {
            let old = two(&web(tag), &web("1.4"));
            let new = restarted(old.clone());
            for ((group, kind, new), (_, _, old)) in workloads(&new).into_iter().zip(workloads(&old)) {
                let review = Review::create(group, "v1", kind, new).updating(old);
                assert!(world.validate(&review).await.is_allowed(), "{mutation}, {tag}, {kind}");
                assert_eq!(trust.asked(), [], "{mutation}, {tag}, {kind}");
                if mutation != "Workloads" {
                    let mutated = world.mutate(&review).await;
                    assert_eq!((mutated.patch(), trust.asked()), (None, vec![]), "{mutation}, {tag}, {kind}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a29_scaling_and_labels_ask_for_nothing_and_the_order_of_fields_is_no_change() {
    let (world, trust) = world_with(json!({"mutation": "Workloads"}));
    let object = |template: &str, more: &str| {
        format!(
            r#"{{"metadata":{{"name":"web"{more}}},"spec":{{"replicas":{},"template":{template}}}}}"#,
            more.len()
        )
    };
    let spec = format!(r#""spec":{{"containers":[{{"name":"web","image":"{}"}}]}}"#, web("1.4"));
    let (one, other) = (
        format!(r#"{{"metadata":{{"labels":{{"app":"web"}}}},{spec}}}"#),
        format!(r#"{{ {spec}, "metadata": {{"labels": {{"app": "web"}}}}}}"#),
    );
    let body = |new: &str, old: &str| {
        let review = Review::create("apps", "v1", "Deployment", json!("NEW")).updating(json!("OLD"));
        let body = String::from_utf8(review.bytes()).unwrap();
        body.replace("\"NEW\"", new).replace("\"OLD\"", old)
    };
    let labelled = object(&other, r#","labels":{"seen":"yes"}"#);
    let (_, answer) = world.post("/mutate", body(&labelled, &object(&one, ""))).await;
    let answer = crate::admission::review::Answer::read(&answer);
    assert_eq!((answer.patch(), answer.annotation("decision"), trust.asked()), (None, "Unchanged", vec![]));
    let changed = other.replace("\"app\": \"web\"", "\"app\": \"shop\"");
    let (_, answer) = world.post("/mutate", body(&object(&changed, ""), &object(&one, ""))).await;
    assert!(crate::admission::review::Answer::read(&answer).patch().is_some());
}

#[tokio::test]
async fn an_image_that_is_to_be_filled_in_passes_in_templates_and_in_no_pod() {
    let (world, trust) = world();
    let volume = |image: Value| {
        let mut spec = containers(&[("web", &web("1.4"))]);
        spec["volumes"] = json!([{"name": "model", "image": image}]);
        spec
    };
    let init = |image: &str| {
        let mut spec = containers(&[("web", &web("1.4"))]);
        spec["initContainers"] = json!([{"name": "setup", "image": image}]);
        spec
    };
    let specs = [
        containers(&[("web", " ")]),
        containers(&[("web", "   ")]),
        containers(&[("web", "\t\n")]),
        containers(&[("web", "\u{a0}")]),
        containers(&[("web", &format!("{} ", web("9.9")))]),
        init(" "),
        volume(json!({})),
        volume(json!({"reference": ""})),
        volume(json!({"reference": null, "pullPolicy": "Always"})),
        volume(json!({"reference": " "})),
    ];
    for spec in &specs {
        for (group, kind, object) in workloads(&json!({ "spec": spec })) {
            let review = Review::create(group, "v1", kind, object);
            let (mutated, validated) = (world.mutate(&review).await, world.validate(&review).await);
            assert!(mutated.is_allowed() && validated.is_allowed(), "{kind}: {spec}");
            assert_eq!((mutated.patch(), mutated.warnings()), (None, vec![]), "{kind}: {spec}");
        }
        let answer = world.refuses(&Review::pod(spec.clone())).await;
        assert!(answer.denial().contains(": InvalidReference: "), "{spec}: {}", answer.denial());
    }
    trust.asked();
}

#[tokio::test]
async fn what_the_api_server_refuses_in_templates_too_is_refused_there() {
    let (world, _) = world();
    for spec in [
        containers(&[("web", "")]),
        json!({"containers": [{"name": "web"}]}),
        json!({"containers": [{"name": "web", "image": null}]}),
        containers(&[("web", "UPPER/Case")]),
        json!({"initContainers": [{"name": "web", "image": ""}], "containers": []}),
    ] {
        for (group, kind, object) in workloads(&json!({ "spec": spec })) {
            let answer = world.refuses(&Review::create(group, "v1", kind, object)).await;
            assert!(answer.denial().contains(": InvalidReference: "), "{kind}: {spec}");
        }
    }
}

#[tokio::test]
async fn an_image_that_was_filled_in_is_verified() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let policy = cluster_policy("production", trust.spec(&["targets/releases"], json!({})));
    world.apply(&[policy], UnmatchedImages::Deny);
    let (blank, good, bad) = (of_container(" "), of_container(&web("1.4")), of_container(&web("9.9")));
    for (((group, kind, blank), (_, _, good)), (_, _, bad)) in
        workloads(&blank).into_iter().zip(workloads(&good)).zip(workloads(&bad))
    {
        let update =
            |new: &Value, old: &Value| Review::create(group, "v1", kind, new.clone()).updating(old.clone());
        assert!(world.validate(&update(&good, &blank)).await.is_allowed(), "{kind}");
        assert!(world.validate(&update(&blank, &bad)).await.is_allowed(), "{kind}");
        let answer = world.refuses(&update(&bad, &blank)).await;
        assert!(answer.denial().starts_with(&not_signed("container \"web\"", &web("9.9"))), "{kind}");
    }
}
