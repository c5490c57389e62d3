//! The disk cache: restarts during outages, torn files, and trees that notary or docker left.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tagseal::policy::Reason;
use tagseal::trust::ResolverConfig;

use super::world::{GUN, IMAGE, World, both, reason, sealed, web};
use crate::support::{
    DemandBuilder, FakeState, Fault, SERVER, ServedFiles, TestKey, TestRepository, days, hours, image_digest,
    minutes, seconds,
};

/// A world with a cache directory that has sealed the image once.
async fn warm(directory: &Path) -> (World, TestRepository, tagseal::policy::Demand) {
    let (world, (mut repository, ..)) = (World::with_cache(directory), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    (world, repository, demand)
}

/// All files below a directory with this name.
fn named(directory: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(named(&entry.path(), name));
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
    found
}

/// Which file stands at each path below a directory. One that is replaced is another file.
fn inodes(directory: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.append(&mut inodes(&entry.path()));
        } else {
            found.insert(entry.path(), entry.metadata().unwrap().ino());
        }
    }
    found
}

/// The names of the files that were written since `before`, sorted.
fn written(directory: &Path, before: &BTreeMap<PathBuf, u64>) -> Vec<String> {
    let now = inodes(directory);
    let written = now.iter().filter(|(path, inode)| before.get(*path) != Some(*inode));
    let mut names: Vec<_> =
        written.map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Writes a tree as notary or docker leaves it.
fn seed(directory: &Path, files: &ServedFiles, roles: &[&str]) {
    for role in roles {
        let path = directory.join("tuf").join(GUN).join("metadata").join(format!("{role}.json"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, files.current(role)).unwrap();
    }
}

const ALL: &[&str] = &["root", "timestamp", "snapshot", "targets", "targets/releases", "targets/qa"];

#[tokio::test(start_paused = true)]
async fn a_restart_during_an_outage_denies_nothing_that_the_remaining_validity_allows() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, _, demand) = warm(directory.path()).await;
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.restart();
    world.advance(hours(23));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.restart();
    world.advance(hours(2));
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::TooStale);
}

#[tokio::test(start_paused = true)]
async fn a_restart_fetches_only_what_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, _, demand) = warm(directory.path()).await;
    world.restart();
    world.source.forget();
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths(), ["timestamp.json"]);
}

/// As `verify` without a state directory: every process takes the root at first use, and goes through all the files.
#[tokio::test(start_paused = true)]
async fn a_commit_writes_the_files_whose_content_is_not_there_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, (mut repository, ..)) = (World::with_cache(directory.path()), web());
    begins_anew(&mut world);
    world.publish(&mut repository);
    let demand = DemandBuilder::new(GUN).first_use().build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let before = inodes(directory.path());
    begins_anew(&mut world);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(written(directory.path(), &before), ["tagseal.json"], "when it was vouched for");

    let before = inodes(directory.path());
    repository.witness("targets/releases");
    world.publish(&mut repository);
    begins_anew(&mut world);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let mut written = written(directory.path(), &before);
    let superseded = written.remove(0);
    assert!(superseded.len() > 64, "the history has the file before: {superseded}");
    assert_eq!(written, ["releases.json", "snapshot.json", "tagseal.json", "timestamp.json"]);
}

/// Another process, a minute later, with nothing but the disk.
fn begins_anew(world: &mut World) {
    world.state = FakeState::of_one_process();
    world.restart();
    world.advance(seconds(61));
}

#[tokio::test(start_paused = true)]
async fn a_torn_file_is_a_miss_and_not_an_error() {
    for name in
        ["root.json", "timestamp.json", "snapshot.json", "targets.json", "releases.json", "tagseal.json"]
    {
        let directory = tempfile::tempdir().unwrap();
        let (mut world, _, demand) = warm(directory.path()).await;
        let [path] = &named(directory.path(), name)[..] else { panic!("one {name}") };
        let good = std::fs::read(path).unwrap();
        // Cut off; and as long as it was, which a crash leaves where the length came to the disk before the bytes.
        for torn in [good[..good.len() / 2].to_vec(), vec![0; good.len()]] {
            std::fs::write(path, torn).unwrap();
            world.restart();
            assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"), "{name}");
            assert_eq!(std::fs::read(path).unwrap(), good, "{name} is written anew");
        }
        std::fs::write(path, &good[..good.len() / 2]).unwrap();
        world.restart();
        world.source.fault("*", Fault::Unreachable("connection refused"));
        let expected = match name {
            "tagseal.json" => Reason::TooStale,
            _ => Reason::TrustServerUnreachable,
        };
        assert_eq!(reason(&world.resolve(&demand, IMAGE).await), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_tampered_with_on_disk_does_not_serve() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, _, demand) = warm(directory.path()).await;
    let (mut other, ..) = web();
    other.sign_target("targets/releases", "1.4", image_digest("evil"));
    let files = other.publish(world.now());
    for (name, role) in [("releases.json", "targets/releases"), ("root.json", "root")] {
        std::fs::write(&named(directory.path(), name)[0], files.current(role)).unwrap();
    }
    world.restart();
    world.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::TrustServerUnreachable);
}

