//! What each operation makes of a repository, as verifiers see it.

use jiff::SignedDuration;
use tagseal::digest::Digest;
use tagseal::publish::operation::Operation;
use tagseal::publish::publisher::{PublishError, StillListed};
use tagseal::tuf::{RoleName, RoleProblem};

use super::deal::*;
use super::world::{Person, World};

const NOW: SignedDuration = SignedDuration::ZERO;

#[tokio::test]
async fn a_repository_is_made_by_its_first_sign_as_docker_makes_it() {
    let world = World::new().await;
    let alice = world.person();
    let published = alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    assert!(published.is_new && published.trusted_on_first_use.is_empty());
    assert_eq!(published.roles, [(role("root"), 1), (role("targets"), 1)]);
    let made: Vec<&str> = published.new_keys.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(made, ["root", "targets"]);
    assert_eq!(world.tags().await, ["targets v1"]);
    let repository = world.verified().await;
    assert_eq!(repository.root().key_ids(), alice.keys("root"));
    assert_eq!(repository.role(&role("targets")).unwrap().key_ids(), alice.keys("targets"));
    assert_eq!(alice.keys("snapshot"), []);
    let asked = alice.passphrases.asked.lock().unwrap().clone();
    assert_eq!(asked, [("root".to_owned(), true, 1), ("targets".to_owned(), true, 1)]);
    assert_eq!(alice.metadata(), [role("root"), role("snapshot"), role("targets"), role("timestamp")]);
}

#[tokio::test]
async fn a_repository_with_a_local_snapshot_key_has_its_snapshots_signed_here() {
    let world = World::new().await;
    let alice = world.person();
    let published = alice.publish(&[init_with_snapshot()]).await.unwrap();
    assert_eq!(published.roles, [(role("root"), 1), (role("targets"), 1), (role("snapshot"), 1)]);
    let published = alice.publish(&[add("v1", "one", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("targets"), 2), (role("snapshot"), 2)]);
    assert_eq!(world.tags().await, ["targets v1"]);
    let snapshot = world.verified().await.role(&role("snapshot")).unwrap().key_ids();
    assert_eq!(snapshot, alice.keys("snapshot"));
}

#[tokio::test]
async fn what_changes_nothing_is_not_uploaded_and_asks_for_no_passphrase() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    alice.passphrases.asked.lock().unwrap().clear();
    let again = alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    assert_eq!((again.roles, again.is_new), (vec![], false));
    assert_eq!(world.uploads(), 1);
    assert_eq!(*alice.passphrases.asked.lock().unwrap(), []);
}

/// A repository with `targets/releases` and `targets/alice`, both signed with one key, as `docker trust signer add` has it.
async fn with_signer(world: &World) -> (Person<'_>, tagseal::publish::key::PublicForm) {
    let alice = world.person();
    let key = alice.signer("alice");
    let operations = [
        init(),
        delegate("targets/releases", &[&key], None, &[""]),
        delegate("targets/alice", &[&key], None, &[""]),
    ];
    alice.publish(&operations).await.unwrap();
    (alice, key)
}

#[tokio::test]
async fn dockers_rule_signs_every_direct_delegation_whose_key_is_here_and_never_targets() {
    let world = World::new().await;
    let (alice, _) = with_signer(&world).await;
    let bob = alice.signer("bob");
    alice.lose(bob.id());
    let nested = alice.signer("nested");
    let more = [
        delegate("targets/bob", &[&bob], None, &[""]),
        delegate("targets/other", &[&nested], None, &["rc-"]),
        delegate("targets/alice/nested", &[&nested], None, &[""]),
    ];
    alice.publish(&more).await.unwrap();
    let published = alice.publish(&[add("v1", "one", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("targets/alice"), 2), (role("targets/releases"), 1)]);
    assert_eq!(world.tags().await, ["targets/alice v1", "targets/releases v1"]);
}

