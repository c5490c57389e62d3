//! What is admitted, sealed and refused, through both hooks.

mod actions;
mod added;
mod dry_run;
mod exempt;
mod scope;
mod sealing;
mod sites;
mod templates;
mod updates;

use std::sync::Arc;

use serde_json::{Value, json};
use tagseal::policy::UnmatchedImages;

use super::review::{Review, containers};
use super::trust::{Trust, WEB};
use super::world::{World, cluster_policy};

/// A world in which one cluster policy requires releases.
pub fn world() -> (World, Arc<Trust>) {
    world_with(json!({}))
}

pub fn world_with(more: Value) -> (World, Arc<Trust>) {
    let trust = Trust::new();
    let world = World::new(Arc::<Trust>::clone(&trust));
    world.apply(
        &[cluster_policy("production", trust.spec(&["targets/releases"], more))],
        UnmatchedImages::Allow,
    );
    (world, trust)
}

pub fn web(tag: &str) -> String {
    format!("{WEB}:{tag}")
}

pub fn pod(images: &[(&str, &str)]) -> Review {
    Review::pod(containers(images))
}

/// What stands before the message of a denial of one container.
pub fn not_signed(site: &str, image: &str) -> String {
    format!("{site}: image \"{image}\": NotSigned (ClusterTrustPolicy production): ")
}

pub fn template(images: &[(&str, &str)]) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": containers(images)}}})
}

pub fn deployment(images: &[(&str, &str)]) -> Review {
    Review::create("apps", "v1", "Deployment", template(images))
}
