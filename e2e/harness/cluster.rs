//! kubectl, in sentences.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::process::{command, output_of};
use super::run::tool;

/// The cluster as one user sees it in one namespace.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    namespace: String,
}

/// What kubectl said.
#[derive(Debug)]
pub struct Answer {
    /// Whether it exited with 0.
    pub passed: bool,
    /// Its standard output.
    pub output: String,
    /// Its standard error: warnings, and why it failed.
    pub errors: String,
}

impl Cluster {
    pub(super) fn new(kubeconfig: &Path, audit_log: &Path) -> Self {
        let (kubeconfig, audit_log) = (kubeconfig.to_owned(), audit_log.to_owned());
        Self { kubeconfig, audit_log, namespace: "default".to_owned() }
    }

    /// The same in another namespace.
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs kubectl.
    pub fn kubectl(&self, args: &[&str]) -> Answer {
        self.kubectl_with(args, b"")
    }

    /// Runs kubectl with a standard input.
    pub fn kubectl_with(&self, args: &[&str], input: &[u8]) -> Answer {
        let mut kubectl = command(tool("kubectl"));
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(["--namespace", &self.namespace]);
        // Discovery that is kept from one call to the next saves a dozen requests each.
        kubectl.arg("--cache-dir").arg(self.kubeconfig.with_extension("cache"));
        Answer::from(output_of(kubectl.args(args), input))
    }

    /// Runs kubectl, which must pass; answers its output.
    #[track_caller]
    pub fn does(&self, args: &[&str]) -> String {
        self.kubectl(args).must_pass(args)
    }

    /// `kubectl apply`, which must pass.
    #[track_caller]
    pub fn applies(&self, manifest: &Value) -> Answer {
        let answer = self.kubectl_with(&["apply", "-f", "-"], manifest.to_string().as_bytes());
        assert!(answer.passed, "kubectl apply: {}\n{manifest:#}", answer.errors);
        answer
    }

    /// `kubectl create`, whatever comes of it.
    pub fn creates(&self, manifest: &Value) -> Answer {
        self.kubectl_with(&["create", "-o", "json", "-f", "-"], manifest.to_string().as_bytes())
    }

    /// `kubectl create --dry-run=server`, whatever comes of it.
    pub fn tries(&self, manifest: &Value) -> Answer {
        let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        self.kubectl_with(&args, manifest.to_string().as_bytes())
    }

    /// The object `kind/name`.
    #[track_caller]
    pub fn gets(&self, object: &str) -> Value {
        let output = self.does(&["get", object, "-o", "json"]);
        serde_json::from_str(&output).expect("JSON")
    }

    /// The audit events whose annotations mention `text`, in this namespace.
    pub fn audit_events(&self, text: &str) -> Vec<Value> {
        let log = fs::read_to_string(&self.audit_log).unwrap_or_default();
        // The last line may be half written.
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let here = events.filter(|event| event["objectRef"]["namespace"] == self.namespace.as_str());
        here.filter(|event| event["annotations"].to_string().contains(text)).collect()
    }
}

impl Answer {
    /// Both outputs.
    pub fn text(&self) -> String {
        format!("{}{}", self.output, self.errors)
    }

    /// The object that it wrote.
    #[track_caller]
    pub fn object(&self) -> Value {
        assert!(self.passed, "kubectl: {}", self.errors);
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {}", self.output))
    }

    #[track_caller]
    fn must_pass(self, args: &[&str]) -> String {
        assert!(self.passed, "kubectl {}: {}", args.join(" "), self.errors);
        self.output
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { passed: output.status.success(), output: text(&output.stdout), errors: text(&output.stderr) }
    }
}
