//! Warm-up: what is known from before is had before anybody asks, and it is no admission.

use std::time::Duration;

use tagseal::image::ImageReference;
use tagseal::limits::Bounds;
use tagseal::policy::{CredentialsSource, Demand, Reason};
use tagseal::trust::{Access, PodIdentity, RepositoryKey, ResolverConfig, Secret, Warmth};
use tagseal::trust::{Remembered, TrustRecord};
use tokio::sync::watch;
use tokio::time::Instant;

use super::world::{GUN, IMAGE, RELEASES, World, both, reason, sealed, start, web};
use crate::support::{
    DemandBuilder, Fault, Gate, SERVER, TestRepository, days, demand, hours, image_digest, minutes, seconds,
};

const SLOW: &str = "https://slow.example.com";

fn remembered(demand: &Demand, image: &str) -> Remembered {
    let (demands, image) = (vec![demand.clone()], ImageReference::parse(image).unwrap());
    Remembered { demands, image, was_asked: true, last_used: start() }
}

/// Warms the resolver up until all had their turn; and what that came to. What is left goes on until it is dropped.
async fn warms(world: &World, known: Vec<Remembered>) -> Warmth {
    let (told, mut hears) = watch::channel(Warmth::default());
    let resolver = world.resolver.clone();
    tokio::spawn(async move { resolver.warm(known, &told).await });
    *hears.wait_for(|warmth| warmth.once).await.unwrap()
}

/// A replica that starts anew when `web` was used before: the demand for it.
async fn restarted(mut world: World) -> (World, TestRepository, Demand) {
    let (mut repository, ..) = web();
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.restart();
    world.source.forget();
    (world, repository, demand)
}

/// The number of a repository of [`many`].
fn number(gun: &str) -> usize {
    gun.rsplit('/').next().unwrap().parse().unwrap()
}

