//! What was withdrawn stays withdrawn, and what was merely replaced does not deny anybody.

use jiff::SignedDuration;
use tagseal::policy::{Demand, Reason};

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, sealed, web};
use crate::support::{TestKey, TestRepository, days, demand, hours, image_digest, minutes};

fn at(tag: &str, digest: &str) -> String {
    format!("{GUN}{tag}@{}", image_digest(digest))
}

/// Lets time pass, publishes, and lets tagseal see it.
async fn see(world: &World, repository: &mut TestRepository, demand: &Demand, after: SignedDuration) {
    world.advance(after);
    world.publish(repository);
    let _ = world.resolve(demand, IMAGE).await;
}

/// The usual answer to an incident: `docker trust revoke`, a fixed build, `docker trust sign`.
#[tokio::test(start_paused = true)]
async fn p11_a_digest_that_was_revoked_stays_revoked_when_its_tag_is_signed_anew() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let demand = both(&repository).accept_for(hours(168)).build();
    see(&world, &mut repository, &demand, minutes(5)).await;
    repository.remove_target(RELEASES, "1.4").remove_target(QA, "1.4");
    see(&world, &mut repository, &demand, minutes(5)).await;
    for role in [RELEASES, QA] {
        repository.sign_target(role, "1.4", image_digest("fixed"));
    }
    see(&world, &mut repository, &demand, minutes(5)).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("fixed"));
    for image in [at(":1.4", "one"), at("", "one")] {
        assert_eq!(reason(&world.resolve(&demand, &image).await), Reason::DigestRevoked, "{image}");
    }
}

/// Each role listed it once, but never both at a time: no policy ever let it pass.
#[tokio::test(start_paused = true)]
async fn a_digest_that_the_required_roles_never_listed_together_was_never_good() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let demand = both(&repository).accept_for(hours(168)).build();
    see(&world, &mut repository, &demand, minutes(5)).await;
    repository.sign_target(RELEASES, "1.4", image_digest("hasty"));
    see(&world, &mut repository, &demand, minutes(5)).await;
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    see(&world, &mut repository, &demand, minutes(5)).await;
    repository.sign_target(QA, "1.4", image_digest("hasty"));
    see(&world, &mut repository, &demand, minutes(5)).await;
    repository.sign_target(QA, "1.4", image_digest("two"));
    see(&world, &mut repository, &demand, minutes(5)).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "hasty")).await), Reason::DigestMismatch);
    assert_eq!(reason(&world.resolve(&demand, &at("", "hasty")).await), Reason::DigestNotSigned);
    assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
}

/// Roles are signed one after the other, and other tags in between.
#[tokio::test(start_paused = true)]
async fn roles_that_publish_often_and_apart_deny_no_superseded_digest() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let demand = both(&repository).accept_for(hours(168)).build();
    see(&world, &mut repository, &demand, minutes(5)).await;
    for tag in ["1.5", "1.6", "1.7"] {
        repository.sign_target(RELEASES, tag, image_digest(tag));
        see(&world, &mut repository, &demand, minutes(5)).await;
    }
    for role in [QA, RELEASES] {
        repository.sign_target(role, "1.4", image_digest("two"));
        see(&world, &mut repository, &demand, minutes(5)).await;
        repository.sign_target(role, "1.8", image_digest("1.8"));
        see(&world, &mut repository, &demand, minutes(5)).await;
    }
    for image in [at(":1.4", "one"), at("", "one")] {
        assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_targets_gave_up_long_ago_is_not_good_again_when_releases_takes_over() {
    let world = World::new();
    let mut repository = TestRepository::new(GUN, world.now());
    let demand = demand(&repository).accept_for(hours(168)).build();
    repository.sign_target("targets", "1.4", image_digest("old"));
    see(&world, &mut repository, &demand, minutes(5)).await;
    repository.sign_target("targets", "1.4", image_digest("one"));
    see(&world, &mut repository, &demand, minutes(5)).await;
    repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1.4", image_digest("two"));
    see(&world, &mut repository, &demand, days(30)).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "old")).await), Reason::DigestMismatch);
}

/// A policy that is new here looks at `targets/releases` for the first time: that does not make it new.
#[tokio::test(start_paused = true)]
async fn releases_that_nobody_looked_at_before_superseded_nothing_today() {
    let world = World::new();
    let mut repository = TestRepository::new(GUN, world.now());
    let (alice, bob) = (TestKey::ecdsa(), TestKey::ecdsa());
    repository.sign_target("targets", "1.4", image_digest("ancient"));
    repository.delegate(RELEASES, &[&alice]).sign_target(RELEASES, "1.4", image_digest("one"));
    repository.delegate(QA, &[&bob]).sign_target(QA, "1.4", image_digest("one"));
    repository.publish(world.now());
    repository.sign_target(RELEASES, "1.5", image_digest("1.5"));
    world.publish(&mut repository);
    let only_qa = demand(&repository).requires(QA).build();
    assert_eq!(sealed(&world.resolve(&only_qa, IMAGE).await), image_digest("one"));
    world.advance(hours(1));
    let docker = demand(&repository).build();
    assert_eq!(sealed(&world.resolve(&docker, IMAGE).await), image_digest("one"));
    assert_eq!(reason(&world.resolve(&docker, &at(":1.4", "ancient")).await), Reason::DigestMismatch);
}

/// A year after its first signer, a repository signs the first time in `targets/releases` what was a tag of `targets`.
#[tokio::test(start_paused = true)]
async fn a_tag_that_moves_to_releases_late_denies_nobody() {
    let world = World::new();
    let mut repository = TestRepository::new(GUN, world.now());
    let demand = demand(&repository).accept_for(hours(168)).build();
    repository.sign_target("targets", "1.4", image_digest("one"));
    repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1.5", image_digest("1.5"));
    see(&world, &mut repository, &demand, minutes(5)).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    see(&world, &mut repository, &demand, days(30)).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    for image in [at(":1.4", "one"), at("", "one")] {
        assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"), "{image}");
    }
    world.advance(days(8));
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "one")).await), Reason::DigestMismatch);
}

#[tokio::test(start_paused = true)]
async fn p11_a_digest_that_was_revoked_under_one_tag_is_revoked_whatever_the_tags_are_called() {
    for removed in ["0.1", "9.9"] {
        let (world, (mut repository, ..)) = (World::new(), web());
        let demand = both(&repository).accept_for(hours(168)).build();
        for role in [RELEASES, QA] {
            repository.sign_target(role, removed, image_digest("one"));
        }
        see(&world, &mut repository, &demand, minutes(5)).await;
        for role in [RELEASES, QA] {
            repository.remove_target(role, removed).sign_target(role, "1.4", image_digest("two"));
        }
        see(&world, &mut repository, &demand, minutes(5)).await;
        assert_eq!(reason(&world.resolve(&demand, &at("", "one")).await), Reason::DigestRevoked, "{removed}");
        assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
    }
}
