//! [`Desk`]: one trust directory, and the two programs that publish from it: the real `notary`, and `tagseal trust`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::notary_server::NotaryServer;
use super::process::{command, output_of};
use super::publisher::digest_of;
use super::run::{RUN, source_path, tagseal_binary};
use super::suite::suite;

/// What keys are encrypted with.
pub const PASSPHRASE: &str = "throw-away";

/// Which program does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    Notary,
    Tagseal,
}

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub errors: String,
}

/// A signed tag: role, tag, digest.
pub type Row = (String, String, String);

/// A trust directory for one repository on one server.
#[derive(Clone)]
pub struct Desk {
    gun: String,
    /// The trust directory is in it, and everything else that is written.
    dir: PathBuf,
    server: String,
    authority: Option<PathBuf>,
    variables: Vec<(String, String)>,
}

impl Desk {
    /// Without keys, for a repository named after `name` on the common trust server.
    pub fn new(name: &str) -> Self {
        Self::at(name, suite().notary())
    }

    /// The same on `server`.
    pub fn at(name: &str, server: &NotaryServer) -> Self {
        let roles = ["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"];
        let variables = roles.map(|role| (format!("NOTARY_{role}_PASSPHRASE"), PASSPHRASE.to_owned()));
        Self {
            gun: format!("registry.test/{name}/web"),
            dir: RUN.folder(&format!("desk-{name}")),
            server: server.url().to_owned(),
            authority: server.authority().cloned(),
            variables: variables.to_vec(),
        }
    }