#[tokio::test]
async fn revoking_takes_the_tag_out_of_every_role_whose_key_is_here_and_names_where_it_stays() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[]), add("v2", "two", &[])]).await.unwrap();
    let (key, bob) = (alice.signer("alice"), alice.signer("bob"));
    let delegations = [
        delegate("targets/releases", &[&key], None, &[""]),
        delegate("targets/bob", &[&bob], None, &[""]),
        add("v1", "one", &["targets/releases", "targets/bob"]),
    ];
    alice.publish(&delegations).await.unwrap();
    alice.lose(bob.id());
    let published = alice.publish(&[remove("v1", &[])]).await.unwrap();
    assert_eq!(world.tags().await, ["targets v2", "targets/bob v1"]);
    let left = StillListed {
        role: role("targets/bob"),
        tags: vec!["v1".to_owned()],
        keys: vec![bob.id()],
        is_signed: true,
    };
    assert_eq!((published.still_listed, published.warnings), (vec![left], vec![]));
    alice.publish(&[remove_all(&[])]).await.unwrap();
    assert_eq!(world.tags().await, ["targets/bob v1"]);
}

#[tokio::test]
async fn a_role_with_a_threshold_is_signed_by_all_its_keys_that_are_here() {
    let world = World::new().await;
    let alice = world.person();
    let (a, b) = (alice.signer("a"), alice.signer("b"));
    let operations =
        [init(), delegate("targets/a", &[&a, &b], Some(2), &[""]), add("v1", "one", &["targets/a"])];
    alice.publish(&operations).await.unwrap();
    let repository = world.verified().await;
    let signed = repository.usable(&role("targets/a"), world.now(), NOW).unwrap();
    assert_eq!((signed.signed_by().len(), signed.threshold()), (2, 2));
}

#[tokio::test]
async fn nested_roles_edit_their_parent() {
    let world = World::new().await;
    let alice = world.person();
    let (a, b) = (alice.signer("a"), alice.signer("b"));
    alice.publish(&[init(), delegate("targets/a", &[&a], None, &["v", "rc-"])]).await.unwrap();
    let nested = [delegate("targets/a/b", &[&b], None, &["v1."]), add("v1.2", "x", &["targets/a/b"])];
    let published = alice.publish(&nested).await.unwrap();
    assert_eq!(published.roles, [(role("targets/a"), 1), (role("targets/a/b"), 1)]);
    assert_eq!(world.tags().await, ["targets/a/b v1.2"]);
}

#[tokio::test]
async fn a_role_that_was_removed_comes_back_empty_and_above_its_old_versions() {
    for first in [init(), init_with_snapshot()] {
        let world = World::new().await;
        let alice = world.person();
        let (key, new) = (alice.signer("alice"), alice.signer("alice"));
        let start = [first, delegate("targets/a", &[&key], None, &[""]), add("v1", "one", &["targets/a"])];
        alice.publish(&start).await.unwrap();
        alice.publish(&[add("v2", "two", &["targets/a"])]).await.unwrap();
        alice.publish(&[undelegate("targets/a")]).await.unwrap();
        assert!(world.tags().await.is_empty());
        let again = [delegate("targets/a", &[&new], None, &[""]), add("v3", "three", &["targets/a"])];
        let published = alice.publish(&again).await.unwrap();
        assert!(published.roles.contains(&(role("targets/a"), 3)), "{:?}", published.roles);
        assert_eq!(world.tags().await, ["targets/a v3"]);
    }
}

