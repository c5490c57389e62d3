//! Objects with many images: how many are judged, and that they keep nobody else waiting.

use std::sync::Arc;

use futures::poll;
use serde_json::json;
use tagseal::policy::UnmatchedImages;
use tokio::time::Instant;

use super::review::Review;
use super::world::{Never, Nothing, World, cluster_policy};

/// A pod with so many containers, each with another image of `repository`.
fn pod(containers: usize, repository: &str) -> Review {
    let one = |n| json!({"name": format!("c{n}"), "image": format!("r.test/{repository}:{n}")});
    Review::pod(json!({"containers": (0..containers).map(one).collect::<Vec<_>>()}))
}

fn world(never: bool) -> World {
    let world = if never { World::new(Arc::new(Never)) } else { World::new(Arc::new(Nothing)) };
    let spec = json!({
        "images": {"include": ["r.test/web"]}, "notary": {"server": "https://n.test"}, "firstUse": "Trust",
    });
    world.apply(&[cluster_policy("production", spec)], UnmatchedImages::Allow);
    world
}

#[tokio::test]
async fn a25_a_thousand_images_of_an_object_are_judged_and_one_more_is_refused() {
    let world = world(false);
    let answer = world.validate(&pod(1_000, "web")).await;
    assert_eq!(answer.annotation("reason"), "TrustServerUnreachable");
    let answer = world.refuses(&pod(1_001, "web")).await;
    assert_eq!(answer.annotation("reason"), "UnsupportedObject");
    assert_eq!(
        answer.denial(),
        "UnsupportedObject: the v1 Pod has 1001 different images, and tagseal judges 1000 of one object at most"
    );
    // One image at many places is one.
    let same = vec![json!({"name": "c", "image": "r.test/other:1"}); 5_000];
    assert!(world.validate(&Review::pod(json!({"containers": same}))).await.is_allowed());
    // An update is judged by the images that it changes.
    let old = pod(1_001, "web");
    let update = old.clone().updating(old.object().clone());
    assert!(world.validate(&update).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a25_large_objects_wait_for_each_other_and_small_ones_for_nobody() {
    let world = world(true);
    let large = pod(1_000, "web");
    let first = world.review("/validate?timeout=30s", &large);
    let second = world.review("/validate?timeout=30s", &large);
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let begun = Instant::now();
    let third = pod(17, "web");
    let answer = world.review("/validate?timeout=10s", &third).await;
    assert_eq!(begun.elapsed().as_secs(), 9);
    assert_eq!(
        answer.denial(),
        "DeadlineExceeded: the v1 Pod has 17 different images, and too many of other objects were being judged until \
         the admission's deadline; try again"
    );
    assert!(world.review("/validate?timeout=1s", &pod(16, "other")).await.is_allowed());
    drop((first, second));
    assert!(world.review("/validate?timeout=1s", &pod(17, "other")).await.is_allowed());
}
