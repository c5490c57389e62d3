//! [`Uploader`] and [`REFUSED`]: a publisher's uploads to a server that holds the timestamp key, and those that every Notary
//! v1 server refuses, with the answer that the real one gives.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::trust_server::{Part, TrustServer};
use super::{CertificateSpec, TestKey, TestRepository, days, hex, image_digest, sha256};

/// What most repositories delegate.
pub const RELEASES: &str = "targets/releases";

/// A publisher whose root lists the server's timestamp key.
pub struct Uploader {
    pub repository: TestRepository,
    pub now: Timestamp,
    /// The server's keys that the root lists, by role.
    server_keys: Vec<(&'static str, Value)>,
}

impl Uploader {
    /// A new repository at `server`, with nothing published.
    pub fn new(server: &TrustServer, gun: &str, now: Timestamp) -> Self {
        let timestamp = server.key(gun, "timestamp");
        Self { repository: TestRepository::new(gun, now), now, server_keys: vec![("timestamp", timestamp)] }
    }

    /// The same with a snapshot that the server signs.
    pub fn with_server_snapshot(server: &TrustServer, gun: &str, now: Timestamp) -> Self {
        let mut uploader = Self::new(server, gun, now);
        uploader.server_keys.push(("snapshot", server.key(gun, "snapshot")));
        uploader
    }

    /// From the next root on lists this key of the server's for `role`.
    pub fn server_key(&mut self, role: &'static str, key: Value) -> &mut Self {
        self.server_keys.retain(|(listed, _)| *listed != role);
        self.server_keys.push((role, key));
        self
    }

    /// From the next root on lists none of the server's for `role`.
    pub fn own_key(&mut self, role: &'static str) -> &mut Self {
        self.server_keys.retain(|(listed, _)| *listed != role);
        self
    }

    /// The next publish has a new root.
    pub fn root(&mut self) -> &mut TestRepository {
        for (role, key) in self.server_keys.clone() {
            self.repository.edit("root", move |signed| list_key(signed, role, &key));
        }
        &mut self.repository
    }

    /// Publishes what changed, as the files of these roles.
    pub fn files(&mut self, roles: &[&str]) -> Vec<Part> {
        let files = self.repository.publish(self.now);
        roles.iter().map(|role| ((*role).to_owned(), files.current(role).clone())).collect()
    }

    /// The first publish: everything.
    pub fn first(&mut self) -> Vec<Part> {
        self.root();
        self.repository.witness("targets");
        let own_snapshot = self.server_keys.iter().all(|(role, _)| *role != "snapshot");
        self.files(if own_snapshot { &["root", "targets", "snapshot"] } else { &["root", "targets"] })
    }
}

fn list_key(signed: &mut Value, role: &str, key: &Value) {
    let public = key["keyval"]["public"].as_str().expect("a key");
    let keytype = key["keytype"].as_str().expect("a key");
    let canonical = json!({"keytype": keytype, "keyval": {"private": null, "public": public}});
    let id = hex(&sha256(&super::signer::canonical(&canonical)));
    signed["keys"][&id] = canonical;
    signed["roles"][role]["keyids"] = json!([id]);
}

/// Uploads of one repository, the last of which is refused.
pub struct Refused {
    /// What is wrong with it.
    pub name: &'static str,
    /// Whether the server signs the snapshot.
    pub server_snapshot: bool,
    /// Makes the uploads, and the error that is to come: `code`, status and `detail`.
    pub make: fn(&mut Uploader) -> (Vec<Vec<Part>>, Error),
    /// Whether the real server says it in exactly the same words.
    pub same_words: bool,
}

/// An entry of `errors`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    pub status: u16,
    pub code: &'static str,
    pub detail: Option<Value>,
}

fn error(code: &'static str, detail: Option<Value>) -> Error {
    Error { status: 400, code, detail }
}

fn invalid(name: &str, message: &str) -> Error {
    error("INVALID_UPDATE", Some(json!({"Name": name, "Error": {"Msg": message}})))
}

fn stale() -> Error {
    error("VERSION", Some(json!({})))
}

fn date(time: Timestamp) -> String {
    time.strftime("%a %b %-d %H:%M:%S UTC %Y").to_string()
}

/// A time before now, in whole seconds.
fn yesterday(uploader: &Uploader) -> Timestamp {
    Timestamp::from_second((uploader.now - days(1)).as_second()).unwrap()
}

