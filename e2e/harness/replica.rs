//! One process of `tagseal serve`: started, asked to end, killed, started again.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::account::{SYSTEM_NAMESPACE, TAGSEAL};
use super::ca::Authority;
use super::control_plane::ControlPlane;
use super::http::{CLIENT, CREDULOUS, answers_with};
use super::manifests::{pod, review};
use super::poll::eventually;
use super::process::Process;
use super::run::{RUN, RUNTIME, tagseal_binary};

/// What the replicas of one installation have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    kubeconfig: PathBuf,
    flags: Vec<String>,
}

impl Settings {
    /// With the account that is installed in `control_plane`, and a certificate that they make themselves.
    pub fn new(control_plane: &ControlPlane, flags: Vec<String>) -> Self {
        Self { kubeconfig: control_plane.kubeconfig(TAGSEAL), flags }
    }

    /// With a certificate of `authority`, which is kept in a folder of `name`.
    pub fn certified(mut self, authority: &Authority, name: &str) -> Self {
        let folder = RUN.folder(&format!("{name}/tls"));
        authority.issue().write(&folder, "tls");
        self.flags.push(format!("--cert-dir={}", folder.display()));
        self
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
        let page = RUNTIME.block_on(async { CLIENT.get(url).send().await?.text().await });
        page.unwrap_or_else(|error| panic!("{} has no metrics: {error}", self.name))
    }

    /// What it logged, over all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("serve.log")).unwrap_or_default()).into_owned()
    }

    /// Starts it again, with what it kept on disk.
    pub fn starts(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let kubeconfig = self.settings.kubeconfig.to_str().expect("UTF-8");
        let listen = format!("127.0.0.1:{}", self.port);
        let metrics = format!("127.0.0.1:{}", self.metrics_port);
        let mut args = vec!["serve", "--listen", &listen, "--metrics-listen", &metrics];
        args.extend(["--namespace", SYSTEM_NAMESPACE, "--cache-dir", "cache", "--kubeconfig", kubeconfig]);
        args.extend(self.settings.flags.iter().map(String::as_str));
        let mut variables = self.variables.clone();
        variables.push(("POD_NAME".to_owned(), self.name.clone()));
        self.process = Some(Process::start_with("serve", &tagseal_binary(), args, &self.dir, &variables));
    }

    /// Waits until it says that it is ready.
    #[track_caller]
    pub fn awaits_ready(&mut self) {
        let process = self.process.as_mut().expect("a running replica");
        eventually(&format!("{} is ready", self.name), Duration::from_secs(30), || {
            process.runs();
            answers_with(&CREDULOUS, &format!("https://127.0.0.1:{}/readyz", self.port))
        });
    }

    /// Asks it to end (SIGTERM), and waits until it has; its exit status.
    pub fn ends(&mut self) -> Option<i32> {
        self.process.take().expect("a running replica").ends()
    }

    /// Kills it (SIGKILL).
    pub fn dies(&mut self) {
        drop(self.process.take().expect("a running replica"));
    }

    /// Kills it (SIGKILL) if it runs.
    pub fn is_stopped(&mut self) {
        self.process = None;
    }

    /// Kills it if it runs, and starts it without what it kept on disk, as a new pod has none.
    pub fn is_started_anew(&mut self) {
        self.is_stopped();
        let _ = fs::remove_dir_all(self.dir.join("cache"));
        self.starts();
    }

    /// Somebody who asks it, past the API server.
    pub fn asker(&self) -> Asker {
        Asker { name: self.name.clone(), port: self.port }
    }

    /// [`Asker::seals`].
    pub fn seals(&self, namespace: &str, image: &str) -> Result<String, String> {
        self.asker().seals(namespace, image)
    }

    /// [`Asker::soon_seals`].
    #[track_caller]
    pub fn soon_seals(&self, namespace: &str, image: &str, sealed: &str) {
        self.asker().soon_seals(namespace, image, sealed);
    }

    /// [`Asker::reviews`].
    pub fn reviews(&self, endpoint: &str, review: &Value) -> Value {
        self.asker().reviews(endpoint, review)
    }
}

/// Asks one replica, past the API server.
#[derive(Debug, Clone)]
pub struct Asker {
    name: String,
    port: u16,
}

impl Asker {
    /// What it makes of `image` in a pod of `namespace`, asked past the API server: the sealed image, or its refusal.
    pub fn seals(&self, namespace: &str, image: &str) -> Result<String, String> {
        let review = review(namespace, &pod("asked", image));
        let response = self.reviews("mutate", &review);
        assert_eq!(response["allowed"], true, "the mutating hook denies nothing: {response}");
        if response["warnings"].is_array() {
            return Err(self.reviews("validate", &review)["status"]["message"].to_string());
        }
        let Some(patch) = response["patch"].as_str() else { return Ok(image.to_owned()) };
        let patch = STANDARD.decode(patch).expect("base64");
        let patch: Value = serde_json::from_slice(&patch).expect("a JSON patch");
        let mut operations = patch.as_array().expect("a list").iter();
        let replaced =
            operations.find(|operation| operation["op"] == "replace").expect("an image is replaced");
        Ok(replaced["value"].as_str().expect("an image").to_owned())
    }

    /// The same, as soon as it answers `sealed`. It is asked for a tag that nobody signed too, so that it looks for news.
    #[track_caller]
    pub fn soon_seals(&self, namespace: &str, image: &str, sealed: &str) {
        eventually(&format!("{} makes {image} {sealed}", self.name), Duration::from_secs(20), || {
            let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
            let news = self.seals(namespace, &format!("{repository}:never-signed"));
            match self.seals(namespace, image) {
                Ok(found) if found == sealed => Ok(()),
                found => Err(format!("{found:?}, {news:?}")),
            }
        });
    }

    /// Asks it for its verdict on a review, past the API server; its `response`.
    pub fn reviews(&self, endpoint: &str, review: &Value) -> Value {
        let url = format!("https://127.0.0.1:{}/{endpoint}?timeout=10s", self.port);
        let answer = RUNTIME.block_on(async {
            let sent =
                CREDULOUS.post(url).header("content-type", "application/json").body(review.to_string());
            sent.send().await?.bytes().await
        });
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut answer: Value = serde_json::from_slice(&answer).expect("an AdmissionReview");
        answer["response"].take()
    }
}
