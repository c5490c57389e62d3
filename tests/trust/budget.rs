//! Invented repositories: bounded memory and requests, and nobody else waits for them.

use tagseal::policy::Reason;
use tagseal::trust::ResolverConfig;

use super::world::{IMAGE, World, both, reason, sealed, web};
use crate::support::{DemandBuilder, Fault, Gate, TestKey, demand, image_digest, seconds, t};

#[tokio::test(start_paused = true)]
async fn a21_invented_repositories_neither_delay_nor_push_out_known_ones() {
    let config = ResolverConfig { max_unknown: 50, unknown_at_once: 4, ..ResolverConfig::default() };
    let (world, (mut repository, ..)) = (World::with(config), web());
    world.publish(&mut repository);
    let known = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&known, IMAGE).await), image_digest("one"));
    world.source.forget();
    let gate = Gate::new();
    for n in 0..200 {
        world.source.fault_in(&format!("registry.example.com/evil/{n}"), "*", Fault::Delay(gate.clone()));
    }
    let root = TestKey::root("registry.example.com/evil", t(super::world::START));
    let invented: Vec<_> = (0..200)
        .map(|n| {
            let name = format!("registry.example.com/evil/{n}");
            (DemandBuilder::new(&name).pin(&root).build(), format!("{name}:1"))
        })
        .collect();
    let flood =
        futures::future::join_all(invented.iter().map(|(demand, image)| world.resolve(demand, image)));
    let admissions = async {
        gate.arrived(8).await;
        for _ in 0..20 {
            world.advance(seconds(61));
            let start = tokio::time::Instant::now();
            assert_eq!(sealed(&world.resolve(&known, IMAGE).await), image_digest("one"));
            assert_eq!(start.elapsed(), std::time::Duration::ZERO, "a known repository does not wait");
        }
        assert_eq!(world.source.under_way(), 8, "four repositories, two files each");
        gate.open();
    };
    let (answers, ()) = tokio::join!(flood, admissions);
    let count = |wanted: Reason| answers.iter().filter(|answer| reason(answer) == wanted).count();
    assert_eq!((count(Reason::RepositoryNotFound), count(Reason::TrustServerUnreachable)), (50, 150));
    let requests = world.source.requests();
    assert!(requests.iter().all(|request| request.known == (request.gun == repository.gun())));
}

#[tokio::test(start_paused = true)]
async fn a21_a_hundred_thousand_names_one_after_the_other_are_forgotten() {
    let config = ResolverConfig { max_unknown: 100, max_repositories: 10, ..ResolverConfig::default() };
    let (world, (mut repository, ..)) = (World::with(config), web());
    world.publish(&mut repository);
    let known = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&known, IMAGE).await), image_digest("one"));
    for n in 0..1_000 {
        let name = format!("registry.example.com/evil/{n}");
        let demand = DemandBuilder::new(&name).pin(repository.root_key()).build();
        assert_eq!(reason(&world.resolve(&demand, &format!("{name}:1")).await), Reason::RepositoryNotFound);
    }
    world.source.forget();
    assert_eq!(sealed(&world.resolve(&known, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths(), Vec::<String>::new(), "the known one is still in memory");
    assert_eq!(world.resolver.status().len(), 1);
    assert_eq!(world.state.records().len(), 1, "what never verified leaves nothing behind");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_known_repositories_is_bounded_too() {
    let config = ResolverConfig { max_repositories: 10, ..ResolverConfig::default() };
    let world = World::with(config);
    for n in 0..30 {
        let name = format!("registry.example.com/shop/{n}");
        let mut repository = crate::support::TestRepository::new(&name, world.now());
        repository.sign_target("targets", "1", image_digest("one"));
        world.publish(&mut repository);
        world.advance(seconds(1));
        let resolved = world.resolve(&demand(&repository).build(), &format!("{name}:1")).await;
        assert_eq!(sealed(&resolved), image_digest("one"));
    }
    assert!(world.resolver.status().len() <= 12, "{}", world.resolver.status().len());
}
