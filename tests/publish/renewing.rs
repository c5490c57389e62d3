//! What ends soon is signed anew by whatever is published, where its keys are here, and said where they are not.

use tagseal::publish::key::PublicForm;
use tagseal::publish::publisher::Published;

use super::deal::*;
use super::world::{Person, World};
use crate::support::past::ROLE_DAYS;

/// `targets/releases` and `targets/jeff` by one key, as `docker trust signer add` has it, and a tag.
async fn with_signer(world: &World) -> (Person<'_>, PublicForm) {
    let owner = world.person();
    let key = owner.signer("jeff");
    let operations = [
        init(),
        delegate("targets/releases", &[&key], None, &[""]),
        delegate("targets/jeff", &[&key], None, &[""]),
        add("v1", "one", &[]),
    ];
    owner.publish(&operations).await.unwrap();
    (owner, key)
}

/// Somebody with jeff's key alone.
fn jeff<'a>(owner: &Person<'a>) -> Person<'a> {
    let jeff = owner.twin();
    for role in ["root", "targets"] {
        jeff.lose(owner.keys(role)[0]);
    }
    jeff
}

fn renewed(published: &Published) -> Vec<&str> {
    published.renewed.iter().map(|role| role.as_str()).collect()
}

fn versions(published: &Published) -> Vec<(&str, u64)> {
    published.roles.iter().map(|(role, version)| (role.as_str(), *version)).collect()
}

#[tokio::test]
async fn signing_the_same_again_renews_what_ends_within_six_months_and_nothing_before() {
    let world = World::new().await;
    let alice = world.person();
    let sign = [init(), add("v1", "one", &[])];
    alice.publish(&sign).await.unwrap();
    world.advance_days(ROLE_DAYS - 183);
    assert_eq!(alice.publish(&sign).await.unwrap(), Published::default());
    world.advance_days(1);
    let published = alice.publish(&sign).await.unwrap();
    assert_eq!((versions(&published), renewed(&published)), (vec![("targets", 2)], vec!["targets"]));
    assert_eq!((published.warnings, published.is_without_effect), (vec![], false));
    assert_eq!(alice.publish(&sign).await.unwrap(), Published::default());
    world.advance_days(ROLE_DAYS - 183);
    assert_eq!(world.tags().await, ["targets v1"]);
}

#[tokio::test]
async fn all_that_ends_within_six_months_is_renewed_and_what_expired_only_where_it_is_needed() {
    let world = World::new().await;
    let (owner, _) = with_signer(&world).await;
    world.advance_days(ROLE_DAYS - 100);
    let published = owner.publish(&[add("v2", "two", &["targets/jeff"])]).await.unwrap();
    assert_eq!(versions(&published), [("targets", 2), ("targets/jeff", 2), ("targets/releases", 2)]);
    assert_eq!(renewed(&published), ["targets", "targets/releases"]);

    world.advance_days(ROLE_DAYS + 1);
    let published = owner.publish(&[add("v3", "three", &["targets/jeff"])]).await.unwrap();
    assert_eq!(versions(&published), [("targets", 3), ("targets/jeff", 3)]);
    assert_eq!(renewed(&published), ["targets"]);
    assert_eq!((published.warnings, published.is_without_effect), (vec![], false));
    assert_eq!(world.tags().await, ["targets/jeff v1", "targets/jeff v2", "targets/jeff v3"]);
}

#[tokio::test]
async fn what_ends_above_and_cannot_be_renewed_here_is_said_and_what_expired_leaves_no_effect() {
    let world = World::new().await;
    let (owner, _) = with_signer(&world).await;
    let (jeff, targets) = (jeff(&owner), owner.keys("targets")[0]);
    let expires = world.verified().await.role(&role("targets")).unwrap().expires();
    world.advance_days(ROLE_DAYS - 31);
    let published = jeff.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!((published.warnings, published.is_without_effect), (vec![], false));
    world.advance_days(2);
    let published = jeff.publish(&[add("v3", "three", &[])]).await.unwrap();
    let gun = super::world::GUN;
    let mend = format!("whoever has {targets} renews it with `tagseal trust witness targets {gun}`");
    assert_eq!(published.warnings, [format!("targets of {gun} expires at {expires}: {mend}")]);
    assert!(!published.is_without_effect);

    world.advance_days(30);
    let published = jeff.publish(&[add("v4", "four", &[])]).await.unwrap();
    let denied = "and clusters and clients deny all that is below it";
    let warning = format!("targets of {gun} expired at {expires}, {denied}: {mend}");
    assert_eq!(versions(&published), [("targets/jeff", 4), ("targets/releases", 4)]);
    assert_eq!((published.warnings.as_slice(), published.is_without_effect), (&[warning.clone()][..], true));
    // Also where nothing is changed.
    let published = jeff.publish(&[add("v4", "four", &[])]).await.unwrap();
    assert_eq!(versions(&published), []);
    assert_eq!((published.warnings, published.is_without_effect), (vec![warning], true));

    owner.publish(&[witness(&["targets"])]).await.unwrap();
    let published = jeff.publish(&[add("v4", "four", &[])]).await.unwrap();
    assert_eq!(published, Published::default());
    assert!(world.tags().await.contains(&"targets/releases v4".to_owned()));
}

