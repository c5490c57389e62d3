//! Answers that are lost, others who publish meanwhile, keys that a server lost: nothing is left half-written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;
use tagseal::clock::ManualClock;
use tagseal::digest::Digest;
use tagseal::publish::operation::Operation;
use tagseal::publish::publisher::{PublishError, Publisher};
use tagseal::publish::trust_dir::WritePoint;

use super::deal::*;
use super::world::{Fault, Person, World};

#[tokio::test]
async fn a_lost_answer_to_an_upload_that_arrived_is_a_publish() {
    let world = World::new().await;
    let alice = world.person();
    world.fail_next_upload(Fault::AnswerLost);
    let published = alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("root"), 1), (role("targets"), 1)]);
    assert_eq!(alice.metadata(), [role("root"), role("snapshot"), role("targets"), role("timestamp")]);
    assert_eq!(world.tags().await, ["targets v1"]);
    assert_eq!(world.uploads(), 1);
}

#[tokio::test]
async fn an_upload_that_never_arrived_changes_nothing_here_and_is_made_again_by_the_same_command() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let files = alice.files();
    world.fail_next_upload(Fault::RequestLost);
    let refused = alice.publish(&[add("v2", "two", &[])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::NotArrived { .. }), "{refused}");
    assert_eq!(alice.files(), files);
    alice.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!(world.tags().await, ["targets v1", "targets v2"]);
}

#[tokio::test]
async fn a_rotation_whose_answer_is_lost_loses_no_key() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init()]).await.unwrap();
    world.fail_next_upload(Fault::RequestLost);
    alice.publish(&[rotate_root()]).await.unwrap_err();
    assert_eq!(alice.keys("root").len(), 2, "the new key was stored before it was used");
    world.fail_next_upload(Fault::AnswerLost);
    let published = alice.publish(&[rotate_root()]).await.unwrap();
    let key = world.verified().await.root().key_ids();
    assert_eq!(key, [published.new_keys[0].1]);
    assert!(alice.keys("root").contains(&key[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_publish_in_between_is_read_and_built_on() {
    let world = World::new().await;
    for first in [init(), init_with_snapshot()] {
        let alice = world.person();
        alice.publish(&[first, add("v1", "one", &[])]).await.unwrap();
        let bob = alice.twin();
        alice.meanwhile(&bob, "bob-1");
        let published = alice.publish(&[add("v2", "two", &[])]).await.unwrap();
        assert!(published.roles.contains(&(role("targets"), 3)), "{:?}", published.roles);
        assert_eq!(world.tags().await, ["targets bob-1", "targets v1", "targets v2"]);
        alice.publisher().delete().await.unwrap();
    }
}

/// The world's repository at a server that has other keys.
async fn without_its_keys(world: &World) -> World {
    let amnesiac = World::new().await;
    amnesiac.server.restore(&world.server.checkpoint(&world.gun)).unwrap();
    amnesiac
}

#[tokio::test]
async fn a_server_that_lost_its_keys_is_given_new_ones_by_one_root() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let amnesiac = without_its_keys(&world).await;
    let there = Person { dir: alice.dir.clone(), ..amnesiac.person() };
    let lost = PublishError::ServerKeysLost { gun: world.gun.clone() };
    for in_vain in [
        add("v2", "two", &[]),
        rotate_server_managed("snapshot"),
        rotate_server_managed("timestamp"),
        rotate_root(),
    ] {
        assert_eq!(there.publish(std::slice::from_ref(&in_vain)).await.unwrap_err(), lost, "{in_vain:?}");
    }
    there.publish(&[rotate_server_managed("snapshot"), rotate_server_managed("timestamp")]).await.unwrap();
    there.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!(amnesiac.tags().await, ["targets v1", "targets v2"]);
}

#[tokio::test]
async fn a_server_that_lost_its_timestamp_key_alone_is_given_a_new_one() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init_with_snapshot(), add("v1", "one", &[])]).await.unwrap();
    let amnesiac = without_its_keys(&world).await;
    let there = Person { dir: alice.dir.clone(), ..amnesiac.person() };
    let refused = there.publish(&[add("v2", "two", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::TimestampKeyLost { gun: world.gun.clone() });
    there.publish(&[rotate_server_managed("timestamp")]).await.unwrap();
    there.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!(amnesiac.tags().await, ["targets v1", "targets v2"]);
}

/// The server takes no certificate of its future. Nothing is said of keys: before a root there is nothing to compare.
#[tokio::test]
async fn a_first_publish_by_a_clock_that_is_ahead_is_told_both_clocks() {
    let world = World::new().await;
    let alice = world.person();
    let ahead = ManualClock::at(world.now() + SignedDuration::from_hours(72));
    let publisher = Publisher { clock: Arc::new(ahead), ..alice.publisher() };
    let refused = publisher.publish(&[init(), add("v1", "one", &[])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::Refused { .. }), "{refused:?}");
    let advice = "; this machine's clock says 2026-11-24T12:00:00Z, and the server's 2026-11-21T12:00:00Z: set the one that is \
                  wrong, and run the command again";
    assert!(refused.to_string().ends_with(advice), "{refused}");
    assert_eq!(world.uploads(), 0);
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_leaves_everything_as_it_was() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let files = alice.files();
    world.cut(true);
    let refused = alice.publish(&[add("v2", "two", &[])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::Remote(_)), "{refused}");
    let refused = alice.publisher().delete().await.unwrap_err();
    assert!(matches!(refused, PublishError::Remote(_)), "{refused}");
    assert_eq!(alice.files(), files);
}

#[tokio::test]
async fn an_upload_whose_fate_cannot_be_asked_is_not_made_twice() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init()]).await.unwrap();
    let files = alice.files();
    world.fail_next_upload(Fault::CutAfterwards);
    let refused = alice.publish(&[add("v1", "one", &[])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::UnknownOutcome { .. }), "{refused}");
    assert_eq!(alice.files(), files);
    world.cut(false);
    let again = alice.publish(&[add("v1", "one", &[])]).await.unwrap();
    assert_eq!(again.roles, []);
    assert_eq!((world.tags().await, world.uploads()), (vec!["targets v1".to_owned()], 2));
}

