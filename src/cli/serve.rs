//! `tagseal serve`: the admission webhook and its controller.

mod args;
mod certificate;
mod cluster;
mod files;
mod observer;
mod parts;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::args::Args;
use self::files::PolicyFolder;
use self::observer::Observing;
use self::parts::Parts;
use crate::admission::Admission;
use crate::clock::{SharedClock, SystemClock};
use crate::controller::{Events, Leadership, PolicyWatch, TrustData};
use crate::notary::NotaryClient;
use crate::policy::{NamespaceLabels, PolicySnapshot};
use crate::telemetry::Metrics;
use crate::trust::{Credentials, Resolver, TrustState};
use crate::webhook::{HandedCertificate, Limits, Readiness, router};

/// How often the serving certificate and policy files are looked at. kubelet swaps a symlink, which leaves a watch of
/// the old file blind; reading a few small files is cheap.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the parts of one process share.
struct Process {
    clock: SharedClock,
    metrics: Metrics,
    parts: Parts,
}

/// What differs between a cluster and a folder of policies.
struct Surroundings {
    credentials: Arc<dyn Credentials>,
    state: Arc<dyn TrustState>,
    /// `None`: nothing is known of namespaces, and every selector counts as matching.
    namespaces: Option<Arc<dyn NamespaceLabels>>,
    /// `None`: the policies come from files, and there is no status to write.
    policies: Option<PolicyWatch>,
    events: Events,
    /// The certificate that tagseal makes itself; `None`: it is in files.
    certificate: Option<HandedCertificate>,
    leadership: Leadership,
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
    let mut process = Process { clock: clock.clone(), metrics: Metrics::default(), parts: Parts::default() };
    let readiness = Readiness::default();
    let (snapshots, policies) = watch::channel(PolicySnapshot::default());
    let surroundings = match &args.policies {
        Some(folder) => without_cluster(folder, &args, snapshots, &mut process)?,
        None => cluster::in_cluster(&args, snapshots, &mut process).await?,
    };
    let tls = certificate::tls(&args, surroundings.certificate, &readiness, &mut process)?;
    let source = Arc::new(NotaryClient::new(clock.clone()));
    let resolver = Arc::new(Resolver::new(
        args.storage.resolver(),
        source,
        surroundings.credentials,
        surroundings.state,
        clock.clone(),
    ));
    process.parts.start("the upkeep of trust data", Arc::clone(&resolver).maintain());
    if let Some(watch) = surroundings.policies {
        let trust = Arc::clone(&resolver) as Arc<dyn TrustData>;
        process.parts.start("the watch of policies", watch.run(trust));
    }

    let observer = Observing { metrics: process.metrics.clone(), events: surroundings.events };
    let admission = Admission::new(resolver, policies, surroundings.namespaces);
    let admission = Arc::new(admission.observed_by(Arc::new(observer)));
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    tracing::info!(address = %args.listen, version = env!("CARGO_PKG_VERSION"), "serving");
    let app = router(admission, readiness.clone());
    let serving = crate::webhook::serve(listener, tls, app, readiness, Limits::default(), async {
        stop().await;
        // Another one takes over while this one drains.
        surroundings.leadership.resign();
    });
    tokio::select! {
        finished = serving => {
            surroundings.leadership.resigned().await;
            tracing::info!(finished, "stopped");
            Ok(ExitCode::SUCCESS)
        }
        ended = process.parts.ended() => {
            tracing::error!(error = %ended, "tagseal cannot go on");
            Err(ended.into())
        }
    }
}

fn without_cluster(
    folder: &std::path::Path,
    args: &Args,
    snapshots: watch::Sender<PolicySnapshot>,
    process: &mut Process,
) -> anyhow::Result<Surroundings> {
    let folder = PolicyFolder::open(folder, &args.namespace, args.policy.set_options(), snapshots)?;
    process.parts.start("the watch of the policy folder", folder.watch(LOOK_EVERY));
    Ok(Surroundings {
        credentials: Arc::new(super::docker_config::DockerConfig::from_env()),
        state: args.storage.state(),
        namespaces: None,
        policies: None,
        events: Events::nowhere(),
        certificate: None,
        leadership: Leadership::always(),
    })
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
