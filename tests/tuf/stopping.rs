//! Work that nobody waits for any more ends early.

use jiff::Timestamp;
use tagseal::tuf::{Stop, TufError, UpdateInput};

use super::driver::{current, drive, from, input, role};
use crate::support::{TestRepository, t};

const GUN: &str = "registry.example.com/shop/web";

fn now() -> Timestamp {
    t("2026-11-21T12:00:00Z")
}

#[test]
fn an_update_that_is_stopped_says_so_and_asks_for_nothing_more() {
    let repository = TestRepository::new(GUN, now());
    let stop = Stop::default();
    let input = UpdateInput { stop: stop.clone(), ..input(GUN, &[repository.root_key()], now()) };
    let mut serve = from(repository.files());
    let driven = drive(input, |file| {
        // A copy of the handle is the same handle.
        stop.clone().stop();
        serve(file)
    });
    assert_eq!(*driven.error(), TufError::Stopped);
    assert_eq!(driven.steps.len(), 1, "{:?}", driven.steps);
    assert_eq!(
        TufError::Stopped.to_string(),
        "the work on the repository's metadata was stopped before it was done"
    );
}

#[test]
fn an_older_file_is_not_read_once_it_is_stopped() {
    let mut repository = TestRepository::new(GUN, now());
    repository.publish(now());
    let driven = drive(input(GUN, &[repository.root_key()], now()), from(repository.files()));
    let set = driven.repository();
    let bytes = current(repository.files(), "targets");
    let (recorded, stop) = (tagseal::digest::Digest::of(&bytes), Stop::default());
    assert!(set.historic(&role("targets"), recorded, &bytes, &stop).is_ok());
    stop.stop();
    assert_eq!(set.historic(&role("targets"), recorded, &bytes, &stop), Err(TufError::Stopped));
    assert_eq!(set.historic_unseen(&role("targets"), 1, &bytes, &stop), Err(TufError::Stopped));
}
