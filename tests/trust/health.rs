//! What conditions say of repositories: which are in use, who asked for them, and what is wrong.

use tagseal::policy::Reason;
use tagseal::trust::{Confirmed, Refusal, RepositoryHealth};
use tagseal::tuf::RoleName;

use super::world::{GUN, IMAGE, World, both, reason, sealed, start, web};
use crate::support::{DemandBuilder, Fault, days, hours, image_digest, minutes, seconds};

fn only(world: &World) -> RepositoryHealth {
    let mut health = world.resolver.health();
    assert_eq!(health.len(), 1);
    health.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_repository_knows_each_policy_that_asked_once_and_which_demands_it_answers() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let of = |policy: &str| both(&repository).policy(policy).build();
    let (a, b) = (of("a"), of("shop/b"));
    for demand in [&a, &b, &a, &of("a")] {
        assert_eq!(sealed(&world.resolve(demand, IMAGE).await), image_digest("one"));
    }
    let health = only(&world);
    let asked = |health: &RepositoryHealth| -> Vec<String> {
        health.asked.iter().map(|asked| format!("{}: {}", asked.policy, asked.image)).collect()
    };
    assert_eq!(
        asked(&health),
        [format!("TrustPolicy shop/b: {IMAGE}"), format!("ClusterTrustPolicy a: {IMAGE}")]
    );
    assert_eq!(health.confirmed, Some(Confirmed { at: start(), expired: None }));
    assert_eq!(health.trouble, None);
    assert!(health.answers(&a) && health.answers(&b));
    let elsewhere = both(&repository).server("https://other.example.com").build();
    let other_roots = DemandBuilder::new(GUN).build();
    let other_gun = DemandBuilder::new("registry.example.com/shop/api").pin(repository.root_key()).build();
    let other_authorities = both(&repository).server_ca("PEM").build();
    for demand in [elsewhere, other_roots, other_gun, other_authorities] {
        assert!(!health.answers(&demand), "{demand:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_verified_is_there_with_its_trouble_and_nothing_else() {
    let (world, (repository, ..)) = (World::new(), web());
    assert_eq!(reason(&world.resolve(&both(&repository).build(), IMAGE).await), Reason::RepositoryNotFound);
    let health = only(&world);
    assert_eq!(health.confirmed, None);
    let (refusal, since) = health.trouble.unwrap();
    assert!(matches!(refusal, Refusal::Untrusted(_)), "{refusal}");
    assert_eq!((refusal.reason(), since), (Reason::RepositoryNotFound, start()));
    assert!(world.resolver.status().is_empty());
}

#[tokio::test(start_paused = true)]
async fn data_that_expired_says_which_role_and_when() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let expires = start() + hours(1);
    repository.expires("timestamp", expires);
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&both(&repository).build(), IMAGE).await), image_digest("one"));
    world.advance(hours(1) + seconds(59));
    assert_eq!(only(&world).confirmed.unwrap().expired, None, "within the tolerance for clocks");
    world.advance(seconds(2));
    assert_eq!(only(&world).confirmed.unwrap().expired, Some((RoleName::timestamp(), expires)));
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_nobody_asked_for_in_30_days_is_not_there() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&both(&repository).build(), IMAGE).await), image_digest("one"));
    world.advance(days(30));
    assert_eq!(world.resolver.health().len(), 1);
    world.advance(seconds(1));
    assert!(world.resolver.health().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_only_a_dry_run_saw_is_not_there() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let first_use = DemandBuilder::new(GUN).first_use().build();
    assert_eq!(sealed(&world.dry_run(&first_use, IMAGE).await), image_digest("one"));
    assert!(world.resolver.health().is_empty());
    assert_eq!(sealed(&world.resolve(&first_use, IMAGE).await), image_digest("one"));
    assert_eq!(world.resolver.health().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trouble_is_looked_at_again_after_half_the_time_that_it_lasted_though_nobody_asks() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).freshness(minutes(30), days(1)).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.advance(minutes(5));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    // A denial is confirmed first, which fails; the data itself is not due for long.
    let unsigned = world.resolve(&demand, &format!("{GUN}:unsigned")).await;
    assert_eq!(reason(&unsigned), Reason::TrustServerUnreachable);
    assert!(only(&world).trouble.is_some());
    let mut looked_at = Vec::new();
    for second in 1..=300 {
        world.advance(seconds(1));
        let round = world.resolver.maintain_once(world.now());
        if round.started() > 0 {
            looked_at.push(second);
        }
        round.finished().await;
    }
    assert_eq!(looked_at, [10, 20, 30, 45, 68, 102, 153, 213, 273]);
    world.source.clear_faults();
    world.advance(minutes(1));
    world.resolver.maintain_once(world.now()).finished().await;
    assert_eq!(only(&world).trouble, None);
}

/// Ten thousand repositories of a server that is down for long are no load.
#[tokio::test(start_paused = true)]
async fn a_long_trouble_is_looked_at_ever_more_seldom_unless_somebody_asks() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).freshness(minutes(1), days(1)).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.advance(hours(7));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    let mut looked_at = Vec::new();
    for minute in 0..=20 * 60 {
        let round = world.resolver.maintain_once(world.now());
        if round.started() > 0 {
            looked_at.push(minute);
        }
        round.finished().await;
        world.advance(minutes(1));
    }
    let between = |from, to| looked_at.iter().filter(|minute| (from..to).contains(*minute)).count();
    assert_eq!((between(0, 10), between(60, 120), between(780, 1200)), (10, 7, 7), "{looked_at:?}");
    world.source.clear_faults();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(only(&world).trouble, None, "who asks is no later for it");
}