#[tokio::test]
async fn taking_out_the_only_signer_leaves_the_role_to_a_witness_who_looks_first() {
    let world = World::new().await;
    let (alice, key) = with_signer(&world).await;
    alice.publish(&[add("v1", "one", &[])]).await.unwrap();
    let bob = alice.signer("bob");
    let change = [
        delegate("targets/releases", &[&bob], None, &[]),
        restrict("targets/releases", &[key.canonical_id()], &[]),
        undelegate("targets/alice"),
    ];
    let published = alice.publish(&change).await.unwrap();
    let [warning] = published.warnings.as_slice() else { panic!("{:?}", published.warnings) };
    assert!(warning.starts_with("targets/releases is not signed by enough of its present keys"), "{warning}");
    assert!(world.tags().await.is_empty());

    let refused = alice.publish(&[add("v2", "two", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NotValidlySigned { role: role("targets/releases") });
    let again = [witness(&["targets/releases"]), add("v2", "two", &[])];
    let refused = alice.publish(&again).await.unwrap_err();
    let listed = format!("v1 {}", Digest::of(b"one"));
    match &refused {
        PublishError::NotLookedAt { role: unsigned, listed: shown, .. } => {
            assert_eq!((unsigned, shown), (&role("targets/releases"), &vec![listed.clone()]));
        }
        other => panic!("{other:?}"),
    }
    let published = alice.publish_having_looked(&again).await.unwrap();
    let [warning] = published.warnings.as_slice() else { panic!("{:?}", published.warnings) };
    assert!(warning.ends_with(&format!("was signed as it is, with what it lists: {listed}")), "{warning}");
    assert_eq!(world.tags().await, ["targets/releases v1", "targets/releases v2"]);
}

/// Whoever answers "yes" to a witness has read this list, which a signer who was removed may have made up.
#[tokio::test]
async fn t40_what_a_witness_is_asked_about_shows_names_that_cannot_forge_the_list() {
    let world = World::new().await;
    let (alice, key) = with_signer(&world).await;
    let names = ["v1 sha256:0000, v2", "a\u{2028}b", "a\u{202e}b", "a\\u{202e}b", "\u{3164}"];
    for name in names {
        alice.publish(&[add(name, "one", &[])]).await.unwrap();
    }
    let bob = alice.signer("bob");
    let change = [
        delegate("targets/releases", &[&bob], None, &[]),
        restrict("targets/releases", &[key.canonical_id()], &[]),
        undelegate("targets/alice"),
    ];
    alice.publish(&change).await.unwrap();
    let refused = alice.publish(&[witness(&["targets/releases"])]).await.unwrap_err();
    let PublishError::NotLookedAt { listed, .. } = &refused else { panic!("{refused:?}") };
    let shown = [
        r#""\u{3164}""#,
        r#""a\\u{202e}b""#,
        r#""a\u{2028}b""#,
        r#""a\u{202e}b""#,
        r#""v1 sha256:0000, v2""#,
    ];
    let mut listed = listed.clone();
    listed.sort();
    assert_eq!(listed, shown.map(|name| format!("{name} {}", Digest::of(b"one"))));
}

#[tokio::test]
async fn what_expired_is_renewed_by_a_witness_or_in_passing() {
    let world = World::new().await;
    let (alice, _) = with_signer(&world).await;
    alice.publish(&[add("v1", "one", &[])]).await.unwrap();
    world.advance_days(1100);
    alice.publish(&[witness(&["targets"])]).await.unwrap();
    let repository = world.verified().await;
    let problem = repository.usable(&role("targets/alice"), world.now(), NOW).unwrap_err();
    assert!(matches!(problem, RoleProblem::Unusable { .. }), "{problem:?}");
    alice.publish(&[witness(&["targets/alice"]), add("v1", "one", &["targets/releases"])]).await.unwrap();
    assert_eq!(world.tags().await, ["targets/alice v1", "targets/releases v1"]);
}

#[tokio::test]
async fn a_root_near_its_expiry_is_signed_anew_where_its_key_is() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let (bob, root) = (alice.twin(), alice.keys("root")[0]);
    bob.lose(root);
    world.advance_days(3650 - 180);
    let published = bob.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("targets"), 2)]);
    let [warning] = published.warnings.as_slice() else { panic!("{:?}", published.warnings) };
    let gun = super::world::GUN;
    assert_eq!(
        *warning,
        format!(
            "the root of {gun} expires at 2036-11-18T12:00:00Z: whoever has {root} renews it with `tagseal trust renew {gun}`"
        )
    );
    let published = alice.publish(&[add("v3", "three", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("root"), 2), (role("targets"), 3)]);
}

#[tokio::test]
async fn a_root_keys_certificate_is_renewed_before_it_expires() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    world.advance_days(3650 - 180);
    let published = alice.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("root"), 2), (role("targets"), 2)]);
    world.advance_days(365);
    let published = alice.publish(&[add("v3", "three", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("targets"), 3)]);
    assert_eq!(
        world.verified().await.root().key_ids(),
        alice.keys("root"),
        "the same key, by another certificate"
    );
    assert_eq!(world.tags().await, ["targets v1", "targets v2", "targets v3"]);
}

