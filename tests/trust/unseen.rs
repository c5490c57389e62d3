//! T34: a tag is removed in a version that nobody saw, and signed anew in the next.

use tagseal::policy::{Demand, Reason};

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, sealed, text, web};
use crate::support::{Fault, TestKey, TestRepository, demand, image_digest, minutes};

fn at(tag: &str, digest: &str) -> String {
    format!("{GUN}{tag}@{}", image_digest(digest))
}

fn images() -> [String; 2] {
    [at(":1.4", "one"), at("", "one")]
}

fn sign(repository: &mut TestRepository, digest: &str) {
    for role in [RELEASES, QA] {
        repository.sign_target(role, "1.4", image_digest(digest));
    }
}

/// `one` was seen. Then there were versions that nobody saw, and now `1.4` is `two`.
async fn unseen(between: impl FnOnce(&World, &mut TestRepository)) -> (World, TestRepository, Demand) {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.advance(minutes(10));
    between(&world, &mut repository);
    sign(&mut repository, "two");
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    (world, repository, demand)
}

fn removed_in_both(world: &World, repository: &mut TestRepository) {
    repository.remove_target(RELEASES, "1.4").remove_target(QA, "1.4");
    world.publish(repository);
}

#[tokio::test(start_paused = true)]
async fn t34_a_digest_whose_tag_was_removed_unseen_is_revoked_though_the_tag_was_signed_anew() {
    let (mut world, _, demand) = unseen(removed_in_both).await;
    for _ in 0..2 {
        for image in images() {
            let refused = world.resolve(&demand, &image).await;
            assert_eq!(reason(&refused), Reason::DigestRevoked, "{image}");
            assert!(text(&refused).contains("version 2 of targets/"), "{}", text(&refused));
        }
        world.restart();
    }
}

#[tokio::test(start_paused = true)]
async fn t34_a_removal_in_one_of_the_roles_that_must_agree_is_enough() {
    for role in [RELEASES, QA] {
        let one_removes = |world: &World, repository: &mut TestRepository| {
            repository.remove_target(role, "1.4");
            world.publish(repository);
        };
        let (world, _, demand) = unseen(one_removes).await;
        for image in images() {
            assert_eq!(
                reason(&world.resolve(&demand, &image).await),
                Reason::DigestRevoked,
                "{role} {image}"
            );
        }
    }
}

/// Withheld, or something else in its place: it counts against the digest. No answer is no answer, and the digest that the tag
/// is signed to be passes all the while.
#[tokio::test(start_paused = true)]
async fn t34_a_missing_version_that_cannot_be_had_counts_against_the_digest() {
    let witnessed = |world: &World, repository: &mut TestRepository| {
        repository.witness(RELEASES).witness(QA);
        world.publish(repository);
    };
    let (mut world, repository, demand) = unseen(witnessed).await;
    let file = |path: &str| Fault::Bytes(repository.files().get(path).unwrap().clone());
    let (mut stranger, ..) = web();
    stranger.publish(world.now());
    stranger.witness(RELEASES).witness(QA);
    let strange =
        Fault::Bytes(stranger.publish(world.now()).get(&format!("2.{RELEASES}.json")).unwrap().clone());
    for (what, fault, expected) in [
        ("404", Fault::NotFound, Reason::DigestRevoked),
        ("garbage", Fault::bytes("{}"), Reason::DigestRevoked),
        ("an older version", file(&format!("1.{RELEASES}.json")), Reason::DigestRevoked),
        ("a newer version", file(&format!("3.{RELEASES}.json")), Reason::DigestRevoked),
        ("by other keys", strange, Reason::DigestRevoked),
        ("no answer", Fault::Unreachable("timed out"), Reason::TrustServerUnreachable),
    ] {
        world.restart();
        world.source.fault(&format!("2.{RELEASES}.json"), fault);
        for image in images() {
            assert_eq!(reason(&world.resolve(&demand, &image).await), expected, "{what} {image}");
        }
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"), "{what}");
        world.source.clear_faults();
        world.advance(minutes(1));
        for image in images() {
            assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"), "after {what}");
        }
    }
}

/// Fifty versions between two looks, in which the tag is left alone or signed each time: each is fetched once.
#[tokio::test(start_paused = true)]
async fn t34_fifty_versions_that_passed_unseen_deny_nobody() {
    for signs_anew in [false, true] {
        let fifty = |world: &World, repository: &mut TestRepository| {
            for n in 0..50 {
                match signs_anew {
                    true => sign(repository, &format!("build {n}")),
                    false => {
                        for role in [RELEASES, QA] {
                            repository.sign_target(role, &format!("build-{n}"), image_digest("other"));
                        }
                    }
                }
                world.publish(repository);
            }
        };
        let (mut world, _, demand) = unseen(fifty).await;
        world.source.forget();
        for image in images() {
            assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"), "{image}");
        }
        let fetched = world.source.count("*.targets/*.json");
        let expected = if signs_anew { 100 } else { 2 };
        assert!((expected..=102).contains(&fetched), "{fetched}");
        world.source.forget();
        assert_eq!(sealed(&world.resolve(&demand, &images()[0]).await), image_digest("one"));
        assert_eq!(world.source.count("*.targets/*.json"), 0, "{:?}", world.source.paths());
        world.restart();
        assert_eq!(sealed(&world.resolve(&demand, &images()[0]).await), image_digest("one"));
    }
}

