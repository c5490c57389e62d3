//! Many admissions at once, bytes in to bytes out.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use serde_json::{Value, json};
use tagseal::clock::ManualClock;
use tagseal::policy::{PolicyKind, UnmatchedImages};

use super::server::{Manner, TrustServer};
use super::{WEB, repository, resolver, resolver_of};
use crate::admission::review::{Review, containers};
use crate::admission::world::{World, cluster_policy};
use crate::support::{FakeSource, Fault, Gate, SERVER, TestRepository, image_digest};

/// A webhook with the production resolver and client, and their clock.
pub fn webhook() -> (World, ManualClock) {
    let (resolver, clock) = resolver();
    (World::new(resolver), clock)
}

/// A policy that requires releases and qa of these repositories.
pub fn policy(repositories: &[&TestRepository], server: &TrustServer) -> (PolicyKind, Value) {
    policy_at(repositories, &server.url())
}

/// The same, of the trust server at `url`.
fn policy_at(repositories: &[&TestRepository], url: &str) -> (PolicyKind, Value) {
    let roots: Vec<_> = repositories
        .iter()
        .map(|repository| json!({"keyID": repository.root_key().canonical_id()}))
        .collect();
    let spec = json!({
        "images": {"include": ["registry.example.com/shop/**"]},
        "notary": {"server": url},
        "roots": roots,
        "requiredDelegations": [{"role": "targets/releases"}, {"role": "targets/qa"}],
    });
    cluster_policy("production", spec)
}

/// A pod with a container for each of these repositories' 1.4.
pub fn pod(guns: &[&str]) -> Review {
    let containers_of: Vec<_> =
        guns.iter().enumerate().map(|(i, gun)| (format!("c{i}"), format!("{gun}:1.4"))).collect();
    let containers_of: Vec<_> = containers_of.iter().map(|(name, image)| (&**name, &**image)).collect();
    Review::pod(containers(&containers_of))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a16_200_admissions_of_one_cold_repository_are_one_fetch() {
    let web = repository(WEB);
    // The gates hold the first answers until the last request of a round is there: time for the others to come.
    let manner = Manner { rounds: vec![2, 1, 3], ..Manner::default() };
    let server = TrustServer::of(&[&web], manner).await;
    let (world, _) = webhook();
    world.apply(&[policy(&[&web], &server)], UnmatchedImages::Deny);
    let review = pod(&[WEB]);
    let answers = join_all((0..200).map(|_| world.mutate(&review))).await;
    let sealed = format!("{WEB}:1.4@{}", image_digest(WEB));
    for answer in answers {
        assert_eq!(answer.patch().unwrap()[1]["value"], *sealed);
    }
    assert_eq!(server.lines().len(), 6, "{:?}", server.lines());
    assert!(server.connections() <= 4, "{}", server.connections());
}

#[tokio::test(start_paused = true)]
async fn a16_200_refusals_of_an_unsigned_tag_share_their_refreshes() {
    let web = repository(WEB);
    let source = FakeSource::new();
    source.serve(SERVER, web.gun(), web.files());
    let world = World::new(resolver_of(&source));
    world.apply(&[policy_at(&[&web], SERVER)], UnmatchedImages::Deny);
    assert!(world.mutate(&pod(&[WEB])).await.is_allowed());
    source.forget();
    // Requests that a refusal forces are a second apart: the first one's is due at once.
    tokio::time::advance(Duration::from_secs(1)).await;
    let gate = Gate::new();
    source.fault_on_request(1, "timestamp.json", Fault::Delay(gate.clone()));
    let unsigned = Review::pod(containers(&[("web", &format!("{WEB}:9.9"))]));
    let refusals = join_all((0..200).map(|_| world.mutate(&unsigned)));
    // Time goes on when nothing else does: when all are there, and wait for what the first one asked for.
    let all_are_there = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        gate.open();
    };
    let (answers, ()) = join(refusals, all_are_there).await;
    for answer in answers {
        assert_eq!((answer.annotation("decision"), answer.annotation("reason")), ("Deferred", "NotSigned"));
    }
    // Each refusal rests on a timestamp that was asked for after it came: the first one's own, one for all the others.
    assert_eq!(source.paths(), ["timestamp.json"; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a18_200_pods_of_eight_containers_with_one_image_are_one_fetch() {
    let web = repository(WEB);
    let server = TrustServer::of(&[&web], Manner::default()).await;
    let (world, _) = webhook();
    let world = Arc::new(world);
    world.apply(&[policy(&[&web], &server)], UnmatchedImages::Deny);
    let review = pod(&[WEB; 8]);
    // On every worker, not only interleaved.
    let admissions = (0..200).map(|_| {
        let (world, review) = (Arc::clone(&world), review.clone());
        tokio::spawn(async move { world.mutate(&review).await })
    });
    for answer in join_all(admissions).await {
        assert_eq!(answer.unwrap().patch().unwrap().as_array().unwrap().len(), 16);
    }
    assert_eq!(server.lines().len(), 6, "{:?}", server.lines());
}