    /// Another, without keys, for the same repository.
    pub fn neighbour(&self, name: &str) -> Self {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).expect("a folder");
        Self { dir, ..self.clone() }
    }

    /// Another with a copy of this one's trust directory.
    pub fn twin(&self, name: &str) -> Self {
        let twin = self.neighbour(name);
        copy(&self.trust_dir(), &twin.trust_dir());
        twin
    }

    /// The same for another repository.
    pub fn with_gun(self, gun: &str) -> Self {
        Self { gun: gun.to_owned(), ..self }
    }

    /// The same with a variable of the environment. An empty one is not set.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same at another address.
    pub fn with_server(self, url: &str) -> Self {
        Self { server: url.to_owned(), ..self }
    }

    /// The same, logged in at the registry as `docker login` does it, and for `notary`.
    pub fn logged_in(self, user: &str, password: &str) -> Self {
        let login = STANDARD.encode(format!("{user}:{password}"));
        let registry = self.gun.split('/').next().unwrap_or_default();
        fs::create_dir_all(self.dir.join("docker")).expect("docker's folder");
        let config = json!({"auths": {registry: {"auth": login}}}).to_string();
        fs::write(self.dir.join("docker/config.json"), config).expect("docker's configuration");
        self.with_variable("NOTARY_AUTH", &login)
    }

    /// The repository.
    pub fn gun(&self) -> &str {
        &self.gun
    }

    /// The folder in which both programs run.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Keys and metadata.
    pub fn trust_dir(&self) -> PathBuf {
        self.dir.join("trust")
    }

    /// A key pair of `tests/data/keys` as files of this folder: `NAME.pem`, for its owner alone, and `NAME.pub.pem`.
    pub fn has_key_files(&self, name: &str) {
        for (file, mode) in [(format!("{name}.pem"), 0o600), (format!("{name}.pub.pem"), 0o644)] {
            let to = self.dir.join(&file);
            fs::copy(source_path("tests/data/keys").join(&file), &to).expect("a key of the tests");
            set_mode(&to, mode);
        }
    }

    /// A new P-256 key pair as files of this folder: `NAME.pem`, for its owner alone, and `NAME.pub.pem`.
    pub fn has_signer(&self, name: &str) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let private = self.dir.join(format!("{name}.pem"));
        fs::write(&private, key.serialize_pem()).expect("a key's file");
        set_mode(&private, 0o600);
        fs::write(self.dir.join(format!("{name}.pub.pem")), key.public_key_pem()).expect("a key's file");
    }

    /// Runs `tagseal trust …`; `WEB` stands for the repository.
    #[track_caller]
    pub fn tagseal(&self, args: &str) -> Said {
        self.tagseal_told(args, "")
    }

    /// The same with something to read from standard input.
    #[track_caller]
    pub fn tagseal_told(&self, args: &str, input: &str) -> Said {
        Said::of(&output_of(&mut self.tagseal_command(args), input.as_bytes()))
    }

    /// `tagseal trust …`, not yet started.
    pub fn tagseal_command(&self, args: &str) -> Command {
        let mut tagseal = self.command(tagseal_binary());
        tagseal.arg("trust").args(self.words(args)).arg("--trust-dir").arg(self.trust_dir());
        tagseal.env("DOCKER_CONTENT_TRUST_SERVER", &self.server);
        // Key commands reach no server.
        if let Some(authority) = self.authority.as_ref().filter(|_| !args.starts_with("key ")) {
            tagseal.arg("--ca-bundle").arg(authority);
        }
        tagseal
    }

    /// Runs `notary …`; `WEB` stands for the repository.
    #[track_caller]
    pub fn notary(&self, args: &str) -> Said {
        let mut notary = self.command("notary");
        notary.args(["--server", &self.server, "--trustDir"]).arg(self.trust_dir());
        if let Some(authority) = &self.authority {
            notary.arg("--tlscacert").arg(authority);
        }
        // What it asks is whether a root key is really to be rotated.
        Said::of(&output_of(notary.args(self.words(args)), b"yes\n"))
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = command(program);
        command.current_dir(&self.dir).env("HOME", &self.dir).env("DOCKER_CONFIG", self.dir.join("docker"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn words(&self, args: &str) -> Vec<String> {
        args.split_whitespace().map(|word| word.replace("WEB", &self.gun)).collect()
    }

    /// What `tagseal inspect -o json` tells somebody who believes the first root.
    #[track_caller]
    pub fn inspection(&self) -> Value {
        let mut inspect = self.command(tagseal_binary());
        inspect.args(["inspect", &self.gun, "--first-use", "-o", "json", "--server", &self.server]);
        if let Some(authority) = &self.authority {
            inspect.arg("--ca-bundle").arg(authority);
        }
        serde_json::from_str(&Said::of(&output_of(&mut inspect, b"")).passes()).expect("JSON")
    }

    /// What is signed, of which both programs say the same: `notary` from this trust directory, role by role, and
    /// `tagseal inspect` from the server alone.
    #[track_caller]
    pub fn lists(&self) -> BTreeSet<Row> {
        let inspection = self.inspection();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let rows = inspection["targets"].as_array().expect("rows").iter();
        let tagseal: BTreeSet<Row> =
            rows.map(|row| (text(&row["role"]), text(&row["name"]), text(&row["digest"]))).collect();

        let delegated = self.notary("delegation list WEB").passes();
        // A role with several keys has several lines.
        let roles = table(&delegated).filter(|row| row[0].starts_with("targets/"));
        let delegated: BTreeSet<_> = roles.map(|row| row[0].to_owned()).collect();
        let inspected = inspection["delegations"].as_array().expect("delegations").iter();
        assert_eq!(inspected.map(|role| text(&role["name"])).collect::<BTreeSet<_>>(), delegated);

        let mut notary = BTreeSet::new();
        for role in std::iter::once("targets").chain(delegated.iter().map(String::as_str)) {
            let listed = self.notary(&format!("list WEB --roles {role}")).passes();
            // A role's subtree is listed too, as far as the role itself does not list the tag.
            let rows = table(&listed).filter(|row| row[3] == role);
            notary.extend(rows.map(|row| (role.to_owned(), row[0].to_owned(), format!("sha256:{}", row[1]))));
        }
        assert_eq!(tagseal, notary, "tagseal and notary list the same");
        notary
    }

    /// That is signed, and nothing else: (role, tag), each with the digest that is named after the tag.
    #[track_caller]
    pub fn shows(&self, expected: &[(&str, &str)]) {
        assert_eq!(self.lists(), rows(expected));
    }

    /// The keys that `notary key list` shows, and `tagseal trust key list` too: role, repository, ID.
    #[track_caller]
    pub fn keys(&self) -> BTreeSet<(String, String, String)> {
        let shown = self.notary("key list").passes();
        // A key of no repository has nothing in its second column.
        let row = |row: Vec<&str>| match row.as_slice() {
            [role, id, _] => (role.to_string(), String::new(), id.to_string()),
            [role, gun, id, _] => (role.to_string(), gun.to_string(), id.to_string()),
            row => panic!("notary key list: {row:?}"),
        };
        let notary: BTreeSet<_> = table(&shown).map(row).collect();
        let listed: Value = serde_json::from_str(&self.tagseal("key list -o json").passes()).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = listed.as_array().expect("keys").iter();
        let tagseal: BTreeSet<_> =
            listed.map(|key| (text(&key["role"]), text(&key["repository"]), text(&key["keyID"]))).collect();
        // notary's column is 25 characters wide.
        let shortened = |gun: &str| match gun.len() {
            ..=25 => gun.to_owned(),
            length => format!("...{}", &gun[length - 22..]),
        };
        let as_shown: BTreeSet<_> =
            tagseal.iter().map(|(role, gun, id)| (role.clone(), shortened(gun), id.clone())).collect();
        assert_eq!(as_shown, notary);
        tagseal
    }

    /// The keys of a role, or of a signer.
    #[track_caller]
    pub fn keys_of(&self, role: &str) -> Vec<String> {
        self.keys().into_iter().filter(|(of, _, _)| of == role).map(|(_, _, id)| id).collect()
    }
}

/// Rows as [`Desk::lists`] has them: each tag with the digest that is named after it.
pub fn rows(expected: &[(&str, &str)]) -> BTreeSet<Row> {
    let row = |&(role, tag): &(&str, &str)| (role.to_owned(), tag.to_owned(), digest_of(tag));
    expected.iter().map(row).collect()
}

/// The rows of one of `notary`'s tables.
fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with("---")).skip(1);
    rows.map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty())
}