#[tokio::test(start_paused = true)]
async fn t30_one_cache_directory_keeps_servers_and_anchors_apart() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, repository, demand) = warm(directory.path()).await;
    let (mut other, ..) = web();
    other.sign_target("targets/releases", "1.4", image_digest("two"));
    other.sign_target("targets/qa", "1.4", image_digest("two"));
    let files = other.publish(world.now());
    world.source.serve("https://other.example.com", GUN, &files);
    let theirs = both(&other).server("https://other.example.com").build();
    assert_eq!(sealed(&world.resolve(&theirs, IMAGE).await), image_digest("two"));
    let denied = both(&repository).deny_root_rotation().build();
    assert_eq!(sealed(&world.resolve(&denied, IMAGE).await), image_digest("one"));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(sealed(&world.resolve(&theirs, IMAGE).await), image_digest("two"));
    assert_eq!(sealed(&world.resolve(&denied, IMAGE).await), image_digest("one"));
    assert_eq!(world.state.records().len(), 3);
    let unseen = both(&other).build();
    assert_eq!(reason(&world.resolve(&unseen, IMAGE).await), Reason::TrustServerUnreachable);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_root_is_reached_from_disk_too() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, mut repository, demand) = warm(directory.path()).await;
    repository.rotate("root", &[&TestKey::root(GUN, world.now())]);
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn a_first_use_pin_serves_from_disk_during_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, (mut repository, ..)) = (World::with_cache(directory.path()), web());
    world.publish(&mut repository);
    let demand = DemandBuilder::new(GUN).first_use().build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    repository.rotate("root", &[&TestKey::root(GUN, world.now())]);
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn a_disk_below_the_floor_still_serves_within_its_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, mut repository, demand) = warm(directory.path()).await;
    // Another replica, with a disk of its own, sees a newer set.
    repository.witness("targets").witness("targets/releases").witness("targets/qa");
    world.publish(&mut repository);
    let mut elsewhere = World::new();
    elsewhere.source = world.source.clone();
    elsewhere.state = world.state.clone();
    elsewhere.restart();
    assert_eq!(sealed(&elsewhere.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

fn seeded(directory: &Path, seed: bool) -> World {
    let cache_dir = Some(directory.to_owned());
    World::with(ResolverConfig { cache_dir, seed, ..ResolverConfig::default() })
}

#[tokio::test(start_paused = true)]
async fn a_seeds_root_is_the_first_use_pin_and_serve_ignores_it() {
    let directory = tempfile::tempdir().unwrap();
    let (mut repository, ..) = web();
    let world = seeded(directory.path(), true);
    seed(directory.path(), &repository.publish(world.now()), &["root"]);
    let (mut impostor, ..) = web();
    world.publish(&mut impostor);
    let demand = DemandBuilder::new(GUN).first_use().build();
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::RootMismatch);
    let serve = seeded(directory.path(), false);
    serve.publish(&mut impostor);
    assert_eq!(sealed(&serve.resolve(&demand, IMAGE).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn a_seed_serves_until_it_expires_and_is_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let (mut repository, ..) = web();
    let world = seeded(directory.path(), true);
    let files = repository.publish(world.now());
    seed(directory.path(), &files, ALL);
    let demand = both(&repository).build();
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.advance(days(10));
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"));
    assert!(resolved.unwrap().warnings[0].contains("of unknown age"));
    world.source.clear_faults();
    repository.witness("targets");
    world.publish(&mut repository);
    world.advance(minutes(2));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let seed = directory.path().join("tuf").join(GUN).join("metadata/targets.json");
    assert_eq!(std::fs::read(seed).unwrap(), files.current("targets").to_vec());
    let directory = tempfile::tempdir().unwrap();
    self::seed(directory.path(), &files, ALL);
    let expired = seeded(directory.path(), true);
    expired.source.fault("*", Fault::Unreachable("connection refused"));
    expired.advance(days(15));
    assert_eq!(reason(&expired.resolve(&demand, IMAGE).await), Reason::TrustServerUnreachable);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_root_of_a_seed_is_an_error_and_any_other_damaged_file_a_miss() {
    for role in ALL {
        let directory = tempfile::tempdir().unwrap();
        let (mut repository, ..) = web();
        let world = seeded(directory.path(), true);
        seed(directory.path(), &repository.publish(world.now()), ALL);
        let path = directory.path().join("tuf").join(GUN).join("metadata").join(format!("{role}.json"));
        std::fs::write(path, "{").unwrap();
        world.source.serve(SERVER, GUN, repository.files());
        let demand = DemandBuilder::new(GUN).first_use().build();
        let resolved = world.resolve(&demand, IMAGE).await;
        match *role {
            "root" => assert_eq!(reason(&resolved), Reason::StateUnavailable),
            role => assert_eq!(sealed(&resolved), image_digest("one"), "{role}"),
        }
        assert_eq!(
            sealed(&world.resolve(&crate::support::demand(&repository).build(), IMAGE).await),
            image_digest("one")
        );
    }
}
