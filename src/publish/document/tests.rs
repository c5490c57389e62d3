//! What is written verifies with the tuf verifier, and what tagseal does not know survives.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::root::BaseKeys;
use super::*;
use crate::digest::Digest;
use crate::publish::key::{Algorithm, PrivateKey};
use crate::tuf::{
    Anchors, Answer, Gun, Lookup, RootRotation, Selector, Step, TrustedRepository, Update, UpdateInput,
};

const GUN: &str = "registry.example.com/shop/web";

fn now() -> Timestamp {
    "2026-11-21T03:02:01.5Z".parse().unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::EcdsaP256).unwrap()
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

fn file(document: &Document, keys: &[(KeyId, &PrivateKey)]) -> Bytes {
    let message = document.message().unwrap();
    let signed = keys.iter().map(|(id, key)| Signed { key: *id, signature: key.sign(&message).unwrap() });
    document.file(signed.collect()).unwrap()
}

/// A repository with a delegation, every file of it written by this module but the timestamp, which is the server's.
struct World {
    root: PrivateKey,
    certificate: PublicForm,
    online: PrivateKey,
    signer: PrivateKey,
    targets: Targets,
    releases: Targets,
}

impl World {
    fn new() -> Self {
        let (root, online, signer) = (key(), key(), key());
        let certificate = root.root_certificate(&Gun::new(GUN).unwrap(), now()).unwrap();
        let mut targets = Targets::new();
        targets.delegate(&role("targets/releases")).unwrap();
        targets.add_key(&role("targets/releases"), signer.public()).unwrap();
        targets.set_paths(&role("targets/releases"), &["".to_owned()]).unwrap();
        Self { root, certificate, online, signer, targets, releases: Targets::new() }
    }

    fn root(&self) -> Root {
        let online = self.online.public();
        let keys = BaseKeys { root: &self.certificate, targets: online, snapshot: online, timestamp: online };
        Root::new(&keys).unwrap()
    }

    fn files(&mut self) -> BTreeMap<RoleName, Bytes> {
        let online = [(self.online.id(), &self.online)];
        let mut root = self.root();
        root.renew(now()).unwrap();
        self.targets.renew(0, now()).unwrap();
        self.releases.renew(0, now()).unwrap();
        let mut files = BTreeMap::from([
            (RoleName::root(), file(&root.0, &[(self.certificate.id(), &self.root)])),
            (RoleName::targets(), file(&self.targets.0, &online)),
            (role("targets/releases"), file(&self.releases.0, &[(self.signer.id(), &self.signer)])),
        ]);
        let mut snapshot = Snapshot::new();
        files.iter().for_each(|(role, bytes)| snapshot.list(role, bytes).unwrap());
        snapshot.renew(now()).unwrap();
        let snapshot = file(&snapshot.0, &online);
        let mut timestamp = Snapshot::new();
        timestamp.list(&RoleName::snapshot(), &snapshot).unwrap();
        timestamp.renew(now()).unwrap();
        timestamp.0.signed.insert("_type".to_owned(), text("Timestamp"));
        files.insert(RoleName::timestamp(), file(&timestamp.0, &online));
        files.insert(RoleName::snapshot(), snapshot);
        files
    }
}

fn verify(files: &BTreeMap<RoleName, Bytes>) -> Arc<TrustedRepository> {
    let anchors = Anchors::new(Vec::new(), RootRotation::Follow, true);
    let input = UpdateInput::new(Gun::new(GUN).unwrap(), Arc::new(anchors), now());
    let mut update = Update::new(input);
    loop {
        match update.step() {
            Step::Done(done) => return done.unwrap().repository,
            Step::Fetch(fetches) => {
                for fetch in fetches {
                    let found = files.get(&fetch.file.role).filter(|bytes| match fetch.file.selector {
                        Selector::Hash(sha256) => Digest::of(bytes) == sha256,
                        Selector::Current | Selector::Version(_) => true,
                    });
                    update.feed(&fetch.file, found.map_or(Answer::NotFound, |b| Answer::Bytes(b.clone())));
                }
            }
        }
    }
}

#[test]
fn documents_verify_with_their_keys_versions_and_expiries() {
    let mut world = World::new();
    let digest = Digest::of(b"manifest");
    world.releases.add("1.4", digest, 528).unwrap();
    let files = world.files();
    let repository = verify(&files);
    let releases = repository.usable(&role("targets/releases"), now(), SignedDuration::ZERO).unwrap();
    match releases.lookup("1.4") {
        Lookup::Listed(entry) => assert_eq!((entry.digest, entry.length), (digest, 528)),
        other => panic!("{other:?}"),
    }
    assert_eq!((releases.version(), releases.threshold()), (1, 1));
    assert_eq!(releases.key_ids(), [world.signer.id()]);
    assert_eq!(repository.root().expires().to_string(), "2036-11-18T03:02:02Z");
    assert_eq!(releases.expires().to_string(), "2029-11-20T03:02:02Z");
    assert_eq!(repository.root().key_ids(), [world.root.id()]);
}

