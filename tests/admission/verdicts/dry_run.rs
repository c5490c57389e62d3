//! A dry run decides the same and leaves nothing behind.

use std::sync::Arc;

use serde_json::json;
use tagseal::policy::UnmatchedImages;

use super::{pod, web, world};
use crate::admission::trust::{Trust, sealed};
use crate::admission::world::{World, cluster_policy};

#[tokio::test]
async fn a11_a_dry_run_decides_the_same_and_says_so_to_the_resolver() {
    let (world, trust) = world();
    let review = pod(&[("web", &web("1.4"))]).with("dryRun", json!(true));
    assert_eq!(world.mutate(&review).await.patch().unwrap()[1]["value"], sealed(&web("1.4")));
    assert_eq!(trust.asked(), [(web("1.4"), true)]);
}

/// Whatever the policies do with what they find: no pin, no record at all where first use would have made one. Statuses
/// are none of admission's affair: it has nothing to write them with.
#[tokio::test]
async fn a11_a_dry_run_of_any_action_writes_nothing() {
    for action in ["Deny", "Warn", "Audit"] {
        let trust = Trust::new();
        let world = World::new(Arc::<Trust>::clone(&trust));
        let first_use = json!({"roots": [], "firstUse": "Trust", "validationActions": [action]});
        let policy = cluster_policy("production", trust.spec(&["targets/releases"], first_use));
        world.apply(&[policy], UnmatchedImages::Allow);
        for tag in ["1.4", "9.9"] {
            let review = pod(&[("web", &web(tag))]);
            let dry = review.clone().with("dryRun", json!(true));
            let tried = world.admit(&dry).await;
            assert_eq!(trust.records(), [], "{action}, {tag}");
            assert_eq!(tried.0["spec"], world.admit(&review).await.0["spec"], "{action}, {tag}");
            let [(_, record)] = &trust.records()[..] else {
                panic!("{action}, {tag}: {:?}", trust.records())
            };
            assert!(record.pin.is_some(), "{action}, {tag}");
            trust.forget_records();
        }
    }
}
