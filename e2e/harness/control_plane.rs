//! etcd, kube-apiserver and kube-controller-manager: all that stores, admits and makes pods; there is no kubelet.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::http::answers;
use super::notary_server::client;
use super::poll::eventually;
use super::process::Process;
use super::run::{RUN, tool};

const ADMIN: &str = "admin";
/// The user that tagseal is.
pub const TAGSEAL: &str = "tagseal";

/// Who tagseal is to the API server: the ServiceAccount of the manifests, with exactly the rights that they give it.
const TAGSEAL_ACCOUNT: &str = "system:serviceaccount:tagseal-system:tagseal";
const PATIENCE: Duration = Duration::from_secs(90);

/// What has to be there for a Deployment to become Pods.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,\
    job-controller,cronjob-controller,serviceaccount-controller,namespace-controller,garbage-collector-controller";

/// Annotations of tagseal's decisions are read from the audit log.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "Metadata", "verbs": ["create", "update", "patch"], "resources": [
      {"group": "", "resources": ["pods", "pods/ephemeralcontainers"]},
      {"group": "apps", "resources": ["deployments"]}]},
    {"level": "None"}]
}"#;

/// A running control plane.
pub struct ControlPlane {
    dir: PathBuf,
    // In the order in which they have to go: an API server without its etcd lingers.
    _controller_manager: Process,
    _api_server: Process,
    _etcd: Process,
}

impl ControlPlane {
    /// Starts it, and waits until it serves.
    pub fn start() -> Self {
        let dir = RUN.folder("control-plane");
        let store = format!("http://127.0.0.1:{}", RUN.free_port());
        let etcd = start_etcd(&store, &dir);
        let url = format!("https://127.0.0.1:{}", RUN.free_port());
        write_secrets(&dir);
        let mut api_server = start_api_server(&store, &url, &dir);
        await_api_server(&mut api_server, &url, &dir);
        for user in [ADMIN, TAGSEAL] {
            write_kubeconfig(&dir, user, &url);
        }
        let controller_manager = start_controller_manager(&dir);
        Self { dir, _controller_manager: controller_manager, _api_server: api_server, _etcd: etcd }
    }

    /// The cluster, as its administrator sees it.
    pub fn cluster(&self) -> Cluster {
        Cluster::new(&self.kubeconfig(ADMIN), &self.dir.join("audit.log"))
    }

    /// The kubeconfig of `user`.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir.join(format!("{user}.kubeconfig"))
    }
}

fn start_etcd(store: &str, dir: &Path) -> Process {
    let peer = format!("http://127.0.0.1:{}", RUN.free_port());
    let cluster = format!("--initial-cluster=default={peer}");
    let args = [
        "--data-dir=etcd",
        "--unsafe-no-fsync",
        "--log-level=error",
        &format!("--listen-client-urls={store}"),
        &format!("--advertise-client-urls={store}"),
        &format!("--listen-peer-urls={peer}"),
        &format!("--initial-advertise-peer-urls={peer}"),
        &cluster,
    ];
    let mut etcd = Process::start("etcd", &tool("etcd"), args, dir);
    eventually("etcd is healthy", PATIENCE, || {
        etcd.runs();
        answers(&format!("{store}/health"))
    });
    etcd
}

fn write_secrets(dir: &Path) {
    let key = KeyPair::generate().expect("a key");
    fs::write(dir.join("sa.key"), key.serialize_pem()).expect("the key's file");
    fs::write(dir.join("sa.pub"), key.public_key_pem()).expect("the key's file");
    fs::write(dir.join("audit-policy.json"), AUDIT_POLICY).expect("the audit policy");
    let tokens = format!(
        "{ADMIN}-token,{ADMIN},{ADMIN},system:masters\n{TAGSEAL}-token,{TAGSEAL_ACCOUNT},{TAGSEAL}\n"
    );
    fs::write(dir.join("tokens.csv"), tokens).expect("the tokens");
}

fn start_api_server(store: &str, url: &str, dir: &Path) -> Process {
    let port = url.rsplit(':').next().expect("a port");
    let args = [
        &format!("--etcd-servers={store}"),
        "--bind-address=127.0.0.1",
        &format!("--secure-port={port}"),
        "--cert-dir=certs",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=sa.pub",
        "--service-account-signing-key-file=sa.key",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--feature-gates=ImageVolume=true",
        "--audit-policy-file=audit-policy.json",
        "--audit-log-path=audit.log",
    ];
    Process::start("kube-apiserver", &tool("kube-apiserver"), args, dir)
}

fn await_api_server(api_server: &mut Process, url: &str, dir: &Path) {
    let certificate = eventually("kube-apiserver has a certificate", PATIENCE, || {
        api_server.runs();
        fs::read_to_string(dir.join("certs/apiserver.crt")).map_err(|error| error.to_string())
    });
    let client = client(Some(&certificate));
    eventually("kube-apiserver is ready", PATIENCE, || {
        api_server.runs();
        super::http::answers_with(&client, &format!("{url}/readyz"))
    });
}

fn write_kubeconfig(dir: &Path, user: &str, url: &str) {
    let config: Value = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": {
            "server": url, "certificate-authority": dir.join("certs/apiserver.crt")}}],
        "users": [{"name": user, "user": {"token": format!("{user}-token")}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
    });
    fs::write(dir.join(format!("{user}.kubeconfig")), config.to_string()).expect("the kubeconfig");
}

fn start_controller_manager(dir: &Path) -> Process {
    let args = [
        "--kubeconfig=admin.kubeconfig",
        "--leader-elect=false",
        "--service-account-private-key-file=sa.key",
        "--root-ca-file=certs/apiserver.crt",
        "--secure-port=0",
        &format!("--controllers={CONTROLLERS}"),
    ];
    Process::start("kube-controller-manager", &tool("kube-controller-manager"), args, dir)
}