#[tokio::test]
async fn a_local_snapshot_is_renewed_by_itself_and_one_whose_key_is_elsewhere_is_said() {
    let world = World::new().await;
    let alice = world.person();
    alice.publish(&[init_with_snapshot(), add("v1", "one", &[])]).await.unwrap();
    let (bob, carol) = (alice.twin(), alice.twin());
    bob.lose(alice.keys("targets")[0]);
    carol.lose(alice.keys("snapshot")[0]);
    world.advance_days(ROLE_DAYS - 29);
    let expires = world.verified().await.role(&role("snapshot")).unwrap().expires();
    let (gun, snapshot) = (super::world::GUN, alice.keys("snapshot")[0]);
    carol.lose(alice.keys("targets")[0]);
    let said = carol.publish(&[]).await.unwrap();
    assert_eq!(
        said.warnings[1..],
        [format!(
            "snapshot of {gun} expires at {expires}: whoever has {snapshot} renews it with `tagseal trust rotate snapshot \
             --server-managed {gun}`"
        )]
    );
    assert!(said.warnings[0].starts_with(&format!("targets of {gun} expires at {expires}: ")), "{said:?}");
    let published = bob.publish(&[]).await.unwrap();
    assert_eq!((versions(&published), renewed(&published)), (vec![("snapshot", 2)], vec!["snapshot"]));
    assert!(world.verified().await.role(&role("snapshot")).unwrap().expires() > expires);
}

/// A key is taken out because it was stolen, for example: what it signed wants looking at first.
#[tokio::test]
async fn what_a_key_signed_that_goes_is_not_renewed_in_passing() {
    let world = World::new().await;
    let (owner, old) = with_signer(&world).await;
    let new = owner.signer("jeff");
    world.advance_days(ROLE_DAYS - 10);
    let rotate = |name| [delegate(name, &[&new], None, &[]), restrict(name, &[old.canonical_id()], &[])];
    let published =
        owner.publish(&[rotate("targets/releases"), rotate("targets/jeff")].concat()).await.unwrap();
    assert_eq!(versions(&published), [("targets", 2)]);
    assert_eq!(world.tags().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_renewal_whose_passphrase_is_missing_is_said_and_does_not_stop_the_publish() {
    let world = World::new().await;
    let (owner, _) = with_signer(&world).await;
    world.advance_days(ROLE_DAYS - 100);
    *owner.passphrases.says.lock().unwrap() = Some("wrong".to_owned());
    let published = owner.publish(&[add("v2", "two", &[])]).await.unwrap();
    assert_eq!(versions(&published), [("targets/jeff", 2), ("targets/releases", 2)]);
    let targets = owner.keys("targets")[0];
    assert_eq!(
        published.warnings,
        [format!(
            "targets ends soon, and was not renewed: the passphrase for the targets key {targets} is wrong (tried 3 times); \
             nothing was published"
        )]
    );
}

#[tokio::test]
async fn what_targets_lists_has_no_effect_where_releases_lists_the_tag_as_another_image() {
    let world = World::new().await;
    let (owner, _) = with_signer(&world).await;
    let published = owner.publish(&[add("v1", "other", &["targets"])]).await.unwrap();
    assert!(published.is_without_effect);
    let [warning] = published.warnings.as_slice() else { panic!("{:?}", published.warnings) };
    let one = tagseal::digest::Digest::of(b"one");
    assert_eq!(
        *warning,
        format!(
            "targets/releases lists \"v1\" as {one}, and that is what clusters and clients take in place of what targets \
             lists: sign it there (`tagseal trust sign --role targets/releases`), or take it back there (`tagseal trust revoke \
             {}:v1 --role targets/releases`)",
            super::world::GUN
        )
    );
    for (name, content) in [("v1", "one"), ("v2", "two")] {
        let published = owner.publish(&[add(name, content, &["targets"])]).await.unwrap();
        assert!(!published.is_without_effect, "{name}");
    }
}
