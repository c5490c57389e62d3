//! Two replicas behind a balancer that follows readiness, under a steady load, while what runs them changes.

use crate::harness::*;

/// Pods a second.
const RATE: u32 = 50;

#[test]
fn a17_replicas_rolled_under_load_deny_and_admit_nothing_that_they_should_not() {
    let mut fleet = Fleet::start("a17-rolled", Route::Together);
    let load = Mix::new(&fleet, "a17").starts(&fleet, RATE);
    load.goes_on_for(250);
    load.enters("replicas roll");
    fleet.rolls();
    load.enters("after");
    load.goes_on_for(250);
    load.ends().is_right();
}
