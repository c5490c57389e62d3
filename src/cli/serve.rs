//! `tagseal serve`: the admission webhook and its controller.

mod args;
mod certificate;
mod cluster;
mod files;
mod limits;
mod memory;
mod observer;
mod parts;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::args::Args;
use self::args::MetricsListen;
pub use self::args::namespace_prefix;
use self::cluster::Repositories;
use self::files::PolicyFolder;
use self::observer::Observing;
use self::parts::Parts;
use super::stop::Stop;
use crate::admission::{self, Admission, DecisionCounts, PolicyReview};
use crate::clock::{SharedClock, SystemClock};
use crate::controller::{
    Events, ExemptionUses, Leadership, PolicyFiguresWatch, PolicyWatch, PullSecretRemarks, TrustData,
};
use crate::notary::NotaryClient;
use crate::policy::{NamespaceLabels, PolicySnapshot};
use crate::pool::{Pool, PoolLimits};
use crate::telemetry::{Heartbeat, Metrics};
use crate::trust::{ClientCertificates, Credentials, Resolver, TrustState};
use crate::webhook::{
    self, HandedCertificate, Limits, Readiness, metered_router, metrics_router, policies_router,
};

/// How often the serving certificate and policy files are looked at. kubelet swaps a symlink, which leaves a watch of
/// the old file blind; reading a few small files is cheap.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long the writes to disk that are under way may take when the process ends.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What the parts of one process share.
struct Process {
    clock: SharedClock,
    metrics: Metrics,
    parts: Parts,
}

impl Process {
    /// As [`Parts::keep`].
    fn keep<F>(&mut self, name: &'static str, part: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.parts.keep(name, self.metrics.clone(), part);
    }
}

/// Has trust data forget who leads to it where a policy is gone.
async fn keep_to_policies(resolver: Arc<Resolver>, mut policies: watch::Receiver<PolicySnapshot>) {
    while policies.changed().await.is_ok() {
        let snapshot = policies.borrow_and_update().clone();
        let PolicySnapshot::Synced(set) = snapshot else { continue };
        let resolver = Arc::clone(&resolver);
        // It looks at each repository in memory. A panic in it is a defect, and costs freshness alone.
        let _ = tokio::task::spawn_blocking(move || resolver.keep_to(&set)).await;
    }
    // Whoever publishes policies is gone, and the process ends by that.
    std::future::pending().await
}

/// What differs between a cluster and a folder of policies.
struct Surroundings {
    credentials: Arc<dyn Credentials>,
    /// `None`: nobody reads secrets.
    client_certificates: Option<Arc<dyn ClientCertificates>>,
    state: Arc<dyn TrustState>,
    /// `None`: nothing is known of namespaces, and every selector counts as matching.
    namespaces: Option<Arc<dyn NamespaceLabels>>,
    /// `None`: the policies come from files, and there is no status to write.
    policies: Option<PolicyWatch>,
    /// What the endpoint for policies asks the cluster.
    live: Option<admission::Surroundings>,
    /// `None`: trust state is in files, or in memory.
    repositories: Option<Repositories>,
    events: Events,
    leadership: Leadership,
    /// The certificate that tagseal makes itself; `None`: it is in files.
    certificate: Option<HandedCertificate>,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// When it cannot start, or a part of it ends that must not.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let metrics = Metrics::default();
    let log =
        crate::telemetry::start(args.log_format, metrics.clone()).context("the log cannot be started")?;
    let runtime = super::runtime()?;
    let ended = runtime.block_on(until_asked(args, metrics));
    // A file or a name that is being read is not waited for.
    runtime.shutdown_timeout(LAST_WRITES);
    let exit = ended.unwrap_or_else(|error| {
        // By the log's way: nobody may read standard error, and that must not keep the process from ending.
        log.push(&super::output::failure(&error));
        ExitCode::from(super::UNDECIDED)
    });
    log.flush(LAST_LINES);
    Ok(exit)
}

/// Serves, and drains when asked to end. Asked again, or before it serves, it ends at once.
async fn until_asked(args: Args, metrics: Metrics) -> anyhow::Result<ExitCode> {
    let (stop, serves) = (Stop::listens(), Arc::new(AtomicBool::new(false)));
    // A task of its own: reading a file may hold it up.
    let serving = tokio::spawn(serve(args, metrics, stop.clone(), Arc::clone(&serves)));
    tokio::select! {
        ended = serving => ended.context("serving panicked, which is a defect")?,
        () = stop.at_once(&serves) => match serves.load(Ordering::Acquire) {
            false => {
                tracing::info!("stopped before it served");
                Ok(ExitCode::SUCCESS)
            }
            true => {
                tracing::warn!("asked twice to end: what is in flight is dropped");
                Ok(ExitCode::FAILURE)
            }
        },
    }
}

