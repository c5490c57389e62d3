//! tagseal as one process, called by the API server without a Service: what most scenarios need.

use std::sync::Mutex;
use std::time::Duration;

use super::account::{self, SYSTEM_NAMESPACE};
use super::ca::Authority;
use super::control_plane::ControlPlane;
use super::installation::installs;
use super::poll::eventually;
use super::replica::{Asker, Replica, Settings};
use super::run::RUN;
use super::webhooks::{Ports, Target, install, redirect};

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
    /// One for every namespace that has none of its own, called through the Service that is installed.
    pub fn common(control_plane: &ControlPlane) -> Self {
        let mut replica = Replica::start("tagseal", &Settings::new(control_plane, Vec::new()));
        replica.awaits_ready();
        let cluster = control_plane.cluster();
        redirect(&cluster, &Ports { mutate: replica.port(), validate: replica.port() });
        let cluster = cluster.in_namespace(SYSTEM_NAMESPACE);
        eventually("the common tagseal leads", Duration::from_secs(30), || {
            let holder = cluster.kubectl(&["get", "lease/tagseal", "-o", "jsonpath={.spec.holderIdentity}"]);
            if holder.passed && !holder.output.is_empty() { Ok(()) } else { Err(holder.text()) }
        });
        Self { replica: Mutex::new(replica) }
    }

    /// One for `namespace` alone, called past the Service.
    pub fn own(control_plane: &ControlPlane, namespace: &str, options: &TagsealOptions) -> Self {
        let (name, authority) = (format!("tagseal-{namespace}"), Authority::new("tagseal e2e"));
        let settings = Settings::new(control_plane, options.flags()).certified(&authority, &name);
        let mut replica = Replica::start(&name, &settings);
        replica.awaits_ready();
        let cluster = control_plane.cluster().in_namespace(namespace);
        install(&cluster, &Target { port: replica.port(), authority: authority.pem() }, options);
        Self { replica: Mutex::new(replica) }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.replica.lock().unwrap().log()
    }

    /// Its metrics.
    pub fn metrics(&self) -> String {
        self.replica.lock().unwrap().metrics()
    }

    /// Somebody who asks it, past the API server.
    pub fn asker(&self) -> Asker {
        self.replica.lock().unwrap().asker()
    }

    /// Kills it, as an outage would.
    pub fn stops(&self) {
        self.replica.lock().unwrap().dies();
    }

    /// Kills it, and starts it with an empty disk, as a new pod has it.
    pub fn starts_anew(&self) {
        let mut replica = self.replica.lock().unwrap();
        replica.is_started_anew();
        replica.awaits_ready();
    }
}

/// An image that every tagseal of the suite denies: its policy's trust server is nowhere.
pub const PROBE: &str = "probe.test/never:published";

/// Installs the chart with these values; its account has a kubeconfig then, and the Service leads to loopback. There is a
/// policy that denies [`PROBE`].
pub fn prepare(control_plane: &ControlPlane, values: &[&str]) {
    let cluster = control_plane.cluster();
    installs(&cluster, values);
    account::logs_in(control_plane);
    let nowhere = format!("http://127.0.0.1:{}", RUN.free_port());
    let probe = super::policy::Policy::cluster("e2e-probe", "probe.test/**", &nowhere);
    cluster.applies(probe.trusts_key(&"0".repeat(64)).manifest());
}
