//! `serve` in a cluster: the client, the watches, what only the leader does.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::{Mutex, watch};

use super::args::Args;
use super::parts::anew_once;
use super::{Process, Surroundings};
use crate::admission;
use crate::controller::{
    Certificates, ClusterCredentials, ClusterObjects, ClusterPods, ClusterState, Election, ElectionOptions,
    EventWriter, Events, InForce, Inventory, Leadership, Namespaces, PolicyWatch, PolicyWatchOptions, Rounds,
    WarmUp,
};
use crate::policy::PolicySnapshot;
use crate::trust::Resolver;
use crate::webhook::{Gate, HandedCertificate, Readiness};

/// How long policies wait for a config map or secret that one of them names. A hundred times what reading it takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may be silent on a connection that waits for it. Watches are renewed every 60 s, so that only
/// one that is dead is silent for longer.
const SILENCE: Duration = Duration::from_secs(75);

/// The lease that replicas elect a leader by.
const LEASE: &str = "tagseal";
/// Trust state in the cluster, and what its watch needs.
pub(super) struct Repositories {
    state: ClusterState,
    leadership: Leadership,
    events: Events,
}

impl Repositories {
    /// Starts the watch: without it, nothing is known of what other replicas wrote. Requests come once all of it was read,
    /// and what is known was looked at.
    pub(super) fn start(
        self,
        resolver: &Arc<Resolver>,
        policies: &watch::Receiver<PolicySnapshot>,
        readiness: &Readiness,
        process: &mut Process,
    ) {
        let warm = readiness.gate("known repositories are being looked at");
        let (state, clock) = (self.state.clone(), process.clock.clone());
        let warm_up = WarmUp::new(state, Arc::clone(resolver), policies.clone(), clock);
        let warm_up = move || {
            let (warm_up, warm) = (warm_up.clone(), OpensAtTheEnd(warm.clone()));
            async move {
                warm_up.run(|| warm.0.open()).await;
                std::future::pending().await
            }
        };
        // Each start asks the servers for all repositories.
        process.keep("the warm-up", anew_once("the warm-up", warm_up));
        let (state, clock, leadership) = (self.state.clone(), process.clock.clone(), self.leadership.clone());
        let rounds = Rounds::new(state, Arc::clone(resolver), policies.clone(), leadership, clock);
        process.keep("the leader's rounds", move || {
            let rounds = rounds.clone();
            async move {
                rounds.run().await;
                std::future::pending().await
            }
        });
        let gate = readiness.gate("trust state is not loaded");
        let inventory = Arc::clone(resolver) as Arc<dyn Inventory>;
        let Self { state, leadership, events } = self;
        let statuses = (state.clone(), Arc::clone(&inventory), leadership.clone());
        process.keep("the writer of repository statuses", move || {
            let (state, inventory, leadership) = statuses.clone();
            state.statuses(inventory, leadership)
        });
        let watch = state.clone().watch(inventory, leadership, events);
        process.parts.start("the watch of trusted repositories", async move {
            let loaded = async {
                state.loaded().await;
                gate.open();
            };
            tokio::join!(watch, loaded);
        });
    }
}

/// A panic of what holds up readiness does not hold it up any longer.
struct OpensAtTheEnd(Gate);

impl Drop for OpensAtTheEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Connects to the cluster, and starts what runs beside the webhook there.
///
/// # Errors
/// When there is no cluster to connect to.
pub(super) async fn in_cluster(
    args: &Args,
    snapshots: watch::Sender<PolicySnapshot>,
    readiness: &Readiness,
    process: &mut Process,
) -> anyhow::Result<Surroundings> {
    anyhow::ensure!(
        args.storage.state_dir.is_none(),
        "--state-dir is for serving without a cluster (--policies): in a cluster, trust state lives in TrustedRepository objects"
    );
    let client = client(args).await?;
    let (clock, metrics) = (process.clock.clone(), process.metrics.clone());
    let identity = identity();
    let namespaces = Namespaces::new(client.clone(), clock.clone()).with_metrics(metrics.clone());
    process.parts.start("the watch of namespaces", namespaces.clone().watch());
    let election = ElectionOptions {
        namespace: args.namespace.clone(),
        lease: LEASE.to_owned(),
        identity: identity.clone(),
    };
    let (election, leadership) = Election::new(client.clone(), election, clock.clone(), metrics.clone());
    process.parts.start("the election of a leader", election.run());
    let (events, notices) = Events::channel();
    let events = events.counted_by(metrics.clone());
    let (of, notices) = ((client.clone(), clock.clone()), Arc::new(Mutex::new(notices)));
    process.keep("the writer of Events", move || {
        let writer = EventWriter::new(of.0.clone(), &identity, of.1.clone(), metrics.clone());
        let notices = Arc::clone(&notices);
        // One writer at a time.
        async move { writer.run(&mut *notices.lock().await).await }
    });
    let options = PolicyWatchOptions {
        system_namespace: args.namespace.clone(),
        set: args.set_options(),
        patience: PATIENCE,
    };
    let policies = PolicyWatch::new(client.clone(), options, snapshots, clock);
    let live = admission::Surroundings {
        objects: Arc::new(ClusterObjects::new(client.clone())),
        running: Arc::new(ClusterPods::new(client.clone())),
        namespaces: Arc::new(namespaces.clone()),
        covered: Arc::new(args.covered()),
    };
    let policies = policies.led_by(leadership.clone(), events.clone());
    let certificates = certificates(args, &client, &leadership, process);
    let (metrics, clock) = (process.metrics.clone(), process.clock.clone());
    let in_force =
        InForce::new(client.clone(), args.in_force(), leadership.clone(), events.clone(), metrics, clock);
    let policies = policies.enforced_by(in_force.enforcement());
    watches(in_force, certificates.as_ref(), readiness, process);
    let certificate = certificates.map(|certificates| starts(certificates, process));
    let state = ClusterState::new(client.clone(), process.metrics.clone(), process.clock.clone());
    let credentials = ClusterCredentials::new(client);
    Ok(Surroundings {
        credentials: Arc::new(credentials.clone()),
        client_certificates: Some(Arc::new(credentials)),
        state: Arc::new(state.clone()),
        repositories: Some(Repositories { state, leadership: leadership.clone(), events: events.clone() }),
        namespaces: Some(Arc::new(namespaces)),
        policies: Some(policies),
        live: Some(live),
        events,
        leadership,
        certificate,
    })
}

