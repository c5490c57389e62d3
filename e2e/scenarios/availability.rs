//! Two replicas behind a balancer that follows readiness, under a steady load, while what runs them changes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::*;

/// Pods a second.
const RATE: u32 = 50;

/// Two loads at once would only measure each other.
static LOADED: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a17_replicas_rolled_and_their_leader_killed_under_load() {
    let _alone = alone();
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
    let (before, on_the_way) = (Instant::now(), load.in_flight());
    fleet.replicas[leader].dies();
    let after = Instant::now();
    load.goes_on_for(100);
    load.enters("it comes back, and another one leads");
    fleet.replicas[leader].starts();
    fleet.awaits_all();
    fleet.lease_goes_to_another(leader);
    load.goes_on_for(50);

    let report = load.ends();
    let was_in_flight = |mishap: &Mishap| {
        mishap.outcome == Outcome::NeedlesslyDenied && mishap.sent <= after && mishap.answered >= before
    };
    report.is_right_but(was_in_flight);
    let denied = report.mishaps(Outcome::NeedlesslyDenied).len();
    let in_flight = fleet.balancer.cut(port).min(on_the_way);
    assert!(denied <= in_flight, "{denied} denials for {in_flight} requests in flight");
    println!("in flight on the killed leader: at most {in_flight}; denied: {denied}");
}

#[test]
fn a17_the_api_server_restarts_under_load() {
    let _alone = alone();
    let fleet = Fleet::start("a17-api-server", Route::Together);
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

#[test]
fn a17_the_serving_certificate_and_its_authority_rotate_under_load() {
    let _alone = alone();
    let fleet = Fleet::start_with("a17-certificates", Route::Together, &["--certificate-lifetime=24s"]);
    let load = Mix::new(&fleet, "a17-certificates").starts(&fleet, RATE);
    let system = fleet.cluster().in_namespace("tagseal-system");
    let serving = || {
        let secret = system.gets("secret/tagseal-tls");
        let bundle = secret["data"]["ca.crt"].as_str().expect("authorities").to_owned();
        (bundle, secret["data"]["tls.crt"].as_str().expect("a leaf").to_owned())
    };
    let (authorities, leaf) = serving();
    load.enters("the authority rotates");
    system.does(&["annotate", "secret/tagseal-tls", "tagseal.dev/rotate=now"]);
    let (authorities, leaf) = eventually("a new authority issues", Duration::from_secs(60), || {
        let now = serving();
        let is_new = now.0 != authorities && now.1 != leaf;
        if is_new { Ok(now) } else { Err("the old one does".to_owned()) }
    });
    load.enters("the leaf is renewed");
    eventually("a new leaf serves", Duration::from_secs(60), || {
        let now = serving();
        assert_eq!(now.0, authorities, "no authority is due");
        if now.1 == leaf { Err("the old one does".to_owned()) } else { Ok(()) }
    });
    load.goes_on_for(100);
    load.ends().is_right();
}
