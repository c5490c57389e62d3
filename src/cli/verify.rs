//! `tagseal verify`: what the cluster would say of images, but for its own memory (floors and first-use pins).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::docker_config::DockerConfig;
use super::output::{Format, print, print_json, tell};
use super::policy_files::Documents;
use super::settings::{Policies, SYSTEM_NAMESPACE, Storage};
use super::{DENIED, UNDECIDED, from_cluster, policy_files};
use crate::admission::judge::{Circumstances, Fault, ImageVerdict, View};
use crate::clock::SystemClock;
use crate::foreign::Foreign;
use crate::gitops::report::{ImageReport, image_text};
use crate::notary::NotaryClient;
use crate::policy::{ImageSite, Labels, Mutation, NamespaceView};
use crate::trust::{Grant, Resolver, TrustState};

/// Arguments of `tagseal verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, as a pod spec names them.
    #[arg(required = true)]
    images: Vec<String>,
    /// YAML file with policies (and the config maps that they name); `-` is standard input. May be repeated. Beside --from-cluster, a
    /// policy of a file takes the place of the cluster's of the same name.
    #[arg(long = "policy", short = 'p', required_unless_present = "from_cluster", value_name = "FILE")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    cluster: from_cluster::Args,
    /// The namespace that the pod would be in.
    #[arg(long, short = 'n', value_name = "NAME", default_value = "default")]
    namespace: String,
    /// A label of that namespace, in place of those that it has in the cluster. Without any, and without --from-cluster, every
    /// namespaceSelector of a policy counts as matching, and none of an exemption that asks for a label. May be repeated.
    #[arg(long = "namespace-label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Where in a pod the images stand: exemptions may be for some sites alone.
    #[arg(long, value_name = "SITE", default_value = "containers", value_parser = site)]
    site: ImageSite,
    /// tagseal's own namespace in the cluster, where cluster policies' config maps are looked up.
    #[arg(long, value_name = "NAME", default_value = SYSTEM_NAMESPACE)]
    system_namespace: String,
    #[command(flatten)]
    policy: Policies,
    #[command(flatten)]
    storage: Storage,
    /// Verify as of this time, RFC 3339.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How long the answers may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// How to print.
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn site(text: &str) -> Result<ImageSite, String> {
    let known = ImageSite::ALL.into_iter().find(|site| site.as_str() == text);
    known.ok_or_else(|| format!("expected one of {}", ImageSite::ALL.map(ImageSite::as_str).join(", ")))
}

/// Verifies the images. Exits 0 when all pass, 1 when one is denied, 2 when one could not be decided.
///
/// # Errors
/// When a policy file cannot be read or does not compile, or a cluster does not show what verdicts depend on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let files = policy_files::read(&args.policies)?;
    if !args.cluster.from_cluster {
        let set = policy_files::compile(&files, &args.system_namespace, args.policy.set_options())?;
        let view = View::new(Arc::new(set), labelled(&args, NamespaceView::unlabelled(&*args.namespace)));
        return told(&args, &runtime.block_on(judge(&args, &view, args.storage.state()))?);
    }
    anyhow::ensure!(
        args.storage.state_dir.is_none(),
        "--state-dir is for verdicts without a cluster: with --from-cluster, floors and pins are the cluster's"
    );
    let settings = from_cluster::Settings {
        system_namespace: &args.system_namespace,
        set: args.policy.set_options(),
        files: &Documents::load(&files),
        namespace: Some(&args.namespace),
    };
    let cluster = runtime.block_on(from_cluster::read(&args.cluster, &settings))?;
    cluster.notes.iter().for_each(|note| tell(&format!("tagseal: {note}")));
    let namespace = labelled(&args, cluster.namespace(&args.namespace));
    if cluster.is_excluded(&namespace) {
        let reports: Vec<_> =
            args.images.iter().map(|image| ImageReport::excluded(image, &args.namespace)).collect();
        show(&reports, args.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    if namespace.labels.is_none() {
        let name = Foreign(&args.namespace);
        tell(&format!(
            "tagseal: the cluster has no namespace {name}: every namespaceSelector of a policy counts as matching"
        ));
    }
    let view = View::new(Arc::clone(&cluster.policies), namespace);
    told(&args, &runtime.block_on(judge(&args, &view, cluster.state))?)
}

/// The namespace, with the labels that the arguments give it.
fn labelled(args: &Args, namespace: NamespaceView) -> NamespaceView {
    match args.labels.as_slice() {
        [] => namespace,
        labels => NamespaceView::new(namespace.name, Arc::new(labels.iter().cloned().collect::<Labels>())),
    }
}

fn told(args: &Args, verdicts: &[ImageVerdict]) -> anyhow::Result<ExitCode> {
    show(&verdicts.iter().map(ImageReport::of).collect::<Vec<_>>(), args.output)?;
    Ok(exit_code(verdicts))
}

fn show(reports: &[ImageReport], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print_json(&reports)?,
        Format::Text => reports.iter().for_each(|report| print(&image_text(report))),
    }
    Ok(())
}

async fn judge(args: &Args, view: &View, state: Arc<dyn TrustState>) -> anyhow::Result<Vec<ImageVerdict>> {
    // Connections are judged by the real clock, trust data by the one that was asked for.
    let source = Arc::new(NotaryClient::new(Arc::new(SystemClock)));
    let credentials = Arc::new(DockerConfig::from_env());
    let config = args.storage.seeded_resolver();
    let clock = super::clock(args.at);
    let now = clock.now();
    let resolver = Resolver::new(config, source, credentials, state, clock);
    let grant = Grant { namespace: args.namespace.clone(), ..Grant::default() };
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let site = args.site;
    let circumstances = Circumstances { grant: &grant, deadline, dry_run: false, site, now };
    let verdicts = args.images.iter().map(|image| view.judge_image(&resolver, image, circumstances));
    let mut verdicts = futures::future::join_all(verdicts).await;
    for verdict in &mut verdicts {
        // Nothing would seal such an image in the cluster either.
        if verdict.passed().is_some_and(|passed| passed.mutation == Mutation::None) {
            verdict.require_seal();
        }
    }
    Ok(verdicts)
}

/// Mixed results: 1 beats 2 beats 0 (design §11).
fn exit_code(verdicts: &[ImageVerdict]) -> ExitCode {
    let faults: Vec<_> =
        verdicts.iter().filter_map(|verdict| verdict.headline()).map(|denial| denial.fault).collect();
    if faults.contains(&Fault::Untrusted) {
        ExitCode::from(DENIED)
    } else if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNDECIDED)
    }
}
