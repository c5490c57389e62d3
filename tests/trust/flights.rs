//! Single-flight, deadlines, and failures that are remembered for seconds only.

use std::time::Duration;

use tagseal::image::ImageReference;
use tagseal::policy::Reason;
use tagseal::trust::{PodIdentity, Question};
use tokio::time::Instant;

use super::world::{IMAGE, World, both, reason, sealed, web};
use crate::support::{Fault, Gate, image_digest, seconds};

#[tokio::test(start_paused = true)]
async fn a16_two_hundred_pods_of_one_cold_repository_cause_one_fetch() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    let answers = futures::future::join_all((0..200).map(|_| world.resolve(&demand, IMAGE))).await;
    assert!(answers.iter().all(|answer| sealed(answer) == image_digest("one")));
    assert_eq!(world.source.count("timestamp.json"), 1);
    assert_eq!(world.source.paths().len(), 6, "{:?}", world.source.paths());
}

/// A15 at this level.
#[tokio::test(start_paused = true)]
async fn a15_the_fetch_outlives_the_deadline_and_serves_the_retry() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    let gate = Gate::new();
    world.source.fault("timestamp.json", Fault::Delay(gate.clone()));
    let image = ImageReference::parse(IMAGE).unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    let pod = PodIdentity::default();
    let question = Question { demand: &demand, image: &image, pod: &pod, deadline, dry_run: false };
    let answer = world.resolver.resolve(question).await;
    assert_eq!(reason(&answer), Reason::DeadlineExceeded);
    assert_eq!(Instant::now(), deadline, "not a moment later");
    gate.open();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(world.source.count("timestamp.json"), 1, "the retry met the same fetch");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_costs_a_warm_admission_a_second_once_and_then_nothing() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    world.source.fault("*", Fault::Delay(Gate::new()));
    world.advance(seconds(61));
    let start = Instant::now();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(start.elapsed(), Duration::from_secs(1), "who comes later waits no second time");
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..10 {
        world.advance(seconds(3));
        let start = Instant::now();
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_two_seconds_and_never_turns_into_another() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    for (fault, expected) in [
        (Fault::Unreachable("connection refused"), Reason::TrustServerUnreachable),
        (Fault::bytes("{}"), Reason::InvalidMetadata),
        (Fault::NotFound, Reason::RepositoryNotFound),
        (Fault::Unauthorized, Reason::Unauthorized),
        (Fault::Invalid("short"), Reason::InvalidMetadata),
    ] {
        world.source.fault("*", fault);
        assert_eq!(reason(&world.resolve(&demand, IMAGE).await), expected);
        world.source.forget();
        assert_eq!(reason(&world.resolve(&demand, IMAGE).await), expected);
        assert_eq!(world.source.paths(), Vec::<String>::new(), "it is remembered");
        world.advance(seconds(2));
    }
    world.source.clear_faults();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
}
