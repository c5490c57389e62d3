//! T33: what was seen of a repository counts on when a policy is edited, and under the same keys alone.

use std::path::Path;
use std::sync::Arc;

use tagseal::policy::{Demand, Reason};
use tagseal::trust::{DiskState, Resolver, ResolverConfig, TrustState};
use tagseal::tuf::{Floor, KeyIdentities, RoleName};

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, resolve, sealed, text, web};
use crate::support::{
    CertificateSpec, DemandBuilder, SERVER, ServedFiles, TestCa, TestKey, TestRepository, hours,
    image_digest, minutes, seconds,
};

const ELSEWHERE: &str = "https://new.example.com";

fn start(world: &World, state: impl TrustState + 'static) -> Resolver {
    let (source, credentials) = (Arc::new(world.source.clone()), Arc::new(world.credentials.clone()));
    let clock = Arc::new(world.clock.clone());
    Resolver::new(ResolverConfig::default(), source, credentials, Arc::new(state), clock)
}

fn require(builder: DemandBuilder) -> Demand {
    builder.requires(RELEASES).requires(QA).build()
}

/// `1.4` is `old` first and `new` later, in both roles: the files of either time.
fn published_twice(repository: &mut TestRepository, world: &World) -> (ServedFiles, ServedFiles) {
    for role in [RELEASES, QA] {
        repository.sign_target(role, "1.4", image_digest("old"));
    }
    let old = repository.publish(world.now());
    for role in [RELEASES, QA] {
        repository.sign_target(role, "1.4", image_digest("new"));
    }
    (old, repository.publish(world.now()))
}

fn serve(world: &World, files: &ServedFiles) {
    for server in [SERVER, ELSEWHERE] {
        world.source.serve(server, GUN, files);
    }
}

/// What a policy may say of one repository.
fn policies(repository: &TestRepository, ca: &TestCa) -> Vec<(&'static str, Demand)> {
    let pinned = || DemandBuilder::new(GUN).pin(repository.root_key());
    [
        ("as it was", pinned()),
        ("a key added", pinned().pin(&TestKey::root(GUN, super::world::start()))),
        ("an authority instead", DemandBuilder::new(GUN).pin_ca(ca)),
        ("rotation denied", pinned().deny_root_rotation()),
        ("another server", pinned().server(ELSEWHERE)),
        ("other authorities of the server", pinned().server_ca("another")),
        ("another name", pinned().policy("anew")),
        ("in a namespace", pinned().policy("shop/anew")),
        ("first use", DemandBuilder::new(GUN).first_use()),
        ("first use, rotation denied", DemandBuilder::new(GUN).first_use().deny_root_rotation()),
        ("first use elsewhere", DemandBuilder::new(GUN).first_use().server(ELSEWHERE)),
    ]
    .map(|(what, demand)| (what, require(demand)))
    .into()
}

/// From every one of them to every other, and back.
#[tokio::test(start_paused = true)]
async fn t33_no_edit_of_roots_rotation_server_or_authorities_forgets_a_floor() {
    let (mut repository, ..) = web();
    let ca = TestCa::new("acme", super::world::start());
    let spec = CertificateSpec::new(GUN, super::world::start()).without_code_signing().issued_by(&ca);
    repository.rotate("root", &[&TestKey::ecdsa().certified(&spec)]);
    let (old, new) = published_twice(&mut repository, &World::new());
    let policies = policies(&repository, &ca);
    for (before, first) in &policies {
        for (after, second) in &policies {
            let world = World::new();
            serve(&world, &new);
            assert_eq!(sealed(&world.resolve(first, IMAGE).await), image_digest("new"), "{before}");
            serve(&world, &old);
            let edited = resolve(&world.replica(), second, IMAGE).await;
            assert_eq!(reason(&edited), Reason::Rollback, "{before} -> {after}: {edited:?}");
            let back = resolve(&world.replica(), first, IMAGE).await;
            assert_eq!(reason(&back), Reason::Rollback, "{before} -> {after} -> {before}: {back:?}");
            serve(&world, &new);
            assert_eq!(sealed(&resolve(&world.replica(), second, IMAGE).await), image_digest("new"));
        }
    }
}

