//! What the resolver counts, and what it says of repositories for metrics.

use tagseal::telemetry::Metrics;
use tagseal::trust::Resolver;
use tagseal::tuf::RoleName;

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, resolve, sealed, start, web};
use crate::support::{DemandBuilder, Fault, Page, days, demand, hours, image_digest, minutes, seconds};

fn counting(world: &World) -> (Resolver, Metrics) {
    let metrics = Metrics::default();
    (world.replica().with_metrics(metrics.clone()), metrics)
}

#[tokio::test(start_paused = true)]
async fn hits_misses_stale_answers_and_refreshes_are_counted() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).freshness(minutes(1), days(1)).build();
    let (resolver, metrics) = counting(&world);
    let lookups = || Page::of(&metrics).counted("tagseal_cache_requests_total");
    let refreshes = || Page::of(&metrics).counted("tagseal_trust_data_refreshes_total");
    let stale = || Page::of(&metrics).value("tagseal_stale_answers_total").to_owned();

    for _ in 0..3 {
        assert_eq!(sealed(&resolve(&resolver, &demand, IMAGE).await), image_digest("one"));
    }
    assert_eq!(lookups(), [r#"{result="hit"} 2"#, r#"{result="miss"} 1"#]);
    assert_eq!(refreshes(), [r#"{result="ok",reason=""} 1"#]);

    world.advance(minutes(2));
    world.source.fault("*", Fault::Unreachable("connection refused"));
    assert_eq!(sealed(&resolve(&resolver, &demand, IMAGE).await), image_digest("one"));
    assert_eq!(lookups(), [r#"{result="hit"} 2"#, r#"{result="miss"} 2"#]);
    let both = [r#"{result="failed",reason="TrustServerUnreachable"} 1"#, r#"{result="ok",reason=""} 1"#];
    assert_eq!((refreshes().as_slice(), stale().as_str()), (both.map(str::to_owned).as_slice(), "1"));

    // A denial is confirmed with the server, whether it answers or not.
    world.source.clear_faults();
    world.advance(seconds(30));
    let unsigned = resolve(&resolver, &demand, &format!("{GUN}:unsigned")).await;
    assert_eq!(reason(&unsigned), tagseal::policy::Reason::NotSigned);
    assert_eq!(lookups(), [r#"{result="hit"} 2"#, r#"{result="miss"} 3"#]);
    assert_eq!(stale(), "1");
}

#[tokio::test(start_paused = true)]
async fn t11_each_rollback_that_is_refused_is_counted_by_its_server() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let older = repository.publish(start());
    repository.witness(RELEASES);
    world.publish(&mut repository);
    let demand = both(&repository).build();
    let (resolver, metrics) = counting(&world);
    let rollbacks = || Page::of(&metrics).counted("tagseal_rollbacks_refused_total");
    assert_eq!(sealed(&resolve(&resolver, &demand, IMAGE).await), image_digest("one"));
    assert_eq!(rollbacks(), [""; 0]);
    world.source.serve(crate::support::SERVER, repository.gun(), &older);
    world.advance(hours(1));
    assert_eq!(sealed(&resolve(&resolver, &demand, IMAGE).await), image_digest("one"));
    let server = crate::support::SERVER.trim_end_matches('/');
    assert_eq!(rollbacks(), [format!("{{server=\"{server}\"}} 1")]);
    let refreshes = Page::of(&metrics).counted("tagseal_trust_data_refreshes_total");
    assert_eq!(refreshes, [r#"{result="failed",reason="Rollback"} 1"#, r#"{result="ok",reason=""} 1"#]);
}

#[tokio::test(start_paused = true)]
async fn what_must_be_renewed_first_is_by_the_roles_that_a_demand_rests_on() {
    let (world, (mut repository, ..)) = (World::new(), web());
    // The server's own roles are renewed when they have expired, and nobody's concern.
    for (role, after) in [("timestamp", 1), ("snapshot", 2), (QA, 3), (RELEASES, 5), ("targets", 9)] {
        repository.expires(role, start() + days(after));
    }
    world.publish(&mut repository);
    let releases = demand(&repository).requires(RELEASES).build();
    let both = both(&repository).build();
    for demand in [&releases, &both] {
        assert_eq!(sealed(&world.resolve(demand, IMAGE).await), image_digest("one"));
    }
    let elsewhere = DemandBuilder::new("registry.example.com/shop/gone").pin(repository.root_key()).build();
    assert!(world.resolve(&elsewhere, "registry.example.com/shop/gone:1").await.is_err());
    let survey = world.resolver.survey();
    assert_eq!((survey.verified, survey.unverified), (1, 1));
    let web = survey.in_use.iter().find(|surveyed| surveyed.health.confirmed.is_some()).unwrap();
    let role = |name: &str| RoleName::parse(name).unwrap();
    assert_eq!(web.renewal(&releases), Some((role(RELEASES), start() + days(5))));
    assert_eq!(web.renewal(&both), Some((role(QA), start() + days(3))));
    let gone = survey.in_use.iter().find(|surveyed| surveyed.health.confirmed.is_none()).unwrap();
    assert_eq!(gone.renewal(&elsewhere), None);
}
