//! What is one tenant's, one role's or one server's trouble is nobody else's.

use std::sync::Arc;
use std::time::Duration;

use tagseal::policy::{CredentialsSource, Demand, Reason};
use tagseal::trust::{
    Access, BoxFuture, PodIdentity, RepositoryKey, Resolver, ResolverConfig, Revision, Secret, StateError,
    TrustRecord, TrustState,
};

use super::world::{IMAGE, QA, RELEASES, World, both, reason, sealed, web};
use crate::support::{Fault, Gate, TestRepository, demand, hours, image_digest, minutes, seconds};

const SHOP: &str = "shop";

fn pod(namespace: &str) -> PodIdentity {
    PodIdentity {
        namespace: namespace.to_owned(),
        service_account: "default".to_owned(),
        pull_secrets: vec![],
    }
}

fn basic(user: &str) -> Access {
    Access::Basic { username: user.to_owned(), password: Secret::new("secret") }
}

/// A repository that only the shop's credentials read; the server hides it from others.
fn hidden() -> (World, TestRepository, Demand) {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    world.source.fault("*", Fault::NotFoundUnless(basic(SHOP)));
    world.credentials.give(SHOP, vec![basic(SHOP)]);
    world.credentials.give("evil", vec![basic("evil")]);
    let demand = both(&repository).credentials(CredentialsSource::ImagePullSecrets).build();
    (world, repository, demand)
}

