//! `tagseal serve` with standard error on a pipe that nobody reads, or that is closed.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use super::run::Machine;
use super::serve::{POLICY, localhost, page};
use crate::admission::certificate::Volume;
use crate::admission::review::{Answer, Review, containers};
use crate::admission::server::client;

/// Each is a line of some 3 KiB: together more than waits to be written.
const ADMISSIONS: usize = 2_500;
const LIMIT: Duration = Duration::from_secs(120);

/// Ports that were free a moment ago.
fn free_ports() -> [SocketAddr; 2] {
    let taken = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap())
}

struct Stalled {
    process: Child,
    webhook: SocketAddr,
    metrics: SocketAddr,
    client: Client,
    _certificate: Volume,
}

impl Stalled {
    async fn start(machine: &Machine) -> Self {
        let pair = localhost();
        std::fs::create_dir_all(machine.file("policies")).unwrap();
        std::fs::write(machine.file("policies/production.yaml"), POLICY).unwrap();
        let volume = Volume::new(&pair);
        let [webhook, metrics] = free_ports();
        let mut command: Command = machine.command(&["serve", "--policies", "policies"]);
        command.args(["--listen", &webhook.to_string(), "--metrics-listen", &metrics.to_string()]);
        command.arg("--cert-dir").arg(volume.path(""));
        let process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stalled = Self { process, webhook, metrics, client: client(&pair), _certificate: volume };
        tokio::time::timeout(LIMIT, stalled.is_ready()).await.expect("ready");
        stalled
    }

    async fn is_ready(&self) {
        let ready = format!("https://localhost:{}/readyz", self.webhook.port());
        while !self.client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An admission, which is a line of the log.
    async fn admits(&self, number: usize) {
        let images: Vec<_> =
            (0..8).map(|at| format!("other.example.com/{}/{at}:{number}", "long/".repeat(40))).collect();
        let names: Vec<_> = (0..8).map(|at| format!("c{at}")).collect();
        let sites: Vec<_> = names.iter().map(String::as_str).zip(images.iter().map(String::as_str)).collect();
        let review = Review::pod(containers(&sites)).with("uid", json!(number.to_string()));
        let url = format!("https://localhost:{}/validate", self.webhook.port());
        let sent = self.client.post(url).header("content-type", "application/json").body(review.bytes());
        let answer = Answer::read(&sent.send().await.unwrap().bytes().await.unwrap());
        assert_eq!(answer.annotation("id"), number.to_string());
    }

    async fn dropped(&self) -> u64 {
        page(self.metrics).await.value("tagseal_log_lines_dropped_total").parse().unwrap()
    }

    fn is_asked_to_end(&self) {
        let kill = format!("kill -s TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    async fn exits(&mut self) -> Option<i32> {
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn admissions_until_lines_are_dropped(stalled: &Stalled) {
    use futures::StreamExt as _;
    let admissions = futures::stream::iter(0..ADMISSIONS).map(|number| stalled.admits(number));
    let all = admissions.buffer_unordered(32).collect::<Vec<()>>();
    tokio::time::timeout(LIMIT, all).await.expect("admissions go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a28_a_log_that_nobody_reads_holds_up_nothing_and_says_what_it_lost() {
    let machine = Machine::new();
    let mut stalled = Stalled::start(&machine).await;
    admissions_until_lines_are_dropped(&stalled).await;
    tokio::time::timeout(LIMIT, stalled.is_ready()).await.expect("probes go on");
    let dropped = stalled.dropped().await;
    assert!(dropped > 0, "{dropped}");

    // Somebody reads again.
    let mut pipe = stalled.process.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut log = String::new();
        pipe.read_to_string(&mut log).map(|_| log).unwrap()
    });
    stalled.admits(ADMISSIONS).await;
    tokio::time::timeout(LIMIT, async {
        stalled.is_asked_to_end();
        assert_eq!(stalled.exits().await, Some(0));
    })
    .await
    .expect("it ends");
    let log = log.join().unwrap();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let said: Vec<u64> = lines.iter().filter_map(|line| line["dropped"].as_u64()).collect();
    let said: u64 = said.iter().sum();
    assert!(said >= dropped, "{said} {dropped}");
    let decisions = lines.iter().filter(|line| line["hook"] == "validate").count();
    assert_eq!(decisions as u64 + said, ADMISSIONS as u64 + 1, "each is written or counted");
    assert!(lines.iter().any(|line| line["message"] == "stopped"), "{:?}", lines.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a28_a_log_that_nobody_reads_does_not_keep_it_from_ending() {
    let machine = Machine::new();
    let mut stalled = Stalled::start(&machine).await;
    admissions_until_lines_are_dropped(&stalled).await;
    stalled.is_asked_to_end();
    let ended = tokio::time::timeout(Duration::from_secs(60), stalled.exits()).await;
    assert_eq!(ended.expect("it ends"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a28_a_log_whose_reader_is_gone_stops_nothing() {
    let machine = Machine::new();
    let mut stalled = Stalled::start(&machine).await;
    drop(stalled.process.stderr.take());
    for number in 0..3 {
        stalled.admits(number).await;
    }
    let counted = async {
        while stalled.dropped().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, counted).await.expect("lost lines are counted");
    stalled.is_asked_to_end();
    assert_eq!(tokio::time::timeout(LIMIT, stalled.exits()).await.expect("it ends"), Some(0));
}
