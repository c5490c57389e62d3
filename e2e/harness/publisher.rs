//! A publisher: drives the real `notary` CLI with a throw-away trust folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData as _};
use ring::digest::{SHA256, digest};

use super::notary_server::NotaryServer;
use super::process::command;

/// What the `notary` CLI's keys are encrypted with.
const PASSPHRASE: &str = "throw-away";

/// The digest of an image that exists in name only.
pub fn digest_of(image: &str) -> String {
    format!("sha256:{}", hex(digest(&SHA256, image.as_bytes()).as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Somebody with a key for delegations.
pub struct Signer {
    name: String,
    key: KeyPair,
}

impl Signer {
    /// With a new P-256 key.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), key: KeyPair::generate().expect("a key") }
    }

    /// The public key, as a policy's `publicKeys` takes it.
    pub fn public_key(&self) -> String {
        self.key.public_key_pem()
    }
}

/// The owner of one repository on one trust server.
pub struct Publisher {
    gun: String,
    server: String,
    dir: PathBuf,
    authority: Option<PathBuf>,
    credentials: Option<String>,
}

impl Publisher {
    /// Initialises `gun` on `server`; keys and metadata go to the new folder `dir`.
    pub fn new(gun: &str, server: &NotaryServer, dir: &Path) -> Self {
        let publisher = Self::stranger(gun, server, dir);
        publisher.init();
        publisher
    }

    /// The same at any server that speaks plain http.
    pub fn owner(gun: &str, server: &str, dir: &Path) -> Self {
        let publisher = Self::reader(gun, server, dir);
        publisher.init();
        publisher
    }

    /// The same, logged in.
    pub fn logged_in(gun: &str, server: &NotaryServer, dir: &Path, user: &str, password: &str) -> Self {
        let credentials = Some(STANDARD.encode(format!("{user}:{password}")));
        let publisher = Self { credentials, ..Self::stranger(gun, server, dir) };
        publisher.init();
        publisher
    }

    /// Somebody who has no keys, and initialises nothing.
    pub fn stranger(gun: &str, server: &NotaryServer, dir: &Path) -> Self {
        Self { authority: server.authority().cloned(), ..Self::reader(gun, server.url(), dir) }
    }

    /// Somebody who has no keys, at any server that speaks plain http.
    pub fn reader(gun: &str, server: &str, dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("the trust folder");
        Self {
            gun: gun.to_owned(),
            server: server.to_owned(),
            dir: dir.to_owned(),
            authority: None,
            credentials: None,
        }
    }

    fn init(&self) {
        self.notary(&["init", &self.gun]);
        self.publish();
    }

    /// The repository's name, which is the image's without its tag.
    pub fn gun(&self) -> &str {
        &self.gun
    }

    /// The canonical ID of the newest root key.
    pub fn root_key_id(&self) -> String {
        let root = self.dir.join("tuf").join(&self.gun).join("metadata/root.json");
        let root: serde_json::Value =
            serde_json::from_slice(&fs::read(root).expect("root.json")).expect("JSON");
        // One root key at a time: the store may hold older ones, and the file names certificates.
        let id = root["signed"]["roles"]["root"]["keyids"][0].as_str().expect("a key ID");
        let pem = root["signed"]["keys"][id]["keyval"]["public"].as_str().expect("a certificate");
        canonical_id(&STANDARD.decode(pem).expect("base64"))
    }

    /// Delegates `role` to `signers`, for all tags, and keeps their keys to sign with.
    pub fn delegates(&self, role: &str, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| self.imports(signer)).collect();
        let mut args = vec!["delegation", "add", &self.gun, role];
        args.extend(keys.iter().map(String::as_str));
        args.push("--all-paths");
        self.notary(&args);
        self.publish();
    }

    /// Signs `tag` as `digest` in each of `roles`, in one publish.
    pub fn signs(&self, roles: &[&str], tag: &str, digest: &str) {
        let hex = digest.trim_start_matches("sha256:");
        self.notary(&["addhash", &self.gun, tag, "528", "--sha256", hex, "--roles", &roles.join(",")]);
        self.publish();
    }

    /// Removes `tag` from each of `roles`.
    pub fn removes(&self, roles: &[&str], tag: &str) {
        self.notary(&["remove", &self.gun, tag, "--roles", &roles.join(",")]);
        self.publish();
    }

    /// Replaces the key of `role` as the reference says that it goes without a gap: the new key signs before the old
    /// one leaves.
    pub fn hands_over(&self, role: &str, from: &Signer, to: &Signer) {
        self.delegates(role, &[to]);
        self.witnesses(role);
        let id = key_id("ecdsa", &from.key.subject_public_key_info());
        self.notary(&["delegation", "remove", &self.gun, role, &id, "--yes"]);
        self.publish();
        self.witnesses(role);
    }

    /// Signs `role` anew as it is.
    pub fn witnesses(&self, role: &str) {
        self.notary(&["witness", &self.gun, role]);
        self.publish();
    }

    /// Replaces the root key by a new one, which old and new sign.
    pub fn rotates_root(&self) {
        self.run(&["key", "rotate", &self.gun, "root"], "yes\n");
    }

    /// Replaces the targets key.
    pub fn rotates_targets(&self) {
        self.notary(&["key", "rotate", &self.gun, "targets"]);
    }

    /// Gives the snapshot key to the server.
    pub fn hands_snapshot_to_server(&self) {
        self.notary(&["key", "rotate", &self.gun, "snapshot", "--server-managed"]);
    }

    /// Takes the snapshot key back from the server.
    pub fn takes_snapshot_back(&self) {
        self.notary(&["key", "rotate", &self.gun, "snapshot"]);
    }

    /// Has the server make a new timestamp key.
    pub fn rotates_timestamp(&self) {
        self.notary(&["key", "rotate", &self.gun, "timestamp", "--server-managed"]);
    }

    /// Takes a delegation away, with all its keys.
    pub fn undelegates(&self, role: &str) {
        self.notary(&["delegation", "remove", &self.gun, role, "--yes"]);
        self.publish();
    }

    /// Drops the repository, here and on the server.
    pub fn deletes(&self) {
        self.notary(&["delete", &self.gun, "--remote"]);
    }

    /// Begins anew after [`deletes`](Self::deletes), with the root key that is still there.
    pub fn begins_anew(&self) {
        self.init();
    }

    /// What the CLI itself verifies and lists: (tag, digest, role).
    pub fn lists(&self, roles: &[&str]) -> Vec<(String, String, String)> {
        let output = self.notary(&["list", &self.gun, "--roles", &roles.join(",")]);
        let rows = output.lines().skip_while(|line| !line.starts_with("----")).skip(1);
        let rows = rows.filter_map(|line| {
            let [tag, digest, _, role] = line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
            Some((tag.to_owned(), format!("sha256:{digest}"), role.to_owned()))
        });
        rows.collect()
    }

    /// What the CLI says when it may not list.
    pub fn may_not_list(&self) -> String {
        let output = self.output(&["list", &self.gun], "\n\n");
        let text = text(&output);
        assert!(!output.status.success(), "notary list passed:\n{text}");
        text
    }

    fn publish(&self) {
        self.notary(&["publish", &self.gun]);
    }

    /// Puts the signer's key into the trust folder; answers the file of its public key.
    fn imports(&self, signer: &Signer) -> String {
        let private = self.dir.join(format!("{}-key.pem", signer.name));
        fs::write(&private, signer.key.serialize_pem()).expect("the key's file");
        self.notary(&["key", "import", &private.to_string_lossy(), "--role", &signer.name]);
        let public = self.dir.join(format!("{}.pem", signer.name));
        fs::write(&public, signer.public_key()).expect("the key's file");
        public.to_string_lossy().into_owned()
    }

    #[track_caller]
    fn notary(&self, args: &[&str]) -> String {
        self.run(args, "")
    }

    #[track_caller]
    fn run(&self, args: &[&str], input: &str) -> String {
        let output = self.output(args, input);
        let text = text(&output);
        assert!(output.status.success(), "notary {args:?}: {}\n{text}", output.status);
        text
    }

    fn output(&self, args: &[&str], input: &str) -> Output {
        let mut notary = command("notary");
        notary.args(["--server", &self.server, "--trustDir"]).arg(&self.dir).env("HOME", &self.dir);
        for role in ["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"] {
            notary.env(format!("NOTARY_{role}_PASSPHRASE"), PASSPHRASE);
        }
        if let Some(authority) = &self.authority {
            notary.arg("--tlscacert").arg(authority);
        }
        if let Some(credentials) = &self.credentials {
            notary.env("NOTARY_AUTH", credentials);
        }
        super::process::output_of(notary.args(args), input.as_bytes())
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The canonical key ID of a root key: that of the bare key in its certificate.
fn canonical_id(certificate_pem: &[u8]) -> String {
    use x509_cert::der::{DecodePem as _, Encode as _};
    let certificate = x509_cert::Certificate::from_pem(certificate_pem).expect("a certificate");
    let key = certificate.tbs_certificate().subject_public_key_info();
    key_id("ecdsa", &key.to_der().expect("a key"))
}

fn key_id(key_type: &str, public: &[u8]) -> String {
    let public = STANDARD.encode(public);
    let json = format!(r#"{{"keytype":"{key_type}","keyval":{{"private":null,"public":"{public}"}}}}"#);
    hex(digest(&SHA256, json.as_bytes()).as_ref())
}
