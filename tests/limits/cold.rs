//! A cold repository: which requests it costs, in which rounds, over how many connections.

use std::time::Duration;

use futures::future::join_all;
use tagseal::policy::Demand;
use tagseal::trust::{PodIdentity, Question, Refusal, Resolved, Resolver};
use tokio::time::Instant;

use super::server::{Manner, TrustServer};
use super::{WEB, now, repository, resolver};
use crate::support::{TestRepository, demand, image_digest, seconds};

/// What a policy asks that requires both roles.
fn both_roles(repository: &TestRepository, server: &TrustServer) -> Demand {
    demand(repository).server(&server.url()).requires("targets/releases").requires("targets/qa").build()
}

async fn resolve(resolver: &Resolver, demand: &Demand) -> Result<Resolved, Refusal> {
    let image = format!("{}:1.4", demand.gun).parse().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let pod =
        PodIdentity { namespace: "shop".into(), service_account: "default".into(), pull_secrets: vec![] };
    resolver.resolve(Question { demand, image: &image, pod: &pod, deadline, dry_run: false }).await
}

#[track_caller]
fn assert_signed(resolved: Result<Resolved, Refusal>, gun: &str) {
    let digest = resolved.unwrap().signed.map(|signed| signed.digest());
    assert_eq!(digest, Some(image_digest(gun)));
}

#[tokio::test]
async fn a_cold_repository_costs_three_round_trips() {
    let web = repository(WEB);
    let manner = Manner { rounds: vec![2, 1, 3], ..Manner::default() };
    let server = TrustServer::of(&[&web], manner).await;
    let (resolver, _) = resolver();
    assert_signed(resolve(&resolver, &both_roles(&web, &server)).await, WEB);
    let rounds: [&[&str]; 3] = [
        &["root.json", "timestamp.json"],
        &["snapshot"],
        // Not targets/docs, which no policy asks for.
        &["targets", "targets/qa", "targets/releases"],
    ];
    assert_eq!(server.rounds(), rounds);
    assert!(server.connections() <= 4, "{}", server.connections());
}

#[tokio::test]
async fn a_token_costs_two_more_round_trips() {
    let web = repository(WEB);
    let manner = Manner { wants_token: true, rounds: vec![2, 1, 2, 1, 3] };
    let server = TrustServer::of(&[&web], manner).await;
    let (resolver, _) = resolver();
    assert_signed(resolve(&resolver, &both_roles(&web, &server)).await, WEB);
    let rounds: [&[&str]; 5] = [
        &["root.json", "timestamp.json"],
        &["token"],
        &["root.json", "timestamp.json"],
        &["snapshot"],
        &["targets", "targets/qa", "targets/releases"],
    ];
    assert_eq!(server.rounds(), rounds);
    assert!(server.connections() <= 4, "{}", server.connections());
}

#[tokio::test]
async fn a_publish_costs_what_changed() {
    let mut web = repository(WEB);
    let server = TrustServer::of(&[&web], Manner::default()).await;
    let (resolver, clock) = resolver();
    assert_signed(resolve(&resolver, &both_roles(&web, &server)).await, WEB);
    web.sign_target("targets/qa", "1.5", image_digest("1.5")).publish(now());
    server.serve(&web);
    clock.advance(seconds(61));
    let before = server.lines().len();
    assert_signed(resolve(&resolver, &both_roles(&web, &server)).await, WEB);
    assert_eq!(server.names()[before..], ["timestamp.json", "snapshot", "targets/qa"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_cold_repositories_share_four_connections() {
    let repositories: Vec<_> =
        (0..20).map(|n| repository(&format!("registry.example.com/shop/app-{n}"))).collect();
    let server = TrustServer::of(&repositories.iter().collect::<Vec<_>>(), Manner::default()).await;
    let (resolver, _) = resolver();
    let demands: Vec<_> = repositories.iter().map(|repository| both_roles(repository, &server)).collect();
    let all = join_all(demands.iter().map(|demand| resolve(&resolver, demand))).await;
    for (resolved, repository) in all.into_iter().zip(&repositories) {
        assert_signed(resolved, repository.gun());
    }
    assert_eq!(server.lines().len(), 20 * 6);
    assert!(server.connections() <= 4, "{}", server.connections());
}
