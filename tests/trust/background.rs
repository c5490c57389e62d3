//! What is kept fresh on one namespace's account, though nobody waits for it.

use std::collections::BTreeMap;

use tagseal::limits::{BACKGROUND_APART, BACKGROUND_OF_NAMESPACE};
use tagseal::policy::{Demand, PolicySet};

use super::world::World;
use crate::support::{DemandBuilder, TestRepository, demand, image_digest, minutes, seconds};

/// Has so many repositories in memory, on behalf of a policy that wants them as fresh as may be.
async fn asked(world: &World, policy: &str, count: usize) -> Vec<(Demand, String)> {
    let mut all = Vec::new();
    for n in 0..count {
        let name = format!("registry.example.com/{policy}/{n}");
        let mut repository = TestRepository::new(&name, world.now());
        repository.sign_target("targets", "1", image_digest("one"));
        world.publish(&mut repository);
        let often = |demand: DemandBuilder| demand.freshness(seconds(10), minutes(1));
        let demand = often(demand(&repository)).policy(policy).build();
        world.resolve(&demand, &format!("{name}:1")).await.unwrap();
        all.push((demand, format!("{name}:1")));
    }
    world.source.forget();
    all
}

/// Plays so many seconds in which nobody asks for anything; which repositories were refreshed in each of them.
async fn idle(world: &World, span: u64) -> Vec<Vec<String>> {
    let mut rounds = Vec::new();
    for _ in 0..span {
        world.advance(seconds(1));
        world.resolver.maintain_once(world.now()).finished().await;
        rounds.push(world.source.requests().into_iter().map(|request| request.gun).collect());
        world.source.forget();
    }
    rounds
}

#[tokio::test(start_paused = true)]
async fn p14_what_one_namespace_alone_asks_for_is_refreshed_a_few_at_a_time_and_apart() {
    let world = World::new();
    asked(&world, "shop/greedy", 60).await;
    let rounds = idle(&world, 60).await;
    assert!(rounds.iter().all(|round| round.len() <= BACKGROUND_OF_NAMESPACE), "{rounds:?}");
    let all: usize = rounds.iter().map(Vec::len).sum();
    // It is bounded by that, and not by itself.
    assert!(all > 40 * BACKGROUND_OF_NAMESPACE, "{all} requests");
    let mut last: BTreeMap<&String, u64> = BTreeMap::new();
    for (round, second) in rounds.iter().zip(0_u64..) {
        for gun in round {
            let before = last.insert(gun, second);
            assert!(before.is_none_or(|before| second - before >= BACKGROUND_APART), "{gun}: {rounds:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p14_twenty_images_of_one_namespace_cost_a_request_each_ten_seconds_at_most() {
    let world = World::new();
    asked(&world, "shop/greedy", 20).await;
    let all: usize = idle(&world, 30).await.iter().map(Vec::len).sum();
    assert!((20..=60).contains(&all), "{all} requests");
}

#[tokio::test(start_paused = true)]
async fn p14_nothing_is_refreshed_for_a_policy_that_is_gone() {
    let world = World::new();
    asked(&world, "shop/greedy", 20).await;
    world.resolver.keep_to(&PolicySet::default());
    let rounds = idle(&world, 120).await;
    assert!(rounds.iter().all(Vec::is_empty), "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn p14_one_namespaces_refreshes_put_off_nobody_elses() {
    let world = World::new();
    asked(&world, "shop/greedy", 60).await;
    let cluster = asked(&world, "production", 10).await;
    world.advance(seconds(9));
    world.resolver.maintain_once(world.now()).finished().await;
    let asked: Vec<_> = world.source.requests().into_iter().map(|request| request.gun).collect();
    for (demand, _) in cluster {
        assert!(asked.contains(&demand.gun.as_str().to_owned()), "{}: {asked:?}", demand.gun);
    }
}
