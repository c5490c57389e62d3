//! A user's machine: a home folder of its own, no terminal, and nothing of this process's environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tagseal::clock::SystemClock;
use tagseal::sandbox::server::NotaryServer;
use tempfile::TempDir;

use crate::support::trust_server::TrustServer;

/// The repository of these tests. No registry is asked where digest and size are given.
pub const REPOSITORY: &str = "registry.test/shop/web";

/// A user's machine.
pub struct Machine {
    home: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    command: String,
    output: Output,
}

impl Machine {
    /// An empty one.
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// One whose owner has set the passphrases, and the trust server's address.
    pub fn of_publisher(server: &TrustServer) -> Self {
        Self::new()
            .with("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "root passphrase")
            .with("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "repository passphrase")
            .with("DOCKER_CONTENT_TRUST_SERVER", server.url())
    }

    /// With a variable of the environment.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
        self
    }

    /// The home folder, which is the working folder too.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The command as it will run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())))
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `tagseal` with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended { command: arguments.join(" "), output: self.command(arguments).output().unwrap() }
    }

    /// Runs `tagseal trust` with the words of this line.
    pub fn trust(&self, line: &str) -> Ended {
        self.run(&["trust"].into_iter().chain(line.split(' ')).collect::<Vec<_>>())
    }
}

impl Machine {
    /// Signs a tag of [`REPOSITORY`] with the digest that `content` has.
    pub fn sign(&self, tag: &str, content: &str) {
        self.trust(&format!("sign {REPOSITORY}:{tag} --digest {} --size 500", digest(content))).done();
    }
}

/// A policy for `registry.test` that trusts what comes first, with these fields of its spec besides, or in their place.
pub fn policy(name: &str, server: &str, more: &Value) -> Value {
    let mut spec = json!({
        "images": {"include": ["registry.test/**"]}, "notary": {"server": server}, "firstUse": "Trust",
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    object("ClusterTrustPolicy", name, &spec)
}

/// An object of tagseal's own API.
pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "tagseal.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

impl Ended {
    /// How a command that was run otherwise ended.
    pub fn of(command: &str, output: Output) -> Self {
        Self { command: command.to_owned(), output }
    }

    /// What it printed. It must have done what was asked.
    #[track_caller]
    pub fn done(&self) -> String {
        assert_eq!(
            self.output.status.code(),
            Some(0),
            "{}\n{}{}",
            self.command,
            self.printed(),
            self.errors()
        );
        self.printed()
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.done()).unwrap()
    }

    /// What it said went wrong. It must have ended with this status.
    #[track_caller]
    pub fn failed(&self, status: i32) -> String {
        assert_eq!(
            self.output.status.code(),
            Some(status),
            "{}\n{}{}",
            self.command,
            self.printed(),
            self.errors()
        );
        self.errors()
    }

    /// What went to standard error.
    pub fn errors(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    pub fn printed(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }
}

/// A trust server in memory, on loopback.
pub fn trust_server() -> TrustServer {
    TrustServer::serve(NotaryServer::new(None, std::sync::Arc::new(SystemClock)).unwrap().router())
}

/// A digest like no other.
pub fn digest(of: &str) -> String {
    tagseal::digest::Digest::of(of.as_bytes()).to_string()
}