/// One of them after the other, in one process and with every record but the last deleted: each took over what was seen.
#[tokio::test(start_paused = true)]
async fn t33_a_record_takes_over_what_those_before_it_saw() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let (old, new) = published_twice(&mut repository, &world);
    serve(&world, &new);
    let pinned = || DemandBuilder::new(GUN).pin(repository.root_key());
    let narrow = pinned().requires(RELEASES).build();
    let first = require(pinned());
    let last = require(pinned().server(ELSEWHERE).deny_root_rotation());
    for demand in [&first, &narrow, &last] {
        assert_eq!(sealed(&world.resolve(demand, IMAGE).await), image_digest("new"));
    }
    for (key, _) in world.state.records() {
        if key.server != "https://new.example.com/" {
            world.state.delete(&key);
        }
    }
    let record = world.state.record();
    assert!(record.floors.contains_key(&RoleName::parse(QA).unwrap()), "{:?}", record.floors);
    serve(&world, &old);
    for demand in [&last, &first] {
        assert_eq!(reason(&resolve(&world.replica(), demand, IMAGE).await), Reason::Rollback);
    }
}

/// What the new policy does not ask for is not forgotten either.
#[tokio::test(start_paused = true)]
async fn t33_a_role_that_the_new_policy_does_not_load_keeps_its_floor() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let (_, new) = published_twice(&mut repository, &world);
    serve(&world, &new);
    let root_key = repository.root_key().clone();
    let pinned = || DemandBuilder::new(GUN).pin(&root_key);
    assert_eq!(sealed(&world.resolve(&require(pinned()), IMAGE).await), image_digest("new"));
    let (first, _) = world.state.records().remove(0);
    let narrow = pinned().deny_root_rotation().requires(RELEASES).build();
    assert_eq!(sealed(&world.resolve(&narrow, IMAGE).await), image_digest("new"));
    world.state.delete(&first);
    assert_eq!(world.floors(), 6);
    // Who holds the snapshot and timestamp keys goes back in that role alone.
    repository.roll_back(QA, 1);
    serve(&world, &repository.publish(world.now()));
    let wide = require(pinned().deny_root_rotation());
    assert_eq!(reason(&resolve(&world.replica(), &wide, IMAGE).await), Reason::Rollback);
}

/// The root is rotated, seen by tagseal or not, and the policy follows; then `targets` goes back.
#[tokio::test(start_paused = true)]
async fn t33_a_key_that_is_replaced_after_a_rotation_forgets_no_floor() {
    for seen in [true, false] {
        for keeps_the_old_one in [true, false] {
            for of_an_earlier_release in [true, false] {
                let (world, (mut repository, ..)) = (World::new(), web());
                repository.publish(world.now());
                repository.witness("targets");
                world.publish(&mut repository);
                let (old_key, new_key) = (repository.root_key().clone(), TestKey::root(GUN, world.now()));
                let before = both(&repository).build();
                assert_eq!(sealed(&world.resolve(&before, IMAGE).await), image_digest("one"));
                repository.rotate("root", &[&new_key]);
                if seen {
                    world.publish(&mut repository);
                    world.advance(seconds(61));
                    assert_eq!(sealed(&world.resolve(&before, IMAGE).await), image_digest("one"));
                }
                if of_an_earlier_release {
                    as_an_earlier_release_wrote_it(&world, if seen { &new_key } else { &old_key });
                }
                repository.roll_back("targets", 1);
                world.publish(&mut repository);
                let pins = DemandBuilder::new(GUN).pin(&new_key);
                let pins = if keeps_the_old_one { pins.pin(&old_key) } else { pins };
                let edited = resolve(&world.replica(), &require(pins), IMAGE).await;
                let case = (seen, keeps_the_old_one, of_an_earlier_release);
                assert_eq!(reason(&edited), Reason::Rollback, "{case:?}: {edited:?}");
                assert!(text(&edited).contains("targets metadata was rolled back"), "{}", text(&edited));
            }
        }
    }
}

/// An earlier release knew of a root's floor only who signed that root by its own keys.
fn as_an_earlier_release_wrote_it(world: &World, root_key: &TestKey) {
    let (key, mut record) = world.state.records().remove(0);
    let identity = tagseal::tuf::PublicKey::from_pem(&root_key.public_pem()).unwrap().identity();
    let signers: KeyIdentities = [identity].into_iter().collect();
    let floor = record.floors.get_mut(&RoleName::root()).unwrap();
    assert!(floor.signers.iter().any(|signer| *signer == identity));
    floor.signers = signers;
    world.state.put(&key, record);
}

