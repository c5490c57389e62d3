//! Superseded is not revoked: what was current once, by tagseal's own record.

use tagseal::policy::{Demand, Reason};

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, sealed, text, web};
use crate::support::{Fault, TestKey, TestRepository, days, demand, hours, image_digest, minutes, seconds};

fn at(tag: &str, digest: &str) -> String {
    format!("{GUN}{tag}@{}", image_digest(digest))
}

/// `one` was verified, then `1.4` was signed anew as `two`, and tagseal has seen that.
async fn re_signed(world: &World) -> (TestRepository, Demand, TestKey) {
    let (mut repository, alice, _) = web();
    world.publish(&mut repository);
    let demand = both(&repository).accept_for(hours(168)).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.advance(minutes(10));
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    (repository, demand, alice)
}

#[tokio::test(start_paused = true)]
async fn p11_a_superseded_digest_passes_within_accept_for_and_no_longer() {
    let world = World::new();
    let (_, demand, _) = re_signed(&world).await;
    for image in [at(":1.4", "one"), at("", "one")] {
        let resolved = world.resolve(&demand, &image).await;
        assert_eq!(sealed(&resolved), image_digest("one"));
        let warnings = resolved.unwrap().warnings;
        assert!(warnings[0].contains("good until 2026-11-28T12:10:00Z"), "{warnings:?}");
    }
    world.advance(hours(168));
    assert_eq!(
        sealed(&world.resolve(&demand, &at(":1.4", "one")).await),
        image_digest("one"),
        "to the second"
    );
    world.advance(seconds(1));
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "one")).await), Reason::DigestMismatch);
    let late = world.resolve(&demand, &at("", "one")).await;
    assert_eq!(reason(&late), Reason::DigestNotSigned);
    assert!(text(&late).contains("signed anew at 2026-11-21T12:10:00Z"), "{}", text(&late));
}

#[tokio::test(start_paused = true)]
async fn a_superseded_digest_is_known_to_a_replica_that_never_saw_it_and_after_a_restart() {
    let mut world = World::new();
    let (_, demand, _) = re_signed(&world).await;
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn what_tagseal_never_saw_current_is_not_superseded_whatever_the_server_keeps() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.publish(world.now());
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "one")).await), Reason::DigestMismatch);
    assert_eq!(reason(&world.resolve(&demand, &at("", "one")).await), Reason::DigestNotSigned);
}

#[tokio::test(start_paused = true)]
async fn p11_a_digest_whose_tag_was_removed_is_revoked_at_once() {
    let world = World::new();
    let (mut repository, demand, _) = re_signed(&world).await;
    repository.remove_target(RELEASES, "1.4").remove_target(QA, "1.4");
    world.publish(&mut repository);
    world.advance(seconds(61));
    for image in [at(":1.4", "one"), at(":1.4", "two"), at("", "one"), at("", "two")] {
        assert_eq!(reason(&world.resolve(&demand, &image).await), Reason::DigestRevoked, "{image}");
    }
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::NotSigned);
}

#[tokio::test(start_paused = true)]
async fn p11_a_digest_whose_signer_was_removed_is_revoked_at_once() {
    let world = World::new();
    let (mut repository, demand, _) = re_signed(&world).await;
    repository.rotate(RELEASES, &[&TestKey::ecdsa()]);
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    for image in [at(":1.4", "one"), at("", "one")] {
        assert_eq!(reason(&world.resolve(&demand, &image).await), Reason::DigestRevoked, "{image}");
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_server_that_offers_an_old_version_does_not_bring_a_removed_tag_back() {
    let world = World::new();
    let (mut repository, demand, _) = re_signed(&world).await;
    let old = repository.files().clone();
    repository.remove_target(RELEASES, "1.4").remove_target(QA, "1.4");
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::NotSigned);
    world.source.serve(crate::support::SERVER, GUN, &old);
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, &at(":1.4", "two")).await;
    assert_eq!(reason(&resolved), Reason::DigestRevoked);
    assert!(text(&resolved).contains("Rollback"), "{}", text(&resolved));
}