/// Kills a publish of `operations`, by somebody who published `before`, at each step that changes the disk; the same command
/// then has to mend it. Returns how many steps there were.
async fn killed_everywhere(before: &[Operation], operations: &[Operation], expected: &[&str]) -> u64 {
    for step in 0.. {
        let world = World::new().await;
        let alice = world.person();
        if !before.is_empty() {
            alice.publish(before).await.unwrap();
        }
        let killed = Arc::new(AtomicBool::new(false));
        let hook = {
            let killed = Arc::clone(&killed);
            move |point: &WritePoint<'_>| match point.number >= step {
                true => {
                    killed.store(true, Ordering::SeqCst);
                    Err(io::Error::other("killed"))
                }
                false => Ok(()),
            }
        };
        let dir = alice.dir.clone().observed(hook);
        let dying = Publisher { dir: &dir, ..alice.publisher() };
        let outcome = dying.publish(operations).await;
        if !killed.load(Ordering::SeqCst) {
            outcome.unwrap();
            return step;
        }
        alice.publish(operations).await.unwrap_or_else(|error| panic!("after step {step}: {error}"));
        assert_eq!(world.tags().await, expected, "after step {step}");
        let root = world.verified().await.root().key_ids();
        let targets = world.verified().await.role(&role("targets")).unwrap().key_ids();
        assert!(root.iter().all(|id| alice.keys("root").contains(id)), "after step {step}");
        assert!(targets.iter().all(|id| alice.keys("targets").contains(id)), "after step {step}");
        let lock = alice.dir.lock(&world.gun).unwrap();
        let kept = lock.metadata().unwrap();
        let (_, kept) = kept.iter().find(|(kept, _)| *kept == role("root")).unwrap();
        assert_eq!(Digest::of(kept), world.verified().await.root().sha256(), "after step {step}");
    }
    unreachable!("it ends when no step is left to be killed at")
}

#[tokio::test]
async fn a_first_publish_that_is_killed_at_any_step_loses_nothing() {
    let steps = killed_everywhere(&[], &[init(), add("v1", "one", &[])], &["targets v1"]).await;
    assert!(steps > 20, "{steps}");
}

#[tokio::test]
async fn a_rotation_that_is_killed_at_any_step_loses_no_key() {
    let before = [init(), add("v1", "one", &[])];
    let rotation = [rotate_root(), rotate_local("targets"), add("v2", "two", &[])];
    let steps = killed_everywhere(&before, &rotation, &["targets v1", "targets v2"]).await;
    assert!(steps > 20, "{steps}");
}
