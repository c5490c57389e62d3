//! Sets of one repository under different pins hold the same roles once.

use std::sync::Arc;

use tagseal::tuf::{RoleName, UpdateInput};

use super::driver::{GUN, drive, from, input, now};
use crate::support::{TestKey, TestRepository, image_digest};

#[test]
fn roles_that_are_the_same_under_other_pins_are_held_once() {
    let now = now();
    let mut repository = TestRepository::new(GUN, now);
    let key = TestKey::ecdsa();
    repository.delegate("targets/a", &[&key]).sign_target("targets/a", "1.5", image_digest("b"));
    let files = repository.publish(now);
    let (root, junk) = (repository.root_key().clone(), TestKey::ecdsa());
    let one = drive(input(GUN, &[&root], now), from(&files)).repository();
    let other = drive(input(GUN, &[&root, &junk], now), from(&files)).repository();
    let shared = Arc::new(other.sharing([&*one]).expect("all roles are the same"));
    assert!(shared.sharing([&*one]).is_none(), "it has them already");
    let lookup =
        |tag: &str| format!("{:?}", shared.role(&RoleName::parse("targets/a").unwrap()).unwrap().lookup(tag));
    assert!(lookup("1.5").starts_with("Listed"), "{}", lookup("1.5"));
    assert!(shared.memory() > 1000 && shared.memory() == one.memory());

    // A role that was signed anew is another one; what did not change is shared.
    repository.sign_target("targets/a", "1.6", image_digest("c"));
    let files = repository.publish(now);
    let newer =
        drive(UpdateInput { known: None, ..input(GUN, &[&root, &junk], now) }, from(&files)).repository();
    let shared = newer.sharing([&*one]);
    let shared = shared.expect("targets did not change");
    assert_eq!(shared.floors(), newer.floors());
    let mut elsewhere = TestRepository::new(GUN, now);
    elsewhere.sign_target("targets", "1.5", image_digest("b"));
    let files = elsewhere.publish(now);
    let foreign = drive(input(GUN, &[elsewhere.root_key()], now), from(&files)).repository();
    assert!(foreign.sharing([&*one]).is_none(), "other keys");
}
