//! kubectl, in sentences.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::poll::eventually;
use super::process::{command, output_of};
use super::run::tool;
use super::second_judge::{Because, SecondJudge};

/// What an API server says that has not read a policy's parameters yet.
const POLICY_NOT_READY: &str = "not yet synced to use for admission";

/// The cluster as one user sees it in one namespace.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    namespace: String,
    /// Must agree about every object with images that is sent.
    judge: Option<Arc<SecondJudge>>,
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
        Self { kubeconfig, audit_log, namespace: "default".to_owned(), judge: None }
    }

    /// The same, with a second judge.
    pub(super) fn judged_too(&self, judge: &Arc<SecondJudge>) -> Self {
        Self { judge: Some(Arc::clone(judge)), ..self.clone() }
    }

    /// The same, without the second judge, for what it cannot know.
    pub fn alone(&self, _why: Because) -> Self {
        Self { judge: None, ..self.clone() }
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

    /// The labels of the namespace.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let namespace = self.gets(&format!("namespace/{}", self.namespace));
        let labels = namespace["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        let text = |value: Value| value.as_str().expect("a label").to_owned();
        labels.into_iter().map(|(key, value)| (key, text(value))).collect()
    }

    /// Runs kubectl.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> Answer {
        self.kubectl_with(args, b"")
    }

    /// Runs kubectl with a standard input. Where images are in it, `tagseal verify -f` must say the same of each of them.
    #[track_caller]
    pub fn kubectl_with(&self, args: &[&str], input: &[u8]) -> Answer {
        let answer = self.unjudged(args, input);
        if let Some(judge) = &self.judge {
            judge.agrees(self, args, input, &answer);
        }
        answer
    }

    /// Runs kubectl, and that is all.
    ///
    /// An API server that has just learned of a policy refuses what the policy is about until it has read the policy's
    /// parameters. It says so, decides nothing, and is asked again, as a user would.
    #[track_caller]
    pub(super) fn unjudged(&self, args: &[&str], input: &[u8]) -> Answer {
        let mut kubectl = command(tool("kubectl"));
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(["--namespace", &self.namespace]);
        // Discovery that is kept from one call to the next saves a dozen requests each.
        kubectl.arg("--cache-dir").arg(self.kubeconfig.with_extension("cache"));
        kubectl.args(args);
        eventually("the API server has read its policies' parameters", Duration::from_secs(60), || {
            let answer = Answer::from(output_of(&mut kubectl, input));
            if answer.errors.contains(POLICY_NOT_READY) { Err(answer.errors) } else { Ok(answer) }
        })
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
    #[track_caller]
    pub fn creates(&self, manifest: &Value) -> Answer {
        self.kubectl_with(&["create", "-o", "json", "-f", "-"], manifest.to_string().as_bytes())
    }

    /// `kubectl create --dry-run=server`, whatever comes of it.
    #[track_caller]
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
