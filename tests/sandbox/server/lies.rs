//! What the story needs of a server in an attacker's hands.

use bytes::Bytes;
use tagseal::sandbox::server::ServerError;
use tagseal::tuf::upload::{UploadError, ValidationFault};

use super::world::{World, gun, role};
use crate::support::uploads::RELEASES;
use crate::support::{TestKey, days, image_digest};

#[test]
fn a_file_is_replaced_or_missing_until_the_lie_is_lifted() {
    let world = World::new();
    world.accepts(&world.uploader().first());
    let truth = world.get("timestamp.json");
    world.inside.overrule(&gun(), "timestamp.json", Some(Bytes::from_static(b"a lie")));
    world.inside.overrule(&gun(), "root.json", None);
    assert_eq!(world.get("timestamp.json").text(), "a lie");
    assert_eq!(world.get("timestamp.json").header("cache-control"), truth.header("cache-control"));
    assert_eq!(world.get("root.json").status, 404);
    assert_eq!(world.get("1.root.json").status, 200);
    world.inside.lift_overrules(&gun());
    assert_eq!(world.get("timestamp.json"), truth);
    assert_eq!(world.get("root.json").status, 200);
}

#[test]
fn an_overruled_timestamp_is_frozen_past_its_expiry() {
    let world = World::new();
    world.accepts(&world.uploader().first());
    let frozen = world.inside.checkpoint(&gun()).current(&role("timestamp")).unwrap();
    world.inside.overrule(&gun(), "timestamp.json", Some(frozen.clone()));
    world.clock.advance(days(15));
    assert_eq!(world.get("timestamp.json").body, frozen);
    assert_eq!(world.get("2.timestamp.json").status, 404);
}

#[test]
fn a_repository_is_rolled_back_to_a_checkpoint_and_forth() {
    let world = World::new();
    let mut uploader = world.uploader();
    world.accepts(&uploader.first());
    let past = world.inside.checkpoint(&gun());
    uploader.repository.sign_target("targets", "1.4", image_digest("a"));
    world.accepts(&uploader.files(&["targets", "snapshot"]));
    let present = world.inside.checkpoint(&gun());
    world.inside.restore(&past).unwrap();
    assert_eq!((world.version("targets"), world.version("timestamp")), (1, 1));
    assert_eq!(world.get("2.targets.json").status, 404);
    world.inside.restore(&present).unwrap();
    assert_eq!((world.version("targets"), world.version("timestamp")), (2, 2));
}

#[test]
fn files_that_nobody_checked_are_served_under_the_servers_own_signatures() {
    let world = World::new();
    let mut uploader = world.uploader_with_server_snapshot();
    uploader.repository.delegate(RELEASES, &[&TestKey::ecdsa()]);
    world.accepts(&uploader.first());
    uploader.repository.sign_target(RELEASES, "1.4", image_digest("evil"));
    uploader.repository.keys_that_sign(RELEASES, &[&TestKey::ecdsa()]);
    let forged = uploader.files(&[RELEASES]);
    assert_eq!(world.server.upload(super::world::GUN, &forged).status, 400);
    world.inside.smuggle(&gun(), [(role(RELEASES), forged[0].1.clone())]).unwrap();
    assert_eq!(world.get("targets/releases.json").body, forged[0].1);
    let listed = world.server.signed(super::world::GUN, "snapshot")["meta"][RELEASES]["length"].clone();
    assert_eq!(listed, forged[0].1.len());
    assert_eq!((world.version("snapshot"), world.version("timestamp")), (2, 2));
}

#[test]
fn nothing_is_smuggled_into_an_unknown_repository_or_without_the_snapshot_key() {
    let world = World::new();
    let smuggled = world.inside.smuggle(&gun(), []);
    let expected = UploadError::Validation(ValidationFault::NoRoot);
    assert!(matches!(smuggled, Err(ServerError::Upload(error)) if error == expected));
    world.accepts(&world.uploader().first());
    let smuggled = world.inside.smuggle(&gun(), []);
    assert!(matches!(smuggled, Err(ServerError::Upload(UploadError::BadHierarchy))));
}