#[tokio::test(start_paused = true)]
async fn secrets_that_cannot_be_read_for_a_while_end_no_grant() {
    let (world, _, demand) = hidden();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod(SHOP)).await), image_digest("one"));
    world.credentials.fail(SHOP, "the API server did not answer within 5 s");
    for _ in 0..3 {
        world.advance(minutes(2));
        let resolved = world.resolve_as(&demand, IMAGE, &pod(SHOP)).await;
        assert_eq!(sealed(&resolved), image_digest("one"), "within maxStaleness");
        assert!(resolved.unwrap().warnings[0].contains("did not answer within 5 s"));
    }
    world.advance(hours(24));
    assert_eq!(reason(&world.resolve_as(&demand, IMAGE, &pod(SHOP)).await), Reason::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn t25_every_credential_is_tried_on_a_server_that_hides_what_is_known_already() {
    let (world, _, demand) = hidden();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod(SHOP)).await), image_digest("one"));
    world.credentials.give("blog", vec![basic("evil"), basic(SHOP)]);
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod("blog")).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn t25_who_was_never_let_in_makes_no_trouble_for_who_was() {
    let (world, mut repository, demand) = hidden();
    assert_eq!(sealed(&world.resolve_as(&demand, IMAGE, &pod(SHOP)).await), image_digest("one"));
    for role in [RELEASES, QA] {
        repository.sign_target(role, "1.4", image_digest("two"));
    }
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert!(world.resolve_as(&demand, IMAGE, &pod("evil")).await.is_err());
    assert_eq!(world.resolver.status()[0].trouble, None);
    let resolved = world.resolve_as(&demand, IMAGE, &pod(SHOP)).await;
    assert_eq!(sealed(&resolved), image_digest("two"), "a publish is honoured within revalidateAfter");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_never_takes_the_place_of_what_was_pinned_meanwhile() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = demand(&repository).without_pins().first_use().build();
    let gate = Gate::new();
    world.source.fault_on_request(1, "targets/*", Fault::Delay(gate.clone()));
    let dry_run = world.dry_run(&demand, IMAGE);
    let real = async {
        gate.arrived(1).await;
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
        gate.open();
    };
    let (dry_run, ()) = tokio::join!(dry_run, real);
    assert_eq!(sealed(&dry_run), image_digest("one"));
    world.source.fault("*", Fault::Unreachable("refused"));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

/// One policy names a role whose file is never to be had; then another policy's role fails for a moment.
#[tokio::test(start_paused = true)]
async fn a_role_that_one_policy_names_in_vain_leaves_the_others_their_older_data() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.delegate("targets/broken", &[&crate::support::TestKey::ecdsa()]);
    repository.sign_target("targets/broken", "1.4", image_digest("one"));
    world.publish(&mut repository);
    world.source.fault("targets/broken.*", Fault::NotFound);
    let good = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&good, IMAGE).await), image_digest("one"));
    let bad = demand(&repository).requires("targets/broken").build();
    assert_eq!(reason(&world.resolve(&bad, IMAGE).await), Reason::InvalidMetadata);
    repository.sign_target(QA, "1.5", image_digest("1.5"));
    world.publish(&mut repository);
    world.source.fault("targets/qa.*", Fault::Unreachable("503"));
    for _ in 0..5 {
        world.advance(seconds(50));
        world.resolver.maintain_once(world.now()).finished().await;
        assert_eq!(sealed(&world.resolve(&good, IMAGE).await), image_digest("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_trust_server_takes_no_place_in_the_background_from_the_others() {
    let slow_server = "https://slow.example.com";
    let world = World::with(ResolverConfig { background_at_once: 2, ..ResolverConfig::default() });
    let (mut repository, ..) = web();
    world.publish(&mut repository);
    let here = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&here, IMAGE).await), image_digest("one"));
    for name in ["a", "b", "c"] {
        let gun = format!("registry.example.com/slow/{name}");
        let mut repository = TestRepository::new(&gun, world.now());
        repository.sign_target("targets", "1", image_digest(name));
        let files = repository.publish(world.now());
        world.source.serve(slow_server, &gun, &files);
        let demand = demand(&repository).server(slow_server).build();
        assert!(world.resolve(&demand, &format!("{gun}:1")).await.is_ok());
        world.source.fault_in(&gun, "*", Fault::Delay(Gate::new()));
    }
    world.advance(seconds(55));
    assert_eq!(world.resolver.maintain_once(world.now()).started(), 3, "two of the slow and the other");
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.source.forget();
    assert_eq!(sealed(&world.resolve(&here, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths(), Vec::<String>::new(), "it is fresh already");
}

/// A replica that starts anew, without a disk, and must fetch what was superseded.
async fn replica_without_the_past(world: &mut World) -> (Demand, String, String) {
    let (mut repository, ..) = web();
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    for role in [RELEASES, QA] {
        repository.sign_target(role, "1.4", image_digest("two"));
    }
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    let record = world.state.record();
    let superseded = |role: &str| {
        let mut of_role = record.recent.iter().filter(|version| version.role.as_str() == role);
        of_role.find(|version| version.superseded.is_some()).unwrap().sha256.hex()
    };
    world.source.forget();
    (demand, format!("*.{}.json", superseded(RELEASES)), format!("{IMAGE}@{}", image_digest("one")))
}

#[tokio::test(start_paused = true)]
async fn a_past_that_was_not_to_be_had_for_a_moment_is_asked_for_again() {
    let mut world = World::new();
    let (demand, pattern, image) = replica_without_the_past(&mut world).await;
    world.source.fault(&pattern, Fault::NotFound);
    assert_eq!(reason(&world.resolve(&demand, &image).await), Reason::DigestMismatch);
    world.source.clear_faults();
    world.advance(seconds(3));
    assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn two_hundred_pods_of_one_superseded_digest_fetch_its_past_once() {
    let mut world = World::new();
    let (demand, pattern, image) = replica_without_the_past(&mut world).await;
    let pods = (0..200).map(|_| world.resolve(&demand, &image));
    for pod in futures::future::join_all(pods).await {
        assert_eq!(sealed(&pod), image_digest("one"));
    }
    assert_eq!(world.source.count(&pattern), 1);
}

/// Trust state that takes longer to read than an admission has.
#[derive(Debug)]
struct SlowState(crate::support::FakeState);

impl TrustState for SlowState {
    fn load<'a>(
        &'a self,
        key: &'a RepositoryKey,
    ) -> BoxFuture<'a, Result<Option<(TrustRecord, Revision)>, StateError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(12)).await;
            self.0.load(key).await
        })
    }

    fn store<'a>(
        &'a self,
        key: &'a RepositoryKey,
        expected: Option<&'a Revision>,
        record: &'a TrustRecord,
    ) -> BoxFuture<'a, Result<Revision, StateError>> {
        self.0.store(key, expected, record)
    }
}

#[tokio::test(start_paused = true)]
async fn a15_state_that_is_slower_than_a_deadline_serves_the_retries() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    let (source, credentials) = (Arc::new(world.source.clone()), Arc::new(world.credentials.clone()));
    let (state, clock) = (Arc::new(SlowState(world.state.clone())), Arc::new(world.clock.clone()));
    let resolver = Resolver::new(world.config.clone(), source, credentials, state, clock);
    for _ in 0..2 {
        let resolved = super::world::resolve(&resolver, &demand, IMAGE).await;
        assert_eq!(reason(&resolved), Reason::DeadlineExceeded);
    }
    assert_eq!(sealed(&super::world::resolve(&resolver, &demand, IMAGE).await), image_digest("one"));
}
