//! `tagseal serve` as one process, without a cluster: what it answers, counts and logs.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use super::run::Machine;
use crate::admission::certificate::{Pair, Volume, pair_valid};
use crate::admission::review::{Answer, Review, containers};
use crate::admission::server::client;
use crate::support::{Page, days};

const IMAGE: &str = "registry.example.com/shop/web:1.4";

/// A policy whose trust server is nowhere.
pub(super) const POLICY: &str = r#"
apiVersion: tagseal.dev/v1alpha1
kind: ClusterTrustPolicy
metadata: {name: production}
spec:
  images: {include: ["registry.example.com/shop/**"]}
  notary: {server: "http://127.0.0.1:1"}
  roots: [{keyID: "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"}]
"#;

/// A running `tagseal serve`; it is killed when dropped.
struct Serving {
    process: Child,
    log: BufReader<ChildStderr>,
    _certificate: Volume,
}

impl Serving {
    fn start(machine: &Machine, pair: &Pair, metrics: &str) -> Self {
        std::fs::create_dir_all(machine.file("policies")).unwrap();
        std::fs::write(machine.file("policies/production.yaml"), POLICY).unwrap();
        let volume = Volume::new(pair);
        let mut command: Command =
            machine.command(&["serve", "--listen", "127.0.0.1:0", "--policies", "policies"]);
        command.args(["--metrics-listen", metrics, "--cert-dir"]).arg(volume.path(""));
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        Self { process, log, _certificate: volume }
    }

    /// The next line of the log that has this message.
    fn says(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it said nothing of the kind:\n{all}");
            match serde_json::from_str(&line) {
                Ok(line) if fits(&line) => return line,
                _ => all.push_str(&line),
            }
        }
    }

    fn address(&mut self, message: &str) -> SocketAddr {
        self.says(|line| line["message"] == message)["address"].as_str().unwrap().parse().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn localhost() -> Pair {
    let now = SystemClock.now();
    pair_valid(&["localhost"], now - days(1), now + days(1))
}

pub(super) async fn page(address: SocketAddr) -> Page {
    let page =
        Client::builder().no_proxy().build().unwrap().get(format!("http://{address}/metrics")).send().await;
    Page::read(&page.unwrap().text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_found_in_the_metrics_and_by_its_id_in_the_log() {
    let (machine, pair) = (Machine::new(), localhost());
    let client = client(&pair);
    let mut serving = Serving::start(&machine, &pair, "127.0.0.1:0");
    let metrics = serving.address("serving metrics");
    let port = serving.address("serving").port();
    let ready = r#"tagseal_policies{kind="ClusterTrustPolicy",state="ready"}"#;
    let before = loop {
        let page = page(metrics).await;
        // Policies are looked at beside all else.
        if page.value(ready) == "1" {
            break page;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(
        before.value(&format!("tagseal_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))),
        "1"
    );

    let review = Review::pod(containers(&[("web", IMAGE)])).with("uid", json!("9b1c"));
    let sent =
        client.post(format!("https://localhost:{port}/validate")).header("content-type", "application/json");
    let answer = Answer::read(&sent.body(review.bytes()).send().await.unwrap().bytes().await.unwrap());
    assert!(answer.denial().contains("TrustServerUnreachable"), "{}", answer.denial());

    assert_eq!(answer.annotation("id"), "9b1c");
    let line = serving.says(|line| line["id"] == "9b1c");
    let fields =
        ["decision", "reason", "policy", "image"].map(|field| line[field].as_str().unwrap().to_owned());
    assert_eq!(fields, ["Denied", "TrustServerUnreachable", "ClusterTrustPolicy production", IMAGE]);

    let after = page(metrics).await;
    let denied =
        r#"{endpoint="validate",decision="Denied",reason="TrustServerUnreachable",policy="production"} 1"#;
    assert_eq!(after.counted("tagseal_decisions_total"), [denied]);
    let asked = r#"tagseal_trust_server_requests_total{server="http://127.0.0.1:1",result="connect"}"#;
    assert!(after.value(asked).parse::<u64>().unwrap() > 0);
    let took = after.counted("tagseal_admission_duration_seconds_count");
    assert_eq!(took, [r#"{endpoint="validate",outcome="denied"} 1"#]);
}

#[test]
fn a_metrics_port_that_is_taken_is_named_at_the_start_and_none_takes_none() {
    let (machine, pair) = (Machine::new(), localhost());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut serving = Serving::start(&machine, &pair, &address);
    assert_eq!(serving.process.wait().unwrap().code(), Some(2));
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut serving.log, &mut errors).unwrap();
    let error = format!(
        "tagseal: cannot serve metrics on {address}; name another address with --metrics-listen, or none: Address already in use"
    );
    assert!(errors.contains(&error), "{errors}");

    let mut serving = Serving::start(&machine, &pair, "none");
    serving.says(|line| {
        assert_ne!(line["message"], "serving metrics");
        line["message"] == "serving"
    });
    let refused = Machine::new().run(&["serve", "--metrics-listen", "8080"]).failed(2);
    assert!(refused.contains("expected IP:PORT or none"), "{refused}");
}