/// A publisher may have made them as large as files may be, and hundreds of them: small ones are read many at once, and
/// large ones one after the other.
#[tokio::test(start_paused = true)]
async fn t37_large_versions_that_passed_unseen_are_read_one_after_the_other() {
    const SMALL: u64 = 256 << 10;
    let large = |world: &World, repository: &mut TestRepository| {
        for n in 0..3_500 {
            repository.sign_target(RELEASES, &format!("build-{n}"), image_digest("other"));
        }
        for _ in 0..3 {
            repository.witness(RELEASES);
            world.publish(repository);
        }
    };
    let (mut world, _, demand) = unseen(large).await;
    for image in images() {
        world.source.forget();
        assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"), "{image}");
        let requests = world.source.requests();
        let of_version = |path: &str| path.contains(".targets/releases.json");
        let asked = requests.iter().filter(|request| of_version(&request.path));
        let (first, again): (Vec<_>, Vec<_>) = asked.partition(|request| request.max_bytes <= SMALL);
        assert_eq!((first.len(), again.len()), (3, 3), "{requests:?}");
        let rounds = world.source.rounds();
        let of_versions = rounds.iter().map(|round| round.iter().filter(|path| of_version(path)).count());
        let at_once: Vec<_> = of_versions.filter(|count| *count > 0).collect();
        // The first of the large ones begins while the last of the small ones is under way.
        assert_eq!(at_once, [4, 1, 1], "{rounds:?}");
        world.restart();
    }
}

/// What is not about a superseded digest costs nothing.
#[tokio::test(start_paused = true)]
async fn t34_unseen_versions_are_asked_for_only_where_they_matter() {
    let (world, _, demand) = unseen(removed_in_both).await;
    for image in [IMAGE.to_owned(), at(":1.4", "two"), at(":1.4", "never"), at("", "never")] {
        let _ = world.resolve(&demand, &image).await;
    }
    assert_eq!(world.source.count("2.*"), 0, "{:?}", world.source.paths());
}

/// Signed once more after it was removed, and replaced then: the publisher's last word about it was good.
#[tokio::test(start_paused = true)]
async fn t34_a_digest_that_was_signed_once_more_unseen_was_superseded() {
    let back_again = |world: &World, repository: &mut TestRepository| {
        removed_in_both(world, repository);
        sign(repository, "one");
        world.publish(repository);
    };
    let (world, _, demand) = unseen(back_again).await;
    for image in images() {
        assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("one"), "{image}");
    }
}

/// A version that only a signer's removed key signed is not to be had: nothing says what else that key would have said.
#[tokio::test(start_paused = true)]
async fn t34_an_unseen_version_by_a_key_that_was_removed_since_vouches_for_nothing() {
    let (world, (mut repository, alice, _)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let other = TestKey::ecdsa();
    repository.delegate(RELEASES, &[&alice, &other]).keys_that_sign(RELEASES, &[&other]);
    world.publish(&mut repository);
    repository.delegate(RELEASES, &[&alice]);
    sign(&mut repository, "two");
    world.publish(&mut repository);
    world.advance(minutes(10));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    assert_eq!(reason(&world.resolve(&demand, &images()[0]).await), Reason::DigestRevoked);
}

/// Numbers that a publisher left out never existed, and nobody can tell them from withheld ones.
#[tokio::test(start_paused = true)]
async fn t34_numbers_that_were_left_out_count_against_the_digest() {
    for version in [7, 1 << 53] {
        let jump = |_: &World, repository: &mut TestRepository| {
            repository.version(RELEASES, version);
        };
        let (world, _, demand) = unseen(jump).await;
        assert_eq!(reason(&world.resolve(&demand, &images()[0]).await), Reason::DigestRevoked);
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    }
}

/// Docker's own rule: `targets` alone, and `targets` before `targets/releases` took the tag over.
#[tokio::test(start_paused = true)]
async fn t34_a_removal_from_targets_counts_before_and_after_releases_take_over() {
    for takes_over in [false, true] {
        for removed in [false, true] {
            let world = World::new();
            let mut repository = TestRepository::new(GUN, world.now());
            repository.sign_target("targets", "1.4", image_digest("one"));
            world.publish(&mut repository);
            let demand = demand(&repository).build();
            assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
            world.advance(minutes(5));
            match removed {
                true => repository.remove_target("targets", "1.4"),
                false => repository.witness("targets"),
            };
            world.publish(&mut repository);
            match takes_over {
                true => {
                    repository.delegate(RELEASES, &[&TestKey::ecdsa()]);
                    repository.sign_target(RELEASES, "1.4", image_digest("two"));
                }
                false => {
                    repository.sign_target("targets", "1.4", image_digest("two"));
                }
            }
            world.publish(&mut repository);
            assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
            let resolved = world.resolve(&demand, &images()[0]).await;
            match (removed, takes_over) {
                (false, _) => assert_eq!(sealed(&resolved), image_digest("one"), "{takes_over}"),
                (true, false) => assert_eq!(reason(&resolved), Reason::DigestRevoked),
                (true, true) => assert_eq!(reason(&resolved), Reason::DigestMismatch),
            }
        }
    }
}
