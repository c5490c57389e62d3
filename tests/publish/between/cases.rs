//! The cases: two who publish at the same time.

use futures::future::BoxFuture;
use tagseal::publish::key::{Algorithm, PrivateKey};
use tagseal::publish::operation::Operation;

use super::Case;
use crate::publish::deal::*;
use crate::publish::world::{Person, World};

type Made<'a> = BoxFuture<'a, Case<'a>>;

/// A person who made the repository.
async fn maker(world: &World, snapshot_is_local: bool) -> Person<'_> {
    let maker = world.person();
    maker.publish(&[if snapshot_is_local { init_with_snapshot() } else { init() }]).await.unwrap();
    maker
}

/// The maker, and as the other a twin with the same keys.
fn case<'a>(
    ours: Person<'a>,
    our_operations: Vec<Operation>,
    ours_stand: &[&str],
    their_operations: Vec<Vec<Operation>>,
    theirs_stand: &[&str],
) -> Case<'a> {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Case {
        theirs: ours.twin(),
        ours,
        our_operations,
        their_operations,
        ours_stand: lines(ours_stand),
        theirs_stand: lines(theirs_stand),
    }
}

pub fn first_file(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let ours = maker(world, local).await;
        let key = ours.signer("a");
        ours.publish(&[delegate("targets/a", &[&key], None, &[""])]).await.unwrap();
        case(
            ours,
            vec![add("ours", "1", &["targets/a"])],
            &["targets/a ours"],
            vec![vec![add("theirs", "2", &["targets/a"])]],
            &["targets/a theirs"],
        )
    })
}

/// Docker's rule: each signs `targets/releases` and a role of their own.
pub fn first_file_of_several_roles(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let ours = maker(world, local).await;
        let theirs = ours.twin();
        let (a, b) = (ours.signer("a"), theirs.signer("b"));
        let signers = [
            delegate("targets/releases", &[&a, &b], None, &[""]),
            delegate("targets/a", &[&a], None, &[""]),
            delegate("targets/b", &[&b], None, &[""]),
        ];
        ours.publish(&signers).await.unwrap();
        let case = case(
            ours,
            vec![add("ours", "1", &[])],
            &["targets/releases ours", "targets/a ours"],
            vec![vec![add("theirs", "2", &[])]],
            &["targets/releases theirs", "targets/b theirs"],
        );
        Case { theirs, ..case }
    })
}

pub fn later_file(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        case.ours.publish(&[add("before", "0", &["targets/a"])]).await.unwrap();
        Case { ours_stand: vec!["targets/a before".into(), "targets/a ours".into()], ..case }
    })
}

/// What our trust directory has is from before the others' last publishes.
pub fn trust_directory_that_is_behind(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        case.theirs.publish(&[add("before", "0", &["targets/a"])]).await.unwrap();
        case.theirs.publish(&[add("before", "0", &["targets"])]).await.unwrap();
        let stand = ["targets/a ours", "targets/a before", "targets before"];
        Case { ours_stand: stand.map(str::to_owned).into(), ..case }
    })
}

pub fn targets_itself(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        case(
            maker(world, local).await,
            vec![add("ours", "1", &[])],
            &["targets ours"],
            vec![vec![add("theirs", "2", &[])], vec![add("more", "3", &[])]],
            &["targets theirs", "targets more"],
        )
    })
}

/// What is left of the removed role has a number that new files have to exceed.
pub fn role_that_was_removed_and_delegated_again(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let ours = maker(world, local).await;
        let (old, new) = (ours.signer("a"), ours.signer("a"));
        let start = [delegate("targets/a", &[&old], None, &[""]), add("old", "0", &["targets/a"])];
        ours.publish(&start).await.unwrap();
        ours.publish(&[undelegate("targets/a")]).await.unwrap();
        // A snapshot of the server's still lists the old file, and nobody signs over what the new key did not sign.
        let key = if local { &new } else { &old };
        ours.publish(&[delegate("targets/a", &[key], None, &[""])]).await.unwrap();
        case(
            ours,
            vec![add("ours", "1", &["targets/a"])],
            &["targets/a ours"],
            vec![vec![add("theirs", "2", &["targets/a"])]],
            &["targets/a theirs"],
        )
    })
}

pub fn role_that_is_removed_and_delegated_again_meanwhile(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        let key = case.theirs.signer("a");
        Case {
            their_operations: vec![
                vec![add("gone", "0", &["targets/a"])],
                vec![undelegate("targets/a")],
                vec![delegate("targets/a", &[&key], None, &[""]), add("theirs", "2", &["targets/a"])],
            ],
            // They may remove ours with the role, having read it.
            ours_stand: vec![],
            ..case
        }
    })
}

