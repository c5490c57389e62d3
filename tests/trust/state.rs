//! Trust state that fails, and trust state on disk.

use std::path::Path;
use std::sync::Arc;

use tagseal::policy::Reason;
use tagseal::trust::{DiskState, MemoryState, Resolver, ResolverConfig, TrustState};
use tagseal::tuf::RoleName;

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, resolve, sealed, web};
use crate::support::{DemandBuilder, Fault, SERVER, image_digest, seconds};

/// Another process with this state and this cache directory.
fn start(world: &World, state: impl TrustState + 'static, cache_dir: Option<&Path>) -> Resolver {
    let (source, credentials) = (Arc::new(world.source.clone()), Arc::new(world.credentials.clone()));
    let config = ResolverConfig { cache_dir: cache_dir.map(Path::to_owned), ..ResolverConfig::default() };
    Resolver::new(config, source, credentials, Arc::new(state), Arc::new(world.clock.clone()))
}

#[tokio::test(start_paused = true)]
async fn state_that_cannot_be_read_is_its_own_reason_and_spares_what_is_warm() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    world.state.fail("etcd is gone");
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::StateUnavailable);
    world.state.heal();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.state.fail("etcd is gone");
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"));
    assert!(resolved.unwrap().warnings[0].contains("etcd is gone"));
}

#[tokio::test]
async fn t11_floors_on_disk_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let (world, (mut repository, ..)) = (World::new(), web());
    let start = || start(&world, DiskState::new(directory.path()), None);
    let old = repository.publish(world.now());
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&resolve(&start(), &demand, IMAGE).await), image_digest("two"));
    world.source.serve(SERVER, GUN, &old);
    assert_eq!(reason(&resolve(&start(), &demand, IMAGE).await), Reason::Rollback);
    let record = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, &text[..text.len() / 2]).unwrap();
    world.source.serve(SERVER, GUN, repository.files());
    assert_eq!(reason(&resolve(&start(), &demand, IMAGE).await), Reason::StateUnavailable);
}

/// docs/operations.md, "To start anew with a repository": the record's file is deleted while tagseal is down, and the cache
/// directory brings neither floors nor data nor pin back.
#[tokio::test]
async fn a_record_deleted_while_tagseal_was_down_takes_the_cache_with_it() {
    let (records, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (world, (mut repository, ..)) = (World::new(), web());
    let start = || start(&world, DiskState::new(records.path()), Some(cache.path()));
    let delete = || {
        let files: Vec<_> =
            std::fs::read_dir(records.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
        files.len()
    };
    let old = repository.publish(world.now());
    repository.witness("targets").witness(RELEASES).witness(QA);
    world.publish(&mut repository);
    let (pinned, first_use) = (both(&repository).build(), DemandBuilder::new(GUN).first_use().build());
    for demand in [&pinned, &first_use] {
        assert_eq!(sealed(&resolve(&start(), demand, IMAGE).await), image_digest("one"));
    }
    world.source.serve(SERVER, GUN, &old);
    world.advance(seconds(61));
    let rolled_back = resolve(&start(), &pinned, IMAGE).await.unwrap();
    assert!(rolled_back.warnings[0].contains("Rollback"), "{:?}", rolled_back.warnings);
    assert_eq!(delete(), 2);
    let resolved = resolve(&start(), &pinned, IMAGE).await.unwrap();
    assert_eq!(resolved.warnings, Vec::<String>::new());
    assert!(resolved.versions().contains(&(RoleName::targets(), 1)), "{:?}", resolved.versions());

    let (mut anew, ..) = web();
    world.publish(&mut anew);
    assert_eq!(sealed(&resolve(&start(), &first_use, IMAGE).await), image_digest("one"));
    assert_eq!(delete(), 2);
    world.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(reason(&resolve(&start(), &pinned, IMAGE).await), Reason::TrustServerUnreachable);
}

/// Without a state directory there never is a record, and nobody deleted it.
#[tokio::test]
async fn without_a_state_directory_the_cache_serves_through_an_outage() {
    let cache = tempfile::tempdir().unwrap();
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    for _ in 0..2 {
        let resolver = start(&world, MemoryState::new(), Some(cache.path()));
        assert_eq!(sealed(&resolve(&resolver, &demand, IMAGE).await), image_digest("one"));
        world.source.fault("*", Fault::Unreachable("connection refused"));
    }
    // A state directory that is given later has no record yet, and takes nothing away.
    let records = tempfile::tempdir().unwrap();
    let resolver = start(&world, DiskState::new(records.path()), Some(cache.path()));
    assert_eq!(sealed(&resolve(&resolver, &demand, IMAGE).await), image_digest("one"));
}
