//! A repository whose keys are known, so that targets reach what lies behind a valid signature.
//!
//! `data/root.json` lists `data/root.crt` and Ed25519 keys made of one byte each, and is signed by `data/root.key`. Every
//! other file is made here, and is the same in every process.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tagseal::digest::Digest;
use tagseal::limits::{UPDATE_BYTES, WORK_STEPS};
use tagseal::publish::key::{PrivateKey, PublicForm};
use tagseal::publish::key_file::KeyFile;
use tagseal::tuf::{
    Anchor, Anchors, Answer, Gun, RootRotation, Selector, Step, TufError, Update, UpdateInput, Updated,
    canonical,
};

/// The repository.
pub const GUN: &str = "registry.example.com/shop/web";
/// The delegation role, which signs tags that begin with `1.` or `v`.
pub const RELEASES: &str = "targets/releases";
/// What `targets/releases` says that the tag `1.4` is.
pub const SIGNED: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// When every target takes place.
pub fn now() -> Timestamp {
    "2027-01-01T12:00:00Z".parse().unwrap()
}

/// A key, and how metadata lists it.
pub struct Signer {
    key: PrivateKey,
    listed: PublicForm,
}

impl Signer {
    fn ed25519(byte: u8) -> Self {
        // PKCS#8 up to the seed (RFC 8410).
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        der.extend([byte; 32]);
        let key = PrivateKey::from_pkcs8(&der).unwrap();
        Self { listed: key.public().clone(), key }
    }

    fn root() -> Self {
        let key = KeyFile::parse(include_str!("../data/root.key")).unwrap().open(None).unwrap();
        Self { key, listed: PublicForm::from_pem(include_str!("../data/root.crt")).unwrap() }
    }

    /// A file that this key signed; `None` where `signed` has no canonical form.
    pub fn file(&self, signed: &[u8]) -> Option<Bytes> {
        let message = canonical::parse(signed).ok()?.canonical().ok()?;
        Some(self.envelope(signed, &self.key.sign(&message).unwrap().bytes))
    }

    /// The same with a signature over something else.
    pub fn forged(&self, signed: &[u8]) -> Bytes {
        self.envelope(signed, &self.key.sign(b"something else").unwrap().bytes)
    }

    fn envelope(&self, signed: &[u8], signature: &[u8]) -> Bytes {
        let method = match self.listed.keytype() {
            "ed25519" => "eddsa",
            _ => "ecdsa",
        };
        let signature = json!([{"keyid": self.listed.id().to_string(), "method": method, "sig": STANDARD.encode(signature)}]);
        [b"{\"signatures\":", signature.to_string().as_bytes(), b",\"signed\":", signed, b"}"].concat().into()
    }
}

static SIGNERS: LazyLock<BTreeMap<&'static str, Signer>> = LazyLock::new(|| {
    BTreeMap::from([
        ("root", Signer::root()),
        ("targets", Signer::ed25519(1)),
        ("snapshot", Signer::ed25519(2)),
        ("timestamp", Signer::ed25519(3)),
        (RELEASES, Signer::ed25519(4)),
    ])
});

/// The key of a role.
pub fn signer(role: &str) -> &'static Signer {
    &SIGNERS[role]
}

/// Files by role.
pub type Files = BTreeMap<&'static str, Bytes>;

/// The repository as its publisher has it.
pub static GENUINE: LazyLock<Files> = LazyLock::new(|| {
    let mut files = Files::from([("root", Bytes::from_static(include_bytes!("../data/root.json")))]);
    for (role, signed) in [(RELEASES, releases()), ("targets", targets())] {
        files.insert(role, signer(role).file(signed.to_string().as_bytes()).unwrap());
    }
    vouch(&mut files);
    files
});

/// The same with another file, and with a snapshot and a timestamp that list it.
pub fn with(role: &'static str, file: Bytes) -> Files {
    let mut files = GENUINE.clone();
    files.insert(role, file);
    match role {
        "timestamp" => {}
        "snapshot" => vouch_for_snapshot(&mut files),
        _ => vouch(&mut files),
    }
    files
}

fn vouch(files: &mut Files) {
    let meta: serde_json::Map<_, _> =
        ["root", "targets", RELEASES].iter().map(|role| ((*role).to_owned(), listed(&files[role]))).collect();
    let signed = json!({"_type": "Snapshot", "expires": "2030-01-01T00:00:00Z", "meta": meta, "version": 1});
    files.insert("snapshot", signer("snapshot").file(signed.to_string().as_bytes()).unwrap());
    vouch_for_snapshot(files);
}

fn vouch_for_snapshot(files: &mut Files) {
    let meta = json!({"snapshot": listed(&files["snapshot"])});
    let signed = json!({"_type": "Timestamp", "expires": "2030-01-01T00:00:00Z", "meta": meta, "version": 1});
    files.insert("timestamp", signer("timestamp").file(signed.to_string().as_bytes()).unwrap());
}

fn listed(file: &Bytes) -> Value {
    json!({"hashes": {"sha256": STANDARD.encode(Digest::of(file).as_bytes())}, "length": file.len()})
}

fn targets() -> Value {
    let key = &signer(RELEASES).listed;
    let public = json!({"keytype": key.keytype(), "keyval": {"private": null, "public": key.public()}});
    let id = key.id().to_string();
    json!({
        "_type": "Targets", "expires": "2030-01-01T00:00:00Z", "targets": {}, "version": 1,
        "delegations": {
            "keys": {(&id): public},
            "roles": [{"keyids": [id], "name": RELEASES, "paths": ["1.", "v"], "threshold": 1}],
        },
    })
}

fn releases() -> Value {
    let digest: Digest = SIGNED.parse().unwrap();
    let target = json!({"hashes": {"sha256": STANDARD.encode(digest.as_bytes())}, "length": 1234});
    json!({"_type": "Targets", "expires": "2030-01-01T00:00:00Z", "targets": {"1.4": target}, "version": 1})
}

/// What somebody who pins the root key makes of files. It takes no more than it may.
pub fn update(files: &Files) -> Result<Updated, TufError> {
    let anchor = Anchor::KeyId(signer("root").listed.canonical_id());
    let anchors = Anchors::new(vec![anchor], RootRotation::Follow, false);
    let mut update = Update::new(UpdateInput::new(Gun::new(GUN).unwrap(), Arc::new(anchors), now()));
    let mut bytes = 0;
    for _ in 0..64 {
        let fetches = match update.step() {
            Step::Fetch(fetches) => fetches,
            Step::Done(result) => {
                assert!(bytes <= UPDATE_BYTES && update.steps() <= WORK_STEPS);
                return result;
            }
        };
        for fetch in fetches {
            let file = match fetch.file.selector {
                Selector::Version(_) => None,
                Selector::Current | Selector::Hash(_) => files.get(fetch.file.role.as_str()),
            };
            let answer = match file {
                Some(file) if file.len() as u64 > fetch.max_bytes => Answer::TooLarge,
                Some(file) => Answer::Bytes(file.clone()),
                None => Answer::NotFound,
            };
            bytes += if let Answer::Bytes(file) = &answer { file.len() as u64 } else { 0 };
            update.feed(&fetch.file, answer);
        }
    }
    panic!("the update does not end");
}
