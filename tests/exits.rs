//! Exit statuses of the reading commands where docs/cli.md promises one, by the program itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const GUN: &str = "registry.example.com/shop/web";

/// The address of a trust server that knows no repository.
fn empty_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = head.map_while(Result::ok).find(String::is_empty);
            let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer);
        }
    });
    format!("http://{address}")
}

/// The exit status and the reason of a command that prints JSON.
fn run(home: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal"));
    command.args(arguments).args(["-o", "json"]).env("DOCKER_CONFIG", home);
    for proxy in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    let output = command.output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let answer = printed.get(0).unwrap_or(&printed);
    (output.status.code().unwrap(), answer["reason"].as_str().unwrap_or_default().to_owned())
}

/// Both commands against `server`, trusting what comes first, with this cache directory.
fn first_use(home: &Path, server: &str, cache: &Path) -> [(i32, String); 2] {
    let policy = home.join("policy.yaml");
    let text = format!(
        "apiVersion: tagseal.dev/v1alpha1\nkind: ClusterTrustPolicy\nmetadata: {{name: shop}}\nspec:\n  images: {{include: \
         [\"{GUN}\"]}}\n  notary: {{server: \"{server}\"}}\n  firstUse: Trust\n"
    );
    std::fs::write(&policy, text).unwrap();
    let (policy, cache) = (policy.to_str().unwrap(), cache.to_str().unwrap());
    [
        run(home, &["verify", &format!("{GUN}:1.4"), "--policy", policy, "--cache-dir", cache]),
        run(home, &["inspect", GUN, "--server", server, "--first-use", "--cache-dir", cache]),
    ]
}

#[test]
fn a_repository_that_is_not_there_is_denied_and_a_server_that_is_not_there_undecided() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    for answer in first_use(home.path(), &empty_server(), &cache) {
        assert_eq!(answer, (1, "RepositoryNotFound".to_owned()));
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for answer in first_use(home.path(), &format!("http://{closed}"), &cache) {
        assert_eq!(answer, (2, "TrustServerUnreachable".to_owned()));
    }
}

#[test]
fn a_damaged_first_use_root_is_undecided() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    let metadata = cache.join("tuf").join(GUN).join("metadata");
    std::fs::create_dir_all(&metadata).unwrap();
    std::fs::write(metadata.join("root.json"), "{").unwrap();
    for answer in first_use(home.path(), &empty_server(), &cache) {
        assert_eq!(answer, (2, "StateUnavailable".to_owned()));
    }
}

/// A state directory beside TrustedRepository objects would be a second truth.
#[test]
fn serving_in_a_cluster_takes_no_state_directory() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagseal"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "none", "--state-dir"])
        .arg(home.path());
    let output = command.env("KUBECONFIG", home.path().join("none")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("in a cluster, trust state lives in TrustedRepository objects"), "{said}");
    assert_ne!(output.status.code(), Some(0));
}
