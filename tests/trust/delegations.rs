//! Which roles must list a tag, and what becomes of one that cannot be believed.

use tagseal::policy::Reason;
use tagseal::trust::Refusal;

use super::world::{IMAGE, QA, RELEASES, World, both, reason, sealed, text, web};
use crate::support::{Fault, TestKey, days, demand, image_digest};

#[tokio::test(start_paused = true)]
async fn a_tag_that_all_required_delegations_list_is_sealed_with_its_signers() {
    let (world, (mut repository, alice, bob)) = (World::new(), web());
    world.publish(&mut repository);
    let resolved = world.resolve(&both(&repository).build(), IMAGE).await.unwrap();
    let signed = resolved.signed.as_ref().unwrap();
    assert_eq!(signed.digest(), image_digest("one"));
    let signers: Vec<_> = signed
        .signers()
        .iter()
        .map(|signer| (signer.role.to_string(), signer.key_ids[0].to_string()))
        .collect();
    assert_eq!(signers, [(RELEASES.to_owned(), alice.canonical_id()), (QA.to_owned(), bob.canonical_id())]);
    assert_eq!(resolved.warnings, Vec::<String>::new());
    let versions: Vec<_> =
        resolved.versions().iter().map(|(role, version)| (role.as_str(), *version)).collect();
    assert_eq!(
        versions,
        [("root", 1), ("timestamp", 1), ("snapshot", 1), ("targets", 1), (QA, 1), (RELEASES, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn t1_a_missing_file_of_a_required_delegation_never_falls_back_to_targets() {
    for (fault, expected, undecided) in [
        (Fault::NotFound, Reason::InvalidMetadata, false),
        (Fault::Unreachable("503"), Reason::TrustServerUnreachable, true),
    ] {
        let (world, (mut repository, ..)) = (World::new(), web());
        repository.sign_target("targets", "1.4", image_digest("one"));
        world.publish(&mut repository);
        world.source.fault("targets/qa.*", fault);
        let required = world.resolve(&both(&repository).build(), IMAGE).await;
        assert_eq!(reason(&required), expected);
        assert_eq!(matches!(required, Err(Refusal::Unavailable(_))), undecided);
        let other = world.resolve(&demand(&repository).requires(RELEASES).build(), IMAGE).await;
        assert_eq!(sealed(&other), image_digest("one"), "whoever does not need the role goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn t1_dockers_own_rule_does_not_fall_back_to_targets_either() {
    for (fault, expected) in [
        (Fault::NotFound, Reason::InvalidMetadata),
        (Fault::Unreachable("503"), Reason::TrustServerUnreachable),
    ] {
        let (world, (mut repository, ..)) = (World::new(), web());
        repository.sign_target("targets", "1.4", image_digest("other"));
        world.publish(&mut repository);
        world.source.fault("targets/releases.*", fault);
        let resolved = world.resolve(&demand(&repository).build(), IMAGE).await;
        assert_eq!(reason(&resolved), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn t2_a_required_delegation_that_is_not_there_is_missing() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.delegate("targets/empty", &[&TestKey::ecdsa()]);
    world.publish(&mut repository);
    for role in ["targets/nobody", "targets/empty"] {
        let resolved = world.resolve(&demand(&repository).requires(role).build(), IMAGE).await;
        assert_eq!(reason(&resolved), Reason::DelegationMissing, "{role}");
        assert!(
            text(&resolved).starts_with(&format!("DelegationMissing: {role} is ")),
            "{}",
            text(&resolved)
        );
        assert_eq!(world.floors(), 4, "the base roles' floors, though the image is denied");
    }
}

#[tokio::test(start_paused = true)]
async fn t3_an_entry_outside_the_roles_paths_does_not_count() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.paths(QA, &["2."]);
    world.publish(&mut repository);
    let resolved = world.resolve(&both(&repository).build(), IMAGE).await;
    assert_eq!(reason(&resolved), Reason::NotSigned);
    assert!(
        text(&resolved).contains(r#"targets/qa lists 1.4, but may not: its paths are ["2."]"#),
        "{}",
        text(&resolved)
    );
}

#[tokio::test(start_paused = true)]
async fn t4_a_delegation_that_cannot_be_believed_says_why_inside_its_reason() {
    let mallory = TestKey::ecdsa();
    let (world, (mut repository, alice, _)) = (World::new(), web());
    let demand = both(&repository).build();
    repository.expires(QA, world.now() - days(1));
    world.publish(&mut repository);
    let resolved = world.resolve(&demand, IMAGE).await;
    assert!(text(&resolved).starts_with("DelegationUnusable: targets/qa: Expired: "), "{}", text(&resolved));

    repository.keys_that_sign(QA, &[&mallory]);
    world.publish(&mut repository);
    let resolved = world.resolve(&demand, IMAGE).await;
    assert!(
        text(&resolved).starts_with("DelegationUnusable: targets/qa: InvalidSignature: "),
        "{}",
        text(&resolved)
    );

    repository.rotate(QA, &[&alice, &mallory]).threshold(QA, 2).keys_that_sign(QA, &[&alice]);
    world.publish(&mut repository);
    let resolved = world.resolve(&demand, IMAGE).await;
    assert!(
        text(&resolved).starts_with("DelegationUnusable: targets/qa: ThresholdNotMet: "),
        "{}",
        text(&resolved)
    );
}

#[tokio::test(start_paused = true)]
async fn t6_a_pinned_key_must_itself_have_signed() {
    let (world, (mut repository, alice, bob)) = (World::new(), web());
    repository.rotate(QA, &[&alice, &bob]).keys_that_sign(QA, &[&alice]);
    world.publish(&mut repository);
    let pinned = demand(&repository).requires_signed_by(QA, &[&bob]).build();
    let resolved = world.resolve(&pinned, IMAGE).await;
    assert_eq!(reason(&resolved), Reason::DelegationUnusable);
    assert!(text(&resolved).contains(&alice.canonical_id()), "{}", text(&resolved));
    let pinned = demand(&repository).requires_signed_by(QA, &[&alice]).build();
    assert_eq!(sealed(&world.resolve(&pinned, IMAGE).await), image_digest("one"));
}

#[tokio::test(start_paused = true)]
async fn t7_required_delegations_that_disagree_are_a_conflict() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.sign_target(QA, "1.4", image_digest("two"));
    world.publish(&mut repository);
    let resolved = world.resolve(&both(&repository).build(), IMAGE).await;
    assert_eq!(reason(&resolved), Reason::ConflictingDigests);
    assert_eq!(world.floors(), 6);
    let quorum = both(&repository).threshold(1).build();
    assert_eq!(
        reason(&world.resolve(&quorum, IMAGE).await),
        Reason::ConflictingDigests,
        "a quorum does not outvote it"
    );
}

#[tokio::test(start_paused = true)]
async fn t31_a_quorum_needs_as_many_different_keys_as_roles() {
    let (world, (mut repository, alice, bob)) = (World::new(), web());
    repository.rotate(QA, &[&alice, &bob]).keys_that_sign(QA, &[&alice]);
    world.publish(&mut repository);
    let quorum = both(&repository).threshold(2).build();
    let resolved = world.resolve(&quorum, IMAGE).await;
    assert_eq!(reason(&resolved), Reason::ThresholdNotMet);
    assert_eq!(world.floors(), 6);
    repository.keys_that_sign(QA, &[&alice, &bob]);
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&quorum, IMAGE).await), image_digest("one"));
}

/// Which key signed which role does not matter: two roles that one key signed both are a quorum of two when another key
/// signed one of them as well.
#[tokio::test(start_paused = true)]
async fn a_quorum_counts_the_union_of_its_roles_keys() {
    let (world, (mut repository, alice, bob)) = (World::new(), web());
    repository.rotate(RELEASES, &[&alice, &bob]);
    world.publish(&mut repository);
    let quorum = both(&repository).threshold(2).build();
    assert_eq!(sealed(&world.resolve(&quorum, IMAGE).await), image_digest("one"));
    repository.keys_that_sign(RELEASES, &[&bob]);
    world.publish(&mut repository);
    world.advance(crate::support::seconds(61));
    assert_eq!(reason(&world.resolve(&quorum, IMAGE).await), Reason::ThresholdNotMet, "bob alone, twice");
}

#[tokio::test(start_paused = true)]
async fn a_quorum_goes_on_without_the_others_and_names_them() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.expires(QA, world.now() - days(1));
    world.publish(&mut repository);
    let resolved = world.resolve(&both(&repository).threshold(1).build(), IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"));
    let warnings = resolved.unwrap().warnings;
    assert!(warnings[0].starts_with("DelegationUnusable: targets/qa: Expired: "), "{warnings:?}");
    let too_few = both(&repository).threshold(2).build();
    let resolved = world.resolve(&too_few, IMAGE).await;
    assert_eq!(reason(&resolved), Reason::ThresholdNotMet);
    assert!(text(&resolved).contains("targets/qa: Expired"), "{}", text(&resolved));
}

#[tokio::test(start_paused = true)]
async fn several_reasons_are_all_told_and_the_first_role_names_the_denials() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.expires(RELEASES, world.now() - days(1));
    repository.remove_target(QA, "1.4");
    world.publish(&mut repository);
    let resolved = world.resolve(&both(&repository).build(), IMAGE).await;
    assert_eq!(reason(&resolved), Reason::NotSigned, "targets/qa comes before targets/releases");
    assert!(text(&resolved).contains("DelegationUnusable: targets/releases: Expired"), "{}", text(&resolved));
}

#[tokio::test(start_paused = true)]
async fn dockers_own_rule_reads_releases_and_targets_only_where_it_lacks_the_tag() {
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.sign_target("targets", "1.4", image_digest("other"));
    repository.sign_target("targets", "1.5", image_digest("five"));
    world.publish(&mut repository);
    let demand = demand(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    assert_eq!(
        sealed(&world.resolve(&demand, "registry.example.com/shop/web:1.5").await),
        image_digest("five")
    );
    assert_eq!(reason(&world.resolve(&demand, "registry.example.com/shop/web:1.6").await), Reason::NotSigned);
}

#[tokio::test(start_paused = true)]
async fn releases_that_was_never_published_leaves_targets_to_answer_and_one_that_vanished_does_not() {
    let (mut world, alice) = (World::new(), TestKey::ecdsa());
    let mut repository = crate::support::TestRepository::new(super::world::GUN, world.now());
    repository.delegate(RELEASES, &[&alice]).sign_target("targets", "1.4", image_digest("one"));
    world.publish(&mut repository);
    let demand = demand(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    repository.sign_target(RELEASES, "1.4", image_digest("two"));
    world.publish(&mut repository);
    world.advance(crate::support::seconds(61));
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("two"));
    // T27: the snapshot no longer lists a role that is still delegated, and has a floor.
    repository.unlist_from_snapshot(RELEASES);
    world.publish(&mut repository);
    world.restart();
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::DelegationMissing);
}

#[tokio::test(start_paused = true)]
async fn t27_a_snapshot_that_no_longer_lists_a_required_role_means_it_is_missing() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = both(&repository).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    repository.unlist_from_snapshot(QA);
    world.publish(&mut repository);
    world.advance(crate::support::seconds(61));
    assert_eq!(reason(&world.resolve(&demand, IMAGE).await), Reason::DelegationMissing);
}
