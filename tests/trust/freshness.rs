//! Staleness, outages, faulty servers: what serves how long, and what is said.

use tagseal::policy::{CredentialsSource, Demand, Reason};

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, sealed, text, web};
use crate::support::{
    Fault, SERVER, TestKey, TestRepository, days, demand, hours, image_digest, minutes, seconds,
};

/// A world that has sealed the image once.
async fn warm() -> (World, TestRepository, Demand) {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).freshness(seconds(60), days(1)).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.forget();
    (world, repository, demand)
}

#[tokio::test(start_paused = true)]
async fn a_warm_answer_asks_nobody() {
    let (world, _, demand) = warm().await;
    world.advance(seconds(40));
    for _ in 0..100 {
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    }
    assert_eq!(world.source.paths(), Vec::<String>::new());
    assert_eq!(world.state.loads(), 2, "the recall and the fetch");
}

#[tokio::test(start_paused = true)]
async fn a_cold_answer_takes_three_round_trips_and_a_warm_one_that_is_due_takes_one_request() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let rounds = world.source.rounds();
    assert_eq!(rounds.len(), 3, "{rounds:?}");
    assert_eq!(rounds[0], ["root.json", "timestamp.json"]);
    assert!(rounds[1].len() == 1 && rounds[1][0].starts_with("snapshot."), "{rounds:?}");
    let third: Vec<_> = rounds[2].iter().map(|path| path.split_once('.').unwrap().0).collect();
    assert_eq!(third, ["targets", QA, RELEASES]);
    world.source.forget();
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths(), ["timestamp.json"]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_is_honoured_within_revalidate_after() {
    let (world, mut repository, demand) = warm().await;
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
}

#[tokio::test(start_paused = true)]
async fn a_tag_signed_a_moment_ago_is_never_refused() {
    let (world, mut repository, demand) = warm().await;
    let image = format!("{GUN}:1.5");
    assert_eq!(reason(&world.resolve(&demand, &image).await), Reason::NotSigned);
    repository.sign_target(RELEASES, "1.5", image_digest("five")).sign_target(
        QA,
        "1.5",
        image_digest("five"),
    );
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&demand, &image).await), image_digest("five"));
}

