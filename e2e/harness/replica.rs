//! One process of `tagseal serve`: started, asked to end, killed, started again.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::account::{SYSTEM_NAMESPACE, TAGSEAL};
use super::ca::Authority;
use super::control_plane::ControlPlane;
use super::http::answers_with;
use super::notary_server::client;
use super::poll::eventually;
use super::process::Process;
use super::run::{RUN, RUNTIME, tagseal_binary};

/// What the replicas of one installation have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    kubeconfig: PathBuf,
    authority: String,
    certificate: PathBuf,
    key: PathBuf,
    flags: Vec<String>,
}

impl Settings {
    /// With the account that is installed in `control_plane`, and a certificate that is kept in a folder `name`.
    pub fn new(control_plane: &ControlPlane, name: &str, flags: Vec<String>) -> Self {
        let authority = Authority::new("tagseal e2e");
        let (certificate, key) = authority.issue().write(&RUN.folder(name), "webhook");
        let kubeconfig = control_plane.kubeconfig(TAGSEAL);
        Self { kubeconfig, authority: authority.pem().to_owned(), certificate, key, flags }
    }

    /// The authority of the serving certificate.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// One process, with a folder of its own.
pub struct Replica {
    name: String,
    dir: PathBuf,
    port: u16,
    metrics_port: u16,
    settings: Settings,
    variables: Vec<(String, String)>,
    process: Option<Process>,
}

impl Replica {
    /// Starts one, and does not wait for it.
    pub fn start(name: &str, settings: &Settings) -> Self {
        Self::start_with(name, settings, &[])
    }

    /// The same with these environment variables.
    pub fn start_with(name: &str, settings: &Settings, variables: &[(String, String)]) -> Self {
        let mut replica = Self {
            name: name.to_owned(),
            dir: RUN.folder(name),
            port: RUN.free_port(),
            metrics_port: RUN.free_port(),
            settings: settings.clone(),
            variables: variables.to_vec(),
            process: None,
        };
        replica.starts();
        replica
    }

    /// Its name, which is its pod's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its metrics, as Prometheus scrapes them.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics_port);
        let page = RUNTIME.block_on(async { client(None).get(url).send().await?.text().await });
        page.unwrap_or_else(|error| panic!("{} has no metrics: {error}", self.name))
    }

    /// What it logged, over all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("serve.log")).unwrap_or_default()).into_owned()
    }

    /// Starts it again, with what it kept on disk.
    pub fn starts(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let listen = format!("127.0.0.1:{}", self.port);
        let metrics = format!("127.0.0.1:{}", self.metrics_port);
        let mut args = vec!["serve", "--listen", &listen, "--metrics-listen", &metrics];
        args.extend(["--namespace", SYSTEM_NAMESPACE]);
        args.extend(["--cache-dir", "cache", "--state-dir", "state"]);
        let Settings { kubeconfig, certificate, key, flags, .. } = &self.settings;
        for (flag, path) in [("--kubeconfig", kubeconfig), ("--tls-cert", certificate), ("--tls-key", key)] {
            args.extend([flag, path.to_str().expect("UTF-8")]);
        }
        args.extend(flags.iter().map(String::as_str));
        let mut variables = self.variables.clone();
        variables.push(("POD_NAME".to_owned(), self.name.clone()));
        self.process = Some(Process::start_with("serve", &tagseal_binary(), args, &self.dir, &variables));
    }

    /// Waits until it says that it is ready.
    #[track_caller]
    pub fn awaits_ready(&mut self) {
        let client = client(Some(&self.settings.authority));
        let process = self.process.as_mut().expect("a running replica");
        eventually(&format!("{} is ready", self.name), Duration::from_secs(30), || {
            process.runs();
            answers_with(&client, &format!("https://127.0.0.1:{}/readyz", self.port))
        });
    }

    /// Asks it to end (SIGTERM), and waits until it has; its exit status.
    pub fn ends(&mut self) -> Option<i32> {
        self.process.take().expect("a running replica").ends()
    }

    /// Asks it to end (SIGTERM).
    pub fn is_asked_to_end(&self) {
        self.process.as_ref().expect("a running replica").is_asked_to_end();
    }

    /// Kills it (SIGKILL).
    pub fn dies(&mut self) {
        drop(self.process.take().expect("a running replica"));
    }

    /// Deletes its cache, as a new pod has none.
    pub fn loses_its_disk(&self) {
        assert!(self.process.is_none(), "{} still runs", self.name);
        for folder in ["cache", "state"] {
            let _ = fs::remove_dir_all(self.dir.join(folder));
        }
    }

    /// Asks it for its verdict on a review, past the API server; its `response`.
    pub fn reviews(&self, endpoint: &str, review: &Value) -> Value {
        let client = client(Some(&self.settings.authority));
        let url = format!("https://127.0.0.1:{}/{endpoint}?timeout=10s", self.port);
        let answer = RUNTIME.block_on(async {
            let sent = client.post(url).header("content-type", "application/json").body(review.to_string());
            sent.send().await?.bytes().await
        });
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut answer: Value = serde_json::from_slice(&answer).expect("an AdmissionReview");
        answer["response"].take()
    }
}
