//! Trust on first use: one pin, committed before the answer.

use tagseal::policy::{Demand, Reason};
use tagseal::trust::{RepositoryKey, StateError, TrustRecord};
use tagseal::tuf::Gun;

use super::world::{GUN, IMAGE, World, reason, resolve, sealed, web};
use crate::support::{DemandBuilder, Fault, SERVER, TestKey, TestRepository, image_digest, seconds};

fn first_use() -> Demand {
    DemandBuilder::new(GUN).first_use().build()
}

fn key(demand: &Demand) -> RepositoryKey {
    RepositoryKey {
        server: demand.server.url.to_string(),
        gun: Gun::new(GUN).unwrap(),
        anchors: demand.anchors.fingerprint(),
    }
}

/// Another publisher's repository under the same name.
fn impostor() -> TestRepository {
    let (mut repository, ..) = web();
    repository.sign_target("targets/releases", "1.4", image_digest("evil"));
    repository
}

#[tokio::test(start_paused = true)]
async fn without_pin_and_first_use_nothing_says_which_root_to_trust() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = DemandBuilder::new(GUN).build();
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::RootNotPinned);
}

#[tokio::test(start_paused = true)]
async fn the_first_root_is_pinned_and_another_one_refused_here_elsewhere_and_after_a_restart() {
    let (mut world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = first_use();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let pin = world.state.record().pin.unwrap();
    assert_eq!((pin.version, pin.key_ids[0].to_string()), (1, repository.root_key().canonical_id()));
    let files = impostor().publish(world.now());
    world.source.serve(SERVER, GUN, &files);
    assert_eq!(reason(&resolve(&world.replica(), &demand, IMAGE).await), Reason::RootMismatch);
    world.restart();
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::RootMismatch);
    assert_eq!(world.state.record().pin, Some(pin));
}

#[tokio::test(start_paused = true)]
async fn a_rotated_root_is_followed_from_the_pin_also_when_nothing_but_the_pin_is_left() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = first_use();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    for _ in 0..2 {
        repository.rotate("root", &[&TestKey::root(GUN, world.now())]);
        world.publish(&mut repository);
    }
    let other = resolve(&world.replica(), &demand, IMAGE).await;
    assert_eq!(sealed(&other), image_digest("one"));
    assert_eq!(other.unwrap().versions()[0].1, 3);
}

/// T16 at this level: the other replica pinned its root between our fetch and our write.
#[tokio::test(start_paused = true)]
async fn t16_a_lost_race_means_that_the_others_pin_counts() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let demand = first_use();
    world.publish(&mut repository);
    let elsewhere = World::new();
    let mut theirs = impostor();
    elsewhere.publish(&mut theirs);
    assert_eq!(sealed(&elsewhere.resolve(&demand, IMAGE).await), image_digest("evil"));
    let gate = crate::support::Gate::new();
    world.source.fault("targets.*", Fault::Delay(gate.clone()));
    let answer = world.resolve(&demand, IMAGE);
    let race = async {
        gate.arrived(1).await;
        world.state.put(&key(&demand), elsewhere.state.record());
        gate.open();
    };
    let (answer, ()) = tokio::join!(answer, race);
    assert_eq!(reason(&answer), Reason::RootMismatch);
    assert_eq!(world.state.record(), elsewhere.state.record(), "exactly one is pinned");
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_for_the_same_root_is_no_matter() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    world.state.fail_next_store(StateError::Conflict);
    assert_eq!(sealed(&world.resolve(&first_use(), IMAGE).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn a11_a_dry_run_verifies_and_pins_nothing() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = first_use();
    assert_eq!(sealed(&world.dry_run(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.state.records(), []);
    // What no pin vouches for does not bind the first real use.
    let files = impostor().publish(world.now());
    world.source.serve(SERVER, GUN, &files);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("evil"));
    assert!(world.state.record().pin.is_some());
}

#[tokio::test(start_paused = true)]
async fn no_pod_is_admitted_before_its_pin_is_written() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    world.state.fail_stores("etcd is read-only");
    assert_eq!(reason(&world.resolve(&first_use(), IMAGE).await), Reason::StateUnavailable);
}

#[tokio::test(start_paused = true)]
async fn deleting_the_record_resets_pin_floors_and_memory() {
    let directory = tempfile::tempdir().unwrap();
    let (world, (mut repository, ..)) = (World::with_cache(directory.path()), web());
    repository.version("targets", 7);
    world.publish(&mut repository);
    let demand = first_use();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let files = impostor().publish(world.now());
    world.source.serve(SERVER, GUN, &files);
    world.state.delete(&key(&demand));
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("evil"), "noticed by itself");
    world.source.serve(SERVER, GUN, repository.files());
    world.state.delete(&key(&demand));
    world.resolver.forget(&key(&demand), None).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"), "or when told");
}

/// What is under way rests on what was to be forgotten.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_finds_the_repository_reset_starts_anew() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.version("targets", 7);
    world.publish(&mut repository);
    let demand = first_use();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let gate = crate::support::Gate::new();
    world.source.fault("timestamp*", Fault::Delay(gate.clone()));
    world.advance(seconds(61));
    let reset = async {
        gate.arrived(1).await;
        world.state.delete(&key(&demand));
        world.resolver.forget(&key(&demand), None).await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(world.resolve(&demand, IMAGE), reset);
    assert!(answer.is_ok());
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    // By nothing but that refresh, which would have had nothing to write.
    assert!(world.state.record().pin.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_record_with_floors_and_no_pin_still_pins() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = first_use();
    world.state.put(&key(&demand), TrustRecord::default());
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert!(world.state.record().pin.is_some());
}
