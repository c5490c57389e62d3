//! [`Process`]: a running `tagseal serve`, its memory, and a bystander who goes on creating pods.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::raw::Raw;
use crate::admission::certificate::{Pair, Volume};
use crate::admission::review::{Answer, Review, containers};
use crate::admission::server::client;
use crate::cli::run::{Machine, policy};
use crate::cli::serve::localhost;
use crate::support::random::is_soak;
use crate::support::served::Served;

/// Memory beyond what the process holds at rest.
const MORE: u64 = 256 << 20;
/// The same, once it is over.
const KEPT: u64 = 64 << 20;
/// How soon that has to be so.
const GIVEN_BACK: Duration = Duration::from_secs(60);
/// The chart's limit.
const CHART: u64 = 512 << 20;
/// A bystander's slowest admission on a machine that runs the whole suite at the same time.
const SLOWEST: Duration = Duration::from_secs(5);
/// So many times its own quiet p99, where nothing else runs.
const SLOWER: u32 = 5;
/// Admissions of a bystander that make a p99.
const ADMISSIONS: usize = 200;
/// Admissions after which a process is at rest, where nobody compares a p99.
const WARM: usize = 20;

/// How soon an image is decided on, by a debug build on a machine that does other things too.
const DECIDED: Duration = Duration::from_secs(120);

/// So many processes at once, as each takes memory. Where time is measured, one has the machine for itself.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(if is_soak() { 1 } else { 2 }));

/// A running process; it is killed when dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    pair: Pair,
    client: Client,
    _served: Served,
    machine: Machine,
    _volume: Volume,
    _turn: SemaphorePermit<'static>,
}

impl Process {
    /// Serves by these policies, and by the bystander's.
    pub fn start(policies: &[Value]) -> Self {
        Self::with(&[], policies)
    }

    /// The same with these options.
    pub fn with(options: &[&str], policies: &[Value]) -> Self {
        let turn = runtime().block_on(TURNS.acquire()).unwrap();
        let (machine, pair) = (Machine::new(), localhost());
        let served = Served::new(&[("web", "registry.test/neighbour/web", &["1"])]);
        let include = serde_json::json!({"include": ["registry.test/neighbour/**"]});
        let neighbour = policy("neighbour", served.url(), &serde_json::json!({"images": include}));
        fs::create_dir_all(machine.file("policies")).unwrap();
        for (number, policy) in policies.iter().chain([&neighbour]).enumerate() {
            fs::write(machine.file(&policy_file(number)), policy.to_string()).unwrap();
        }
        let volume = Volume::new(&pair);
        let mut command = machine.command(&["serve", "--listen", "127.0.0.1:0", "--policies", "policies"]);
        command.args(["--metrics-listen", "none", "--cert-dir"]).arg(volume.path("")).args(options);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it served: {said}");
            said += &line;
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if line["message"] == "serving" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // The log is read to its end, so that nobody waits for whom it concerns not.
        std::thread::spawn(move || drop(log.read_to_end(&mut Vec::new())));
        let client = client(&pair);
        Self { child, address, pair, client, _served: served, machine, _volume: volume, _turn: turn }
    }

    /// Plays an attack, with what is bounded looked at before, meanwhile and afterwards.
    pub fn attacked(&self, attack: impl AsyncFnOnce(&Self)) {
        runtime().block_on(async {
            let enough = if is_soak() { ADMISSIONS } else { WARM };
            let quiet = self.admissions(|made| made >= enough).await;
            let rest = self.memory("VmRSS");
            fs::write(self.proc("clear_refs"), "5").unwrap();
            let is_over = Arc::new(AtomicBool::new(false));
            let meanwhile = self.admissions(|_| is_over.load(Ordering::Acquire));
            let attacked = async {
                attack(self).await;
                is_over.store(true, Ordering::Release);
            };
            let ((), meanwhile) = tokio::join!(attacked, meanwhile);
            let peak = self.memory("VmHWM");
            println!(
                "at rest {}, at most {}; p99 {quiet:?}, meanwhile {meanwhile:?}",
                mebibytes(rest),
                mebibytes(peak)
            );
            assert!(
                peak <= (rest + MORE).min(CHART),
                "at rest {}, at most {}",
                mebibytes(rest),
                mebibytes(peak)
            );
            let bound = if is_soak() { quiet * SLOWER } else { SLOWEST };
            assert!(meanwhile <= bound, "p99 {meanwhile:?}, {quiet:?} when it is quiet");
            self.gives_back(rest).await;
        });
    }

