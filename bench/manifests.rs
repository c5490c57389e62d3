//! How long `tagseal verify -f` takes for a thousand manifests of a hundred repositories, against a trust server of this process:
//! cold, warm (from `--cache-dir`), and reading the files alone, with no image that a policy matches. A measurement, once.
//!
//! `cargo bench --bench manifests`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark fails")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tagseal::clock::SystemClock;
use tagseal::sandbox::server::NotaryServer;

use self::support::trust_server::TrustServer;

const MANIFESTS: usize = 1_000;
const REPOSITORIES: usize = 100;
const RUNS: usize = 5;

fn main() {
    let server =
        TrustServer::serve(NotaryServer::new(None, Arc::new(SystemClock)).expect("a server").router());
    let dir = tempfile::tempdir().expect("a folder");
    let home = dir.path();
    (0..REPOSITORIES).for_each(|repository| sign(home, &server, repository));
    write(home, &server);
    let time = |policy: &str, anew: bool| {
        let once = |_| {
            if anew {
                let _ = std::fs::remove_dir_all(home.join("cache"));
            }
            verify(home, policy)
        };
        (0..RUNS).map(once).min().expect("runs")
    };
    let (cold, warm) = (time("policy.yaml", true), time("policy.yaml", false));
    let reading = time("other.yaml", false);
    println!("{MANIFESTS} manifests of {REPOSITORIES} repositories, the least of {RUNS} runs:");
    println!("cold: {cold:.2?}");
    println!("warm: {warm:.2?}");
    println!("no policy matches, so that files are read and nothing is asked: {reading:.2?}");
    println!("ratio: {:.1} cold, {:.1} warm", ratio(cold, reading), ratio(warm, reading));
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn tagseal(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal"));
    command.args(arguments).current_dir(home).env_clear().env("HOME", home);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn sign(home: &Path, server: &TrustServer, repository: usize) {
    let image = format!("registry.test/shop/web-{repository}:1.0");
    let digest = tagseal::digest::Digest::of(image.as_bytes()).to_string();
    let mut command = tagseal(home, &["trust", "sign", &image, "--digest", &digest, "--size", "500"]);
    command.env("DOCKER_CONTENT_TRUST_SERVER", server.url());
    for role in ["ROOT", "REPOSITORY"] {
        command.env(format!("DOCKER_CONTENT_TRUST_{role}_PASSPHRASE"), "a passphrase");
    }
    assert!(command.status().expect("tagseal").success(), "{image}");
}

/// The manifests in folders of a hundred, and the policies.
fn write(home: &Path, server: &TrustServer) {
    for number in 0..MANIFESTS {
        let folder = home.join(format!("deploy/{}", number / 100));
        std::fs::create_dir_all(&folder).expect("a folder");
        let image = format!("registry.test/shop/web-{}:1.0", number % REPOSITORIES);
        let text = format!(
            "# the web server {number}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web-{number}\n  labels:\n    \
             app.kubernetes.io/name: web\nspec:\n  replicas: 2\n  selector:\n    matchLabels: {{app: web-{number}}}\n  template:\n    \
             metadata:\n      labels: {{app: web-{number}}}\n    spec:\n      containers:\n      - name: web\n        image: {image}  # signed\n        \
             ports:\n        - containerPort: 8080\n        env:\n        - {{name: LOG, value: \"info\"}}\n        \
             resources:\n          limits: {{cpu: 500m, memory: 128Mi}}\n"
        );
        std::fs::write(folder.join(format!("web-{number}.yaml")), text).expect("a manifest");
    }
    for (file, include) in [("policy.yaml", "registry.test/**"), ("other.yaml", "elsewhere.test/**")] {
        let policy = json!({
            "apiVersion": "tagseal.dev/v1alpha1", "kind": "ClusterTrustPolicy", "metadata": {"name": "production"},
            "spec": {"images": {"include": [include]}, "notary": {"server": server.url()}, "firstUse": "Trust"},
        });
        std::fs::write(home.join(file), policy.to_string()).expect("a policy");
    }
}

fn verify(home: &Path, policy: &str) -> Duration {
    let mut command =
        tagseal(home, &["verify", "-f", "deploy", "--policy", policy, "--cache-dir", "cache", "-o", "json"]);
    let begin = Instant::now();
    assert!(command.status().expect("tagseal").success());
    begin.elapsed()
}
