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
    /// The process's exit code.
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
        let mut verify = command(tagseal_binary());
        verify.args(["verify", image, "-o", "json", "--namespace", namespace]);
        // The label that every namespace has.
        verify.args(["--namespace-label", &format!("kubernetes.io/metadata.name={namespace}")]);
        // What the cluster remembers of a repository is remembered here too: what was current before counts.
        verify.arg("--cache-dir").arg(self.dir.join("cache")).arg("--state-dir").arg(self.dir.join("state"));
        verify.args(&self.flags);
        for policy in policies {
            verify.arg("--policy").arg(policy);
        }
        verify.env("DOCKER_CONFIG", &self.dir).env("HOME", &self.dir);
        let output = output_of(&mut verify, b"");
        let text = String::from_utf8_lossy(&output.stdout);
        let answers: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("tagseal verify {image}: {}: {error}\n{text}{errors}", output.status)
        });
        Verdict { code: output.status.code(), answer: answers[0].clone() }
    }
}

impl Verdict {
    /// `Err` unless the image passed and `sealed` is what it would become.
    pub fn is_sealed_as(&self, sealed: &str) -> Result<(), String> {
        let same =
            self.code == Some(0) && self.answer["verdict"] == "Sealed" && self.answer["sealed"] == sealed;
        if same { Ok(()) } else { Err(format!("tagseal verify: expected {sealed}, got {self:?}")) }
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
