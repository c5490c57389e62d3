//! References that carry a digest.

use tagseal::image::ImageReference;
use tagseal::policy::Reason;

use super::world::{GUN, QA, RELEASES, World, both, reason, sealed, web};
use crate::support::{TestKey, demand, image_digest};

fn at(tag: &str, digest: &str) -> String {
    format!("{GUN}{tag}@{}", image_digest(digest))
}

#[tokio::test(start_paused = true)]
async fn p3_tag_and_digest_must_agree() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, &at(":1.4", "one")).await), image_digest("one"));
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "other")).await), Reason::DigestMismatch);
    assert_eq!(reason(&world.resolve(&demand, &at(":1.5", "one")).await), Reason::NotSigned);
}

#[tokio::test(start_paused = true)]
async fn p4_a_digest_alone_must_be_signed_by_the_required_delegations_all_under_one_tag() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.delegate("targets/unlisted", &[&TestKey::ecdsa()]);
    repository.sign_target("targets/unlisted", "1.4", image_digest("unlisted"));
    repository.sign_target(RELEASES, "a", image_digest("split")).sign_target(QA, "b", image_digest("split"));
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, &at("", "one")).await), image_digest("one"));
    for digest in ["unsigned", "unlisted", "split"] {
        assert_eq!(
            reason(&world.resolve(&demand, &at("", digest)).await),
            Reason::DigestNotSigned,
            "{digest}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn p4_with_allow_every_digest_passes_and_nobody_is_asked() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).allow_digest_references().build();
    for digest in ["one", "unsigned"] {
        let resolved = world.resolve(&demand, &at("", digest)).await.unwrap();
        assert_eq!(resolved.signed, None);
    }
    assert_eq!(world.source.paths(), Vec::<String>::new());
    assert_eq!(reason(&world.resolve(&demand, &at(":1.4", "unsigned")).await), Reason::DigestMismatch);
}

#[tokio::test(start_paused = true)]
async fn p5_the_child_of_a_signed_index_is_not_signed() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let child = world.resolve(&both(&repository).build(), &at("", "one/linux/amd64")).await;
    assert_eq!(reason(&child), Reason::DigestNotSigned);
}

#[tokio::test(start_paused = true)]
async fn p10_a_tag_that_the_policy_does_not_cover_is_ignored_beside_a_digest() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).tag_not_covered().build();
    assert_eq!(reason(&world.resolve(&demand, &at(":dev", "unsigned")).await), Reason::DigestNotSigned);
    assert_eq!(sealed(&world.resolve(&demand, &at(":dev", "one")).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn p10_paths_apply_to_digests_too() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.paths(QA, &["2."]);
    world.publish(&mut repository);
    let resolved = world.resolve(&both(&repository).build(), &at("", "one")).await;
    assert_eq!(reason(&resolved), Reason::DigestNotSigned);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_believed_is_the_reason_for_a_digest_too() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.expires(QA, world.now() - crate::support::days(1));
    world.publish(&mut repository);
    let demand = both(&repository).build();
    for digest in ["one", "unsigned"] {
        assert_eq!(reason(&world.resolve(&demand, &at("", digest)).await), Reason::DelegationUnusable);
    }
}

#[tokio::test(start_paused = true)]
async fn a_seal_keeps_what_the_pod_spec_had() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.sign_target("targets", "latest", image_digest("one"));
    world.publish(&mut repository);
    let (demand, digest) = (demand(&repository).build(), image_digest("one"));
    for (image, expected) in [
        (GUN.to_owned(), format!("{GUN}:latest@{digest}")),
        (format!("{GUN}:1.4"), format!("{GUN}:1.4@{digest}")),
        (at(":1.4", "one"), at(":1.4", "one")),
        (at("", "one"), at("", "one")),
        (
            "Registry.Example.com:443/shop/web:1.4".to_owned(),
            format!("Registry.Example.com:443/shop/web:1.4@{digest}"),
        ),
        (
            "Registry.Example.com:443/shop/web".to_owned(),
            format!("Registry.Example.com:443/shop/web:latest@{digest}"),
        ),
    ] {
        let resolved = world.resolve(&demand, &image).await.unwrap();
        let sealed = resolved.signed.unwrap().seal(&ImageReference::parse(&image).unwrap());
        assert_eq!(sealed, expected);
    }
}
