//! `tagseal verify`, asked for every case that the webhook decides.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::process::{command, output_of};
use super::run::tagseal_binary;

/// The labels of a namespace.
type Labels = [(String, String)];

/// A user with `tagseal verify`, a cache and perhaps a docker configuration.
#[derive(Debug)]
pub struct Verifier {
    dir: PathBuf,
    flags: Vec<String>,
}

/// What it said of one image.
#[derive(Debug)]
pub struct Verdict {
    /// The process's exit code, which is that of all images together.
    pub code: Option<i32>,
    /// The image's element of the JSON array.
    pub answer: Value,
}

impl Verifier {
    /// Keeps what it remembers in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), flags: Vec::new() }
    }

    /// The same, always with `flags`.
    pub fn with_flags(self, flags: Vec<String>) -> Self {
        Self { flags, ..self }
    }

    /// Writes `~/.docker/config.json`.
    pub fn logs_in(&self, docker_config: &Value) {
        let path = self.dir.join("config.json");
        std::fs::write(path, docker_config.to_string()).expect("docker's configuration");
    }

    /// Verifies `image` as a pod in `namespace` would be.
    #[track_caller]
    pub fn asks(&self, image: &str, policies: &[PathBuf], namespace: &str, labels: &Labels) -> Verdict {
        let output = self.by_files(&[image, "-o", "json"], "", policies, namespace, labels);
        let answers = output.json();
        Verdict { code: output.code, answer: answers[0].clone() }
    }

    /// Verifies the images of `manifest` as if it was created in `namespace`: one verdict for each site.
    #[track_caller]
    pub fn asks_of(
        &self,
        manifest: &str,
        policies: &[PathBuf],
        namespace: &str,
        labels: &Labels,
    ) -> Vec<Verdict> {
        self.by_files(&["-f", "-", "-o", "json"], manifest, policies, namespace, labels).verdicts()
    }

    /// The same by the policies, and what it remembers, of a cluster.
    #[track_caller]
    pub fn asks_of_by(&self, kubeconfig: &Path, manifest: &str, namespace: &str) -> Vec<Verdict> {
        let mut verify = self.command(&["-f", "-", "-o", "json"], namespace);
        verify.arg("--from-cluster").arg("--kubeconfig").arg(kubeconfig);
        Ran::of(verify, manifest).verdicts()
    }

    /// The report on `manifest` in another form.
    pub fn reports(&self, manifest: &str, form: &str, policies: &[PathBuf], namespace: &str) -> String {
        self.by_files(&["-f", "-", "-o", form], manifest, policies, namespace, &[]).printed
    }

    fn by_files(
        &self,
        arguments: &[&str],
        input: &str,
        policies: &[PathBuf],
        namespace: &str,
        labels: &Labels,
    ) -> Ran {
        let mut verify = self.command(arguments, namespace);
        for (key, value) in labels {
            verify.args(["--namespace-label", &format!("{key}={value}")]);
        }
        // What the cluster remembers of a repository is remembered here too: what was current before counts.
        verify.arg("--cache-dir").arg(self.dir.join("cache")).arg("--state-dir").arg(self.dir.join("state"));
        for policy in policies {
            verify.arg("--policy").arg(policy);
        }
        Ran::of(verify, input)
    }

    fn command(&self, arguments: &[&str], namespace: &str) -> Command {
        let mut verify = command(tagseal_binary());
        verify.arg("verify").args(arguments).args(["--namespace", namespace]).args(&self.flags);
        verify.env("DOCKER_CONFIG", &self.dir).env("HOME", &self.dir);
        verify
    }
}

/// How the command ended.
struct Ran {
    command: String,
    code: Option<i32>,
    printed: String,
    errors: String,
}

impl Ran {
    fn of(mut command: Command, input: &str) -> Self {
        let output = output_of(&mut command, input.as_bytes());
        Self {
            command: format!("{command:?}"),
            code: output.status.code(),
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    fn verdicts(&self) -> Vec<Verdict> {
        let answers = self.json();
        let answers = answers.as_array().expect("an array");
        answers.iter().map(|answer| Verdict { code: self.code, answer: answer.clone() }).collect()
    }

    #[track_caller]
    fn json(&self) -> Value {
        let Self { command, code, printed, errors } = self;
        let parsed = serde_json::from_str(printed);
        parsed.unwrap_or_else(|error| panic!("{command}: {code:?}: {error}\n{printed}{errors}"))
    }
}

impl Verdict {
    /// `Err` unless the image passed and `sealed` is what it would become.
    pub fn is_sealed_as(&self, sealed: &str) -> Result<(), String> {
        let same =
            self.code == Some(0) && self.answer["verdict"] == "Sealed" && self.answer["sealed"] == sealed;
        if same { Ok(()) } else { Err(format!("tagseal verify: expected {sealed}, got {self:?}")) }
    }

    /// Whether this image was refused, whatever came of others.
    pub fn refuses(&self) -> bool {
        self.answer["verdict"] == "Denied" || self.answer["verdict"] == "Unavailable"
    }

    /// `Err` unless the image was refused with `reason`.
    pub fn is_refused(&self, reason: &str) -> Result<(), String> {
        let code = match self.answer["verdict"].as_str() {
            Some("Denied") => Some(1),
            Some("Unavailable") => Some(2),
            _ => None,
        };
        let same = code.is_some() && self.code == code && self.answer["reason"] == reason;
        if same { Ok(()) } else { Err(format!("tagseal verify: expected {reason}, got {self:?}")) }
    }

    /// `Err` unless nothing stands against the image.
    pub fn passes(&self) -> Result<(), String> {
        if self.code == Some(0) {
            Ok(())
        } else {
            Err(format!("tagseal verify: expected exit 0, got {self:?}"))
        }
    }
}