pub fn role_that_we_remove_and_delegate_again(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        let (a, b) = (case.ours.signer("a"), case.ours.signer("b"));
        case.ours.publish(&[delegate("targets/b", &[&b], None, &[""])]).await.unwrap();
        let again = vec![
            undelegate("targets/a"),
            delegate("targets/a", &[&a], None, &[""]),
            add("ours", "1", &["targets/a"]),
        ];
        Case {
            theirs: case.ours.twin(),
            our_operations: again,
            their_operations: vec![vec![add("theirs", "2", &["targets/b"])]],
            theirs_stand: vec!["targets/b theirs".into()],
            ..case
        }
    })
}

pub fn repository_that_both_make(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let start = |tag: &str| vec![if local { init_with_snapshot() } else { init() }, add(tag, tag, &[])];
        let case = case(
            world.person(),
            start("ours"),
            &["targets ours"],
            vec![start("theirs")],
            &["targets theirs"],
        );
        Case { theirs: world.person(), ..case }
    })
}

pub fn repository_that_both_make_with_one_root_key(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = repository_that_both_make(world, local).await;
        let root = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        for person in [&case.ours, &case.theirs] {
            person.keep("root", &root);
        }
        case
    })
}

pub fn delegations_that_both_add(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let ours = maker(world, local).await;
        let (a, b) = (ours.signer("a"), ours.signer("b"));
        case(
            ours,
            vec![delegate("targets/a", &[&a], None, &[""]), add("ours", "1", &["targets/a"])],
            &["delegates targets/a", "targets/a ours"],
            vec![vec![delegate("targets/b", &[&b], None, &[""])], vec![add("theirs", "2", &["targets/b"])]],
            &["delegates targets/b", "targets/b theirs"],
        )
    })
}

pub fn delegation_that_we_remove(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let ours = maker(world, local).await;
        let (a, b, c) = (ours.signer("a"), ours.signer("b"), ours.signer("c"));
        let both = [delegate("targets/a", &[&a], None, &[""]), delegate("targets/b", &[&b], None, &[""])];
        ours.publish(&both).await.unwrap();
        case(
            ours,
            vec![undelegate("targets/a")],
            &[],
            vec![
                vec![add("theirs", "2", &["targets/b"])],
                vec![delegate("targets/c", &[&c], None, &[""]), add("theirs", "2", &["targets/c"])],
            ],
            &["targets/b theirs", "delegates targets/c", "targets/c theirs"],
        )
    })
}

pub fn first_file_of_a_nested_role(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let ours = maker(world, local).await;
        let (a, b) = (ours.signer("a"), ours.signer("b"));
        let both = [delegate("targets/a", &[&a], None, &[""]), delegate("targets/a/b", &[&b], None, &[""])];
        ours.publish(&both).await.unwrap();
        case(
            ours,
            vec![add("ours", "1", &["targets/a/b"])],
            &["targets/a/b ours"],
            vec![vec![add("theirs", "2", &["targets/a/b"]), add("theirs", "2", &["targets/a"])]],
            &["targets/a/b theirs", "targets/a theirs", "delegates targets/a/b"],
        )
    })
}

pub fn nested_delegation_before_the_first_file_of_its_parent(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        let b = case.ours.signer("b");
        Case {
            our_operations: vec![
                delegate("targets/a/b", &[&b], None, &[""]),
                add("ours", "1", &["targets/a/b"]),
            ],
            ours_stand: vec!["delegates targets/a/b".into(), "targets/a/b ours".into()],
            ..case
        }
    })
}

pub fn keys_that_we_rotate(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        let mut rotations = vec![rotate_root(), rotate_local("targets"), rotate_server_managed("timestamp")];
        rotations.extend(local.then(|| rotate_local("snapshot")));
        Case { our_operations: rotations, ours_stand: vec![], ..case }
    })
}

pub fn keys_that_they_rotate(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        let mut theirs = vec![vec![rotate_root()], vec![rotate_server_managed("timestamp")]];
        theirs.extend(local.then(|| vec![rotate_local("snapshot")]));
        theirs.push(vec![rotate_local("targets"), add("theirs", "2", &["targets/a"])]);
        Case { their_operations: theirs, ..case }
    })
}

/// The other way round where it is a local one already: the server takes it over.
pub fn snapshot_key_that_we_take_over(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        let rotation = if local { rotate_server_managed("snapshot") } else { rotate_local("snapshot") };
        Case { our_operations: vec![rotation], ours_stand: vec![], ..case }
    })
}

pub fn snapshot_key_that_they_take_over(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = first_file(world, local).await;
        let rotation = if local { rotate_server_managed("snapshot") } else { rotate_local("snapshot") };
        Case { their_operations: vec![vec![rotation], case.their_operations[0].clone()], ..case }
    })
}

pub fn tag_that_we_remove(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = later_file(world, local).await;
        Case { our_operations: vec![remove("before", &["targets/a"])], ours_stand: vec![], ..case }
    })
}

pub fn role_that_we_witness(world: &World, local: bool) -> Made<'_> {
    Box::pin(async move {
        let case = later_file(world, local).await;
        let ours = vec![witness(&["targets/a", "targets"])];
        Case { our_operations: ours, ours_stand: vec!["targets/a before".into()], ..case }
    })
}