#[test]
fn what_tagseal_does_not_know_survives_an_edit_and_custom_is_written_as_it_is_signed() {
    let mut world = World::new();
    let written = br#"{"signed":{"_type":"Targets","version":7,"expires":"2027-01-01T00:00:00Z","x-new":{"b":1,"a":[null]},
        "targets":{"t\u0001<":{"custom":{"z":"\u00e9\/<&>\n","a":1e3,"big":9007199254740993},"hashes":{"sha256":
        "RBNvoRRpqv+gfGvgMUkFPY4+yK5JMZlt60Yi3nNDAPI="},"length":3}},"delegations":{"keys":null,"roles":[],"x":true}},
        "signatures":[]}"#;
    world.releases = Targets::read(written).unwrap();
    world.releases.add("1.4", Digest::of(b"manifest"), 528).unwrap();
    let files = world.files();
    let bytes = &files[&role("targets/releases")];
    assert!(verify(&files).usable(&role("targets/releases"), now(), SignedDuration::ZERO).is_ok());
    let Ok(file) = canonical::parse(bytes) else { panic!("{bytes:?} is no JSON") };
    let signed = file.get("signed").unwrap();
    assert_eq!(signed.get("version"), Some(&number(8)));
    assert_eq!(signed.get("x-new").unwrap().canonical().unwrap(), br#"{"a":[null],"b":1}"#);
    assert_eq!(signed.get("delegations").unwrap().get("x"), Some(&Value::Bool(true)));
    let custom = signed.get("targets").unwrap().get("t\u{1}<").unwrap().get("custom").unwrap();
    assert_eq!(
        custom.canonical().unwrap(),
        "{\"a\":1000,\"big\":9007199254740992,\"z\":\"é/<&>\n\"}".as_bytes()
    );
    let text = std::str::from_utf8(bytes).unwrap();
    let written = r#""custom":{"a":1000,"big":9007199254740992,"z":"é/\u003c\u0026\u003e\u000a"}"#;
    assert!(text.contains(written), "{text}");
    assert!(
        text.starts_with(r#"{"signed":{"_type":"Targets","#) && text.contains(r#"},"signatures":[{"keyid":"#)
    );
}

#[test]
fn a_target_that_is_listed_already_changes_nothing_and_another_digest_takes_its_custom_along() {
    let mut targets = Targets::read(
        br#"{"signed":{"_type":"Targets","version":1,"targets":{"v1":{"custom":{"of":"this image"},"hashes":{"sha256":
        "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},"length":5}}},"signatures":[]}"#,
    )
    .unwrap();
    targets.add("v1", Digest::of(b"hello"), 5).unwrap();
    assert!(!targets.0.is_dirty());
    targets.add("v1", Digest::of(b"other"), 5).unwrap();
    assert!(targets.0.is_dirty());
    assert_eq!(targets.0.object("targets").unwrap().get("v1").unwrap().get("custom"), None);
    assert!(!targets.lists("v2"));
}

#[test]
fn the_last_version_cannot_be_raised() {
    let read = |version: u64| {
        let file = format!(r#"{{"signed":{{"_type":"Targets","version":{version}}},"signatures":[]}}"#);
        Targets::read(file.as_bytes()).unwrap()
    };
    assert_eq!(read(MAX_VERSION - 1).renew(0, now()), Ok(()));
    assert_eq!(read(MAX_VERSION).renew(0, now()), Err(DocumentError::LastVersion(MAX_VERSION)));
    assert_eq!(read(1).renew(1 << 60, now()), Err(DocumentError::LastVersion(1 << 60)));
    let mut floored = read(3);
    floored.renew(9, now()).unwrap();
    assert_eq!(floored.0.version(), 10);
}

#[test]
fn a_replaced_root_certificate_stays_among_the_keys_and_other_keys_go() {
    let world = World::new();
    let mut root = world.root();
    let (new, targets) = (key(), key());
    let certificate = new.root_certificate(&Gun::new(GUN).unwrap(), now()).unwrap();
    root.replace_key(&RoleName::root(), &certificate).unwrap();
    root.replace_key(&RoleName::targets(), targets.public()).unwrap();
    assert_eq!(root.keyring(&RoleName::root()).canonical_ids(), [new.id()]);
    let listed = |root: &Root| root.0.object("keys").unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let ids = [world.certificate.id(), certificate.id(), targets.id(), world.online.id()];
    assert_eq!(listed(&root), ids.iter().map(KeyId::to_string).collect());
    root.replace_key(&RoleName::snapshot(), targets.public()).unwrap();
    root.replace_key(&RoleName::timestamp(), targets.public()).unwrap();
    assert!(!listed(&root).contains(&world.online.id().to_string()), "no role lists it any more");
}

#[test]
fn a_key_leaves_the_delegations_with_the_last_role_that_lists_it() {
    let mut targets = Targets::new();
    let (a, b) = (key(), key());
    for name in ["targets/a", "targets/b"] {
        targets.delegate(&role(name)).unwrap();
        targets.add_key(&role(name), a.public()).unwrap();
    }
    targets.add_key(&role("targets/b"), b.public()).unwrap();
    let keys =
        |targets: &Targets| targets.0.object("delegations").unwrap()["keys"].as_object().unwrap().len();
    assert_eq!(keys(&targets), 2);
    targets.remove_keys(&role("targets/b"), &[b.id().to_string()]).unwrap();
    assert_eq!(keys(&targets), 1);
    targets.undelegate(&role("targets/b")).unwrap();
    assert_eq!((keys(&targets), targets.delegated()), (1, vec![role("targets/a")]));
    targets.undelegate(&role("targets/a")).unwrap();
    assert_eq!(keys(&targets), 0);
    let gone = targets.add_key(&role("targets/a"), a.public());
    assert_eq!(gone, Err(DocumentError::Shape("it does not delegate targets/a".to_owned())));
}

#[test]
fn a_key_under_another_id_than_its_own_does_not_count() {
    let (a, b) = (key(), key());
    let mut targets = Targets::new();
    targets.delegate(&role("targets/a")).unwrap();
    targets.add_key(&role("targets/a"), a.public()).unwrap();
    let keys = member_object(targets.0.object_mut("delegations").unwrap(), "keys").unwrap();
    keys.insert(a.id().to_string(), b.public().to_value());
    assert_eq!(targets.keyring(&role("targets/a")).unwrap().canonical_ids(), []);
}
