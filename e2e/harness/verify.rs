//! `tagseal verify`, asked for every case that the webhook decides.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::process::{command, output_of};
use super::run::tagseal_binary;

/// A user with `tagseal verify`, a cache and perhaps a docker configuration.
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
    pub fn asks(&self, image: &str, policies: &[PathBuf], namespace: &str) -> Verdict {
        let output = self.runs(&[image, "-o", "json"], b"", policies, namespace);
        let answers = output.json();
        Verdict { code: output.code, answer: answers[0].clone() }
    }

    /// Verifies the images of `manifest` as if it was created in `namespace`: one verdict for each site.
    #[track_caller]
    pub fn asks_of(&self, manifest: &Value, policies: &[PathBuf], namespace: &str) -> Vec<Verdict> {
        let text = manifest.to_string();
        let output = self.runs(&["-f", "-", "-o", "json"], text.as_bytes(), policies, namespace);
        let answers = output.json();
        let answers = answers.as_array().expect("an array");
        answers.iter().map(|answer| Verdict { code: output.code, answer: answer.clone() }).collect()
    }

    /// The report on `manifest` in another form.
    pub fn reports(&self, manifest: &Value, form: &str, policies: &[PathBuf], namespace: &str) -> String {
        let text = manifest.to_string();
        self.runs(&["-f", "-", "-o", form], text.as_bytes(), policies, namespace).printed
    }

    fn runs(&self, arguments: &[&str], input: &[u8], policies: &[PathBuf], namespace: &str) -> Ran {
        let mut verify = command(tagseal_binary());
        verify.arg("verify").args(arguments).args(["--namespace", namespace]);
        // The label that every namespace has.
        verify.args(["--namespace-label", &format!("kubernetes.io/metadata.name={namespace}")]);
        // What the cluster remembers of a repository is remembered here too: what was current before counts.
        verify.arg("--cache-dir").arg(self.dir.join("cache")).arg("--state-dir").arg(self.dir.join("state"));
        verify.args(&self.flags);
        for policy in policies {
            verify.arg("--policy").arg(policy);
        }
        verify.env("DOCKER_CONFIG", &self.dir).env("HOME", &self.dir);
        let output = output_of(&mut verify, input);
        Ran {
            command: format!("tagseal verify {}", arguments.join(" ")),
            code: output.status.code(),
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
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
