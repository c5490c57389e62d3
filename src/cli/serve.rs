//! `tagseal serve`: the admission webhook and its controller.

mod files;
mod parts;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::files::PolicyFolder;
use self::parts::Parts;
use super::settings::{Policies, SYSTEM_NAMESPACE, Storage};
use crate::admission::Admission;
use crate::clock::{SharedClock, SystemClock};
use crate::controller::{ClusterCredentials, Namespaces, PolicyWatch, PolicyWatchOptions, TrustData};
use crate::notary::NotaryClient;
use crate::policy::{NamespaceLabels, PolicySnapshot};
use crate::telemetry::LogFormat;
use crate::trust::{Credentials, Resolver};
use crate::webhook::{CertificateFiles, Limits, Readiness, ServingCertificate, router};

/// How often the serving certificate and policy files are looked at. kubelet swaps a symlink, which leaves a watch of
/// the old file blind; reading a few small files is cheap.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long policies wait for a config map or secret that one of them names. A hundred times what reading it takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may be silent on a connection that waits for it. Watches are renewed every 60 s, so that only
/// one that is dead is silent for longer.
const SILENCE: Duration = Duration::from_secs(75);

/// Arguments of `tagseal serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to serve HTTPS on.
    #[arg(long, default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// PEM file with the serving certificate and its intermediates; read again when it changes.
    #[arg(long, value_name = "FILE", default_value = "/etc/tagseal/tls/tls.crt")]
    tls_cert: PathBuf,
    /// PEM file with its private key.
    #[arg(long, value_name = "FILE", default_value = "/etc/tagseal/tls/tls.key")]
    tls_key: PathBuf,
    /// Kubeconfig file; default: the pod's own ServiceAccount, else `KUBECONFIG` and `~/.kube/config`.
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    kubeconfig: Option<PathBuf>,
    /// Read the policies from the YAML files of this folder; no cluster is asked for anything.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// tagseal's own namespace, where cluster policies' config maps and secrets are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    namespace: String,
    #[command(flatten)]
    policy: Policies,
    #[command(flatten)]
    storage: Storage,
    /// How log lines look: json or text.
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = log_format)]
    log_format: LogFormat,
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("expected json or text".to_owned()),
    }
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// When it cannot start, or a part of it ends that must not.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    crate::telemetry::start(args.log_format);
    super::runtime()?.block_on(serve(args))
}

async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut parts = Parts::default();
    let readiness = Readiness::default();
    let files = CertificateFiles { certificate: args.tls_cert.clone(), key: args.tls_key.clone() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = Arc::new(ServingCertificate::load(files, provider, clock.now())?);
    readiness.certificate_loaded();
    parts.start(
        "the watch of the serving certificate",
        Arc::clone(&certificate).watch(clock.clone(), LOOK_EVERY),
    );

    let (snapshots, policies) = watch::channel(PolicySnapshot::default());
    let surroundings = match &args.policies {
        Some(folder) => without_cluster(folder, &args, snapshots, &mut parts)?,
        None => in_cluster(&args, snapshots, &clock, &mut parts).await?,
    };
    let source = Arc::new(NotaryClient::new(clock.clone()));
    let state = args.storage.state();
    let resolver = Arc::new(Resolver::new(
        args.storage.resolver(),
        source,
        surroundings.credentials,
        state,
        clock.clone(),
    ));
    parts.start("the upkeep of trust data", Arc::clone(&resolver).maintain());
    if let Some(watch) = surroundings.policies {
        parts.start("the watch of policies", watch.run(Arc::clone(&resolver) as Arc<dyn TrustData>));
    }

    let admission = Arc::new(Admission::new(resolver, policies, surroundings.namespaces));
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    tracing::info!(address = %args.listen, version = env!("CARGO_PKG_VERSION"), "serving");
    let app = router(admission, readiness.clone());
    let serving = crate::webhook::serve(
        listener,
        Arc::new(certificate.server_config()?),
        app,
        readiness,
        Limits::default(),
        stop(),
    );
    tokio::select! {
        finished = serving => {
            tracing::info!(finished, "stopped");
            Ok(ExitCode::SUCCESS)
        }
        ended = parts.ended() => {
            tracing::error!(error = %ended, "tagseal cannot go on");
            Err(ended.into())
        }
    }
}

/// What differs between a cluster and a folder of policies.
struct Surroundings {
    credentials: Arc<dyn Credentials>,
    /// `None`: nothing is known of namespaces, and every selector counts as matching.
    namespaces: Option<Arc<dyn NamespaceLabels>>,
    /// `None`: the policies come from files, and there is no status to write.
    policies: Option<PolicyWatch>,
}

fn without_cluster(
    folder: &std::path::Path,
    args: &Args,
    snapshots: watch::Sender<PolicySnapshot>,
    parts: &mut Parts,
) -> anyhow::Result<Surroundings> {
    let folder = PolicyFolder::open(folder, &args.namespace, args.policy.set_options(), snapshots)?;
    parts.start("the watch of the policy folder", folder.watch(LOOK_EVERY));
    let credentials = Arc::new(super::docker_config::DockerConfig::from_env());
    Ok(Surroundings { credentials, namespaces: None, policies: None })
}

async fn in_cluster(
    args: &Args,
    snapshots: watch::Sender<PolicySnapshot>,
    clock: &SharedClock,
    parts: &mut Parts,
) -> anyhow::Result<Surroundings> {
    let client = client(args).await?;
    let namespaces = Namespaces::new(client.clone(), clock.clone());
    parts.start("the watch of namespaces", namespaces.clone().watch());
    let options = PolicyWatchOptions {
        system_namespace: args.namespace.clone(),
        set: args.policy.set_options(),
        patience: PATIENCE,
    };
    let policies = PolicyWatch::new(client.clone(), options, snapshots, clock.clone());
    let credentials = Arc::new(ClusterCredentials::new(client));
    Ok(Surroundings { credentials, namespaces: Some(Arc::new(namespaces)), policies: Some(policies) })
}

async fn client(args: &Args) -> anyhow::Result<kube::Client> {
    let mut config = match &args.kubeconfig {
        Some(path) => {
            let read = || format!("cannot use the kubeconfig {}", path.display());
            let kubeconfig = Kubeconfig::read_from(path).with_context(read)?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.with_context(read)?
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

/// Resolves on SIGTERM or SIGINT.
async fn stop() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
