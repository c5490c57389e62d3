//! A bad answer of the server is reported and refused, changes nothing, and leaves the older data to serve; a bad role of
//! the publisher's is taken at its word.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tagseal::policy::{Demand, Reason};

use super::world::{GUN, IMAGE, QA, RELEASES, World, both, reason, sealed, start, text, web};
use crate::support::signer::{base64, canonical, hex, sha256};
use crate::support::{
    CertificateSpec, Fault, SERVER, SignatureForm, TestKey, TestRepository, days, demand, image_digest,
    seconds,
};

/// The same servers, seen by who knows nothing of them yet.
fn elsewhere(world: &World) -> World {
    let mut cold = World::new();
    cold.source = world.source.clone();
    cold.clock = world.clock.clone();
    cold.restart();
    cold
}

/// What the server does then is refused with `expected` wherever nothing older is known, writes nothing, and is told with
/// every answer that the older data still gives.
async fn is_the_servers_fault(
    case: &str,
    expected: Reason,
    demand: impl FnOnce(&TestRepository) -> Demand,
    mut repository: TestRepository,
    does: impl FnOnce(&World, &mut TestRepository),
) {
    let world = World::new();
    world.publish(&mut repository);
    let demand = demand(&repository);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"), "{case}");
    let before = world.state.record();

    does(&world, &mut repository);
    world.advance(seconds(61));
    let resolved = world.resolve(&demand, IMAGE).await;
    assert_eq!(sealed(&resolved), image_digest("one"), "{case}: the older data serves");
    let warnings = resolved.unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains(expected.as_str()), "{case}: {warnings:?}");
    let (trouble, _) = world.resolver.status()[0].trouble.clone().expect("a condition that says why");
    assert_eq!(trouble.reason(), expected, "{case}");
    let unknown = world.resolve(&demand, &format!("{GUN}:unsigned")).await;
    assert_eq!(reason(&unknown), expected, "{case}: a refusal that cannot be confirmed");
    assert_eq!(world.state.record(), before, "{case}: what did not verify changes nothing");

    let cold = elsewhere(&world);
    let resolved = cold.resolve(&demand, IMAGE).await;
    assert_eq!(reason(&resolved), expected, "{case}: {}", text(&resolved));
    assert_eq!(cold.state.records(), [], "{case}: what did not verify is not written");
}

fn required(repository: &TestRepository) -> Demand {
    both(repository).build()
}

/// Serves the files with other bytes for `role`, at all its paths.
fn replaces(world: &World, repository: &TestRepository, role: &str, bytes: impl Into<bytes::Bytes>) {
    world.source.serve(SERVER, GUN, &repository.files().clone().with_role(role, bytes));
}