#[tokio::test(start_paused = true)]
async fn a_past_that_cannot_be_read_is_no_answer_and_one_that_is_gone_is_a_mismatch() {
    let mut world = World::new();
    let (_, demand, _) = re_signed(&world).await;
    world.restart();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    let digest = world.state.record().recent.iter().find(|v| v.superseded.is_some()).unwrap().sha256;
    let pattern = format!("*.{}.json", digest.hex());
    world.source.fault(&pattern, Fault::Unreachable("timed out"));
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "one")).await), Reason::TrustServerUnreachable);
    world.source.clear_faults();
    world.source.fault(&pattern, Fault::bytes("{}"));
    assert_eq!(
        reason(&world.resolve(&demand, &at(":1.4", "one")).await),
        Reason::DigestMismatch,
        "by hash, or not at all"
    );
}

#[tokio::test(start_paused = true)]
async fn a_superseded_digest_is_read_from_disk_during_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::with_cache(directory.path());
    let (_, demand, _) = re_signed(&world).await;
    world.restart();
    world.source.fault("*", Fault::Unreachable("refused"));
    assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn the_first_signer_moves_tags_from_targets_to_releases_and_denies_nobody() {
    let world = World::new();
    let mut repository = TestRepository::new(GUN, world.now());
    repository.sign_target("targets", "1.4", image_digest("one"));
    world.publish(&mut repository);
    let demand = demand(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.advance(minutes(5));
    repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1.4", image_digest("two"));
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
    world.advance(days(8));
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "one")).await), Reason::DigestMismatch);
}

/// A22, seen from one replica: the other has sealed what this one has yet to learn.
#[tokio::test(start_paused = true)]
async fn a_publish_between_two_replicas_denies_nobody() {
    let world = World::new();
    let other = world.replica();
    let (mut repository, ..) = web();
    world.publish(&mut repository);
    let demand = both(&repository).build();
    for resolver in [&world.resolver, &other] {
        assert_eq!(sealed(&super::world::resolve(resolver, &demand, IMAGE).await), image_digest("one"));
    }
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    world.advance(seconds(5));
    let newer = super::world::resolve(&other, &demand, &at(":1.4", "two")).await;
    assert_eq!(sealed(&newer), image_digest("two"), "the denial asked again");
    let newer = world.resolve(&demand, &at(":1.4", "two")).await;
    assert_eq!(sealed(&newer), image_digest("two"));
    assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
}

/// The image is refused by what the whole record says: the older files are fetched and verified in one step, and that is
/// done once.
#[tokio::test(start_paused = true)]
async fn a_repeated_denial_fetches_and_verifies_no_older_file_again() {
    let world = World::new();
    let (mut repository, demand, _) = re_signed(&world).await;
    for n in 0..20 {
        repository.sign_target(RELEASES, &format!("extra-{n}"), image_digest("extra"));
        world.publish(&mut repository);
        world.advance(seconds(61));
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    }
    world.source.forget();
    let never = at("", "never");
    assert_eq!(reason(&world.resolve(&demand, &never).await), Reason::DigestNotSigned);
    let older = world.state.record().recent.iter().filter(|version| version.superseded.is_some()).count();
    assert_eq!(world.source.count("targets*"), older, "each once: {:?}", world.source.paths());
    assert!(older >= 22, "{older}");
    world.source.forget();
    for _ in 0..5 {
        assert_eq!(reason(&world.resolve(&demand, &never).await), Reason::DigestNotSigned);
        world.advance(seconds(61));
    }
    assert_eq!(world.source.count("targets*"), 0, "{:?}", world.source.paths());
    assert_eq!(world.source.count("timestamp.json"), 5);
}

/// What is kept of older files is what the role's present keys make of them: with other keys it is not that.
#[tokio::test(start_paused = true)]
async fn p11_a_signer_taken_away_counts_though_older_files_are_in_memory() {
    let world = World::new();
    let (mut repository, demand, _) = re_signed(&world).await;
    for image in [at(":1.4", "one"), at("", "one")] {
        assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"));
    }
    repository.rotate(RELEASES, &[&TestKey::ecdsa()]);
    world.publish(&mut repository);
    world.advance(seconds(61));
    for image in [at(":1.4", "one"), at("", "one")] {
        assert_eq!(reason(&world.resolve(&demand, &image).await), Reason::DigestRevoked, "{image}");
    }
}
