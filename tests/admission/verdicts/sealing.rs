//! What is sealed, what that looks like, and what lacks a seal.

use std::sync::Arc;

use serde_json::json;
use tagseal::policy::UnmatchedImages;

use super::{deployment, not_signed, pod, web, world, world_with};
use crate::admission::trust::{API, Trust, WEB, digest, sealed};
use crate::admission::world::{Never, World, cluster_policy};

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
            "container \"web\": image \"{tag}\": NotSealed (ClusterTrustPolicy production): signed, but without its digest: \
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
            "container \"web\": image \"{tag}\": NotSealed (ClusterTrustPolicy production): the policy has mutation None, so \
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
async fn the_mutating_hook_denies_nothing_and_seals_what_it_can() {
    let (world, _) = world();
    let bad = web("9.9");
    let review = pod(&[("good", &web("1.4")), ("bad", &bad)]);
    let answer = world.mutate(&review).await;
    assert!(answer.is_allowed());
    assert_eq!(
        answer.patch().unwrap(),
        json!([
            {"op": "test", "path": "/spec/containers/0/image", "value": web("1.4")},
            {"op": "replace", "path": "/spec/containers/0/image", "value": sealed(&web("1.4"))}
        ])
    );
    assert_eq!(
        answer.warnings(),
        [format!(
            "tagseal: container \"bad\": image \"{bad}\": not sealed (NotSigned); validate.tagseal.dev decides"
        )]
    );
    assert_eq!((answer.annotation("decision"), answer.annotation("reason")), ("Deferred", "NotSigned"));
    assert!(answer.annotation("findings").starts_with(&not_signed("container \"bad\"", &bad)));

    // The whole text is said once.
    let validated = world.validate(&review.patched(&answer)).await;
    assert!(validated.denial().starts_with(&not_signed("container \"bad\"", &bad)), "{}", validated.denial());
    assert_eq!(validated.denial().lines().count(), 1);
    assert_eq!(validated.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn a_warning_of_the_mutating_hook_fits_however_long_the_image_is() {
    let (world, _) = world();
    let long = web(&"9".repeat(100));
    let names: Vec<_> = (0..8).map(|n| format!("a-container-with-a-long-name-{n}")).collect();
    let images: Vec<_> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let [warning] = &world.mutate(&pod(&images)).await.warnings()[..] else { panic!("one warning") };
    assert_eq!(warning.len(), 256, "{warning}");
    assert!(warning.ends_with("…: not sealed (NotSigned); validate.tagseal.dev decides"), "{warning}");
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
async fn a15_an_answer_that_takes_too_long_is_deadline_exceeded_and_names_the_policy() {
    let trust = Trust::new();
    let world = World::new(Arc::new(Never));
    world.apply(
        &[cluster_policy("production", trust.spec(&["targets/releases"], json!({})))],
        UnmatchedImages::Allow,
    );
    let review = pod(&[("web", &web("1.4")), ("bad", "UPPER")]);
    let mutated = world.review("/mutate?timeout=40ms", &review).await;
    let answer = world.review("/validate?timeout=40ms", &review).await;
    mutated.is_deferred(&answer, std::panic::Location::caller());
    let lines: Vec<_> = answer.denial().lines().collect();
    assert_eq!(
        lines[1],
        format!(
            "- container \"web\": image \"{}\": DeadlineExceeded (ClusterTrustPolicy production): no answer about {WEB} \
             before the admission's deadline; the fetch goes on, so try again",
            web("1.4")
        )
    );
    assert!(lines[2].starts_with("- container \"bad\": image \"UPPER\": InvalidReference: "), "{}", lines[2]);
    assert_eq!(answer.annotation("reason"), "DeadlineExceeded");
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