/// The old root key was stolen, and therefore rotated. The policy is edited, and still names it.
#[tokio::test(start_paused = true)]
async fn t33_a_stolen_root_key_does_not_come_back_with_an_edit() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let stolen = repository.root_key().clone();
    let before = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&before, IMAGE).await), image_digest("one"));
    repository.rotate("root", &[&TestKey::root(GUN, world.now())]);
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&before, IMAGE).await), image_digest("one"));

    let (mut forged, ..) = web();
    forged.rotate("root", &[&stolen]);
    world.source.serve(SERVER, GUN, &forged.publish(world.now()));
    let edited = require(DemandBuilder::new(GUN).pin(&stolen).pin(&TestKey::root(GUN, world.now())));
    let resolved = resolve(&world.replica(), &edited, IMAGE).await;
    assert_eq!(reason(&resolved), Reason::Rollback, "{resolved:?}");
    assert!(text(&resolved).contains("root metadata was rolled back"), "{}", text(&resolved));
}

/// Records of an earlier release that stand side by side: the edit was made before the upgrade.
#[tokio::test(start_paused = true)]
async fn t33_a_record_that_an_earlier_release_made_beside_another_has_no_lower_floors() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let (old, new) = published_twice(&mut repository, &world);
    let pinned = || DemandBuilder::new(GUN).pin(repository.root_key());
    let (first, second) = (require(pinned()), require(pinned().deny_root_rotation()));
    let low = World::new();
    serve(&low, &old);
    assert_eq!(sealed(&low.resolve(&second, IMAGE).await), image_digest("old"));
    serve(&world, &new);
    assert_eq!(sealed(&world.resolve(&first, IMAGE).await), image_digest("new"));
    let (key, record) = low.state.records().remove(0);
    world.state.put(&key, record);
    serve(&world, &old);
    assert_eq!(reason(&resolve(&world.replica(), &second, IMAGE).await), Reason::Rollback);
    serve(&world, &new);
    assert_eq!(sealed(&resolve(&world.replica(), &second, IMAGE).await), image_digest("new"));
}