#[tokio::test(start_paused = true)]
async fn t1_a_missing_file_leaves_the_older_data_to_serve() {
    for (fault, expected) in [
        (Fault::NotFound, Reason::InvalidMetadata),
        (Fault::Unreachable("503"), Reason::TrustServerUnreachable),
    ] {
        let (world, (mut repository, ..)) = (World::new(), web());
        repository.sign_target("targets", "1.4", image_digest("one"));
        world.publish(&mut repository);
        let demand = required(&repository);
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
        for role in ["targets", RELEASES, QA] {
            repository.sign_target(role, "1.4", image_digest("two"));
        }
        world.publish(&mut repository);
        world.source.fault("targets/qa.*", fault);
        world.advance(seconds(61));
        let resolved = world.resolve(&demand, IMAGE).await;
        assert_eq!(sealed(&resolved), image_digest("one"), "neither targets nor releases alone answers");
        let warnings = resolved.unwrap().warnings;
        assert!(warnings[0].contains(expected.as_str()), "{warnings:?}");
        let qa = tagseal::tuf::RoleName::parse(QA).unwrap();
        assert_eq!(world.state.record().floors[&qa].version, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn t8_a_root_that_no_pin_vouches_for_is_refused_and_not_written() {
    let (pinned, other) = (TestKey::root(GUN, start()), TestKey::root(GUN, start()));
    type Edit = fn(&mut TestRepository, &TestKey, &TestKey);
    let cases: [(&str, Reason, Edit); 3] = [
        ("in keys, not in the role", Reason::RootMismatch, |repository, pinned, other| {
            let listed = pinned.clone();
            repository.rotate("root", &[other]).keys_that_sign("root", &[other, pinned]);
            repository.edit("root", move |signed| signed["keys"][listed.id()] = listed.json());
        }),
        ("in the role, another signed", Reason::RootMismatch, |repository, pinned, other| {
            repository.rotate("root", &[pinned, other]).keys_that_sign("root", &[other]);
        }),
        ("signed alone towards threshold 2", Reason::ThresholdNotMet, |repository, pinned, other| {
            repository.rotate("root", &[pinned, other]).keys_that_sign("root", &[pinned]);
            repository.edit("root", |signed| signed["roles"]["root"]["threshold"] = 2.into());
        }),
    ];
    for (case, expected, edit) in cases {
        let (world, (mut repository, ..)) = (World::new(), web());
        edit(&mut repository, &pinned, &other);
        world.publish(&mut repository);
        let unpinned = || demand(&repository).without_pins().requires(RELEASES);
        for demand in [unpinned().pin(&pinned), unpinned().pin_public_key(&pinned)] {
            assert_eq!(reason(&world.resolve(&demand.build(), IMAGE).await), expected, "{case}");
        }
        assert_eq!(world.state.records(), [], "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn t9_another_repositorys_metadata_under_this_name_is_refused() {
    let key = TestKey::ecdsa();
    let now = start();
    let certified = |gun: &str| key.certified(&CertificateSpec::new(gun, now));
    let (mut ours, ..) = web();
    ours.rotate("root", &[&certified(GUN)]);
    let other = "registry.example.com/shop/other";
    let mut theirs = TestRepository::new(other, now);
    theirs.rotate("root", &[&certified(other)]).delegate(RELEASES, &[&TestKey::ecdsa()]);
    theirs.delegate(QA, &[&TestKey::ecdsa()]);
    for role in [RELEASES, QA] {
        theirs.sign_target(role, "1.4", image_digest("theirs"));
    }
    let files = theirs.publish(now);
    is_the_servers_fault("another GUN", Reason::RootMismatch, required, ours, |world, _| {
        world.source.serve(SERVER, GUN, &files);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn t14_a_mix_of_two_publishes_is_invalid_metadata() {
    for role in ["snapshot", "targets", RELEASES, QA] {
        let case = format!("{role} of the publish before");
        let repository = web().0;
        let mixes = |world: &World, repository: &mut TestRepository| {
            let old = repository.files().current(role).clone();
            for role in ["targets", RELEASES, QA] {
                repository.witness(role);
            }
            repository.publish(world.now());
            replaces(world, repository, role, old);
        };
        is_the_servers_fault(&case, Reason::InvalidMetadata, required, repository, mixes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn t35_a_root_out_of_its_place_is_root_mismatch() {
    let pinned = |repository: &TestRepository| both(repository).build();
    let rotate = |world: &World, repository: &mut TestRepository| {
        repository.rotate("root", &[&TestKey::root(GUN, world.now())]);
        world.publish(repository);
    };
    let case = "2.root.json holds version 3";
    is_the_servers_fault(case, Reason::RootMismatch, pinned, web().0, |world, repository| {
        (0..3).for_each(|_| rotate(world, repository));
        let third = repository.files().get("3.root.json").unwrap().clone();
        world.source.fault("2.root.json", Fault::bytes(third));
    })
    .await;
    let case = "the newest root skips a version";
    is_the_servers_fault(case, Reason::RootMismatch, pinned, web().0, |world, repository| {
        repository.version("root", 3);
        rotate(world, repository);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn t15_a_rotated_root_is_followed_or_refused_as_the_policy_and_the_chain_say() {
    let pinned = |repository: &TestRepository| both(repository).build();
    let rotate = |world: &World, repository: &mut TestRepository, expired: Option<usize>| {
        for number in 0..3 {
            repository.rotate("root", &[&TestKey::root(GUN, world.now())]);
            if expired == Some(number) {
                repository.expires("root", world.now() - days(1));
            }
            world.publish(repository);
        }
    };
    for expired in [None, Some(1)] {
        let (world, (mut repository, ..)) = (World::new(), web());
        world.publish(&mut repository);
        let demand = pinned(&repository);
        assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
        rotate(&world, &mut repository, expired);
        world.advance(seconds(61));
        for world in [&elsewhere(&world), &world] {
            let resolved = world.resolve(&demand, IMAGE).await;
            assert_eq!(sealed(&resolved), image_digest("one"));
            assert_eq!(resolved.unwrap().versions()[0].1, 4);
            assert_eq!(world.state.record().floors[&tagseal::tuf::RoleName::root()].version, 4);
        }
    }
    for (fault, expected) in
        [(Fault::NotFound, Reason::RootMismatch), (Fault::Unreachable("503"), Reason::TrustServerUnreachable)]
    {
        let case = format!("an intermediate root: {fault:?}");
        is_the_servers_fault(&case, expected, pinned, web().0, |world, repository| {
            rotate(world, repository, None);
            world.source.fault("2.root.json", fault);
        })
        .await;
    }
    is_the_servers_fault("the last one expired", Reason::Expired, pinned, web().0, |world, repository| {
        rotate(world, repository, Some(2));
    })
    .await;
    let denies = |repository: &TestRepository| both(repository).deny_root_rotation().build();
    is_the_servers_fault("rotation denied", Reason::RootMismatch, denies, web().0, |world, repository| {
        rotate(world, repository, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn t17_a_body_that_cannot_be_read_is_invalid_metadata() {
    type Spoil = fn(&[u8]) -> Vec<u8>;
    let spoils: [(&str, Spoil); 5] = [
        ("deeply nested", |_| [b"[".repeat(100_000), b"]".repeat(100_000)].concat()),
        ("duplicate key", |good| [&b"{\"signed\":{},"[..], &good[1..]].concat()),
        ("not UTF-8", |good| [&b"{\"\xff\":1,"[..], &good[1..]].concat()),
        ("cut off", |good| good[..good.len() / 2].to_vec()),
        ("larger than any", |good| [good, &vec![b' '; 64 << 20]].concat()),
    ];
    for (case, spoil) in spoils {
        for role in ["timestamp", "snapshot"] {
            let case = format!("{role}: {case}");
            is_the_servers_fault(&case, Reason::InvalidMetadata, required, web().0, |world, repository| {
                repository.witness("targets").publish(world.now());
                replaces(world, repository, role, spoil(repository.files().current(role)));
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t17_a_type_in_the_wrong_case_is_invalid_metadata_however_well_it_is_signed() {
    for (role, written) in
        [("timestamp", "timestamp"), ("snapshot", "SNAPSHOT"), ("targets", "targets"), ("root", "root")]
    {
        let case = format!("{role} as {written}");
        is_the_servers_fault(&case, Reason::InvalidMetadata, required, web().0, |world, repository| {
            repository.edit(role, move |signed| signed["_type"] = written.into());
            world.publish(repository);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn t19_a_hierarchy_that_cannot_be_is_invalid_metadata() {
    for (case, name) in [("two of one name", RELEASES), ("outside its parent", "targets/a/b")] {
        is_the_servers_fault(case, Reason::InvalidMetadata, required, web().0, |world, repository| {
            repository.edit("targets", move |signed| {
                let roles = signed["delegations"]["roles"].as_array_mut().unwrap();
                let mut another = roles[0].clone();
                another["name"] = name.into();
                roles.push(another);
            });
            world.publish(repository);
        })
        .await;
    }
}

/// The publisher's next word about `targets/qa` is that it is unusable: with this reason, at once, warm or cold, and nothing
/// that it says is a floor.
async fn is_the_publishers_word(case: &str, inner: &str, does: impl FnOnce(&mut TestRepository, &TestKey)) {
    let (world, (mut repository, _, bob)) = (World::new(), web());
    world.publish(&mut repository);
    let demand = required(&repository);
    assert_eq!(sealed(&world.resolve(&demand, IMAGE).await), image_digest("one"));
    does(&mut repository, &bob);
    world.publish(&mut repository);
    world.advance(seconds(61));
    for world in [&world, &elsewhere(&world)] {
        let resolved = world.resolve(&demand, IMAGE).await;
        let expected = format!("DelegationUnusable: {QA}: {inner}: ");
        assert!(text(&resolved).starts_with(&expected), "{case}: {resolved:?}");
        let floors = world.state.record().floors;
        let version = |role: &str| {
            let role = tagseal::tuf::RoleName::parse(role).unwrap();
            floors.get(&role).map(|floor| floor.version)
        };
        assert_eq!(version("targets"), Some(2), "{case}: verified data raises floors all the same");
        assert_ne!(version(QA), Some(2), "{case}: unverified data raises none");
    }
}

#[tokio::test(start_paused = true)]
async fn t4_an_unbelievable_delegation_replaces_the_older_data_at_once() {
    let mallory = TestKey::ecdsa();
    is_the_publishers_word("a stranger's key", "InvalidSignature", |repository, _| {
        // Her key is in the role's own file, for a role below it.
        repository.delegate("targets/qa/child", &[&mallory]).witness("targets");
        repository.keys_that_sign(QA, &[&mallory]);
    })
    .await;
    is_the_publishers_word("under-signed", "ThresholdNotMet", |repository, bob| {
        repository.rotate(QA, &[bob, &mallory]).threshold(QA, 2).keys_that_sign(QA, &[bob]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn t5_one_key_counts_once_however_often_it_is_listed() {
    is_the_publishers_word("listed twice, signed twice", "ThresholdNotMet", |repository, bob| {
        repository.rotate(QA, &[bob, &TestKey::ecdsa()]).threshold(QA, 2).keys_that_sign(QA, &[bob, bob]);
        repository.edit("targets", |signed| {
            let ids = &mut signed["delegations"]["roles"][1]["keyids"];
            *ids = json!([ids[0], ids[0], ids[1]]);
        });
    })
    .await;
    is_the_publishers_word("under two certificates", "ThresholdNotMet", |repository, bob| {
        let now = start();
        let one = bob.certified(&CertificateSpec::new("alice", now));
        let other = bob.certified(&CertificateSpec::new("bob", now));
        repository.rotate(QA, &[&one, &other]).threshold(QA, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn t18_a_signature_in_another_encoding_does_not_count() {
    let odd = [
        TestKey::ecdsa().signing_as(SignatureForm::Der),
        TestKey::rsa().signing_as(SignatureForm::PssSalt(20)),
        TestKey::ecdsa().signing_as(SignatureForm::WrongMethod),
        TestKey::rsa().signing_as(SignatureForm::WrongMethod),
        TestKey::weak_rsa(),
    ];
    for key in odd {
        let case = format!("{key:?}");
        is_the_publishers_word(&case, "InvalidSignature", |repository, _| {
            repository.rotate(QA, &[&key]);
        })
        .await;
        is_the_publishers_word(&case, "ThresholdNotMet", |repository, bob| {
            repository.rotate(QA, &[bob, &key]).threshold(QA, 2);
        })
        .await;
    }
    let (world, (mut repository, ..)) = (World::new(), web());
    repository.rotate(QA, &[&TestKey::p521(), &TestKey::rsa()]).threshold(QA, 2);
    world.publish(&mut repository);
    assert_eq!(sealed(&world.resolve(&required(&repository), IMAGE).await), image_digest("one"));
}

/// The key once more, its point compressed.
fn compressed(spki: &[u8]) -> Vec<u8> {
    let (point, sign) = (&spki[27..59], 2 + (spki[90] & 1));
    let header = [&[0x30, 0x39], &spki[2..23], &[0x03, 0x22, 0x00]].concat();
    [&header[..], &[sign], point].concat()
}

/// The key once more, its curve given by parameters and not by name. All keys of the curve have the same parameters.
fn explicit(spki: &[u8]) -> Vec<u8> {
    let pem = include_str!("../data/keys/p256-explicit.pub.pem");
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut other = STANDARD.decode(text).unwrap();
    other.truncate(other.len() - 64);
    [&other[..], &spki[27..91]].concat()
}

#[tokio::test(start_paused = true)]
async fn t28_one_key_in_two_encodings_is_no_second_key() {
    for case in ["a compressed point", "explicit parameters"] {
        is_the_publishers_word(case, "ThresholdNotMet", |repository, bob| {
            let again = match case {
                "explicit parameters" => explicit(&bob.public_bytes()),
                _ => compressed(&bob.public_bytes()),
            };
            let key = json!({"keytype": "ecdsa", "keyval": {"private": null, "public": base64(&again)}});
            let id = hex(&sha256(&canonical(&key)));
            let (listed, signs) = (id.clone(), id);
            repository.threshold(QA, 2).edit("targets", move |signed| {
                signed["delegations"]["keys"][&listed] = key;
                signed["delegations"]["roles"][1]["keyids"].as_array_mut().unwrap().push(listed.into());
            });
            repository.edit_signatures(QA, move |signatures| {
                let mut again = signatures[0].clone();
                again["keyid"] = signs.into();
                signatures.push(again);
            });
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn t20_a_name_that_is_the_tag_only_after_folding_is_another_name() {
    let (world, (mut repository, ..)) = (World::new(), web());
    for role in [RELEASES, QA] {
        for name in ["V1", "\u{ff11}", "e\u{301}", "1.5\u{200b}"] {
            repository.sign_target(role, name, image_digest(name));
        }
    }
    world.publish(&mut repository);
    let demand = required(&repository);
    for tag in ["v1", "1", "e", "1.5"] {
        assert_eq!(
            reason(&world.resolve(&demand, &format!("{GUN}:{tag}")).await),
            Reason::NotSigned,
            "{tag}"
        );
    }
    assert_eq!(sealed(&world.resolve(&demand, &format!("{GUN}:V1")).await), image_digest("V1"));
}

#[tokio::test(start_paused = true)]
async fn t21_a_target_without_a_good_sha256_is_not_signed_and_says_so() {
    let (world, (mut repository, ..)) = (World::new(), web());
    let sha512 = base64(&[7; 64]);
    for (tag, hashes) in [
        ("absent", json!({"sha512": sha512})),
        ("short", json!({"sha256": base64(&[7; 31]), "sha512": sha512})),
        ("long", json!({"sha256": base64(&[7; 33]), "sha512": sha512})),
        ("hex", json!({"sha256": "07".repeat(32), "sha512": sha512})),
    ] {
        for role in [RELEASES, QA] {
            repository.sign_target_as(role, tag, json!({"hashes": hashes, "length": 528}));
        }
        world.publish(&mut repository);
        let resolved = world.resolve(&required(&repository), &format!("{GUN}:{tag}")).await;
        assert_eq!(reason(&resolved), Reason::NotSigned, "{tag}");
        let said = format!("targets/qa lists {tag} without a sha256 of 32 bytes");
        assert!(text(&resolved).contains(&said), "{}", text(&resolved));
        assert_eq!(sealed(&world.resolve(&required(&repository), IMAGE).await), image_digest("one"));
    }
}