    /// At rest it takes no more than this, in MiB.
    pub fn holds_at_most(&self, most: u64) {
        let holds = self.memory("VmRSS");
        println!("at rest {}", mebibytes(holds));
        assert!(holds <= most << 20, "at rest {}", mebibytes(holds));
    }

    async fn gives_back(&self, rest: u64) {
        let begun = Instant::now();
        loop {
            let now = self.memory("VmRSS");
            if now <= rest + KEPT {
                println!("{} after {:?}", mebibytes(now), begun.elapsed());
                return;
            }
            // As kubelet does: the allocator gives back in passing.
            self.client.get(self.url("/readyz")).send().await.unwrap();
            assert!(
                begun.elapsed() < GIVEN_BACK,
                "at rest {}, afterwards {}",
                mebibytes(rest),
                mebibytes(now)
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Creates pods of a signed image until `enough`; says how long 99 of 100 of them took at most. Probes are answered.
    async fn admissions(&self, enough: impl Fn(usize) -> bool) -> Duration {
        let pod = Review::pod(containers(&[("web", "registry.test/neighbour/web:1")]));
        let pod = Bytes::from(pod.bytes());
        let mut took = Vec::new();
        while took.is_empty() || !enough(took.len()) {
            let begun = Instant::now();
            let (status, body) = self.post("/mutate", pod.clone()).await;
            took.push(begun.elapsed());
            assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
            let answer = Answer::read(&body);
            assert_eq!(answer.annotation("decision"), "Sealed", "{}", String::from_utf8_lossy(&body));
            for probe in ["/readyz", "/healthz"] {
                assert_eq!(self.client.get(self.url(probe)).send().await.unwrap().status(), StatusCode::OK);
            }
        }
        took.sort();
        took[(took.len() * 99 / 100).min(took.len() - 1)]
    }

    /// Posts a review as an API server does, on a connection that is there.
    pub async fn post(&self, path: &str, body: Bytes) -> (StatusCode, Bytes) {
        self.post_within("10s", path, body).await
    }

    async fn post_within(&self, timeout: &str, path: &str, body: Bytes) -> (StatusCode, Bytes) {
        let request = self.client.post(self.url(&format!("{path}?timeout={timeout}")));
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    }

    /// What the validating hook says of a pod of this image in this namespace: `REASON: MESSAGE`, or `Admitted`.
    pub async fn said(&self, namespace: &str, image: &str) -> String {
        self.said_within("10s", namespace, image).await
    }

    async fn said_within(&self, timeout: &str, namespace: &str, image: &str) -> String {
        let pod = Review::pod(containers(&[("web", image)])).with("namespace", namespace.into());
        let (status, body) = self.post_within(timeout, "/validate", pod.bytes().into()).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let answer = Answer::read(&body);
        match answer.is_allowed() {
            true => "Admitted".to_owned(),
            false => format!("{}: {}", answer.annotation("reason"), answer.denial()),
        }
    }

    /// The same, from whoever waits for as long as an API server may, and tries again as long as nothing was learned in time.
    pub async fn decided(&self, image: &str) -> String {
        self.decided_in("default", image).await
    }

    /// As [`Self::decided`], in this namespace.
    pub async fn decided_in(&self, namespace: &str, image: &str) -> String {
        let begun = Instant::now();
        loop {
            let said = self.said_within("30s", namespace, image).await;
            if !["DeadlineExceeded: ", "TrustServerUnreachable: "]
                .iter()
                .any(|reason| said.starts_with(reason))
            {
                return said;
            }
            assert!(begun.elapsed() < DECIDED, "{said}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Takes away the policy with this number of those that it was started with.
    pub fn forget_policy(&self, number: usize) {
        fs::remove_file(self.machine.file(&policy_file(number))).unwrap();
    }

    /// A connection of its own.
    pub async fn connect(&self) -> Raw {
        Raw::connect(self.address, &self.pair).await
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    /// Bytes of resident memory: `VmRSS`, or at most so far: `VmHWM`.
    fn memory(&self, which: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn policy_file(number: usize) -> String {
    format!("policies/{number:04}.yaml")
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
