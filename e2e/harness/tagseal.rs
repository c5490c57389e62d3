//! `tagseal serve` as its release binary.

use std::sync::Mutex;
use std::time::Duration;

use super::ca::Authority;
use super::cluster::Cluster;
use super::control_plane::{ControlPlane, TAGSEAL};
use super::http::answers_with;
use super::notary_server::client;
use super::poll::eventually;
use super::process::Process;
use super::run::{RUN, source_path, tagseal_binary};
use super::webhooks::{Target, install};

const SYSTEM_NAMESPACE: &str = "tagseal-system";

/// How a tagseal differs from the common one.
#[derive(Debug, Default)]
pub struct TagsealOptions {
    /// `--unmatched-images`.
    pub unmatched_images: Option<&'static str>,
    /// The webhooks' `timeoutSeconds`.
    pub timeout_seconds: Option<u32>,
    /// Leaves the mutating configuration out.
    pub without_mutating: bool,
}

impl TagsealOptions {
    /// The flags that `serve` and `verify` share.
    pub fn flags(&self) -> Vec<String> {
        self.unmatched_images.map(|value| format!("--unmatched-images={value}")).into_iter().collect()
    }
}

/// Only the validating webhook.
pub const VALIDATING_ONLY: TagsealOptions =
    TagsealOptions { unmatched_images: None, timeout_seconds: None, without_mutating: true };

/// A running tagseal, called by the API server.
pub struct Tagseal {
    process: Mutex<Option<Process>>,
}

impl Tagseal {
    /// One for every namespace that has none of its own.
    pub fn common(control_plane: &ControlPlane) -> Self {
        let common = Self::launch(control_plane, None, &TagsealOptions::default());
        let cluster = control_plane.cluster().in_namespace(SYSTEM_NAMESPACE);
        eventually("the common tagseal leads", Duration::from_secs(30), || {
            let holder = cluster.kubectl(&["get", "lease/tagseal", "-o", "jsonpath={.spec.holderIdentity}"]);
            if holder.passed && !holder.output.is_empty() { Ok(()) } else { Err(holder.text()) }
        });
        common
    }

    /// One for `namespace` alone.
    pub fn own(control_plane: &ControlPlane, namespace: &str, options: &TagsealOptions) -> Self {
        Self::launch(control_plane, Some(namespace), options)
    }

    /// Kills it, as an outage would.
    pub fn stops(&self) {
        self.process.lock().unwrap().take();
    }

    fn launch(control_plane: &ControlPlane, namespace: Option<&str>, options: &TagsealOptions) -> Self {
        let name = namespace.map_or("tagseal".to_owned(), |namespace| format!("tagseal-{namespace}"));
        let dir = RUN.folder(&name);
        let authority = Authority::new("tagseal e2e");
        let certificates = RUN.folder(&format!("{name}/tls"));
        authority.issue().write(&certificates, "tls");
        let port = RUN.free_port();
        let listen = format!("127.0.0.1:{port}");
        let kubeconfig = control_plane.kubeconfig(TAGSEAL);
        let mut args = vec!["serve", "--listen", &listen, "--namespace", SYSTEM_NAMESPACE];
        args.extend(["--cache-dir", "cache", "--state-dir", "state"]);
        let paths = [("--kubeconfig", kubeconfig), ("--cert-dir", certificates)];
        for (flag, path) in &paths {
            args.extend([flag, path.to_str().expect("UTF-8")]);
        }
        let flags = options.flags();
        args.extend(flags.iter().map(String::as_str));
        let mut process = Process::start("serve", &tagseal_binary(), args, &dir);
        let client = client(Some(authority.pem()));
        eventually("tagseal is ready", Duration::from_secs(30), || {
            process.runs();
            answers_with(&client, &format!("https://{listen}/readyz"))
        });
        let cluster = control_plane.cluster().in_namespace(namespace.unwrap_or("default"));
        let target = Target { port, authority: authority.pem(), namespace };
        install(&cluster, &target, options, PROBE);
        Self { process: Mutex::new(Some(process)) }
    }
}

/// An image that every tagseal of the suite denies: its policy's trust server is nowhere.
const PROBE: &str = "probe.test/never:published";

/// Makes ready for any tagseal: the CRDs, its namespace and rights as the manifests have them, and the policy that denies [`PROBE`].
pub fn prepare(cluster: &Cluster) {
    let crds = source_path("crds");
    cluster.does(&["apply", "--server-side", "-f", &crds.to_string_lossy()]);
    cluster.does(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    for manifest in ["manifests/install.yaml", "manifests/pull-secrets.yaml"] {
        cluster.in_namespace(SYSTEM_NAMESPACE).does(&[
            "apply",
            "-f",
            &source_path(manifest).to_string_lossy(),
        ]);
    }
    let nowhere = format!("http://127.0.0.1:{}", RUN.free_port());
    let probe = super::policy::Policy::cluster("e2e-probe", "probe.test/**", &nowhere);
    cluster.applies(probe.trusts_key(&"0".repeat(64)).manifest());
}
