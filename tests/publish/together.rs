//! Many who publish to one repository at once: all of them arrive, whether they share a trust directory or not.

use std::time::Duration;

use futures::future::join_all;
use tagseal::publish::publisher::{PublishError, Publisher};

use super::deal::*;
use super::world::{Person, World};

/// A build matrix.
const MANY: usize = 16;

fn tag(number: usize) -> String {
    format!("{number:02}")
}

/// The tags of [`MANY`] publishers in a role.
fn all_in(role: &str) -> Vec<String> {
    (0..MANY).map(|number| format!("{role} {}", tag(number))).collect()
}

async fn publish_at_once(people: &[Person<'_>], roles: &[&str]) {
    let publish = people.iter().enumerate().map(|(number, person)| async move {
        let tag = tag(number);
        person.publish(&[add(&tag, &tag, roles)]).await.unwrap_or_else(|error| panic!("{tag}: {error}"))
    });
    join_all(publish).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_publishers_with_trust_directories_of_their_own_all_arrive() {
    for first in [init(), init_with_snapshot()] {
        let world = World::new().await;
        let maker = world.person();
        maker.publish(&[first]).await.unwrap();
        let people: Vec<Person<'_>> = (0..MANY).map(|_| maker.twin()).collect();
        world.delay(Duration::from_millis(20));
        publish_at_once(&people, &["targets"]).await;
        assert_eq!(world.tags().await, all_in("targets"));
    }
}

/// Each of them may find files that the timestamp which it read does not know of.
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_signers_sign_for_the_first_time_at_once() {
    let world = World::new().await;
    let maker = world.person();
    maker.publish(&[init()]).await.unwrap();
    let people: Vec<Person<'_>> = (0..MANY).map(|_| maker.twin()).collect();
    for (number, person) in people.iter().enumerate() {
        let key = person.signer(&tag(number));
        maker.publish(&[delegate(&format!("targets/{}", tag(number)), &[&key], None, &[""])]).await.unwrap();
    }
    world.delay(Duration::from_millis(20));
    publish_at_once(&people, &[]).await;
    let expected: Vec<String> =
        (0..MANY).map(|number| format!("targets/{} {}", tag(number), tag(number))).collect();
    assert_eq!(world.tags().await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn sixteen_publishers_that_share_a_trust_directory_all_arrive() {
    let world = World::new().await;
    let maker = world.person();
    maker.publish(&[init()]).await.unwrap();
    let publish = (0..MANY).map(|number| {
        // As processes have it, each with a lock of its own.
        tokio::task::spawn_blocking(maker.publishing(vec![vec![add(&tag(number), "1", &[])]]))
    });
    for published in join_all(publish).await {
        published.unwrap().unwrap();
    }
    assert_eq!(world.tags().await, all_in("targets"));
}

/// Somebody who is first each time, faster than we can read: our time ends, and we say so.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_until_the_time_is_up_is_told_how_often() {
    let world = World::new().await;
    let (ours, theirs) = {
        let maker = world.person();
        maker.publish(&[init()]).await.unwrap();
        (maker.twin(), maker)
    };
    ours.meanwhile(&theirs, "theirs");
    let impatient = Publisher { patience: Duration::ZERO, ..ours.publisher() };
    let error = impatient.publish(&[add("ours", "1", &[])]).await.unwrap_err();
    assert_eq!(error, PublishError::Stale { gun: world.gun.clone(), times: 1, seconds: 0 });
    assert_eq!(
        error.to_string(),
        "others published to registry.example.com/shop/web first, 1 times within 0 s; nothing was published: run the command \
         again, or with a longer --timeout"
    );
    assert_eq!(world.tags().await, ["targets theirs"]);
}
