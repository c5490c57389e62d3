//! Rollback, by every role, by stolen keys, after restarts and between replicas.

use tagseal::policy::Reason;
use tagseal::trust::StateError;
use tagseal::tuf::RoleName;

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, resolve, sealed, text, web};
use crate::support::{SERVER, TestKey, image_digest, seconds};

/// Every role in turn, with the older data of the process that saw the newer version, and without.
#[tokio::test(start_paused = true)]
async fn t10_t11_a_rollback_of_any_role_is_refused_and_the_newer_data_serves() {
    for role in ["root", "timestamp", "snapshot", "targets", RELEASES, QA] {
        let (mut world, (mut repository, ..)) = (World::new(), web());
        repository.publish(world.now());
        for role in ["root", "snapshot", "targets", RELEASES, QA] {
            repository.witness(role);
        }
        world.publish(&mut repository);
        let demand = both(&repository).build();
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
        let before = world.state.record();
        let files = match role {
            "timestamp" => {
                let old = repository.files().get("1.timestamp.json").unwrap().clone();
                repository.files().clone().with("timestamp.json", old)
            }
            role => {
                repository.roll_back(role, 1);
                repository.publish(world.now())
            }
        };
        world.source.serve(SERVER, GUN, &files);
        world.advance(seconds(61));
        let resolved = world.resolve(&demand, IMAGE).await;
        assert_eq!(sealed(&resolved), image_digest("one"), "{role}");
        let warnings = resolved.unwrap().warnings;
        assert!(warnings[0].contains("Rollback"), "{role}: {warnings:?}");
        assert_eq!(world.state.record(), before, "{role}: what did not verify changes nothing");
        world.restart();
        let resolved = world.resolve(&demand, IMAGE).await;
        assert_eq!(reason(&resolved), Reason::Rollback, "{role}: {resolved:?}");
        assert!(text(&resolved).contains(&format!("{role} metadata was rolled back")), "{}", text(&resolved));
    }
}

#[tokio::test(start_paused = true)]
async fn t11_what_another_replica_saw_is_a_floor_here() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let old = repository.publish(world.now());
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&resolve(&world.replica(), &demand, IMAGE).await), image_digest("two"));
    world.source.serve(SERVER, GUN, &old);
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::Rollback);
}

#[tokio::test(start_paused = true)]
async fn t26_the_floor_of_a_stolen_key_falls_with_the_key() {
    let (mut world, (mut repository, alice, _)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    repository.version(RELEASES, 1 << 53);
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let releases = RoleName::parse(RELEASES).unwrap();
    assert_eq!(world.state.record().floors[&releases].version, 1 << 53);

    // The publisher goes on from version 2 with the stolen key: below the floor.
    repository.version(RELEASES, 2).keys_that_sign(RELEASES, &[&alice]);
    world.publish(&mut repository);
    let lowered = world.replica();
    assert_eq!(reason(&resolve(&lowered, &demand, IMAGE).await), Reason::Rollback);

    let new = TestKey::ecdsa();
    repository.rotate(RELEASES, &[&new]).version(RELEASES, 3);
    world.publish(&mut repository);
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, IMAGE).await.unwrap();
    assert!(resolved.versions().contains(&(releases.clone(), 3)), "{:?}", resolved.versions());
    assert_eq!(resolved.warnings, Vec::<String>::new());
    assert_eq!(world.state.record().floors[&releases].version, 3);
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"), "without an admin");
}

#[tokio::test(start_paused = true)]
async fn deleting_the_record_is_the_way_back_to_a_repository_that_was_set_up_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (world, (mut repository, ..)) = (World::with_cache(directory.path()), web());
    let old = repository.publish(world.now());
    for role in ["targets", RELEASES, QA] {
        repository.witness(role);
    }
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.serve(SERVER, GUN, &old);
    world.advance(seconds(61));
    assert!(world.resolve(&demand, IMAGE).await.unwrap().warnings[0].contains("Rollback"));
    let (key, _) = world.state.records().remove(0);
    world.state.delete(&key);
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, IMAGE).await.unwrap();
    assert_eq!(resolved.warnings, Vec::<String>::new());
    assert!(resolved.versions().contains(&(RoleName::targets(), 1)), "{:?}", resolved.versions());
}

#[tokio::test(start_paused = true)]
async fn verified_metadata_raises_floors_even_when_the_image_is_denied() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(reason(&world.resolve(&demand, &format!("{GUN}:unsigned")).await), Reason::NotSigned);
    let floors = world.state.record().floors;
    let versions: Vec<_> = floors.iter().map(|(role, floor)| (role.as_str(), floor.version)).collect();
    assert_eq!(
        versions,
        [("root", 1), ("snapshot", 1), ("targets", 1), (QA, 1), (RELEASES, 1), ("timestamp", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn newer_data_serves_only_after_its_floor_is_written() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    world.state.fail_stores("etcd is read-only");
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"), "the older verified data serves meanwhile");
    assert!(resolved.unwrap().warnings[0].contains("StateUnavailable"));
    world.state.heal();
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_race_to_write_merges_and_tries_again() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    world.state.fail_next_store(StateError::Conflict);
    world.state.fail_next_store(StateError::Conflict);
    assert_eq!(sealed(&world.resolve(&both(&repository).build(), IMAGE).await), image_digest("one"));
    assert_eq!(world.state.stores(), 3);
}
