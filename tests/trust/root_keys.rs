//! A root that is not trusted: the message names the keys that have to be compared.

use tagseal::policy::Reason;

use super::world::{GUN, IMAGE, RELEASES, World, sealed, start, web};
use crate::support::{CertificateSpec, TestCa, TestKey, TestRepository, days, demand, image_digest, seconds};

#[tokio::test(start_paused = true)]
async fn root_mismatch_names_the_pinned_and_the_offered_keys() {
    let (pinned, offered) = (TestKey::root(GUN, start()), TestKey::root(GUN, start()));
    let (ca, other_gun) = (TestCa::new("Example CA", start()), "registry.example.com/shop/other");
    let unpinned = |repository: &TestRepository| demand(repository).without_pins().requires(RELEASES);
    let foreign = TestKey::ecdsa().certified(&CertificateSpec::new(other_gun, start()));
    let late = CertificateSpec::new(GUN, start()).valid(start() - days(9), start() - days(1));
    let late = TestKey::ecdsa().certified(&late);
    for root in [&offered, &foreign, &late] {
        let (world, (mut repository, ..)) = (World::new(), web());
        repository.rotate("root", &[root]);
        world.publish(&mut repository);
        let id = |key: &TestKey| key.canonical_id();
        for (case, demand, names) in [
            ("Follow", unpinned(&repository).pin(&pinned), id(&pinned)),
            ("Deny", unpinned(&repository).pin(&pinned).deny_root_rotation(), id(&pinned)),
            ("public key", unpinned(&repository).pin_public_key(&pinned), id(&pinned)),
            ("authority", unpinned(&repository).pin_ca(&ca), "the authority sha256:".to_owned()),
        ] {
            let refused = world.resolve(&demand.build(), IMAGE).await.unwrap_err();
            let message = refused.message().to_owned();
            assert_eq!(refused.reason(), Reason::RootMismatch, "{case}: {message}");
            assert!(message.contains(&format!("(pinned: {names}")), "{case}: {message}");
            assert!(message.contains(&format!("; offered: {})", id(root))), "{case}: {message}");
        }
    }
    // Many keys are not all named.
    let many: Vec<TestKey> = (0..6).map(|_| TestKey::root(GUN, start())).collect();
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.rotate("root", &many.iter().collect::<Vec<_>>());
    world.publish(&mut repository);
    let demand = unpinned(&repository).pin(&pinned).build();
    let refused = world.resolve(&demand, IMAGE).await.unwrap_err();
    assert!(refused.message().contains(" and more)"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn first_use_names_the_keys_that_it_pinned() {
    let (world, (mut repository, ..)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = demand(&repository).without_pins().first_use().requires(RELEASES).build();
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    let (mut usurped, ..) = web();
    world.publish(&mut usurped);
    world.advance(seconds(61));
    let warnings = world.resolve(&demand, IMAGE).await.unwrap().warnings;
    let (pinned, offered) = (repository.root_key().canonical_id(), usurped.root_key().canonical_id());
    let keys = format!("(pinned: {pinned}; offered: {offered})");
    assert!(warnings[0].contains(&keys), "{warnings:?}");
}