#[tokio::test(start_paused = true)]
async fn denials_force_one_request_at_a_time_and_a_second_apart() {
    let (world, _, demand) = warm().await;
    let image = format!("{GUN}:1.5");
    let start = tokio::time::Instant::now();
    let denials = (0..50).map(|_| world.resolve(&demand, &image));
    for denied in futures::future::join_all(denials).await {
        assert_eq!(reason(&denied), Reason::NotSigned);
    }
    assert_eq!(world.source.paths(), ["timestamp.json"], "all of them share one");
    assert_eq!(reason(&world.resolve(&demand, &image).await), Reason::NotSigned);
    assert_eq!(world.source.paths().len(), 2);
    assert!(start.elapsed() >= std::time::Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_denial_that_cannot_be_confirmed_has_the_reason_of_that() {
    let (world, _, demand) = warm().await;
    world.source.fault("timestamp.json", Fault::Unreachable("connection refused"));
    world.advance(seconds(30));
    let denied = world.resolve(&demand, &format!("{GUN}:1.5")).await;
    assert_eq!(reason(&denied), Reason::TrustServerUnreachable);
    assert!(
        text(&denied).contains("connection refused") && text(&denied).contains("NotSigned"),
        "{}",
        text(&denied)
    );
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

/// The server that is asked once more offers what is older than the data at hand, which therefore has the last word.
#[tokio::test(start_paused = true)]
async fn a_denial_that_meets_a_rollback_keeps_its_own_reason() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let old = repository.publish(world.now());
    repository.witness(RELEASES);
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.serve(SERVER, GUN, &old);
    world.advance(seconds(30));
    let denied = world.resolve(&demand, &format!("{GUN}:1.5")).await;
    assert_eq!(reason(&denied), Reason::NotSigned);
    assert!(text(&denied).contains("the trust server offers older data: Rollback: "), "{}", text(&denied));
}

#[tokio::test(start_paused = true)]
async fn t12_an_old_timestamp_serves_only_as_long_as_it_is_valid() {
    let (world, _, demand) = warm().await;
    for _ in 0..14 {
        world.advance(hours(23));
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    }
    world.advance(hours(23));
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(reason(&resolved), Reason::Expired);
    assert!(text(&resolved).contains("timestamp"), "{}", text(&resolved));
}

#[tokio::test(start_paused = true)]
async fn t12_a_freeze_is_expired_for_who_slept_through_it_too() {
    let (world, _, demand) = warm().await;
    world.advance(days(15));
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::Expired);
}

#[tokio::test(start_paused = true)]
async fn t13_no_timestamp_leaves_what_is_cached_to_serve_within_its_bounds() {
    for (fault, cause) in [
        (Fault::NotFound, Reason::InvalidMetadata),
        (Fault::Unreachable("500"), Reason::TrustServerUnreachable),
    ] {
        let (world, _, demand) = warm().await;
        world.source.fault("timestamp.json", fault);
        world.advance(hours(23));
        let resolved = world.resolve(&demand, IMAGE).await;
        assert_eq!(sealed(&resolved), image_digest("one"));
        let warnings = resolved.unwrap().warnings;
        assert!(warnings[0].contains(cause.as_str()), "{warnings:?}");
        let (trouble, _) = world.resolver.status()[0].trouble.clone().unwrap();
        assert_eq!(trouble.reason(), cause, "the condition says why");
        let unsigned = world.resolve(&demand, &format!("{GUN}:unsigned")).await;
        assert_eq!(reason(&unsigned), cause, "not \"not signed\"");
        world.advance(hours(2));
        let stale = world.resolve(&demand, IMAGE).await;
        assert_eq!(reason(&stale), Reason::TooStale);
        assert!(text(&stale).contains(cause.as_str()), "{}", text(&stale));
        world.source.clear_faults();
        world.advance(seconds(3));
        let resolved = world.resolve(&demand, IMAGE).await.unwrap();
        assert_eq!(resolved.warnings, Vec::<String>::new(), "it is back");
        assert_eq!(world.resolver.status()[0].trouble, None);
    }
}

#[tokio::test(start_paused = true)]
async fn t13_data_serves_no_longer_than_it_is_valid_even_within_max_staleness() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.expires("timestamp", world.now() + hours(1));
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.advance(minutes(60));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.advance(seconds(62));
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(reason(&resolved), Reason::TrustServerUnreachable);
    assert!(text(&resolved).contains("Expired"), "{}", text(&resolved));
}

#[tokio::test(start_paused = true)]
async fn t32_pages_of_rubbish_for_an_hour_cost_freshness_alone() {
    let (world, (mut other, ..)) = (World::new(), web());
    let (mut repository, demand) = {
        world.publish(&mut other);
        let demand = both(&other).build();
        (other, demand)
    };
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let before = world.state.record();
    world.source.fault("*", Fault::bytes("<html>welcome to the captive portal</html>"));
    for _ in 0..60 {
        world.advance(minutes(1));
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    }
    let (trouble, since) = world.resolver.status()[0].trouble.clone().unwrap();
    assert_eq!(trouble.reason(), Reason::InvalidMetadata);
    assert!(world.now().duration_since(since) > minutes(50));
    let mut unknown = TestRepository::new("registry.example.com/shop/api", world.now());
    world.publish(&mut unknown);
    let unknown =
        world.resolve(&crate::support::demand(&unknown).build(), "registry.example.com/shop/api:1").await;
    assert_eq!(reason(&unknown), Reason::InvalidMetadata);
    assert_eq!(world.state.record(), before, "what did not verify changes nothing");
    world.source.clear_faults();
    world.advance(minutes(2));
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
}