impl Said {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It did what it was asked; what it printed.
    #[track_caller]
    pub fn passes(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.errors);
        self.out
    }

    /// It says no, or (2) that it cannot; what it said.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.errors);
        assert_eq!(self.out, "");
        self.errors
    }

    /// It printed this, and warned of nothing.
    #[track_caller]
    pub fn prints(self, expected: &str) {
        assert_eq!(self.errors, "");
        assert_eq!(self.passes(), expected);
    }
}

/// A step of a publisher's work, by either program.
impl Desk {
    /// Makes the repository; both with a local snapshot key.
    #[track_caller]
    pub fn init(&self, hand: Hand) {
        match hand {
            Hand::Notary => self.publishes("init WEB"),
            Hand::Tagseal => self.does("init WEB --local-snapshot"),
        }
    }

    /// Signs `tag` in `roles`.
    #[track_caller]
    pub fn sign(&self, hand: Hand, roles: &[&str], tag: &str) {
        let (roles, digest) = (roles.join(","), digest_of(tag));
        match hand {
            Hand::Notary => {
                let hex = digest.trim_start_matches("sha256:");
                self.publishes(&format!("addhash WEB {tag} 528 --sha256 {hex} --roles {roles}"));
            }
            Hand::Tagseal => {
                self.does(&format!("sign WEB:{tag} --digest {digest} --size 528 --roles {roles}"));
            }
        }
    }

    /// Removes `tag` from `roles`.
    #[track_caller]
    pub fn revoke(&self, hand: Hand, roles: &[&str], tag: &str) {
        let roles = roles.join(",");
        match hand {
            Hand::Notary => self.publishes(&format!("remove WEB {tag} --roles {roles}")),
            Hand::Tagseal => self.does(&format!("revoke WEB:{tag} --yes --roles {roles}")),
        }
    }

    /// Delegates `role` to the owners of key files.
    #[track_caller]
    pub fn delegate(&self, hand: Hand, role: &str, files: &[&str], paths: &str) {
        match hand {
            Hand::Notary => {
                let paths = if paths.is_empty() { "--all-paths" } else { &format!("--paths {paths}") };
                self.publishes(&format!("delegation add WEB {role} {} {paths}", files.join(" ")));
            }
            Hand::Tagseal => {
                let keys: String = files.iter().map(|file| format!(" --key {file}")).collect();
                let paths = if paths.is_empty() { "--all-paths" } else { &format!("--paths {paths}") };
                self.does(&format!("delegation add {role} WEB{keys} {paths}"));
            }
        }
    }

    /// Takes one key from `role`.
    #[track_caller]
    pub fn restrict(&self, hand: Hand, role: &str, key_id: &str) {
        match hand {
            Hand::Notary => self.publishes(&format!("delegation remove WEB {role} {key_id} --yes")),
            Hand::Tagseal => self.does(&format!("delegation remove {role} WEB --key {key_id} --yes")),
        }
    }

    /// Delegates `role` no more.
    #[track_caller]
    pub fn undelegate(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => self.publishes(&format!("delegation remove WEB {role} --yes")),
            Hand::Tagseal => self.does(&format!("delegation remove {role} WEB --yes")),
        }
    }

    /// Signs `role` as it is.
    #[track_caller]
    pub fn witness(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => self.publishes(&format!("witness WEB {role}")),
            Hand::Tagseal => self.does(&format!("witness {role} WEB")),
        }
    }

    /// Replaces the key of a base role.
    #[track_caller]
    pub fn rotate(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => drop(self.notary(&format!("key rotate WEB {role}")).passes()),
            Hand::Tagseal => self.does(&format!("rotate {role} WEB")),
        }
    }

    /// Has the server make a new key.
    #[track_caller]
    pub fn hand_over(&self, hand: Hand, role: &str) {
        match hand {
            Hand::Notary => drop(self.notary(&format!("key rotate WEB {role} --server-managed")).passes()),
            Hand::Tagseal => self.does(&format!("rotate {role} --server-managed WEB")),
        }
    }

    /// Drops the repository, here and at the server.
    #[track_caller]
    pub fn delete(&self, hand: Hand) {
        match hand {
            Hand::Notary => drop(self.notary("delete WEB --remote").passes()),
            Hand::Tagseal => self.does("delete WEB --yes"),
        }
    }

    #[track_caller]
    fn publishes(&self, args: &str) {
        self.notary(args).passes();
        self.notary("publish WEB").passes();
    }

    #[track_caller]
    fn does(&self, args: &str) {
        self.tagseal(args).passes();
    }
}

/// Sets a file's permissions.
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

/// A file's permissions.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    set_mode(to, mode(from));
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}