async fn serve(
    args: Args,
    metrics: Metrics,
    stop: Stop,
    serves: Arc<AtomicBool>,
) -> anyhow::Result<ExitCode> {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut process = Process { clock: clock.clone(), metrics, parts: Parts::default() };
    let readiness = Readiness::default();
    let beats = Heartbeat::default();
    readiness.liveness().beats("the watch of policies", beats.clone());
    let (snapshots, policies) = watch::channel(PolicySnapshot::default());
    let surroundings = match &args.policies {
        Some(folder) => without_cluster(folder, &args, snapshots, &beats, &mut process)?,
        None => cluster::in_cluster(&args, snapshots, &readiness, &mut process).await?,
    };
    let tls = certificate::tls(&args, surroundings.certificate, &readiness, &mut process)?;
    let mut source = NotaryClient::new(clock.clone()).with_metrics(process.metrics.clone());
    if let Some(certificates) = surroundings.client_certificates {
        source = source.with_client_certificates(certificates);
    }
    let resolver = Resolver::new(
        args.resolver(),
        Arc::new(source),
        surroundings.credentials,
        surroundings.state,
        clock.clone(),
    );
    let resolver = Arc::new(resolver.with_metrics(process.metrics.clone()));
    if let Some(repositories) = surroundings.repositories {
        repositories.start(&resolver, &policies, &readiness, &mut process);
    }
    process.parts.start("the upkeep of trust data", Arc::clone(&resolver).maintain());
    process.parts.start("the return of free memory", memory::give_back());
    process
        .parts
        .start("the policies of trust data", keep_to_policies(Arc::clone(&resolver), policies.clone()));
    let uses = ExemptionUses::default();
    if let Some(watch) = surroundings.policies {
        let mut statuses = watch.statuses(Arc::clone(&resolver) as Arc<dyn TrustData>);
        if let Some(live) = &surroundings.live {
            let (objects, namespaces) = (Arc::clone(&live.objects), Arc::clone(&live.namespaces));
            let remarks = PullSecretRemarks::new(objects, namespaces, Arc::clone(&live.covered));
            statuses = statuses.with_pull_secrets(remarks);
        }
        process.keep("the writer of policy statuses", move || statuses.clone().run());
        let exemptions = watch.exemption_statuses(uses.clone());
        process.keep("the writer of exemption statuses", move || exemptions.clone().run());
        process.parts.start("the watch of policies", watch.beating(beats.clone()).run());
    }

    serve_metrics(args.metrics_listen, &mut process, &policies, &resolver, &surroundings.leadership).await?;
    let observer = Observing {
        counts: DecisionCounts::new(process.metrics.clone()),
        events: surroundings.events,
        uses,
        clock,
    };
    let pool = Pool::new("work", PoolLimits::default(), &process.metrics);
    watch_progress(&readiness, &pool, &resolver, &mut process);
    let review = PolicyReview::new(policies.clone(), args.namespace.clone(), surroundings.live);
    let review = review.with_pool(pool.clone());
    let admission = Admission::new(resolver, policies, surroundings.namespaces).with_pool(pool);
    let admission = admission.within(args.limits.bounds()).observed_by(Arc::new(observer));
    let admission = Arc::new(admission);
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    serves.store(true, Ordering::Release);
    let address = listener.local_addr().unwrap_or(args.listen);
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving");
    let app = metered_router(admission, readiness.clone(), process.metrics.clone())
        .merge(policies_router(Arc::new(review), process.metrics.clone()));
    let serving = webhook::serve(listener, tls, app, readiness, Limits::default(), async {
        stop.requested().await;
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

/// Has liveness look at the tasks' runtime and both pools.
fn watch_progress(readiness: &Readiness, pool: &Pool, resolver: &Arc<Resolver>, process: &mut Process) {
    let beats = Heartbeat::default();
    readiness.liveness().beats("the runtime", beats.clone());
    let (pool, resolver) = (pool.clone(), Arc::clone(resolver));
    readiness.liveness().works("the threads that read reviews", move || pool.progress());
    readiness.liveness().works("the threads that verify trust data", move || resolver.verification());
    process.parts.start("the heartbeat", async move {
        loop {
            beats.beat();
            tokio::time::sleep(Heartbeat::EVERY).await;
        }
    });
}

/// Starts what serves metrics, and what looks at policies and repositories for them.
async fn serve_metrics(
    listen: MetricsListen,
    process: &mut Process,
    policies: &watch::Receiver<PolicySnapshot>,
    resolver: &Arc<Resolver>,
    leadership: &Leadership,
) -> anyhow::Result<()> {
    let MetricsListen::At(address) = listen else { return Ok(()) };
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve metrics on {address}; name another address with --metrics-listen, or none")
    })?;
    // The port may have been left to the system.
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "serving metrics");
    let (metrics, clock) = (process.metrics.clone(), process.clock.clone());
    let figures = PolicyFiguresWatch::new(metrics.clone(), policies.clone(), Arc::clone(resolver), clock)
        .led_by(leadership.clone());
    process.keep("the look at policies for metrics", move || figures.clone().run());
    let (listener, router) = (Arc::new(listener), metrics_router(metrics));
    process.keep("the metrics port", move || webhook::serve_metrics(Arc::clone(&listener), router.clone()));
    Ok(())
}

fn without_cluster(
    folder: &std::path::Path,
    args: &Args,
    snapshots: watch::Sender<PolicySnapshot>,
    beats: &Heartbeat,
    process: &mut Process,
) -> anyhow::Result<Surroundings> {
    let folder = PolicyFolder::open(folder, &args.namespace, args.set_options(), snapshots)?;
    process.parts.start("the watch of the policy folder", folder.watch(LOOK_EVERY, beats.clone()));
    Ok(Surroundings {
        credentials: Arc::new(super::docker_config::DockerConfig::from_env()),
        client_certificates: None,
        state: args.storage.state(),
        namespaces: None,
        policies: None,
        live: None,
        repositories: None,
        events: Events::nowhere(),
        leadership: Leadership::always(),
        certificate: None,
    })
}
