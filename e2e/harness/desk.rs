//! [`Desk`]: one trust directory, and the programs that publish from it: the real `notary` and `docker`, and `tagseal trust`.

mod listing;
mod steps;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::notary_server::NotaryServer;
use super::process::{command, output_of};
use super::run::{RUN, source_path, tagseal_binary, tool};
use super::suite::suite;

pub use listing::{Row, rows, tags};
pub use steps::{Hand, sign_args};

/// What keys are encrypted with.
pub const PASSPHRASE: &str = "throw-away";

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub errors: String,
}

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

    /// The trust server's address.
    pub fn server(&self) -> &str {
        &self.server
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

    /// Writes `policy.yaml`, a ClusterTrustPolicy of this spec.
    pub fn has_policy(&self, spec: &Value) {
        let policy = json!({
            "apiVersion": "tagseal.dev/v1alpha1",
            "kind": "ClusterTrustPolicy",
            "metadata": {"name": "desk"},
            "spec": spec,
        });
        fs::write(self.dir.join("policy.yaml"), policy.to_string()).expect("a policy");
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

    /// Runs `tagseal …` as somebody who has no trust directory; `WEB` stands for the repository.
    #[track_caller]
    pub fn program(&self, args: &str) -> Said {
        let mut tagseal = self.command(tagseal_binary());
        Said::of(&output_of(tagseal.args(self.words(args)), b""))
    }

    /// `tagseal trust …`, not yet started.
    pub fn tagseal_command(&self, args: &str) -> Command {
        let mut tagseal = self.command(tagseal_binary());
        tagseal.arg("trust").args(self.words(args)).arg("--trust-dir").arg(self.trust_dir());
        tagseal.env("DOCKER_CONTENT_TRUST_SERVER", &self.server);
        // Key commands, and signing without a network, reach no server.
        let is_local = args.starts_with("key ") || args.starts_with("sign-offline ");
        if let Some(authority) = self.authority.as_ref().filter(|_| !is_local) {
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

    /// Runs `docker trust …` on the same trust directory; `WEB` stands for the repository. docker takes servers over TLS alone.
    #[track_caller]
    pub fn docker(&self, args: &str) -> Said {
        let config = self.dir.join("docker");
        let authority = self.authority.as_ref().expect("a server over TLS");
        let host = self.server.trim_start_matches("https://");
        let certificates = config.join("tls").join(host);
        fs::create_dir_all(&certificates).expect("docker's folder");
        fs::copy(authority, certificates.join("ca.crt")).expect("the authority's file");
        fs::create_dir_all(self.trust_dir()).expect("the trust directory");
        let trust = config.join("trust");
        if !trust.exists() {
            std::os::unix::fs::symlink(self.trust_dir(), &trust).expect("a link to the trust directory");
        }
        let mut docker = self.command(tool("docker"));
        docker.arg("trust").args(self.words(args)).env("DOCKER_CONTENT_TRUST_SERVER", &self.server);
        for role in ["ROOT", "REPOSITORY"] {
            docker.env(format!("DOCKER_CONTENT_TRUST_{role}_PASSPHRASE"), PASSPHRASE);
        }
        Said::of(&output_of(&mut docker, b""))
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