#[tokio::test(start_paused = true)]
async fn t29_a_rotated_timestamp_key_and_one_500_deny_nobody() {
    let (world, mut repository, demand) = warm().await;
    repository.rotate("timestamp", &[&TestKey::ecdsa()]);
    world.publish(&mut repository);
    world.source.fault_on_request(1, "timestamp.json", Fault::Unreachable("500"));
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"));
    assert!(resolved.unwrap().warnings[0].contains("500"));
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, IMAGE).await.unwrap();
    assert_eq!(resolved.warnings, Vec::<String>::new());
    assert_eq!(resolved.versions()[0].1, 2, "the new root was followed");
}

#[tokio::test(start_paused = true)]
async fn t23_a_publish_between_two_downloads_is_never_an_error() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let old = repository.publish(world.now());
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    // The first timestamp is of the publish before; its snapshot is gone by now.
    world.source.fault_on_request(1, "timestamp.json", Fault::bytes(old.current("timestamp").clone()));
    let gone = old.paths_of("snapshot").into_iter().find(|path| path.len() > 60).unwrap();
    world.source.fault(&gone, Fault::NotFound);
    let resolved = world.resolve(&both(&repository).build(), IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("two"));
}

#[tokio::test(start_paused = true)]
async fn one_policys_broken_role_keeps_no_other_policys_data_from_being_fresh() {
    let (world, mut repository, both) = warm().await;
    let releases = demand(&repository).requires(RELEASES).build();
    repository.sign_target(RELEASES, "1.4", image_digest("two")).sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    world.source.fault("targets/qa.*", Fault::Unreachable("503"));
    world.advance(seconds(61));
    assert_eq!(sealed(&world.resolve(&releases, IMAGE).await), image_digest("two"));
    world.advance(seconds(3));
    let resolved = world.resolve(&both, IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"), "its older set serves");
    world.source.clear_faults();
    world.advance(seconds(70));
    assert_eq!(sealed(&world.resolve(&both, IMAGE).await), image_digest("two"));
}

#[tokio::test(start_paused = true)]
async fn entries_in_use_are_refreshed_ahead_and_others_each_quarter_of_max_staleness() {
    let (world, _, demand) = warm().await;
    assert_eq!(world.resolver.maintain_once(world.now()).started(), 0);
    world.advance(seconds(50));
    let round = world.resolver.maintain_once(world.now());
    assert_eq!(round.started(), 1);
    round.finished().await;
    assert_eq!(world.source.paths(), ["timestamp.json"]);
    world.advance(seconds(30));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths().len(), 1, "the admission did not wait");
    world.advance(hours(5));
    assert_eq!(world.resolver.maintain_once(world.now()).started(), 0);
    world.advance(hours(1));
    let round = world.resolver.maintain_once(world.now());
    assert_eq!(round.started(), 1);
    round.finished().await;
    world.advance(days(31));
    assert_eq!(world.resolver.maintain_once(world.now()).started(), 0, "nobody used it for a month");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_less_than_three_quarters_of_max_staleness_finds_idle_repositories_fresh() {
    let (world, _, demand) = warm().await;
    for _ in 0..48 {
        world.advance(minutes(30));
        world.resolver.maintain_once(world.now()).finished().await;
    }
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.advance(hours(17));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn a_role_that_expires_soon_is_told_but_not_what_the_server_renews() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.expires(QA, world.now() + days(20));
    world.publish(&mut repository);
    let warnings = world.resolve(&both(&repository).build(), IMAGE).await.unwrap().warnings;
    assert_eq!(warnings, ["targets/qa of registry.example.com/shop/web expires at 2026-12-11T12:00:00Z"]);
}

/// As [`warm`], by a clock that is two days ahead.
async fn warm_ahead() -> (World, TestRepository, Demand) {
    let (world, repository, demand) = warm().await;
    world.advance(days(2));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.forget();
    (world, repository, demand)
}

/// The clock was two days ahead when the server last confirmed the data, and was then put right. The data is as old as it
/// is: it serves, is revalidated and goes stale as if the clock had been right all along.
#[tokio::test(start_paused = true)]
async fn a_clock_set_back_makes_nothing_younger_and_denies_nothing() {
    let (world, _, demand) = warm_ahead().await;
    world.advance(-days(2));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths(), Vec::<String>::new(), "it was confirmed a moment ago");
    tokio::time::advance(std::time::Duration::from_secs(55)).await;
    let round = world.resolver.maintain_once(world.now());
    assert_eq!(round.started(), 1, "refreshed ahead");
    round.finished().await;
    world.source.forget();
    world.advance(-hours(1));
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.paths(), ["timestamp.json"], "revalidated when it is due");
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_during_an_outage_ends_max_staleness_no_later() {
    let (world, _, demand) = warm_ahead().await;
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.advance(-days(2));
    tokio::time::advance(std::time::Duration::from_secs(23 * 3600)).await;
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"));
    assert!(resolved.unwrap().warnings[0].contains("connection refused"));
    tokio::time::advance(std::time::Duration::from_secs(2 * 3600)).await;
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::TooStale);
    // Put right again: no younger by that either.
    world.advance(days(2) + hours(2));
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::TooStale);
    world.source.clear_faults();
    world.advance(seconds(3));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}

