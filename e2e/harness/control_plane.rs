//! etcd, kube-apiserver and kube-controller-manager: all that stores, admits and makes pods; there is no kubelet.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::{Value, json};
use tagseal::clock::{Clock as _, SystemClock};

use super::cluster::Cluster;
use super::http::{answers, answers_with};
use super::notary_server::client;
use super::poll::eventually;
use super::process::Process;
use super::run::{RUN, tool};

const ADMIN: &str = "admin";
const PATIENCE: Duration = Duration::from_secs(90);
/// Its own certificate, which is its authority too; it makes it when it starts for the first time.
const CERTIFICATE: &str = "certs/apiserver.crt";
/// What was asked of it.
pub const AUDIT_LOG: &str = "audit.log";
/// From when to when it started again, a line each.
pub const STARTS: &str = "api-server-starts";

/// What has to be there for a Deployment to become Pods.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,replicationcontroller-controller,statefulset-controller,daemonset-controller,\
    job-controller,cronjob-controller,serviceaccount-controller,namespace-controller,garbage-collector-controller,\
    resourcequota-controller";

/// What tagseal asks for is held against its rights when the suite has ended ([`super::rights`]); annotations of its
/// decisions are read at once.
const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "Metadata", "users": ["system:serviceaccount:tagseal-system:tagseal"]},
    {"level": "Metadata", "verbs": ["create", "update", "patch"], "resources": [
      {"group": "", "resources": ["pods", "pods/ephemeralcontainers"]},
      {"group": "apps", "resources": ["deployments"]}]},
    {"level": "None"}]
}"#;

/// A running control plane.
pub struct ControlPlane {
    dir: PathBuf,
    store: String,
    url: String,
    // In the order in which they have to go: an API server without its etcd lingers.
    _controller_manager: Process,
    api_server: Mutex<Option<Process>>,
    is_ready: Arc<AtomicBool>,
    _etcd: Process,
}

impl ControlPlane {
    /// Starts one in the folder `name`, and waits until it serves.
    pub fn start(name: &str) -> Self {
        let dir = RUN.folder(name);
        let store = format!("http://127.0.0.1:{}", RUN.free_port());
        let etcd = start_etcd(&store, &dir);
        let url = format!("https://127.0.0.1:{}", RUN.free_port());
        write_secrets(&dir);
        let api_server = start_api_server(&store, &url, &dir);
        write_kubeconfig(&dir, ADMIN, &url, &admin_token());
        let controller_manager = start_controller_manager(&dir);
        let (api_server, is_ready) = (Mutex::new(Some(api_server)), Arc::new(AtomicBool::new(true)));
        Self { dir, store, url, _controller_manager: controller_manager, api_server, is_ready, _etcd: etcd }
    }

    /// The cluster, as its administrator sees it.
    pub fn cluster(&self) -> Cluster {
        Cluster::new(&self.kubeconfig(ADMIN), &self.dir.join(AUDIT_LOG))
    }

    /// The kubeconfig of a user that has one.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir.join(format!("{user}.kubeconfig"))
    }

    /// Writes a kubeconfig for a user who has a token.
    pub fn gives_kubeconfig(&self, user: &str, token: &str) {
        write_kubeconfig(&self.dir, user, &self.url, token);
    }

    /// Where it keeps its state and its logs.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Where the administrator's HTTP requests go, and what they need.
    pub fn door(&self) -> Door {
        let certificate = fs::read_to_string(self.dir.join(CERTIFICATE)).expect("the certificate");
        Door {
            url: self.url.clone(),
            client: client(Some(&certificate)),
            token: admin_token(),
            is_ready: self.is_ready.clone(),
        }
    }

    /// Stops the API server (SIGTERM), and waits until it is gone.
    pub fn loses_api_server(&self) {
        self.api_server.lock().unwrap().take().expect("an API server").ends();
        self.is_ready.store(false, Ordering::Release);
    }

    /// Starts it again at the same address, and waits until it serves. Before it says that it is ready it knows neither
    /// roles nor Services: what it refuses then is nobody's fault, and is recorded for [`super::rights`].
    pub fn regains_api_server(&self) {
        let from = SystemClock.now();
        let api_server = start_api_server(&self.store, &self.url, &self.dir);
        assert!(self.api_server.lock().unwrap().replace(api_server).is_none(), "it runs already");
        let window = format!("{from} {}\n", SystemClock.now());
        let mut windows =
            File::options().create(true).append(true).open(self.dir.join(STARTS)).expect("a file");
        windows.write_all(window.as_bytes()).expect("a file");
        self.is_ready.store(true, Ordering::Release);
    }
}

/// How to ask the API server without kubectl.
#[derive(Debug, Clone)]
pub struct Door {
    pub url: String,
    pub client: reqwest::Client,
    pub token: String,
    /// Whether it said that it is ready: others are not asked, as by any balancer in front of it.
    pub is_ready: Arc<AtomicBool>,
}

fn admin_token() -> String {
    format!("{ADMIN}-token")
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
    let tokens = format!("{},{ADMIN},{ADMIN},system:masters\n", admin_token());
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
        &format!("--audit-log-path={AUDIT_LOG}"),
        // Without it, a watch holds up the server's end for a minute.
        "--shutdown-watch-termination-grace-period=1s",
    ];
    let mut api_server = Process::start("kube-apiserver", &tool("kube-apiserver"), args, dir);
    eventually("kube-apiserver is ready", PATIENCE, || {
        api_server.runs();
        // It may be half written.
        let certificate = fs::read_to_string(dir.join(CERTIFICATE)).map_err(|error| error.to_string())?;
        let certificate = reqwest::Certificate::from_pem(certificate.as_bytes()).map(|_| certificate);
        let client = client(Some(&certificate.map_err(|error| error.to_string())?));
        answers_with(&client, &format!("{url}/readyz"))
    });
    api_server
}

fn write_kubeconfig(dir: &Path, user: &str, url: &str, token: &str) {
    let config: Value = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": {
            "server": url, "certificate-authority": dir.join(CERTIFICATE)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
    });
    fs::write(dir.join(format!("{user}.kubeconfig")), config.to_string()).expect("the kubeconfig");
}

fn start_controller_manager(dir: &Path) -> Process {
    let args = [
        "--kubeconfig=admin.kubeconfig",
        "--leader-elect=false",
        "--service-account-private-key-file=sa.key",
        &format!("--root-ca-file={CERTIFICATE}"),
        "--secure-port=0",
        &format!("--controllers={CONTROLLERS}"),
    ];
    Process::start("kube-controller-manager", &tool("kube-controller-manager"), args, dir)
}
