//! Exempt images: what becomes of them, and what is told of it (attacks P15).

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::clock::Clock as _;
use tagseal::policy::{SetOptions, UnmatchedImages};

use super::{pod, web};
use crate::admission::review::{Answer, Review};
use crate::admission::trust::{Trust, WEB, digest, sealed};
use crate::admission::world::{World, cluster_policy, exemption, policy};
use crate::support::{Log, seconds};

const OTHER: &str = "ghcr.io/other/image:1";

/// `production` requires releases, and unmatched images are denied.
fn world(exemptions: &[Value]) -> (World, Arc<Trust>) {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    apply(&world, &trust, exemptions);
    (world, trust)
}

fn apply(world: &World, trust: &Trust, exemptions: &[Value]) {
    let options = SetOptions { unmatched: UnmatchedImages::Deny, ..SetOptions::default() };
    let production = cluster_policy("production", trust.spec(&["targets/releases"], json!({})));
    world.apply_exempting(&[production], exemptions, options);
}

fn exempt(include: &str, more: Value) -> Value {
    let mut spec = more;
    spec["images"] = json!({"include": [include]});
    exemption("e", spec)
}

async fn validate(world: &World, image: &str) -> Answer {
    world.validate(&pod(&[("web", image)])).await
}

#[tokio::test]
async fn an_exempt_image_is_neither_judged_nor_sealed_and_counts_as_matched() {
    let log = Log::json();
    let (world, trust) = world(&[exempt("**", json!({"until": "2099-12-04T17:00:00Z"}))]);
    for image in [OTHER, &web("9.9"), &web("1.4"), &format!("{WEB}@{}", digest("another"))] {
        assert_eq!(world.mutate(&pod(&[("web", image)])).await.patch(), None);
        log.take();
        let answer = validate(&world, image).await;
        assert!(answer.is_allowed(), "{image}");
        assert_eq!(answer.warnings(), Vec::<String>::new());
        let told = ["decision", "exemptions", "policies", "findings"].map(|key| answer.annotation(key));
        assert_eq!(told, ["Exempt", "e (until 2099-12-04T17:00:00Z): a test", "", ""], "{image}");
        let line = log.take().remove(0);
        assert_eq!((&line["decision"], &line["exemptions"]), (&json!("Exempt"), &json!(told[1])));
    }
    assert_eq!(trust.asked(), []);
    let unreadable = validate(&world, &format!("{WEB}:")).await;
    assert!(unreadable.denial().contains(": InvalidReference: "), "what cannot be read is not exempt");
    assert_eq!(unreadable.annotation("exemptions"), "");
}

#[tokio::test]
async fn beside_an_exempt_image_others_are_judged() {
    let (world, _) = world(&[exempt("ghcr.io/**", json!({}))]);
    let review = |tag: &str| pod(&[("proxy", OTHER), ("web", &web(tag))]);
    let (object, answer) = world.admit(&review("1.4")).await;
    assert!(answer.is_allowed());
    assert_eq!(object["spec"]["containers"][0]["image"], OTHER);
    assert_eq!(object["spec"]["containers"][1]["image"], sealed(&web("1.4")));
    let told = ["decision", "exemptions", "policies"].map(|key| answer.annotation(key));
    assert_eq!(told, ["Admitted", "e: a test", "ClusterTrustPolicy production"]);
    let denied = world.validate(&review("9.9")).await;
    assert!(denied.denial().starts_with("container \"web\": "), "{}", denied.denial());
}

#[tokio::test]
async fn p15_past_its_end_an_exemption_is_as_if_it_were_not_there_at_once() {
    let (world, trust) = world(&[]);
    let until = world.clock.now() + seconds(60);
    apply(&world, &trust, &[exempt("**", json!({"until": until.to_string()}))]);
    for image in [OTHER, &web("9.9")] {
        assert!(validate(&world, image).await.is_allowed());
    }
    world.clock.advance(seconds(59));
    assert!(validate(&world, OTHER).await.is_allowed());
    world.clock.advance(seconds(1));
    for (image, reason) in
        [(OTHER, ": NoPolicy: "), (&*web("9.9"), ": NotSigned (ClusterTrustPolicy production): ")]
    {
        let answer = validate(&world, image).await;
        assert!(answer.denial().contains(reason), "{}", answer.denial());
        assert_eq!(answer.annotation("exemptions"), "");
    }
    let (object, _) = world.admit(&pod(&[("web", &web("1.4"))])).await;
    assert_eq!(object["spec"]["containers"][0]["image"], sealed(&web("1.4")), "sealed again");
}

