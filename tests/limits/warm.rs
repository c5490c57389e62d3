//! A repository that is known: one small GET when it is time, and otherwise nothing.

use tagseal::policy::UnmatchedImages;

use super::admissions::{pod, policy, webhook};
use super::server::{Manner, TrustServer};
use super::{WEB, repository};
use crate::admission::review::{Review, containers};
use crate::support::seconds;

#[tokio::test]
async fn a_warm_admission_causes_no_request() {
    let web = repository(WEB);
    let server = TrustServer::of(&[&web], Manner::default()).await;
    let (world, clock) = webhook();
    world.apply(&[policy(&[&web], &server)], UnmatchedImages::Deny);
    assert!(world.mutate(&pod(&[WEB])).await.is_allowed());
    let cold = server.lines().len();
    // Four fifths of revalidateAfter: then entries in use are refreshed ahead.
    clock.advance(seconds(47));
    for _ in 0..100 {
        let (_, answer) = world.admit(&pod(&[WEB])).await;
        assert!(answer.is_allowed());
    }
    assert_eq!(server.lines().len(), cold);
    // Nor has it left one for later: what comes next is the one that a refusal forces.
    let unsigned = Review::pod(containers(&[("web", &format!("{WEB}:9.9"))]));
    assert_eq!(world.mutate(&unsigned).await.annotation("reason"), "NotSigned");
    assert_eq!(server.names()[cold..], ["timestamp.json"]);
}

#[tokio::test]
async fn an_unchanged_repository_costs_one_small_get() {
    let web = repository(WEB);
    assert!(web.files().current("timestamp").len() < 1024, "{}", web.files().current("timestamp").len());
    for wants_token in [false, true] {
        let server = TrustServer::of(&[&web], Manner { wants_token, ..Manner::default() }).await;
        let (world, clock) = webhook();
        world.apply(&[policy(&[&web], &server)], UnmatchedImages::Deny);
        assert!(world.mutate(&pod(&[WEB])).await.is_allowed());
        for _ in 0..3 {
            let before = server.lines().len();
            clock.advance(seconds(61));
            assert!(world.mutate(&pod(&[WEB])).await.is_allowed());
            assert_eq!(server.names()[before..], ["timestamp.json"], "with a token: {wants_token}");
        }
    }
}