/// A server that holds the snapshot key leaves out what it once listed: not "never published", for the new policy either.
#[tokio::test(start_paused = true)]
async fn t33_releases_that_were_seen_before_the_edit_are_not_as_if_never_published() {
    let world = World::new();
    let mut repository = TestRepository::new(GUN, world.now());
    repository.sign_target("targets", "1.4", image_digest("ancient"));
    repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1.4", image_digest("one"));
    world.publish(&mut repository);
    let demand = || crate::support::demand(&repository);
    let (before, after) = (demand().build(), demand().deny_root_rotation().build());
    assert_eq!(sealed(&world.resolve(&before, IMAGE).await), image_digest("one"));
    repository.unlist_from_snapshot(RELEASES);
    world.publish(&mut repository);
    for demand in [&before, &after] {
        let resolved = resolve(&world.replica(), demand, IMAGE).await;
        assert_eq!(reason(&resolved), Reason::DelegationMissing, "{resolved:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t33_what_was_superseded_or_revoked_before_an_edit_is_so_after_it() {
    for revoked in [false, true] {
        let (world, (mut repository, ..)) = (World::new(), web());
        let root_key = repository.root_key().clone();
        let pinned = || DemandBuilder::new(GUN).pin(&root_key).accept_for(hours(168));
        let (before, after) = (require(pinned()), require(pinned().deny_root_rotation()));
        world.publish(&mut repository);
        assert_eq!(sealed(&world.resolve(&before, IMAGE).await), image_digest("one"));
        world.advance(minutes(5));
        if revoked {
            repository.remove_target(RELEASES, "1.4").remove_target(QA, "1.4");
            world.publish(&mut repository);
            assert_eq!(reason(&world.resolve(&before, IMAGE).await), Reason::NotSigned);
            world.advance(minutes(5));
        }
        for role in [RELEASES, QA] {
            repository.sign_target(role, "1.4", image_digest("two"));
        }
        world.publish(&mut repository);
        let replica = world.replica();
        assert_eq!(sealed(&resolve(&replica, &after, IMAGE).await), image_digest("two"));
        for image in [format!("{IMAGE}@{}", image_digest("one")), format!("{GUN}@{}", image_digest("one"))] {
            let resolved = resolve(&replica, &after, &image).await;
            match revoked {
                true => assert_eq!(reason(&resolved), Reason::DigestRevoked, "{image}"),
                false => assert_eq!(sealed(&resolved), image_digest("one"), "{image}"),
            }
        }
    }
}

/// A tenant's repository of the same name, on a server that the tenant owns.
fn foreign(alice: &TestKey, bob: &TestKey) -> TestRepository {
    let mut foreign = TestRepository::new(GUN, super::world::start());
    foreign.delegate(RELEASES, &[alice]).sign_target(RELEASES, "1.4", image_digest("evil"));
    foreign.delegate(QA, &[bob]).sign_target(QA, "1.4", image_digest("evil"));
    for role in ["root", "timestamp", "snapshot", "targets", RELEASES, QA] {
        foreign.version(role, 900);
    }
    foreign
}

/// T30 and T33: versions under foreign anchors count for nothing, whatever keys they borrow: those of delegations, whose files
/// do not say which repository they are from, and a root key that is listed and did not sign.
#[tokio::test(start_paused = true)]
async fn t30_t33_what_was_seen_under_foreign_roots_holds_up_nobody() {
    for borrowed in ["nothing", "signers", "signers and targets", "the root key"] {
        let (world, (mut repository, alice, bob)) = (World::new(), web());
        world.publish(&mut repository);
        let mut foreign = match borrowed {
            "nothing" => foreign(&TestKey::ecdsa(), &TestKey::ecdsa()),
            _ => foreign(&alice, &bob),
        };
        let evil = foreign.root_key().clone();
        if borrowed == "signers and targets" {
            foreign.rotate("targets", &[&repository.keys("targets")[0].clone()]);
        }
        if borrowed == "the root key" {
            foreign.rotate("root", &[&evil, repository.root_key()]).keys_that_sign("root", &[&evil]);
        }
        world.source.serve(ELSEWHERE, GUN, &foreign.publish(world.now()));
        let tenants = DemandBuilder::new(GUN).pin(&evil).server(ELSEWHERE).policy("tenant/own");
        assert_eq!(sealed(&world.resolve(&require(tenants), IMAGE).await), image_digest("evil"));
        for demand in [both(&repository).build(), both(&repository).deny_root_rotation().build()] {
            let resolved = resolve(&world.replica(), &demand, IMAGE).await;
            assert_eq!(sealed(&resolved), image_digest("one"), "{borrowed}");
            repository.sign_target(RELEASES, "1.5", image_digest("1.5"));
            world.publish(&mut repository);
            let resolved = resolve(&world.replica(), &demand, IMAGE).await;
            assert_eq!(sealed(&resolved), image_digest("one"), "{borrowed}, once more");
        }
        let records = world.state.records();
        let ours = records.iter().filter(|(key, _)| key.server.contains("notary"));
        for (key, record) in ours {
            let highest = record.floors.values().map(|floor| floor.version).max();
            assert!(highest < Some(900), "{key:?}: {:?}", record.floors);
            assert!(record.recent.iter().all(|version| version.version < 900), "{:?}", record.recent);
        }
    }
}

/// T26 across an edit: the floor of a stolen key falls with the key in every record.
#[tokio::test(start_paused = true)]
async fn t26_t33_the_floor_of_a_stolen_key_falls_for_a_new_record_too() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.version(RELEASES, 1 << 53);
    world.publish(&mut repository);
    let before = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&before, IMAGE).await), image_digest("one"));
    let after = both(&repository).deny_root_rotation().build();
    repository.version(RELEASES, 2);
    world.publish(&mut repository);
    assert_eq!(reason(&resolve(&world.replica(), &after, IMAGE).await), Reason::Rollback);
    repository.rotate(RELEASES, &[&TestKey::ecdsa()]).version(RELEASES, 3);
    world.publish(&mut repository);
    assert_eq!(sealed(&resolve(&world.replica(), &after, IMAGE).await), image_digest("one"));
    let floors: Vec<Floor> = world
        .state
        .records()
        .into_iter()
        .filter_map(|(key, record)| {
            (key.anchors == after.anchors.fingerprint())
                .then(|| record.floors[&RoleName::parse(RELEASES).unwrap()].clone())
        })
        .collect();
    assert_eq!(floors.iter().map(|floor| floor.version).collect::<Vec<_>>(), [3]);
}