/// The same over a restart, with all that the disk says of times to come: of an age that nobody knows.
#[tokio::test(start_paused = true)]
async fn a_clock_set_back_over_a_restart_leaves_no_data_and_no_grant_of_the_future() {
    let directory = tempfile::tempdir().unwrap();
    let (mut world, (mut repository, ..)) = (World::with_cache(directory.path()), web());
    world.publish(&mut repository);
    world.advance(days(4));
    let anonymous = both(&repository).build();
    let tenant = both(&repository).credentials(CredentialsSource::ImagePullSecrets).build();
    for demand in [&anonymous, &tenant] {
        assert_eq!(sealed(&world.resolve(demand, IMAGE).await), image_digest("one"));
    }
    world.advance(-days(2));
    world.restart();
    world.source.forget();
    assert_eq!(sealed(&world.resolve(&tenant, IMAGE).await), image_digest("one"));
    assert_eq!(sealed(&world.resolve(&anonymous, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.count("timestamp.json"), 1, "the pod and the data were confirmed anew");
    // What was confirmed by the right clock is on disk: the next outage finds it.
    world.source.fault("*", Fault::Unreachable("connection refused"));
    world.restart();
    world.advance(hours(23));
    assert_eq!(sealed(&world.resolve(&tenant, IMAGE).await), image_digest("one"));
    world.advance(-days(2));
    world.restart();
    assert_eq!(reason(&world.resolve(&anonymous, IMAGE).await), Reason::TooStale);
    assert_eq!(reason(&world.resolve(&tenant, IMAGE).await), Reason::TrustServerUnreachable);
}

/// What a clock that was ahead wrote down is put right with the next fetch.
#[tokio::test(start_paused = true)]
async fn a_digest_first_seen_or_superseded_by_a_clock_that_was_ahead_has_its_bounds_all_the_same() {
    let at = |digest: &str| format!("{GUN}:1.4@{}", image_digest(digest));
    let world = World::new();
    world.advance(days(2));
    let (mut repository, ..) = web();
    world.publish(&mut repository);
    let demand = both(&repository).accept_for(hours(1)).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let sign = |world: &World, repository: &mut TestRepository, name: &str| {
        for role in [RELEASES, QA] {
            repository.sign_target(role, "1.4", image_digest(name));
        }
        world.publish(repository);
        world.advance(seconds(61));
    };
    sign(&world, &mut repository, "two");
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    world.advance(-days(2));
    sign(&world, &mut repository, "three");
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("three"));
    assert_eq!(sealed(&world.resolve(&demand, &at("one")).await), image_digest("one"));
    world.advance(minutes(61));
    for old in ["one", "two"] {
        assert_eq!(reason(&world.resolve(&demand, &at(old)).await), Reason::DigestMismatch, "{old}");
    }
}
