//! Invented repositories: bounded memory and requests, and nobody else waits for them.

use std::future::Future;

use futures::future::join_all;
use tagseal::limits::Bounds;
use tagseal::policy::{CredentialsSource, Demand, Reason};
use tagseal::trust::{Access, PodIdentity, ResolverConfig, Secret};

use super::world::{IMAGE, World, both, reason, sealed, web};
use crate::support::{
    DemandBuilder, FakeState, Fault, Gate, TestKey, days, demand, image_digest, seconds, t,
};

/// A flood of 200 invented names is under way, and the server answers none of them, while `meanwhile` runs.
async fn in_a_flood(world: &World, meanwhile: impl Future<Output = ()>) {
    let gate = Gate::new();
    let root = TestKey::root("registry.example.com/evil", t(super::world::START));
    let invented: Vec<(Demand, String)> = (0..200)
        .map(|n| {
            let name = format!("registry.example.com/evil/{n}");
            world.source.fault_in(&name, "*", Fault::Delay(gate.clone()));
            (DemandBuilder::new(&name).pin(&root).build(), format!("{name}:1"))
        })
        .collect();
    let flood = join_all(invented.iter().map(|(demand, image)| world.resolve(demand, image)));
    let admissions = async {
        gate.arrived(2 * world.config.unknown_at_once).await;
        meanwhile.await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(flood, admissions);
    let full = answers.iter().filter(|answer| reason(answer) == Reason::TrustServerUnreachable).count();
    assert_eq!(full, 200 - world.config.max_unknown);
}

fn crowded() -> ResolverConfig {
    ResolverConfig { max_unknown: 50, unknown_at_once: 4, ..ResolverConfig::default() }
}

/// A tenant of this name, by its own pull secrets.
fn tenant(namespace: &str) -> PodIdentity {
    PodIdentity {
        namespace: namespace.to_owned(),
        service_account: "default".to_owned(),
        pull_secrets: vec![],
    }
}

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
    let config = ResolverConfig {
        max_unknown: 100,
        bounds: Bounds { repositories_in_memory: 10, ..Bounds::default() },
        ..ResolverConfig::default()
    };
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
    let config = ResolverConfig {
        bounds: Bounds { repositories_in_memory: 10, ..Bounds::default() },
        ..ResolverConfig::default()
    };
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

/// What an admin set is less than any of them takes: each answers, and none stays.
#[tokio::test(start_paused = true)]
async fn no_more_metadata_is_held_than_an_admin_lets() {
    for (metadata_memory, held) in [(1, 0), (160 << 20, 3)] {
        let bounds = Bounds { metadata_memory, ..Bounds::default() };
        let world = World::with(ResolverConfig { bounds, ..ResolverConfig::default() });
        for n in 0..3 {
            let name = format!("registry.example.com/shop/{n}");
            let mut repository = crate::support::TestRepository::new(&name, world.now());
            for tag in 0..2_000 {
                repository.sign_target("targets", &tag.to_string(), image_digest("one"));
            }
            world.publish(&mut repository);
            let resolved = world.resolve(&demand(&repository).build(), &format!("{name}:1")).await;
            assert_eq!(sealed(&resolved), image_digest("one"));
        }
        assert_eq!(world.resolver.status().len(), held);
    }
}

/// What has verified before is known after a restart, though memory has yet to see it: by trust state, by the disk, and by
/// a disk whose files have expired.
#[tokio::test(start_paused = true)]
async fn a21_a_restart_during_a_flood_finds_known_repositories_known() {
    for (case, disk, state, asleep) in [
        ("on record", false, true, seconds(61)),
        ("on disk", true, false, seconds(61)),
        ("on disk, expired", true, false, days(15)),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let cache_dir = disk.then(|| directory.path().to_owned());
        let mut world = World::with(ResolverConfig { cache_dir, ..crowded() });
        if !state {
            world.state = FakeState::of_one_process();
            world.restart();
        }
        let (mut repository, ..) = web();
        world.publish(&mut repository);
        let known = both(&repository).build();
        assert_eq!(sealed(&world.resolve(&known, IMAGE).await), image_digest("one"), "{case}");
        world.advance(asleep);
        repository.witness("snapshot").witness("timestamp");
        world.publish(&mut repository);
        if !state {
            world.state = FakeState::of_one_process();
        }
        world.restart();
        world.source.forget();
        in_a_flood(&world, async {
            let start = tokio::time::Instant::now();
            assert_eq!(sealed(&world.resolve(&known, IMAGE).await), image_digest("one"), "{case}");
            assert_eq!(start.elapsed(), std::time::Duration::ZERO, "{case}");
        })
        .await;
        let requests = world.source.requests();
        let ours: Vec<_> = requests.iter().filter(|request| request.gun == repository.gun()).collect();
        assert!(!ours.is_empty() && ours.iter().all(|request| request.known), "{case}: {ours:?}");
    }
}

/// The same names, and no record: a repository that nobody has seen waits in line with the invented ones.
#[tokio::test(start_paused = true)]
async fn a21_a_repository_that_nothing_knows_finds_no_room_in_a_flood() {
    let (world, (mut repository, ..)) = (World::with(crowded()), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    in_a_flood(&world, async {
        let denied = world.resolve(&demand, IMAGE).await;
        assert_eq!(reason(&denied), Reason::TrustServerUnreachable);
    })
    .await;
    world.advance(seconds(1));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

/// However many known repositories come back during a flood, memory is bounded.
#[tokio::test(start_paused = true)]
async fn a21_repositories_known_from_before_are_bounded_too() {
    let config = ResolverConfig {
        bounds: Bounds { repositories_in_memory: 10, ..Bounds::default() },
        max_unknown: 10,
        ..crowded()
    };
    let mut world = World::with(config);
    let mut known = Vec::new();
    for n in 0..30 {
        let name = format!("registry.example.com/shop/{n}");
        let mut repository = crate::support::TestRepository::new(&name, world.now());
        repository.sign_target("targets", "1", image_digest("one"));
        world.publish(&mut repository);
        let demand = demand(&repository).build();
        world.resolve(&demand, &format!("{name}:1")).await.unwrap();
        known.push((demand, format!("{name}:1")));
    }
    world.restart();
    in_a_flood(&world, async {
        for (demand, image) in &known {
            world.advance(seconds(1));
            assert_eq!(sealed(&world.resolve(demand, image).await), image_digest("one"), "{image}");
        }
        let held = world.resolver.status().len();
        assert!((5..=10).contains(&held), "{held}");
    })
    .await;
}

/// Also where there is room in memory: what stands on disk was written when it verified, expired by now or not.
#[tokio::test(start_paused = true)]
async fn a_repository_whose_files_on_disk_have_expired_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let cache_dir = Some(directory.path().to_owned());
    let mut world = World::with(ResolverConfig { cache_dir, ..ResolverConfig::default() });
    world.state = FakeState::of_one_process();
    world.restart();
    let (mut repository, ..) = web();
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.advance(days(15));
    repository.witness("timestamp");
    world.publish(&mut repository);
    world.state = FakeState::of_one_process();
    world.restart();
    world.source.forget();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let requests = world.source.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.known), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn a21_a_tenant_without_a_grant_counts_as_unknown_until_it_has_one() {
    let (world, (mut repository, ..)) = (World::with(crowded()), web());
    world.publish(&mut repository);
    let shop = Access::Basic { username: "shop".to_owned(), password: Secret::new("secret") };
    world.source.fault("*", Fault::UnauthorizedUnless(shop.clone()));
    world.credentials.give("shop", vec![shop]);
    let demand = both(&repository).credentials(CredentialsSource::ImagePullSecrets).build();
    let known_of = |world: &World| {
        let requests = world.source.requests();
        world.source.forget();
        requests.iter().map(|request| request.known).collect::<Vec<_>>()
    };
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &tenant("shop")).await), image_digest("one"));
    assert!(known_of(&world).iter().all(|known| !known), "nobody knew it");
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &tenant("shop")).await), image_digest("one"));
    assert_eq!(known_of(&world), [true], "known, and let in before");
    for _ in 0..2 {
        assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &tenant("evil")).await), Reason::Unauthorized);
        world.advance(seconds(3));
    }
    assert_eq!(known_of(&world), [false, false], "known, and never let in");
    // So many tenants as there are places ask at once: who was let in does not wait for them.
    let gate = Gate::new();
    world.source.fault("*", Fault::Delay(gate.clone()));
    let tenants: Vec<_> = (0..20).map(|n| tenant(&format!("evil-{n}"))).collect();
    let flood = join_all(tenants.iter().map(|who| world.resolve_as(&demand, IMAGE, who)));
    let admissions = async {
        gate.arrived(world.config.unknown_at_once).await;
        assert_eq!(world.source.under_way(), world.config.unknown_at_once);
        gate.open();
    };
    let (answers, ()) = tokio::join!(flood, admissions);
    assert!(answers.iter().all(|answer| reason(answer) == Reason::Unauthorized));
}
