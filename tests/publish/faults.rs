//! Answers that are lost, others who publish meanwhile, keys that a server lost: nothing is left half-written.

use std::sync::Arc;

use tagseal::publish::publisher::{PublishError, Publisher};

use super::deal::*;
use super::world::{Fault, Mouth, Person, World};

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

/// Publishes with `other` while the next passphrase is asked for.
fn meanwhile(person: &Person<'_>, other: &Person<'_>, tag: &'static str) {
    let (dir, remote, clock) = (other.dir.clone(), other.remote.clone(), other.world.clock.clone());
    let publish = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let passphrases = Mouth::default();
        let publisher =
            Publisher { dir: &dir, remote: &remote, passphrases: &passphrases, clock: Arc::new(clock) };
        runtime.block_on(publisher.publish(&[add(tag, tag, &[])])).unwrap();
    };
    *person.passphrases.before.lock().unwrap() =
        Some(Box::new(move || std::thread::spawn(publish).join().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_publish_in_between_is_read_and_built_on() {
    let world = World::new().await;
    for first in [init(), init_with_snapshot()] {
        let alice = world.person();
        alice.publish(&[first, add("v1", "one", &[])]).await.unwrap();
        let bob = alice.twin();
        meanwhile(&alice, &bob, "bob-1");
        let published = alice.publish(&[add("v2", "two", &[])]).await.unwrap();
        assert!(published.roles.contains(&(role("targets"), 3)), "{:?}", published.roles);
        assert_eq!(world.tags().await, ["targets bob-1", "targets v1", "targets v2"]);
        alice.publisher().delete().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_lost_its_timestamp_key_is_given_a_new_one() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let amnesiac = World::new().await;
    amnesiac.server.restore(&world.server.checkpoint(&world.gun)).unwrap();
    let there = amnesiac.person();
    let there = Person { dir: alice.dir.clone(), ..there };
    let refused =
        there.publish(&[rotate_server_managed("snapshot"), add("v2", "two", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::TimestampKeyLost { gun: world.gun.clone() });
    let mended =
        [rotate_server_managed("timestamp"), rotate_server_managed("snapshot"), add("v2", "two", &[])];
    there.publish(&mended).await.unwrap();
    assert_eq!(amnesiac.tags().await, ["targets v1", "targets v2"]);
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