const NO_LEAVES: &str =
    "could not validate the path to a trusted root: unable to retrieve valid leaf certificates";
const NO_INTEGRITY: &str =
    "could not validate the path to a trusted root: failed to validate integrity of roots";
const NO_ROTATION: &str =
    "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates";
const NO_TIMESTAMP_KEY: &str = "no  timestamp keys exist on the server";

/// A repository with `targets/releases`, published.
fn with_releases(uploader: &mut Uploader) -> Vec<Vec<Part>> {
    let alice = TestKey::ecdsa();
    uploader.repository.delegate(RELEASES, &[&alice]);
    let mut uploads = vec![uploader.first()];
    uploader.repository.sign_target(RELEASES, "1.4", image_digest("a"));
    uploads.push(uploader.files(&[RELEASES, "snapshot"]));
    uploads
}

/// `uploads`, then one more of these roles.
fn then(mut uploads: Vec<Vec<Part>>, uploader: &mut Uploader, roles: &[&str]) -> Vec<Vec<Part>> {
    uploads.push(uploader.files(roles));
    uploads
}

const fn case(name: &'static str, make: fn(&mut Uploader) -> (Vec<Vec<Part>>, Error)) -> Refused {
    Refused { name, server_snapshot: false, make, same_words: true }
}

const fn in_other_words(case: Refused) -> Refused {
    Refused { same_words: false, ..case }
}

const fn with_server_snapshot(case: Refused) -> Refused {
    Refused { server_snapshot: true, ..case }
}

