//! tagseal as one process, called by the API server without a Service: what most scenarios need.

use std::sync::Mutex;
use std::time::Duration;

use super::account::{self, SYSTEM_NAMESPACE};
use super::control_plane::ControlPlane;
use super::installation::applies_installation;
use super::poll::eventually;
use super::replica::{Replica, Settings};
use super::run::{RUN, source_path};
use super::webhooks::{Target, install};

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
    replica: Mutex<Replica>,
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

    /// What it logged.
    pub fn log(&self) -> String {
        self.replica.lock().unwrap().log()
    }

    /// Its metrics.
    pub fn metrics(&self) -> String {
        self.replica.lock().unwrap().metrics()
    }

    /// Kills it, as an outage would.
    pub fn stops(&self) {
        self.replica.lock().unwrap().dies();
    }

    fn launch(control_plane: &ControlPlane, namespace: Option<&str>, options: &TagsealOptions) -> Self {
        let name = namespace.map_or("tagseal".to_owned(), |namespace| format!("tagseal-{namespace}"));
        let settings = Settings::new(control_plane, &name, options.flags());
        let mut replica = Replica::start(&name, &settings);
        replica.awaits_ready();
        let cluster = control_plane.cluster().in_namespace(namespace.unwrap_or("default"));
        let target = Target { port: replica.port(), authority: settings.authority(), namespace };
        install(&cluster, &target, options, PROBE);
        Self { replica: Mutex::new(replica) }
    }
}

/// An image that every tagseal of the suite denies: its policy's trust server is nowhere.
pub const PROBE: &str = "probe.test/never:published";

/// Makes ready for any tagseal: the CRDs, its namespace and rights as the manifests have them, and the policy that denies [`PROBE`].
pub fn prepare(control_plane: &ControlPlane) {
    let cluster = control_plane.cluster();
    applies_installation(&cluster);
    let pull_secrets = source_path("manifests/pull-secrets.yaml");
    cluster.does(&["apply", "-f", &pull_secrets.to_string_lossy()]);
    let nowhere = format!("http://127.0.0.1:{}", RUN.free_port());
    let probe = super::policy::Policy::cluster("e2e-probe", "probe.test/**", &nowhere);
    cluster.applies(probe.trusts_key(&"0".repeat(64)).manifest());
    account::logs_in(control_plane);
}