#[tokio::test]
async fn a_repository_whose_root_certificate_expired_has_to_be_made_anew_and_that_is_said() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    world.advance_days(4000);
    let refused = alice.publish(&[add("v2", "two", &[])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::RootExpired { .. }), "{refused}");
    let again = Operation::RotateRoot { new_key: Some(alice.keys("root")[0]) };
    let refused = alice.publish(&[again]).await.unwrap_err();
    assert!(refused.to_string().contains("the certificate of the root key has expired"), "{refused}");
    alice.publisher().delete().await.unwrap();
    alice.publish(&[init(), add("v2", "two", &[])]).await.unwrap();
    assert_eq!(world.tags().await, ["targets v2"]);
}

#[tokio::test]
async fn a_rotated_root_is_signed_by_the_old_key_and_the_new_one_and_others_follow_it() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let (bob, old) = (alice.twin(), alice.keys("root"));
    let published = alice.publish(&[rotate_root()]).await.unwrap();
    assert_eq!(published.roles, [(role("root"), 2)]);
    alice.publish(&[rotate_root()]).await.unwrap();
    let repository = world.verified().await;
    assert_eq!(repository.root().version(), 3);
    assert_ne!(repository.root().key_ids(), old);
    let published = bob.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert!(published.trusted_on_first_use.is_empty(), "the chain leads from bob's root to the newest");
    assert_eq!(world.tags().await, ["targets v1", "targets v2"]);
    let refused = bob.publish(&[rotate_root()]).await.unwrap_err();
    let keys = repository.root().key_ids();
    assert_eq!(refused, PublishError::RootKeyNotHeld { gun: world.gun.clone(), keys });
}

#[tokio::test]
async fn local_keys_are_rotated_and_the_snapshot_goes_to_the_server_and_back() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let before = alice.keys("targets");
    let published = alice.publish(&[rotate_local("targets")]).await.unwrap();
    assert_eq!(published.roles, [(role("root"), 2), (role("targets"), 2)]);
    let keys = world.verified().await.role(&role("targets")).unwrap().key_ids();
    assert_eq!(keys, [published.new_keys[0].1]);
    assert_ne!(keys, before);
    let published = alice.publish(&[rotate_local("snapshot")]).await.unwrap();
    let versions: Vec<_> = published.roles.iter().map(|(role, _)| role.clone()).collect();
    assert_eq!(versions, [role("root"), role("snapshot")]);
    let snapshot_key = world.verified().await.role(&role("snapshot")).unwrap().key_ids();
    assert_eq!(snapshot_key, alice.keys("snapshot"));
    alice.publish(&[rotate_server_managed("snapshot")]).await.unwrap();
    let snapshot_key = world.verified().await.role(&role("snapshot")).unwrap().key_ids();
    assert_ne!(snapshot_key, alice.keys("snapshot"));
    let published = alice.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!(published.roles, [(role("targets"), 3)]);
    let timestamp = world.verified().await.role(&RoleName::timestamp()).unwrap().key_ids();
    alice.publish(&[rotate_server_managed("timestamp")]).await.unwrap();
    assert_ne!(world.verified().await.role(&RoleName::timestamp()).unwrap().key_ids(), timestamp);
    assert_eq!(world.tags().await, ["targets v1", "targets v2"]);
}

#[tokio::test]
async fn a_repository_seen_for_the_first_time_is_believed_and_the_publisher_told() {
    let world = World::new().await;
    let (alice, _) = with_signer(&world).await;
    let bob = world.person();
    let key = bob.signer("bob");
    alice.publish(&[delegate("targets/bob", &[&key], None, &[""])]).await.unwrap();
    let published = bob.publish(&[add("v1", "one", &[])]).await.unwrap();
    assert_eq!(published.trusted_on_first_use, alice.keys("root"));
    let published = bob.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert!(published.trusted_on_first_use.is_empty());
}

#[tokio::test]
async fn a_deleted_repository_is_gone_at_the_server_and_here_and_its_keys_stay() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    alice.publisher().delete().await.unwrap();
    assert_eq!(alice.metadata(), []);
    assert_eq!((alice.keys("root").len(), alice.keys("targets").len()), (1, 1));
    let refused = alice.publish(&[add("v1", "one", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NotInitialised { gun: world.gun.clone() });
    let published = alice.publish(&[init(), add("v2", "two", &[])]).await.unwrap();
    assert!(published.is_new);
    assert_eq!(world.verified().await.root().key_ids(), alice.keys("root"));
    assert_eq!(world.tags().await, ["targets v2"]);
}
