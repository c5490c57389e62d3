//! Deny, Warn and Audit policies, alone and together.

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;

use super::{deployment, not_signed, pod, web, world_with};
use crate::admission::review::Answer;
use crate::admission::trust::{Trust, digest, sealed};
use crate::admission::world::{World, cluster_policy, policy};

/// The validating hook's answer about one image, and the final object's image.
async fn admit(world: &World, image: &str) -> (String, Answer) {
    let (object, answer) = world.admit(&pod(&[("web", image)])).await;
    (object["spec"]["containers"][0]["image"].as_str().unwrap().to_owned(), answer)
}

#[tokio::test]
async fn a_warn_policy_alone_that_names_a_mutation_seals_what_it_can_and_warns_of_the_rest() {
    let (world, _) = world_with(json!({"validationActions": ["Warn"], "mutation": "Pods"}));
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
        world.refuses(&pod(&[("web", &web("1.6"))])).await.denial(),
        format!(
            "container \"web\": image \"{}\": ConflictingDigests: the policies find different digests: \
             ClusterTrustPolicy production finds {releases}, ClusterTrustPolicy releases finds {releases}, \
             TrustPolicy shop/qa finds {qa}; sign one digest for all of them",
            web("1.6"),
            releases = digest("targets/releases"),
            qa = digest("targets/qa")
        )
    );
    // The cluster's policy decides whatever a namespaced one says, and the other way round.
    let answer = world.refuses(&pod(&[("web", &web("1.5"))])).await;
    assert!(
        answer.denial().starts_with(&format!(
            "container \"web\": image \"{}\": NotSigned (TrustPolicy shop/qa): ",
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

/// The bare pod and the bare Deployment, by both hooks: nothing is written into them and nothing is missed.
async fn leaves_alone(world: &World, image: &str) {
    for review in [pod(&[("web", image)]), deployment(&[("web", image)])] {
        assert_eq!(world.mutate(&review).await.patch(), None, "{review:?}");
        let answer = world.validate(&review).await;
        assert!(answer.is_allowed(), "{review:?}");
        assert_eq!((answer.warnings(), answer.annotation("findings")), (vec![], ""), "{review:?}");
        assert_eq!(answer.annotation("decision"), "Admitted");
    }
}

#[tokio::test]
async fn policies_that_observe_write_nothing_and_miss_nothing_where_they_name_no_mutation() {
    for actions in [json!(["Warn"]), json!(["Audit"]), json!(["Warn", "Audit"])] {
        let trust = Trust::new();
        let world = World::new(Arc::<Trust>::clone(&trust));
        let observing = || trust.spec(&["targets/releases"], json!({"validationActions": actions}));
        world.apply(&[cluster_policy("pilot", observing())], UnmatchedImages::Allow);
        leaves_alone(&world, &web("1.4")).await;
        // What is signed is known all the same.
        let answer = world.validate(&pod(&[("web", &web("1.4"))])).await;
        assert_eq!(answer.annotation("digests"), digest(&web("1.4")).to_string());
        world.apply(
            &[cluster_policy("pilot", observing()), policy("shop", "pilot", observing())],
            UnmatchedImages::Allow,
        );
        leaves_alone(&world, &web("1.4")).await;
    }
}

#[tokio::test]
async fn among_policies_that_observe_those_that_name_a_mutation_write() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let warn = |roles: &[&str], mutation: Value| {
        trust.spec(roles, json!({"validationActions": ["Warn"], "mutation": mutation}))
    };
    let silent =
        cluster_policy("a", trust.spec(&["targets/releases"], json!({"validationActions": ["Audit"]})));
    let writing = |mutation: &str| cluster_policy("b", warn(&["targets/releases"], json!(mutation)));

    world.apply(&[silent.clone(), writing("Workloads")], UnmatchedImages::Allow);
    let (object, answer) = world.admit(&deployment(&[("web", &web("1.4"))])).await;
    assert!(answer.is_allowed() && answer.warnings().is_empty());
    assert_eq!(object["spec"]["template"]["spec"]["containers"][0]["image"], sealed(&web("1.4")));
    // The one that writes misses the seal, and by its own action.
    let missed = world.validate(&pod(&[("web", &web("1.4"))])).await;
    assert!(missed.warnings()[0].contains(": NotSealed (ClusterTrustPolicy b): "), "{:?}", missed.warnings());

    world.apply(&[silent.clone(), writing("None")], UnmatchedImages::Allow);
    let missed = world.validate(&pod(&[("web", &web("1.4"))])).await;
    assert!(missed.is_allowed());
    assert!(missed.warnings()[0].contains(": NotSealed (ClusterTrustPolicy b): "), "{:?}", missed.warnings());

    // One that writes and finds nothing signed writes nothing, though another finds something.
    world.apply(&[silent, cluster_policy("b", warn(&["targets/qa"], json!("Pods")))], UnmatchedImages::Allow);
    let review = pod(&[("web", &web("1.5"))]);
    assert_eq!(world.mutate(&review).await.patch(), None);
    let answer = world.validate(&review).await;
    assert_eq!(answer.warnings().len(), 1, "{:?}", answer.warnings());
    assert!(answer.warnings()[0].contains(": NotSigned (ClusterTrustPolicy b): "));
}

#[tokio::test]
async fn without_a_mutation_a_deny_policy_seals_pods_beside_whatever_observes() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let warn = json!({"validationActions": ["Warn"], "mutation": "Workloads"});
    world.apply(
        &[
            cluster_policy("production", trust.spec(&["targets/releases"], json!({}))),
            cluster_policy("trial", trust.spec(&["targets/releases"], warn)),
        ],
        UnmatchedImages::Allow,
    );
    assert_eq!(admit(&world, &web("1.4")).await.0, sealed(&web("1.4")));
    assert_eq!(world.mutate(&deployment(&[("web", &web("1.4"))])).await.patch(), None);
}
