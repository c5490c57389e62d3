//! What cannot be published, and that each says which thing it is.

use std::collections::BTreeMap;

use tagseal::publish::key::{Algorithm, PrivateKey};
use tagseal::publish::operation::Operation;
use tagseal::publish::publisher::{PublishError, Signer};
use tagseal::tuf::{FileName, RootMismatch, TufError};

use super::deal::*;
use super::world::{Person, World};

async fn published<'a>(world: &'a World, more: &[Operation]) -> Person<'a> {
    let alice = world.person();
    let operations: Vec<Operation> = [init()].iter().chain(more).cloned().collect();
    alice.publish(&operations).await.unwrap();
    alice
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_not_made_by_accident() {
    let world = World::new().await;
    let alice = world.person();
    let refused = alice.publish(&[add("v1", "one", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NotInitialised { gun: world.gun.clone() });
    assert_eq!(alice.files(), BTreeMap::new());
}

#[tokio::test]
async fn a_server_that_lost_the_repository_does_not_get_a_new_one_in_its_place() {
    let world = World::new().await;
    let alice = published(&world, &[add("v1", "one", &[])]).await;
    let checkpoint = World::new().await.server.checkpoint(&world.gun);
    world.server.restore(&checkpoint).unwrap();
    let refused = alice.publish(&[init(), add("v2", "two", &[])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::GoneFromServer { .. }), "{refused}");
}

#[tokio::test]
async fn t35_a_publisher_builds_on_no_root_that_is_not_a_successor() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init(), add("v1", "one", &[])]).await.unwrap();
    let bob = alice.twin();
    let first = world.server.checkpoint(&world.gun).current(&role("root")).unwrap();
    for _ in 0..2 {
        alice.publish(&[rotate_root()]).await.unwrap();
    }
    let newest = world.server.checkpoint(&world.gun).current(&role("root")).unwrap();
    let missing = TufError::RootMismatch(RootMismatch::MissingLink { version: 2 });
    for held in [Some(first), Some(newest), None] {
        world.server.overrule(&world.gun, "2.root.json", held);
        let refused = bob.publish(&[add("v2", "two", &[])]).await.unwrap_err();
        let expected = PublishError::Untrusted { gun: world.gun.clone(), error: missing.clone().into() };
        assert_eq!(refused, expected);
    }
    world.server.lift_overrules(&world.gun);
    bob.publish(&[add("v2", "two", &[])]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_rolls_back_is_not_built_on() {
    let world = World::new().await;
    let alice = published(&world, &[add("v1", "one", &[])]).await;
    let before = world.server.checkpoint(&world.gun);
    alice.publish(&[remove("v1", &[]), add("v2", "two", &[])]).await.unwrap();
    world.server.restore(&before).unwrap();
    let files = alice.files();
    let refused = alice.publish(&[add("v3", "three", &[])]).await.unwrap_err();
    let PublishError::Untrusted { error, .. } = &refused else { panic!("{refused}") };
    assert!(matches!(**error, TufError::Rollback { .. }), "{refused}");
    assert_eq!(alice.files(), files);
}

#[tokio::test]
async fn what_the_server_slips_in_is_not_signed_in_passing() {
    let world = World::new().await;
    let alice = world.person();
    let key = alice.signer("alice");
    let start = [init(), delegate("targets/a", &[&key], None, &[""]), add("v1", "one", &["targets/a"])];
    alice.publish(&start).await.unwrap();
    // Somebody with the server's keys lists an image of theirs, under a signature that counts for nothing.
    let mallory = world.person();
    let file = world.server.checkpoint(&world.gun).current(&role("targets/a")).unwrap();
    let file = String::from_utf8(file.to_vec())
        .unwrap()
        .replace("\"v1\"", "\"vX\"")
        .replace("\"version\":1", "\"version\":7");
    world.server.smuggle(&world.gun, [(role("targets/a"), file.into_bytes().into())]).unwrap();
    drop(mallory);
    let refused = alice.publish(&[add("v2", "two", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NotValidlySigned { role: role("targets/a") });
    let refused = alice.publish(&[add("v2", "two", &["targets/a"])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NotValidlySigned { role: role("targets/a") });
}

#[tokio::test]
async fn a_lost_key_says_whose_it_was_and_what_helps() {
    let world = World::new().await;
    let alice = published(&world, &[]).await;
    let gun = world.gun.clone();
    let (root, targets) = (alice.keys("root"), alice.keys("targets"));
    alice.lose(targets[0]);
    let refused = alice.publish(&[add("v1", "one", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::TargetsKeyNotHeld { gun: gun.clone(), keys: targets });
    assert!(refused.to_string().contains("tagseal trust rotate targets"), "{refused}");
    let rotated = alice.publish(&[rotate_local("targets"), add("v1", "one", &[])]).await.unwrap();
    assert_eq!(rotated.roles, [(role("root"), 2), (role("targets"), 2)]);
    alice.lose(root[0]);
    let refused = alice.publish(&[rotate_local("targets")]).await.unwrap_err();
    assert_eq!(refused, PublishError::RootKeyNotHeld { gun, keys: root });
    assert_eq!(world.tags().await, ["targets v1"]);
}

#[tokio::test]
async fn a_snapshot_key_that_is_neither_here_nor_the_servers_is_named() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init_with_snapshot()]).await.unwrap();
    let keys = alice.keys("snapshot");
    alice.lose(keys[0]);
    let refused = alice.publish(&[add("v1", "one", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::SnapshotKeyNotHeld { gun: world.gun.clone(), keys });
    assert!(refused.to_string().contains("rotate snapshot --server-managed"), "{refused}");
    alice.publish(&[rotate_server_managed("snapshot"), add("v1", "one", &[])]).await.unwrap();
    assert_eq!(world.tags().await, ["targets v1"]);
}

#[tokio::test]
async fn a_delegation_key_that_is_not_in_the_role_signs_nothing() {
    let world = World::new().await;
    let others = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let alice = published(&world, &[delegate("targets/a", &[others.public()], None, &[""])]).await;
    alice.signer("alice");
    let keys = vec![others.id()];
    let refused = alice.publish(&[add("v1", "one", &["targets/a"])]).await.unwrap_err();
    assert_eq!(refused, PublishError::DelegationKeyNotHeld { role: role("targets/a"), keys: keys.clone() });
    let refused = alice.publish(&[add("v1", "one", &[])]).await.unwrap_err();
    let (gun, tag) = (world.gun.clone(), "v1".to_owned());
    assert_eq!(refused, PublishError::NoSignableRole { gun, tag, roles: vec![(role("targets/a"), keys)] });
}

#[tokio::test]
async fn too_few_of_a_roles_keys_are_insufficient_signatures() {
    let world = World::new().await;
    let alice = world.person();
    let here = alice.signer("here");
    let there = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    alice.publish(&[init(), delegate("targets/a", &[&here, there.public()], Some(2), &[""])]).await.unwrap();
    let refused = alice.publish(&[add("v1", "one", &["targets/a"])]).await.unwrap_err();
    let signer = |id| Signer { id, name: Some("a".to_owned()) };
    let expected = PublishError::InsufficientSignatures {
        role: role("targets/a"),
        gun: world.gun.clone(),
        threshold: 2,
        here: vec![signer(here.id())],
        missing: vec![signer(there.id())],
    };
    assert_eq!(refused, expected);
    // Also by docker's rule: it is not as if no key were here.
    assert_eq!(alice.publish(&[add("v1", "one", &[])]).await.unwrap_err(), expected);
    assert!(refused.to_string().contains("insufficient signatures"), "{refused}");
}

#[tokio::test]
async fn a_role_that_nobody_could_sign_is_not_delegated() {
    let world = World::new().await;
    let alice = published(&world, &[]).await;
    let key = alice.signer("a");
    let too_few = |keys, threshold| PublishError::TooFewKeys { role: role("targets/a"), keys, threshold };
    let refused = alice.publish(&[delegate("targets/a", &[&key], Some(2), &[""])]).await.unwrap_err();
    assert_eq!(refused, too_few(1, 2));
    let refused = alice.publish(&[delegate("targets/a", &[], None, &[""])]).await.unwrap_err();
    assert_eq!(refused, too_few(0, 1));
    alice.publish(&[delegate("targets/a", &[&key], None, &[""])]).await.unwrap();
    let refused = alice.publish(&[restrict("targets/a", &[key.id()], &[])]).await.unwrap_err();
    assert_eq!(refused, too_few(0, 1));
    assert_eq!(world.uploads(), 2);
}

#[tokio::test]
async fn names_and_paths_that_nobody_would_look_at_are_refused() {
    let world = World::new().await;
    let alice = world.person();
    let key = alice.signer("a");
    alice.publish(&[init(), delegate("targets/a", &[&key], None, &["v"])]).await.unwrap();
    let refused = alice.publish(&[add("latest", "one", &["targets/a"])]).await.unwrap_err();
    let (name, paths) = ("latest".to_owned(), vec!["v".to_owned()]);
    let expected = PublishError::PathNotAllowed { role: role("targets/a"), name, paths: paths.clone() };
    assert_eq!(refused, expected);
    let refused = alice.publish(&[delegate("targets/a/b", &[&key], None, &[""])]).await.unwrap_err();
    assert_eq!(refused, PublishError::PathNotAllowed { role: role("targets/a"), name: String::new(), paths });
    let refused = alice.publish(&[add("v\n", "one", &["targets/a"])]).await.unwrap_err();
    assert_eq!(refused, PublishError::BadTargetName { name: "v\n".to_owned() });
    let refused = alice.publish(&[add("v1", "one", &["targets/b"])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NotDelegated { role: role("targets/b") });
    let refused = alice.publish(&[remove("v1", &[])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NotListed { gun: world.gun.clone(), name: "v1".to_owned() });
    let refused = alice.publish(&[add("v1", "one", &["snapshot"])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::WrongRole { .. }), "{refused}");
    let refused = alice.publish(&[witness(&["targets/a"])]).await.unwrap_err();
    assert_eq!(refused, PublishError::NeverSigned { role: role("targets/a") });
    let refused = alice.publish(&[restrict("targets/a", &[], &["rc-"])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::PathNotInRole { .. }), "{refused}");
    let stranger = PrivateKey::generate(Algorithm::EcdsaP256).unwrap().id();
    let refused = alice.publish(&[restrict("targets/a", &[stranger], &[])]).await.unwrap_err();
    assert!(matches!(refused, PublishError::KeyNotInRole { .. }), "{refused}");
    assert_eq!(world.uploads(), 1);
}

#[tokio::test]
async fn a_wrong_passphrase_is_tried_three_times_and_told_as_such() {
    let world = World::new().await;
    let alice = published(&world, &[]).await;
    let files = alice.files();
    *alice.passphrases.says.lock().unwrap() = Some("wrong".to_owned());
    alice.passphrases.asked.lock().unwrap().clear();
    let refused = alice.publish(&[add("v1", "one", &[])]).await.unwrap_err();
    let id = alice.keys("targets")[0];
    assert_eq!(refused, PublishError::WrongPassphrase { role: "targets".to_owned(), id, attempts: 3 });
    let asked: Vec<u32> = alice.passphrases.asked.lock().unwrap().iter().map(|asked| asked.2).collect();
    assert_eq!(asked, [1, 2, 3]);
    assert_eq!((alice.files(), world.uploads()), (files, 1));
}

#[tokio::test]
async fn among_several_root_keys_none_is_taken_unasked() {
    let world = World::new().await;
    let alice = world.person();
    let (a, b) = (alice.signer("root"), alice.signer("root"));
    let refused = alice.publish(&[init()]).await.unwrap_err();
    let PublishError::SeveralRootKeys { keys } = &refused else { panic!("{refused}") };
    assert_eq!(keys.len(), 2);
    assert!(keys.contains(&a.id()) && keys.contains(&b.id()));
    let chosen = Operation::Init { root_key: Some(b.id()), snapshot_key_is_local: false };
    alice.publish(&[chosen]).await.unwrap();
    assert_eq!(world.verified().await.root().key_ids(), [b.id()]);
}

#[tokio::test]
async fn a_file_that_verified_data_names_and_the_server_lacks_is_told() {
    let world = World::new().await;
    let alice = world.person();
    let key = alice.signer("a");
    let start = [init(), delegate("targets/a", &[&key], None, &[""]), add("v1", "one", &["targets/a"])];
    alice.publish(&start).await.unwrap();
    let bob = world.person();
    let sha256 = world.verified().await.role(&role("targets/a")).unwrap().sha256();
    let file = FileName::by_hash(role("targets/a"), sha256);
    world.server.overrule(&world.gun, &file.to_string(), None);
    let refused = bob.publish(&[add("v2", "two", &[])]).await.unwrap_err();
    let expected =
        PublishError::Untrusted { gun: world.gun.clone(), error: TufError::Missing { file }.into() };
    assert_eq!(refused, expected);
}
