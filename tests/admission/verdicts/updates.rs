//! An image that loses its digest on UPDATE, as when the manifest in Git is applied again, keeps it while it is good.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{pod, web, world_with};
use crate::admission::review::{Answer, Review, containers, workloads};
use crate::admission::trust::{Trust, digest, sealed};
use crate::admission::world::World;

const RELEASES: &str = "targets/releases";

/// `web:1.4` was sealed with the digest that it has in every test, and signed anew since.
async fn signed_anew(more: Value) -> (World, Arc<Trust>, String) {
    let (world, trust) = world_with(more);
    assert!(world.mutate(&pod(&[("web", &web("1.4"))])).await.is_allowed());
    trust.publishes(|repository| {
        repository.sign_target(RELEASES, "1.4", digest("anew"));
    });
    (world, trust, format!("{}@{}", web("1.4"), digest("anew")))
}

/// The first image of the object after the mutating hook.
fn first_image(object: &Value) -> &Value {
    let at = ["/spec", "/template/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    let found = at.iter().find_map(|spec| object.pointer(&format!("{spec}/containers/0/image")));
    found.unwrap()
}

async fn mutated(world: &World, review: Review) -> (Value, Answer) {
    let answer = world.mutate(&review).await;
    let review = review.patched(&answer);
    assert!(world.validate(&review).await.is_allowed());
    (first_image(review.object()).clone(), answer)
}

/// Every kind, from one image to another at the one container.
fn updates(old: &str, new: &str) -> Vec<(&'static str, Review)> {
    let template = |image: &str| json!({"spec": containers(&[("web", image)])});
    let kinds = workloads(&template(new)).into_iter().zip(workloads(&template(old)));
    let templates = kinds.map(|((group, kind, new), (_, _, old))| {
        (kind, Review::create(group, "v1", kind, new).updating(old))
    });
    let object = |image: &str| json!({"metadata": {"name": "web"}, "spec": containers(&[("web", image)])});
    templates.chain([("Pod", Review::create("", "v1", "Pod", object(new)).updating(object(old)))]).collect()
}

#[tokio::test]
async fn a31_what_git_holds_is_applied_again_and_nothing_changes_until_the_digest_is_no_longer_good() {
    for action in ["Deny", "Warn", "Audit"] {
        let (world, trust, anew) =
            signed_anew(json!({"mutation": "Workloads", "validationActions": [action]})).await;
        let old = sealed(&web("1.4"));
        for (kind, review) in updates(&old, &web("1.4")) {
            let (image, answer) = mutated(&world, review).await;
            assert_eq!(image, old, "{action}, {kind}");
            assert_eq!(answer.annotation("decision"), "Sealed", "{action}, {kind}");
            assert_eq!(answer.annotation("images"), web("1.4"), "{action}, {kind}");
            assert_eq!(answer.annotation("digests"), digest(&web("1.4")).to_string(), "{action}, {kind}");
        }
        // What is new is sealed with what is current.
        assert_eq!(mutated(&world, pod(&[("web", &web("1.4"))])).await.0, anew, "{action}");

        // The tag is taken away and signed anew: its earlier digest is revoked.
        trust.publishes(|repository| {
            repository.remove_target(RELEASES, "1.4");
        });
        world.validate(&pod(&[("web", &web("1.4"))])).await;
        trust.publishes(|repository| {
            repository.sign_target(RELEASES, "1.4", digest("anew"));
        });
        for (kind, review) in updates(&old, &web("1.4")) {
            assert_eq!(mutated(&world, review).await.0, anew, "{action}, {kind}");
        }
    }
}

#[tokio::test]
async fn a31_only_the_same_image_at_the_same_site_keeps_its_digest() {
    let (world, trust, anew) = signed_anew(json!({})).await;
    trust.publishes(|repository| {
        repository.sign_target(RELEASES, "latest", digest("latest"));
    });
    let (old, kept) = (sealed(&web("1.4")), digest(&web("1.4")));
    let latest = |name: &str| format!("{name}@{}", digest("latest"));
    let repository = "registry.example.com/shop/web";
    let cases = [
        ("the same", old.clone(), web("1.4"), old.clone()),
        (
            "another spelling",
            old.clone(),
            "Registry.example.com:443/shop/web:1.4".to_owned(),
            format!("Registry.example.com:443/shop/web:1.4@{kept}"),
        ),
        ("another tag", old.clone(), web("1.5"), sealed(&web("1.5"))),
        ("the tag alone was there", web("1.5"), web("1.4"), anew.clone()),
        ("no tag before", format!("{repository}@{kept}"), web("1.4"), anew.clone()),
        (
            "a digest that was never signed",
            format!("{}@{}", web("1.4"), digest("evil")),
            web("1.4"),
            anew.clone(),
        ),
        (
            "an implied tag",
            latest(&format!("{repository}:latest")),
            repository.to_owned(),
            latest(&format!("{repository}:latest")),
        ),
        ("the digest that it had", old.clone(), old.clone(), old.clone()),
    ];
    for (case, before, now, expected) in cases {
        let (_, review) = updates(&before, &now).pop().unwrap();
        assert_eq!(mutated(&world, review).await.0, expected, "{case}");
    }

    let object = |images: &[(&str, &str)]| json!({"metadata": {"name": "web"}, "spec": containers(images)});
    let (tag, one) = (web("1.4"), old.as_str());
    let update = |new: &[(&str, &str)], old: &[(&str, &str)]| {
        Review::create("", "v1", "Pod", object(new)).updating(object(old))
    };
    let renamed = update(&[("shop", &tag)], &[("web", one)]);
    assert_eq!(mutated(&world, renamed).await.0, *anew, "renamed");
    let doubled = update(&[("web", &tag), ("web", &tag)], &[("web", one)]);
    assert_eq!(mutated(&world, doubled).await.0, *anew, "a name that stands twice");

    // Each site has its own past.
    let review = update(&[("a", &tag), ("b", &tag), ("c", &tag)], &[("b", one), ("a", &anew)]);
    let answer = world.mutate(&review).await;
    let review = review.patched(&answer);
    let images: Vec<_> = (0..3).map(|n| review.object()["spec"]["containers"][n]["image"].clone()).collect();
    assert_eq!(images, [anew.as_str(), one, anew.as_str()]);
}

#[tokio::test]
async fn a31_a_digest_is_kept_only_where_digests_are_written_and_policies_ask_for_them() {
    let (old, tag) = (sealed(&web("1.4")), web("1.4"));
    for (mutation, kinds) in [("Pods", &["Pod"] as &[&str]), ("None", &[])] {
        let (world, ..) = signed_anew(json!({ "mutation": mutation })).await;
        for (kind, review) in updates(&old, &tag) {
            let patched = world.mutate(&review).await.patch().is_some();
            assert_eq!(patched, kinds.contains(&kind), "{mutation}, {kind}");
        }
    }
    // A policy that only observes, and does not say where digests are written, writes none.
    let (world, ..) = signed_anew(json!({"validationActions": ["Warn"]})).await;
    for (kind, review) in updates(&old, &tag) {
        assert_eq!(world.mutate(&review).await.patch(), None, "{kind}");
    }
    // Beside a digest, a tagged pattern counts for every tag: what no policy asks for without one is left as it came.
    let (world, ..) =
        signed_anew(json!({"images": {"include": ["registry.example.com/shop/web:1.4"]}})).await;
    let (bare, with_digest) = (web("1.5"), format!("{}@{}", web("1.5"), digest(&web("1.4"))));
    let (_, review) = updates(&with_digest, &bare).pop().unwrap();
    assert_eq!(world.mutate(&review).await.patch(), None);
}