/// First use is a decision for one server. An edit of `rootRotation`, which means nothing to it, does not take it back; a move
/// to another server does.
#[tokio::test(start_paused = true)]
async fn t33_a_first_use_pin_stays_with_its_server() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let first_use = || DemandBuilder::new(GUN).first_use();
    assert_eq!(sealed(&world.resolve(&require(first_use()), IMAGE).await), image_digest("one"));
    let mut other = web().0;
    for role in [RELEASES, QA] {
        other.sign_target(role, "1.4", image_digest("other"));
    }
    serve(&world, &other.publish(world.now()));
    let edited = require(first_use().deny_root_rotation());
    assert_eq!(reason(&resolve(&world.replica(), &edited, IMAGE).await), Reason::RootMismatch);
    let moved = require(first_use().server(ELSEWHERE));
    assert_eq!(sealed(&resolve(&world.replica(), &moved, IMAGE).await), image_digest("other"));
}

fn files_of(directory: &Path) -> Vec<String> {
    let files = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path().display().to_string()).collect();
    files.sort();
    files
}

/// On disk, across restarts; and what the refusal says to delete is what has to be deleted.
#[tokio::test]
async fn t33_on_disk_a_reset_is_the_deletion_of_every_record_that_the_refusal_names() {
    let directory = tempfile::tempdir().unwrap();
    let (world, (mut repository, alice, bob)) = (World::new(), web());
    let start = || start(&world, DiskState::new(directory.path()));
    let (old, new) = published_twice(&mut repository, &world);
    let pinned = || DemandBuilder::new(GUN).pin(repository.root_key());
    let (first, second) = (require(pinned()), require(pinned().server(ELSEWHERE)));
    serve(&world, &new);
    for demand in [&first, &second] {
        assert_eq!(sealed(&resolve(&start(), demand, IMAGE).await), image_digest("new"));
    }
    let both = files_of(directory.path());
    let mut foreign = foreign(&alice, &bob);
    let evil = foreign.root_key().clone();
    world.source.serve("https://evil.example.com", GUN, &foreign.publish(world.now()));
    let tenants = DemandBuilder::new(GUN).pin(&evil).server("https://evil.example.com");
    assert_eq!(sealed(&resolve(&start(), &require(tenants), IMAGE).await), image_digest("evil"));
    let evil: Vec<_> = files_of(directory.path()).into_iter().filter(|file| !both.contains(file)).collect();

    serve(&world, &old);
    let third = require(pinned().deny_root_rotation());
    let refused = text(&resolve(&start(), &third, IMAGE).await);
    assert!(both.iter().all(|file| refused.contains(file)), "{refused}");
    assert!(!refused.contains(&evil[0]), "another repository of that name: {refused}");
    std::fs::remove_file(&both[0]).unwrap();
    for demand in [&first, &second, &third] {
        let refused = resolve(&start(), demand, IMAGE).await;
        assert_eq!(reason(&refused), Reason::Rollback, "one of them stands");
        assert!(
            !text(&refused).contains(&both[0]) && text(&refused).contains(&both[1]),
            "{}",
            text(&refused)
        );
    }
    std::fs::remove_file(&both[1]).unwrap();
    for demand in [&third, &first, &second] {
        assert_eq!(sealed(&resolve(&start(), demand, IMAGE).await), image_digest("old"));
    }
}

/// Half a record is no floors, for who has none of its own yet; who has one took them over.
#[tokio::test]
async fn t33_a_damaged_record_is_no_floors_for_a_new_one_and_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (world, (mut repository, ..)) = (World::new(), web());
    let start = || start(&world, DiskState::new(directory.path()));
    let (_, new) = published_twice(&mut repository, &world);
    let pinned = || DemandBuilder::new(GUN).pin(repository.root_key());
    let (first, second) = (require(pinned()), require(pinned().server(ELSEWHERE)));
    serve(&world, &new);
    assert_eq!(sealed(&resolve(&start(), &first, IMAGE).await), image_digest("new"));
    let record = files_of(directory.path()).remove(0);
    assert_eq!(sealed(&resolve(&start(), &second, IMAGE).await), image_digest("new"));
    let damaged = std::fs::read_to_string(&record).unwrap().replace("\"version\": ", "\"version\": -");
    std::fs::write(&record, damaged).unwrap();
    assert_eq!(sealed(&resolve(&start(), &second, IMAGE).await), image_digest("new"));
    let third = require(pinned().deny_root_rotation());
    let refused = resolve(&start(), &third, IMAGE).await;
    assert_eq!(reason(&refused), Reason::StateUnavailable);
    assert!(text(&refused).contains(&record), "{}", text(&refused));
}
