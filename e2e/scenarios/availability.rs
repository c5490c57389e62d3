//! Two replicas behind a balancer that follows readiness, under a steady load, while what runs them changes.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::*;

/// Pods a second.
const RATE: u32 = 50;

#[test]
fn a17_replicas_rolled_and_their_leader_killed_under_load() {
    let mut fleet = Fleet::start("a17-replicas", Route::Together);
    let load = Mix::new(&fleet, "a17-replicas").starts(&fleet, RATE);
    load.goes_on_for(200);

    load.enters("replicas roll");
    fleet.rolls();
    load.enters("after the roll");
    load.goes_on_for(100);

    load.enters("the leader is killed");
    let leader = fleet.leader();
    let port = fleet.replicas[leader].port();
    let (before, after) = (Instant::now(), {
        fleet.replicas[leader].dies();
        Instant::now()
    });
    load.goes_on_for(100);
    load.enters("it comes back");
    fleet.replicas[leader].starts();
    fleet.awaits_all();
    load.goes_on_for(100);

    let report = load.ends();
    let in_flight = fleet.balancer.cut(port);
    let was_in_flight = |mishap: &Mishap| {
        mishap.outcome == Outcome::NeedlesslyDenied && mishap.sent <= after && mishap.answered >= before
    };
    report.is_right_but(was_in_flight);
    let denied = report.mishaps(Outcome::NeedlesslyDenied).len();
    assert!(denied <= in_flight, "{denied} denials for {in_flight} requests in flight");
    println!("in flight on the killed leader: {in_flight}, of which denied: {denied}");
}

#[test]
fn a17_the_api_server_restarts_under_load() {
    let mut fleet = Fleet::start("a17-api-server", Route::Together);
    let mix = Mix::new(&fleet, "a17-api-server");
    let load = mix.starts(&fleet, RATE);
    load.goes_on_for(150);

    load.enters("the API server restarts");
    let before = Instant::now();
    fleet.control_plane.loses_api_server();
    // What was in force stays in force.
    for replica in &fleet.replicas {
        let (signed, unsigned) = (pod("web", &mix.image("web:1.4")), pod("web", &mix.image("web:1.5")));
        let verdict = replica.reviews("mutate", &review("a17-api-server", &signed));
        assert_eq!(verdict["allowed"], true, "{verdict}");
        let verdict = replica.reviews("validate", &review("a17-api-server", &unsigned));
        assert!(
            verdict["status"]["message"].as_str().is_some_and(|said| said.contains("NotSigned")),
            "{verdict}"
        );
    }
    fleet.control_plane.regains_api_server();
    let after = Instant::now();
    load.enters("after the restart");
    load.goes_on_for(150);

    let is_restarting = |mishap: &Mishap| {
        mishap.outcome == Outcome::Unserved && mishap.sent <= after && mishap.answered >= before
    };
    load.ends().is_right_but(is_restarting);
    // The watches go on: every replica learns of a policy that is new.
    let s = fleet.scenario("a17-new");
    let web = s.repository("web");
    s.has_policy(&s.policy().trusts(&web));
    for replica in &fleet.replicas {
        let unsigned = review("a17-new", &pod("web", &s.image("web:1.5")));
        eventually("the policy is in force", Duration::from_secs(20), || {
            let verdict = replica.reviews("validate", &unsigned);
            let message = verdict["status"]["message"].as_str().unwrap_or_default();
            if message.contains("NotSigned") { Ok(()) } else { Err(verdict.to_string()) }
        });
    }
    fleet.lease_is_renewed();
}