/// `count` repositories on `server` that verified before, under names that begin with `prefix`.
async fn many(world: &World, server: &str, prefix: &str, count: usize) -> Vec<Remembered> {
    let mut known = Vec::new();
    for number in 0..count {
        let gun = format!("registry.example.com/{prefix}/{number}");
        let mut repository = TestRepository::new(&gun, world.now());
        repository.sign_target("targets", "1", image_digest("one"));
        let files = repository.publish(world.now());
        world.source.serve(server, &gun, &files);
        let (demand, image) = (demand(&repository).server(server).build(), format!("{gun}:1"));
        assert!(world.resolve(&demand, &image).await.is_ok());
        known.push(remembered(&demand, &image));
    }
    known
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_fetched_once_and_serves_when_the_server_is_down_a_moment_later() {
    let (world, _, demand) = restarted(World::new()).await;
    let warmth = warms(&world, vec![remembered(&demand, IMAGE)]).await;
    assert_eq!(warmth, Warmth { repositories: 1, revalidated: 1, once: true, ..Warmth::default() });
    assert_eq!(world.source.count("timestamp.json"), 1);
    assert_eq!(world.source.count("targets/*"), 2, "the delegations that the policy requires");
    assert!(world.source.requests().iter().all(|request| request.known));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.resolver.status().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_has_is_loaded_and_revalidated_with_one_request() {
    let directory = tempfile::tempdir().unwrap();
    let (world, _, demand) = restarted(World::with_cache(directory.path())).await;
    let warmth = warms(&world, vec![remembered(&demand, IMAGE)]).await;
    assert_eq!(
        warmth,
        Warmth { repositories: 1, loaded: 1, revalidated: 1, once: true, ..Warmth::default() }
    );
    assert_eq!(world.source.paths(), ["timestamp.json"]);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths(), ["timestamp.json"], "it is fresh");
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_has_is_kept_fresh_though_nobody_asks_and_its_server_comes_back_late() {
    let directory = tempfile::tempdir().unwrap();
    let (world, _, demand) = restarted(World::with_cache(directory.path())).await;
    world.source.fault("*", Fault::Unreachable("connection refused"));
    let warmth = warms(&world, vec![remembered(&demand, IMAGE)]).await;
    assert_eq!(warmth, Warmth { repositories: 1, loaded: 1, failed: 1, once: true, ..Warmth::default() });
    world.source.clear_faults();
    world.source.forget();
    world.advance(hours(7));
    assert_eq!(world.resolver.maintain_once(world.now()).started(), 1, "a quarter of maxStaleness is over");
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_holds_up_nothing_but_its_own_and_is_tried_again_when_it_is_back() {
    let mut world = World::new();
    let dead = many(&world, SLOW, "dead", 30).await;
    let alive = many(&world, SERVER, "alive", 30).await;
    world.restart();
    world.source.forget();
    for number in 0..30 {
        world.source.fault_in(&format!("registry.example.com/dead/{number}"), "*", Fault::Delay(Gate::new()));
    }
    let began = Instant::now();
    let warmth = warms(&world, dead.iter().chain(&alive).cloned().collect()).await;
    assert!(began.elapsed() <= Duration::from_secs(6), "one timeout: {:?}", began.elapsed());
    assert_eq!(
        warmth,
        Warmth { repositories: 60, revalidated: 30, failed: 8, once: true, ..Warmth::default() }
    );
    let asked = |gun: &str| world.source.requests().iter().filter(|one| one.gun.contains(gun)).count();
    assert!(asked("/dead/") <= 16, "eight repositories, two files each: {}", asked("/dead/"));

    world.source.clear_faults();
    let warm = async {
        while world.resolver.status().len() < 60 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), warm).await.expect("the next try is after ten seconds");
}

#[tokio::test(start_paused = true)]
async fn one_repository_that_cannot_be_had_holds_up_no_other() {
    let mut world = World::new();
    let known = many(&world, SERVER, "shop", 40).await;
    world.restart();
    for number in [0, 3, 7, 20] {
        let gun = format!("registry.example.com/shop/{number}");
        world.source.fault_in(&gun, "*", Fault::Unreachable("503"));
    }
    let warmth = warms(&world, known).await;
    assert_eq!((warmth.revalidated, warmth.failed), (36, 4));
}

/// Their server is well, and was not even asked for them.
#[tokio::test(start_paused = true)]
async fn records_that_cannot_be_read_hold_up_no_other_repository_of_their_server() {
    let mut world = World::new();
    let known = many(&world, SERVER, "shop", 40).await;
    world.restart();
    world.source.forget();
    for number in 0..12 {
        world.state.fail_in(&format!("registry.example.com/shop/{number}"), "the object is not believed");
    }
    let warmth = warms(&world, known).await;
    assert_eq!((warmth.revalidated, warmth.failed), (28, 12));
    assert!(world.source.requests().iter().all(|request| number(&request.gun) >= 12));

    world.state.heal();
    let warm = async {
        while world.resolver.status().len() < 40 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), warm).await.expect("the next try is after ten seconds");
}

#[tokio::test(start_paused = true)]
async fn servers_are_asked_while_what_is_remembered_is_still_being_read() {
    let mut world = World::new();
    let known = many(&world, SERVER, "shop", 40).await;
    world.restart();
    let gate = Gate::new();
    world.state.delay_in("registry.example.com/shop/17", gate.clone());
    let (told, mut hears) = watch::channel(Warmth::default());
    let resolver = world.resolver.clone();
    let began = Instant::now();
    tokio::spawn(async move { resolver.warm(known, &told).await });
    let warmth = *hears.wait_for(|warmth| warmth.revalidated == 39).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(!warmth.once, "one has not had its turn");
    gate.open();
    let warmth = *hears.wait_for(|warmth| warmth.once).await.unwrap();
    assert_eq!((warmth.repositories, warmth.revalidated), (40, 40));
}

#[tokio::test(start_paused = true)]
async fn the_most_recently_used_come_first_and_few_at_once() {
    let mut world = World::new();
    let mut known = many(&world, SERVER, "shop", 40).await;
    for (age, one) in (0..).zip(&mut known) {
        one.last_used = start() - hours(age);
    }
    known.rotate_left(17);
    world.restart();
    world.source.forget();
    warms(&world, known).await;
    let requests = world.source.requests();
    let first = requests.iter().filter(|request| request.path == "timestamp.json");
    let order: Vec<usize> = first.map(|request| number(&request.gun)).collect();
    assert_eq!(order.len(), 40);
    for (turn, number) in order.iter().enumerate() {
        assert!(turn.abs_diff(*number) <= 8, "{order:?}");
    }
    assert!(world.source.most_at_once() <= 2 * 8, "{}", world.source.most_at_once());
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_is_no_use_of_a_repository() {
    let (world, _, demand) = restarted(World::new()).await;
    let used = start() - days(20);
    warms(&world, vec![Remembered { last_used: used, ..remembered(&demand, IMAGE) }]).await;
    assert_eq!(world.resolver.status()[0].last_used, used);
    world.advance(days(11));
    assert_eq!(world.resolver.maintain_once(world.now()).started(), 0, "nobody used it for 31 days");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_nobody_asked_for_is_not_said_to_have_been() {
    let (world, _, demand) = restarted(World::new()).await;
    let named = Remembered { was_asked: false, ..remembered(&demand, &format!("{GUN}:latest")) };
    warms(&world, vec![named]).await;
    assert_eq!(world.resolver.status()[0].image, None);
}

#[tokio::test(start_paused = true)]
async fn no_first_use_is_made_where_none_was_made_before() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = DemandBuilder::new(GUN).first_use().build();
    let key = RepositoryKey {
        server: demand.server.url.to_string(),
        gun: demand.gun.clone(),
        anchors: demand.anchors.fingerprint(),
    };
    for record in [None, Some(TrustRecord::default())] {
        if let Some(record) = record {
            world.state.put(&key, record);
        }
        let before = world.state.records();
        let warmth = warms(&world, vec![remembered(&demand, IMAGE)]).await;
        assert_eq!(warmth, Warmth { repositories: 1, left: 1, once: true, ..Warmth::default() });
        assert_eq!(world.state.records(), before);
        assert_eq!(world.source.paths(), Vec::<String>::new());
    }
}

/// An admin resets the repository between two tries: what the second one sees is nobody's first use.
#[tokio::test(start_paused = true)]
async fn a_reset_during_a_warm_up_is_followed_by_no_first_use() {
    let (mut world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = DemandBuilder::new(GUN).first_use().build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.restart();
    world.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(warms(&world, vec![remembered(&demand, IMAGE)]).await.failed, 1);
    world.state.delete(&world.state.records()[0].0);
    world.source.clear_faults();
    world.source.forget();
    let loads = world.state.loads();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.state.loads() > loads, "it was tried again");
    assert_eq!(world.source.paths(), Vec::<String>::new(), "nobody asks for it any more");
    assert_eq!(world.state.records(), vec![]);
    assert_eq!(world.resolver.status(), vec![]);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"), "a pod's is a first use");
    assert!(world.state.record().pin.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pinned_first_use_is_fetched_from_its_pin() {
    let (mut world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = DemandBuilder::new(GUN).first_use().build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let pin = world.state.record().pin;
    world.restart();
    assert_eq!(warms(&world, vec![remembered(&demand, IMAGE)]).await.revalidated, 1);
    world.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.state.record().pin, pin);

    let (mut impostor, ..) = web();
    impostor.sign_target(RELEASES, "1.4", image_digest("evil"));
    world.restart();
    world.source.clear_faults();
    world.publish(&mut impostor);
    assert_eq!(warms(&world, vec![remembered(&demand, IMAGE)]).await.failed, 1);
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::RootMismatch);
    assert_eq!(world.state.record().pin, pin);
}

fn shop() -> (PodIdentity, Access) {
    let pod = PodIdentity {
        namespace: "shop".to_owned(),
        service_account: "default".to_owned(),
        pull_secrets: vec!["regcred".to_owned()],
    };
    (pod, Access::Basic { username: "shop".to_owned(), password: Secret::new("secret") })
}

#[tokio::test(start_paused = true)]
async fn what_only_pods_may_read_is_loaded_from_disk_by_their_grants_and_else_left_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let cached = ResolverConfig { cache_dir: Some(directory.path().to_owned()), ..ResolverConfig::default() };
    for (config, revalidated) in [(cached, 1), (ResolverConfig::default(), 0)] {
        let (mut world, (mut repository, ..), (pod, access)) = (World::with(config), web(), shop());
        world.publish(&mut repository);
        world.source.fault("*", Fault::UnauthorizedUnless(access.clone()));
        world.credentials.give("shop", vec![access.clone()]);
        let demand = both(&repository).credentials(CredentialsSource::ImagePullSecrets).build();
        assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod).await), image_digest("one"));
        world.restart();
        world.source.forget();
        let warmth = warms(&world, vec![remembered(&demand, IMAGE)]).await;
        let left = 1 - revalidated;
        let expected =
            Warmth { repositories: 1, loaded: revalidated, revalidated, left, once: true, failed: 0 };
        assert_eq!(warmth, expected);
        assert!(world.source.requests().iter().all(|request| request.access == access));
        assert_eq!(world.source.paths().len(), revalidated);
        // What one tenant may read, another may not, warm or not.
        let stranger = PodIdentity { namespace: "blog".to_owned(), ..pod.clone() };
        assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &stranger).await), Reason::Unauthorized);
        assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod).await), image_digest("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_policys_own_secret_needs_no_pod() {
    let (mut world, (mut repository, ..), (_, access)) = (World::new(), web(), shop());
    world.publish(&mut repository);
    world.source.fault("*", Fault::UnauthorizedUnless(access.clone()));
    world.credentials.give("", vec![access]);
    let secret = CredentialsSource::Secret { namespace: "shop".to_owned(), name: "notary".to_owned() };
    let demand = both(&repository).credentials(secret).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.restart();
    assert_eq!(warms(&world, vec![remembered(&demand, IMAGE)]).await.revalidated, 1);
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.advance(seconds(30));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn two_policies_of_one_repository_load_what_both_need_with_one_fetch() {
    let (world, repository, demand) = restarted(World::new()).await;
    let other = self::demand(&repository).requires(RELEASES).policy("other").build();
    let mut both = remembered(&other, IMAGE);
    both.demands.push(demand.clone());
    let warmth = warms(&world, vec![both]).await;
    assert_eq!((warmth.repositories, warmth.revalidated), (1, 1));
    assert_eq!(world.source.count("timestamp.json"), 1);
    world.source.fault("*", Fault::Unreachable("connection refused"));
    for demand in [demand, other] {
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn thousands_are_bounded_by_what_memory_holds() {
    let config = ResolverConfig {
        bounds: Bounds { repositories_in_memory: 20, ..Bounds::default() },
        ..ResolverConfig::default()
    };
    let mut world = World::with(config);
    let mut known = many(&world, SERVER, "shop", 30).await;
    for (age, one) in (0..).zip(&mut known) {
        one.last_used = start() - minutes(age);
    }
    known.rotate_left(17);
    world.restart();
    let warmth = warms(&world, known).await;
    assert_eq!((warmth.repositories, warmth.revalidated), (20, 20));
    let status = world.resolver.status();
    let mut guns: Vec<usize> = status.iter().map(|one| number(one.key.gun.as_str())).collect();
    guns.sort_unstable();
    assert_eq!(guns, (0..20).collect::<Vec<_>>(), "the most recently used");
}

/// What the one policy's credentials do not open, the other one's do.
#[tokio::test(start_paused = true)]
async fn each_accessor_of_a_shared_repository_is_tried() {
    let (mut world, (mut repository, ..), (_, access)) = (World::new(), web(), shop());
    world.publish(&mut repository);
    world.credentials.give("", vec![access.clone()]);
    world.source.fault("*", Fault::UnauthorizedUnless(access));
    let secret = CredentialsSource::Secret { namespace: "shop".to_owned(), name: "notary".to_owned() };
    let (open, closed) = (both(&repository).credentials(secret).build(), both(&repository).build());
    assert!(world.resolve(&open, IMAGE).await.is_ok());
    for demands in [[&closed, &open], [&open, &closed]] {
        world.restart();
        let known = Remembered { demands: demands.map(Demand::clone).into(), ..remembered(&open, IMAGE) };
        let warmth = warms(&world, vec![known]).await;
        assert_eq!((warmth.revalidated, warmth.failed), (1, 0));
    }
    world.restart();
    world.source.clear_faults();
    world.source.fault("*", Fault::Unauthorized);
    let known = Remembered { demands: vec![closed, open.clone()], ..remembered(&open, IMAGE) };
    assert_eq!(warms(&world, vec![known]).await.failed, 1);
}

/// A slow server is silent; one beside it that was done long since is not, whatever of it cannot be had.
#[tokio::test(start_paused = true)]
async fn one_slow_server_makes_no_other_one_silent() {
    let mut world = World::new();
    let mut known = many(&world, SLOW, "slow", 1).await;
    known.extend(many(&world, SERVER, "quick", 3).await);
    world.source.withdraw(SERVER, "registry.example.com/quick/1");
    world.restart();
    world.source.fault_in("registry.example.com/slow/0", "*", Fault::Delay(Gate::new()));
    let started = Instant::now();
    let silent = world.resolver.warm_once(known, Duration::from_secs(5)).await;
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(silent, [format!("{SLOW}/")].into());
    assert_eq!(world.resolver.status().len(), 2);
}