/// The certificate that tagseal makes itself, unless there is one in files.
fn certificates(
    args: &Args,
    client: &kube::Client,
    leadership: &Leadership,
    process: &Process,
) -> Option<Certificates> {
    let options = args.cert_dir.is_none().then(|| args.certificates())?;
    let (metrics, clock) = (process.metrics.clone(), process.clock.clone());
    Some(Certificates::new(client.clone(), &options, leadership.clone(), metrics, clock))
}

/// Watches what has to be in force. A replica that makes its certificate itself is ready when the API server knows it.
fn watches(
    in_force: InForce,
    certificates: Option<&Certificates>,
    readiness: &Readiness,
    process: &mut Process,
) {
    let in_force = match certificates {
        Some(certificates) => in_force.serving(certificates.served()),
        None => in_force,
    };
    if certificates.is_some() {
        let gate =
            readiness.gate("caBundle of the webhook configurations does not cover the certificate yet");
        let mut is_covered = in_force.is_covered();
        process.parts.start("the wait for caBundle", async move {
            if is_covered.wait_for(|is_covered| *is_covered).await.is_ok() {
                gate.open();
            }
            std::future::pending().await
        });
    }
    process.keep("the watch of what is in force", move || in_force.clone().run());
}

fn starts(certificates: Certificates, process: &mut Process) -> HandedCertificate {
    let served = HandedCertificate::new(certificates.served()).with_remark(certificates.remark());
    process.parts.start("the upkeep of certificates", certificates.run());
    served
}

/// Who this replica is: the pod, else the machine and a random number, because several may run on one.
fn identity() -> String {
    match std::env::var("POD_NAME") {
        Ok(pod) if !pod.is_empty() => pod,
        _ => {
            let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let machine = machine.split_whitespace().next().unwrap_or("tagseal");
            format!("{machine}_{:016x}", RandomState::new().hash_one(std::process::id()))
        }
    }
}

async fn client(args: &Args) -> anyhow::Result<kube::Client> {
    let mut config = match &args.kubeconfig {
        Some(path) => {
            let read = || format!("cannot use the kubeconfig {}", path.display());
            let kubeconfig = Kubeconfig::read_from(path).with_context(read)?;
            let clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
            let names_a_proxy = clusters.into_iter().any(|cluster| cluster.proxy_url.is_some());
            let options = KubeConfigOptions::default();
            let mut config =
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.with_context(read)?;
            if !names_a_proxy {
                // HTTPS_PROXY is for trust servers; a pod asks its API server directly, too.
                config.proxy_url = None;
            }
            config
        }
        None => kube::Config::infer().await.context(
            "no cluster: there is neither a pod's ServiceAccount nor a kubeconfig; name one with --kubeconfig, or policies with --policies",
        )?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    kube::Client::try_from(config).context("cannot make a client for the API server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_warm_up_that_panics_holds_up_readiness_no_longer() {
        let readiness = Readiness::default();
        readiness.certificate_loaded();
        let warm = OpensAtTheEnd(readiness.gate("warming up"));
        assert_eq!(readiness.missing(true), ["warming up"]);
        let task = tokio::spawn(async move {
            let _warm = &warm;
            panic!("a defect")
        });
        assert!(task.await.is_err_and(|error| error.is_panic()));
        assert!(readiness.missing(true).is_empty());
    }
}
