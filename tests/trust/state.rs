//! Trust state that fails, and trust state on disk.

use std::sync::Arc;

use tagseal::policy::Reason;
use tagseal::trust::{DiskState, Resolver};

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, resolve, sealed, web};
use crate::support::{SERVER, image_digest, seconds};

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
    let start = || {
        let (source, credentials) = (Arc::new(world.source.clone()), Arc::new(world.credentials.clone()));
        let state = Arc::new(DiskState::new(directory.path()));
        Resolver::new(world.config.clone(), source, credentials, state, Arc::new(world.clock.clone()))
    };
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