/// Every refusal, by what is wrong.
pub const REFUSED: &[Refused] = &[
    // Parts.
    case("a part without a file name", |u| {
        let (name, bytes) = u.first().remove(0);
        assert_eq!(name, "root");
        (vec![vec![(String::new(), bytes)]], error("NO_FILENAME", None))
    }),
    case("a part whose file name is no role", |u| {
        let bytes = u.first().remove(0).1;
        (vec![vec![("targets/A".into(), bytes)]], error("INVALID_ROLE", Some(json!("targets/A"))))
    }),
    case("a part whose role climbs", |u| {
        let bytes = u.first().remove(0).1;
        let name = "targets/../root";
        (vec![vec![(name.into(), bytes)]], error("INVALID_ROLE", Some(json!(name))))
    }),
    case("a part that is cut off", |u| {
        let (name, bytes) = u.first().remove(0);
        let half = bytes.slice(..bytes.len() / 2);
        (vec![vec![(name, half)]], error("MALFORMED_JSON", None))
    }),
    case("a part whose version is no integer", |_| {
        let bytes = Bytes::from_static(br#"{"signed":{"version":1.5},"signatures":[]}"#);
        (vec![vec![("root".into(), bytes)]], error("MALFORMED_JSON", None))
    }),
    case("a bad part after good ones", |u| {
        let mut parts = u.first();
        parts.push(("mirror".into(), Bytes::from_static(b"{}")));
        (vec![parts], error("INVALID_ROLE", Some(json!("mirror"))))
    }),
    // Roots.
    case("no root at all", |u| {
        let parts = u.first().split_off(1);
        (vec![parts], invalid("ErrValidation", "no pre-existing root and no root provided in update."))
    }),
    case("a first root of version 3", |u| {
        u.repository.version("root", 3);
        let message = "Root modifications must increment the version. Current 1, new 3";
        (vec![u.first()], invalid("ErrBadRoot", message))
    }),
    case("a root for another repository", |u| {
        let key = TestKey::root("registry.test/other", u.now - days(1));
        u.repository.rotate("root", &[&key]);
        (vec![u.first()], invalid("ErrBadRoot", NO_LEAVES))
    }),
    case("a root whose certificate is expired", |u| {
        let spec = CertificateSpec::new(u.repository.gun(), u.now).valid(u.now - days(30), u.now - days(1));
        let key = TestKey::ecdsa().certified(&spec);
        u.repository.rotate("root", &[&key]);
        (vec![u.first()], invalid("ErrBadRoot", NO_LEAVES))
    }),
    case("a root key without a certificate", |u| {
        u.repository.rotate("root", &[&TestKey::ecdsa()]);
        (vec![u.first()], invalid("ErrBadRoot", NO_LEAVES))
    }),
    case("an expired root", |u| {
        let expires = yesterday(u);
        u.repository.expires("root", expires);
        (vec![u.first()], invalid("ErrBadRoot", &format!("root expired at {}", date(expires))))
    }),
    case("a root that its own keys did not sign", |u| {
        let other = TestKey::root(u.repository.gun(), u.now - days(1));
        u.repository.keys_that_sign("root", &[&other]);
        (vec![u.first()], invalid("ErrBadRoot", NO_INTEGRITY))
    }),
    case("a root signed by one key of two", |u| {
        let keys = [(); 2].map(|()| TestKey::root(u.repository.gun(), u.now - days(1)));
        u.repository.rotate("root", &[&keys[0], &keys[1]]).threshold("root", 2);
        u.repository.keys_that_sign("root", &[&keys[1]]);
        (vec![u.first()], invalid("ErrBadRoot", NO_INTEGRITY))
    }),
    case("a timestamp key that the server does not hold", |u| {
        u.own_key("timestamp");
        (vec![u.first()], invalid("ErrBadRoot", NO_TIMESTAMP_KEY))
    }),
    case("a timestamp threshold of two", |u| {
        u.repository.threshold("timestamp", 2);
        (vec![u.first()], invalid("ErrBadRoot", NO_TIMESTAMP_KEY))
    }),
    case("a second root of another key", |u| {
        let first = u.first();
        let other = TestKey::root(u.repository.gun(), u.now - days(1));
        u.root().rotate("root", &[&other]).keys_that_sign("root", &[&other]);
        (then(vec![first], u, &["root", "snapshot"]), invalid("ErrBadRoot", NO_ROTATION))
    }),
    case("a second root that only the first one's key signed", |u| {
        let first = u.first();
        let (old, other) =
            (u.repository.root_key().clone(), TestKey::root(u.repository.gun(), u.now - days(1)));
        u.root().rotate("root", &[&other]).keys_that_sign("root", &[&old]);
        (then(vec![first], u, &["root", "snapshot"]), invalid("ErrBadRoot", NO_INTEGRITY))
    }),
    case("a second root that nobody signed validly", |u| {
        let first = u.first();
        let other = TestKey::ecdsa();
        u.root().keys_that_sign("root", &[&other]);
        (then(vec![first], u, &["root", "snapshot"]), invalid("ErrBadRoot", NO_ROTATION))
    }),
    case("a root that skips a version", |u| {
        let first = u.first();
        u.root().version("root", 3);
        let message = "Root modifications must increment the version. Current 1, new 3";
        (then(vec![first], u, &["root", "snapshot"]), invalid("ErrBadRoot", message))
    }),
    case("a root of the version that is there", |u| {
        let first = u.first();
        u.root().version("root", 1);
        (then(vec![first], u, &["root", "snapshot"]), stale())
    }),
    case("a second root whose timestamp key the server does not hold", |u| {
        let first = u.first();
        u.own_key("timestamp").root().witness("root");
        (then(vec![first], u, &["root", "snapshot"]), invalid("ErrBadRoot", NO_TIMESTAMP_KEY))
    }),
    // Targets and delegations.
    case("targets by another key", |u| {
        u.repository.keys_that_sign("targets", &[&TestKey::ecdsa()]);
        let message = "valid signatures did not meet threshold for targets";
        (vec![u.first()], invalid("ErrBadTargets", message))
    }),
    case("targets without signatures", |u| {
        u.repository.edit_signatures("targets", Vec::clear);
        (vec![u.first()], invalid("ErrBadTargets", "tuf: data has no signatures"))
    }),
    case("targets under a key ID that is not the key's", |u| {
        let wrong = "0".repeat(64);
        let id = u.repository.keys("targets")[0].id();
        let listed = wrong.clone();
        u.repository.edit("root", move |signed| {
            signed["keys"][&listed] = signed["keys"][&id].clone();
            signed["roles"]["targets"]["keyids"] = json!([listed]);
        });
        u.repository.edit_signatures("targets", move |signatures| signatures[0]["keyid"] = json!(wrong));
        (vec![u.first()], invalid("ErrBadTargets", "key ID is not valid for key content"))
    }),
    case("expired targets", |u| {
        let expires = yesterday(u);
        u.repository.expires("targets", expires);
        (vec![u.first()], invalid("ErrBadTargets", &format!("targets expired at {}", date(expires))))
    }),
    in_other_words(case("targets of another type", |u| {
        u.repository.edit("targets", |signed| signed["_type"] = json!("targets"));
        let message = r#"targets type metadata invalid: signed._type is "targets", not "Targets""#;
        (vec![u.first()], invalid("ErrBadTargets", message))
    })),
    in_other_words(case("targets that delegate what is not theirs", |u| {
        u.repository.delegate(RELEASES, &[&TestKey::ecdsa()]);
        u.repository
            .edit("targets", |signed| signed["delegations"]["roles"][0]["name"] = json!("targets/a/b"));
        let message =
            "targets type metadata invalid: it delegates targets/a/b, which is not directly below it";
        (vec![u.first()], invalid("ErrBadTargets", message))
    })),
    case("targets of the version that is there", |u| {
        let first = u.first();
        u.repository.version("targets", 1);
        (then(vec![first], u, &["targets", "snapshot"]), stale())
    }),
    case("a delegation without targets", |u| {
        u.repository.delegate(RELEASES, &[&TestKey::ecdsa()]).sign_target(RELEASES, "1", image_digest("a"));
        u.root();
        let parts = u.files(&["root", RELEASES, "snapshot"]);
        (vec![parts], invalid("ErrBadTargets", "targets must be loaded first"))
    }),
    case("a role that nobody delegates", |u| {
        let uploads = with_releases(u);
        let bytes = u.repository.files().current(RELEASES).clone();
        let last = vec![("targets/other".to_owned(), bytes)];
        let message = "tuf: invalid role targets/other. delegation does not exist";
        ([uploads, vec![last]].concat(), invalid("ErrBadTargets", message))
    }),
    case("a role whose parent is missing", |u| {
        let uploads = with_releases(u);
        let bytes = u.repository.files().current(RELEASES).clone();
        let last = vec![("targets/other/below".to_owned(), bytes)];
        let message = "tuf: invalid role targets/other/below. delegation does not exist";
        ([uploads, vec![last]].concat(), invalid("ErrBadTargets", message))
    }),
    case("a role that the same upload takes back", |u| {
        let uploads = with_releases(u);
        u.repository.remove_delegation(RELEASES).witness(RELEASES);
        let message = "tuf: invalid role targets/releases. delegation does not exist";
        (then(uploads, u, &["targets", RELEASES, "snapshot"]), invalid("ErrBadTargets", message))
    }),
    case("a delegation by another key", |u| {
        let uploads = with_releases(u);
        u.repository.keys_that_sign(RELEASES, &[&TestKey::ecdsa()]);
        let message = "valid signatures did not meet threshold for targets/releases";
        (then(uploads, u, &[RELEASES, "snapshot"]), invalid("ErrBadTargets", message))
    }),
    case("a delegation signed by one key of two", |u| {
        let (alice, bob) = (TestKey::ecdsa(), TestKey::ecdsa());
        u.repository.delegate(RELEASES, &[&alice, &bob]).threshold(RELEASES, 2);
        let first = u.first();
        u.repository.sign_target(RELEASES, "1", image_digest("a")).keys_that_sign(RELEASES, &[&alice]);
        let message = "valid signatures did not meet threshold for targets/releases";
        (then(vec![first], u, &[RELEASES, "snapshot"]), invalid("ErrBadTargets", message))
    }),
    case("an expired delegation", |u| {
        let (uploads, expires) = (with_releases(u), yesterday(u));
        u.repository.expires(RELEASES, expires);
        let message = format!("targets/releases expired at {}", date(expires));
        (then(uploads, u, &[RELEASES, "snapshot"]), invalid("ErrBadTargets", &message))
    }),
    case("a delegation of the version that is there", |u| {
        let uploads = with_releases(u);
        u.repository.version(RELEASES, 1);
        (then(uploads, u, &[RELEASES, "snapshot"]), stale())
    }),
    case("a delegation below stored targets that the root's keys no longer sign", |u| {
        let mut uploads = with_releases(u);
        u.root().rotate("targets", &[&TestKey::ecdsa()]).roll_back("targets", 1);
        uploads.push(u.files(&["root", "snapshot"]));
        u.repository.witness(RELEASES);
        (then(uploads, u, &[RELEASES, "snapshot"]), error("INVALID_UPDATE", None))
    }),
    // Snapshots.
    case("no snapshot, and the server does not hold its key", |u| {
        let mut parts = u.first();
        parts.pop();
        let message =
            "no snapshot was included in update and server does not hold current snapshot key for repository";
        let detail = json!({"Name": "ErrBadHierarchy", "Error": {"Missing": "snapshot", "Msg": message}});
        (vec![parts], error("INVALID_UPDATE", Some(detail)))
    }),
    case("a snapshot by another key", |u| {
        u.repository.keys_that_sign("snapshot", &[&TestKey::ecdsa()]);
        let message = "valid signatures did not meet threshold for snapshot";
        (vec![u.first()], invalid("ErrBadSnapshot", message))
    }),
    with_server_snapshot(case("a snapshot by the publisher where the server's key is listed", |u| {
        u.root();
        let parts = u.files(&["root", "targets", "snapshot"]);
        let message = "valid signatures did not meet threshold for snapshot";
        (vec![parts], invalid("ErrBadSnapshot", message))
    })),
    case("an expired snapshot", |u| {
        let expires = yesterday(u);
        u.repository.expires("snapshot", expires);
        (vec![u.first()], invalid("ErrBadSnapshot", &format!("snapshot expired at {}", date(expires))))
    }),
    case("a snapshot that lists other targets", |u| {
        let first = u.first();
        u.repository.witness("targets");
        let files = u.files(&["targets", "snapshot"]);
        u.repository.witness("targets");
        let newer = u.files(&["targets"]);
        let listed = hex(&sha256(&files[0].1));
        let message = format!("sha256 checksum for targets did not match: expected {listed}");
        (vec![first, [newer, vec![files[1].clone()]].concat()], invalid("ErrBadSnapshot", &message))
    }),
    case("a snapshot that lists another root", |u| {
        let first = u.first();
        u.root();
        let files = u.files(&["root", "snapshot"]);
        let listed = hex(&sha256(&files[0].1));
        let message = format!("sha256 checksum for root did not match: expected {listed}");
        (vec![first, vec![files[1].clone()]], invalid("ErrBadSnapshot", &message))
    }),
    case("a snapshot that does not list an uploaded role", |u| {
        let uploads = with_releases(u);
        u.repository.witness(RELEASES).unlist_from_snapshot(RELEASES);
        let message = "no checksums for supported algorithms were provided for targets/releases";
        (then(uploads, u, &[RELEASES, "snapshot"]), invalid("ErrBadSnapshot", message))
    }),
    in_other_words(case("a snapshot that does not list targets", |u| {
        u.repository.unlist_from_snapshot("targets");
        let message = r#"snapshot type metadata invalid: signed.meta has no field "targets""#;
        (vec![u.first()], invalid("ErrBadSnapshot", message))
    })),
    case("a snapshot of the version that is there", |u| {
        let first = u.first();
        u.repository.witness("targets").version("snapshot", 1);
        (then(vec![first], u, &["targets", "snapshot"]), stale())
    }),
    with_server_snapshot(case("a first publish without targets", |u| {
        u.root();
        let parts = u.files(&["root"]);
        (vec![parts], invalid("ErrValidation", "targets must be loaded first"))
    })),
];

/// Plays a case at a server; what the last upload was answered, and what it was to be.
pub fn play(case: &Refused, server: &TrustServer, gun: &str, now: Timestamp) -> (Error, Error) {
    let new = if case.server_snapshot { Uploader::with_server_snapshot } else { Uploader::new };
    let mut uploader = new(server, gun, now);
    let (mut uploads, expected) = (case.make)(&mut uploader);
    let last = uploads.pop().expect("an upload");
    for (number, upload) in uploads.iter().enumerate() {
        let answer = server.upload(gun, upload);
        assert_eq!(answer.status, 200, "{}, upload {number}: {}", case.name, answer.text());
    }
    let before = server.get(gun, "timestamp.json");
    let answer = server.upload(gun, &last);
    assert_eq!(server.get(gun, "timestamp.json"), before, "{}: nothing is published", case.name);
    let body = answer.json();
    let code = if body["errors"][0]["code"] == expected.code { expected.code } else { "another" };
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(code, expected.code, "{}: {body}", case.name);
    (Error { status: answer.status, code, detail: body["errors"][0].get("detail").cloned() }, expected)
}