#[tokio::test]
async fn p15_an_exemption_of_another_namespace_has_no_effect() {
    let of = |env: &str| exempt("**", json!({"namespaceSelector": {"matchLabels": {"env": env}}}));
    let (world, trust) = world(&[of("test")]);
    assert!(validate(&world, OTHER).await.denial().contains(": NoPolicy: "));
    apply(&world, &trust, &[of("production")]);
    assert!(validate(&world, OTHER).await.is_allowed());
}

#[tokio::test]
async fn p15_an_image_at_several_sites_is_judged_where_it_is_not_exempt() {
    let sites = |sites: Value| exempt("**", json!({ "sites": sites }));
    let (world, trust) = world(&[sites(json!(["initContainers"]))]);
    let everywhere = |image: &str| {
        let named = |name: &str| json!([{"name": name, "image": image}]);
        Review::pod(json!({
            "initContainers": named("setup"), "containers": named("web"), "ephemeralContainers": named("debug"),
            "volumes": [{"name": "data", "image": {"reference": image}}]
        }))
    };
    for image in [OTHER, &web("9.9")] {
        let answer = world.validate(&everywhere(image)).await;
        let refused: Vec<String> = answer.causes().into_iter().map(|(_, field)| field).collect();
        let expected = [
            "spec.containers[0].image",
            "spec.ephemeralContainers[0].image",
            "spec.volumes[0].image.reference",
        ];
        assert_eq!(refused, expected, "{image}");
        assert!(
            answer
                .denial()
                .starts_with("container \"web\", ephemeral container \"debug\", volume \"data\": ")
        );
    }
    // What is signed is sealed where it is judged, and nowhere else.
    let (object, answer) = world.admit(&everywhere(&web("1.4"))).await;
    assert!(answer.is_allowed());
    assert_eq!(object["spec"]["initContainers"][0]["image"], web("1.4"));
    assert_eq!(object["spec"]["containers"][0]["image"], sealed(&web("1.4")));
    assert_eq!(object["spec"]["volumes"][0]["image"]["reference"], sealed(&web("1.4")));
    // In whichever order they are asked for: what is remembered of an image is not where it stands.
    for _ in 0..2 {
        for (site, allowed) in
            [("initContainers", true), ("ephemeralContainers", false), ("containers", false)]
        {
            let mut spec = json!({"containers": []});
            spec[site] = json!([{"name": "x", "image": OTHER}]);
            assert_eq!(world.validate(&Review::pod(spec)).await.is_allowed(), allowed, "{site}");
        }
    }
    apply(
        &world,
        &trust,
        &[sites(json!(["initContainers", "containers", "ephemeralContainers", "volumes"]))],
    );
    assert!(world.validate(&everywhere(OTHER)).await.is_allowed());
}

#[tokio::test]
async fn p15_a_policy_that_is_not_named_judges_and_seals() {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    let both = [
        cluster_policy("production", trust.spec(&["targets/releases"], json!({}))),
        policy("shop", "qa", trust.spec(&["targets/qa"], json!({}))),
    ];
    let but = |policies: Value| {
        let options = SetOptions { unmatched: UnmatchedImages::Deny, ..SetOptions::default() };
        world.apply_exempting(&both, &[exempt(WEB, json!({ "policies": policies }))], options);
    };
    // 1.5 is signed by releases alone.
    but(json!(["production"]));
    assert!(validate(&world, &web("1.5")).await.denial().contains(": NotSigned (TrustPolicy shop/qa): "));
    but(json!(["qa", "other/qa", "shop/production"]));
    assert!(validate(&world, &web("1.5")).await.denial().contains(": NotSigned (TrustPolicy shop/qa): "));
    but(json!(["shop/qa"]));
    let (object, answer) = world.admit(&pod(&[("web", &web("1.5"))])).await;
    assert!(answer.is_allowed());
    assert_eq!(object["spec"]["containers"][0]["image"], sealed(&web("1.5")));
    let told = ["decision", "exemptions", "policies"].map(|key| answer.annotation(key));
    assert_eq!(told, ["Admitted", "e: a test", "ClusterTrustPolicy production"]);
    but(json!(["shop/qa", "production"]));
    assert_eq!(validate(&world, &web("9.9")).await.annotation("decision"), "Exempt");
}

#[tokio::test]
async fn p15_a_tag_exempts_no_reference_by_digest() {
    let (world, _) = world(&[exempt(&web("9.9"), json!({}))]);
    assert!(validate(&world, &web("9.9")).await.is_allowed());
    let with_digest = format!("{}@{}", web("9.9"), digest("another"));
    for image in [with_digest, format!("{WEB}@{}", digest("another")), web("9.8")] {
        assert!(!validate(&world, &image).await.is_allowed(), "{image}");
    }
}
